"""NICs with NETWORK_MODE=auto: their network is chosen when the VM is placed.

Until then such a NIC has no lease.  Afterwards it is like any other and keeps its network, wherever the VM goes.

Source: reference/templates.md §5.1, §6.2; reference/api-modern.md §4 (vm.deploy).
"""

from collections.abc import Iterable, Mapping

from trifid.core.template.model import Template
from trifid.core.template.rank import compile_rank
from trifid.core.template.requirements import compile_requirement
from trifid.core.template.scanner import render
from trifid.errors import BadTemplate

Nic = dict[str, str]
Choice = tuple[tuple[int, int], ...]
"""(NIC_ID, network id) for each NIC that had none."""

AUTO = "auto"
_NAMES_ONE = ("NETWORK", "NETWORK_ID", "NETWORK_UID", "NETWORK_UNAME", "BRIDGE", "IP", "IP6", "MAC")
"""Keys that say where a NIC is: that, or the choice, but not both."""
_OF_CHOICE = ("NIC_ID", "NETWORK_ID", "NETWORK_MODE")
_ID_DIGITS_MAX = 18


def is_auto(nic: Mapping[str, str]) -> bool:
    """Tell whether the network of a NIC is, or was, chosen for it."""
    return nic.get("NETWORK_MODE", "").lower() == AUTO


def is_undecided(nic: Mapping[str, str]) -> bool:
    """Tell whether the network of a NIC is still to be chosen."""
    return is_auto(nic) and not nic.get("NETWORK_ID")


def undecided(template: Template) -> list[Nic]:
    """Return the NICs whose network is still to be chosen."""
    return [nic for nic in template.vectors("NIC") if is_undecided(nic)]


def check_auto(nic: Mapping[str, str], where: str) -> None:
    """Return when a submitted NIC leaves its network to be chosen, by expressions that can be read.

    Args:
        where: how messages call it, like `NIC 1`.

    Raises:
        BadTemplate: it names a network or an address beside, or an expression is wrong.
    """
    if named := [key for key in _NAMES_ONE if nic.get(key)]:
        raise BadTemplate(
            f"{where}: NETWORK_MODE=auto lets the network be chosen, and {named[0]} says where it is: "
            "leave one of them out"
        )
    for key, compile_ in (("SCHED_REQUIREMENTS", compile_requirement), ("SCHED_RANK", compile_rank)):
        try:
            compile_(nic.get(key, ""))
        except BadTemplate as bad:
            raise BadTemplate(f"{where}: {key}: {bad.message}") from bad


def choice_text(choice: Iterable[tuple[int, int]]) -> str:
    """Return a choice as deploy takes it: `NIC = [ NIC_ID = 0, NETWORK_MODE = auto, NETWORK_ID = 3 ]`."""
    nics = [{"NIC_ID": str(nic_id), "NETWORK_MODE": AUTO, "NETWORK_ID": str(number)} for nic_id, number in choice]
    return render(Template(tuple(("NIC", nic) for nic in nics))) if nics else ""


def read_choice(given: Template) -> dict[int, int]:
    """Return NIC_ID -> network id of what deploy was given; raises BadTemplate for anything else in it."""
    found: dict[int, int] = {}
    for name, value in given:
        if name != "NIC" or not isinstance(value, dict):
            raise BadTemplate(f"deploy takes no template but NIC = [ NIC_ID = …, NETWORK_ID = … ], found {name[:40]}")
        if strange := [key for key in value if key not in _OF_CHOICE]:
            raise BadTemplate(f"NIC: expected {', '.join(_OF_CHOICE)}, found {strange[0][:40]}")
        nic_id, network_id = (_number(value, key) for key in ("NIC_ID", "NETWORK_ID"))
        if nic_id in found:
            raise BadTemplate(f"NIC {nic_id} is given twice: give it once")
        found[nic_id] = network_id
    return found


def _number(nic: Nic, key: str) -> int:
    text = nic.get(key, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= _ID_DIGITS_MAX):
        raise BadTemplate(f'NIC: {key} must be a number, is "{text[:40]}"')
    return int(text)
