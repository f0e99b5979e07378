"""What NETWORK=YES tells a guest: ETHi_ variables of its NICs, ETHi_ALIASj_ of their aliases, PCIi_ADDRESS.

Source: reference/drivers.md §8.2.
"""

from collections.abc import Callable, Iterator, Mapping

from trifid.core.network.auto import is_undecided
from trifid.core.template.model import Template

NetworkAttribute = Callable[[str, str, str], str]
"""(KEY, value, ATTRIBUTE) -> the attribute of the network whose KEY (NAME, NETWORK_ID) has the value, or ""."""

_OF_NIC = (
    ("IP", ("IP",)),
    ("MAC", ("MAC",)),
    ("MASK", ("NETWORK_MASK",)),
    ("NETWORK", ("NETWORK_ADDRESS",)),
    ("GATEWAY", ("GATEWAY",)),
    ("DNS", ("DNS",)),
    ("SEARCH_DOMAIN", ("SEARCH_DOMAIN",)),
    ("MTU", ("GUEST_MTU",)),
    ("METRIC", ("METRIC",)),
    ("METHOD", ("METHOD",)),
    ("VLAN_ID", ("VLAN_ID",)),
    ("VROUTER_IP", ("VROUTER_IP",)),
    ("VROUTER_MANAGEMENT", ("VROUTER_MANAGEMENT",)),
    ("EXTERNAL", ("EXTERNAL",)),
    ("ROUTES", ("ROUTES",)),
    ("IP6", ("IP6_GLOBAL", "IP6")),
    ("IP6_ULA", ("IP6_ULA",)),
    ("IP6_GATEWAY", ("GATEWAY6",)),
    ("IP6_METRIC", ("IP6_METRIC",)),
    ("IP6_METHOD", ("IP6_METHOD",)),
    ("IP6_PREFIX_LENGTH", ("PREFIX_LENGTH",)),
    ("VROUTER_IP6", ("VROUTER_IP6",)),
)
"""ETHi_ variable, and the attributes of the NIC or its network that it comes from, first found."""

_OWN_OF_NIC = frozenset({"IP", "MAC", "IP6", "IP6_GLOBAL", "IP6_ULA", "VROUTER_IP", "VROUTER_IP6"})
"""What belongs to one NIC and is never taken from its network."""


def nic_variables(template: Template, network_attribute: NetworkAttribute) -> dict[str, str]:
    """Return the variables that have a value, of a template whose leases are taken; none of NICs that wait."""
    found: dict[str, str] = {}
    for prefix, nic in _named(template):
        found.update(_of_one(prefix, nic, network_attribute))
    for number, pci in enumerate(template.vectors("PCI")):
        if address := pci.get("VM_ADDRESS"):
            found[f"PCI{pci.get('PCI_ID') or number}_ADDRESS"] = address
    return found


def _named(template: Template) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield NICs, then aliases, with how their variables begin."""
    number_of: dict[str, str] = {}
    for position, nic in enumerate(template.vectors("NIC")):
        if is_undecided(nic):
            continue
        number = nic.get("NIC_ID") or str(position)
        number_of[nic.get("NAME") or f"NIC{number}"] = number
        yield f"ETH{number}", nic
    counted: dict[str, int] = {}
    for alias in template.vectors("NIC_ALIAS"):
        parent = alias.get("PARENT_ID") or number_of.get(alias.get("PARENT", ""), "")
        if parent:  # one that belongs to no NIC has no interface either
            place = counted[parent] = counted.get(parent, -1) + 1
            yield f"ETH{parent}_ALIAS{alias.get('ALIAS_ID') or place}", alias


def _of_one(prefix: str, nic: Mapping[str, str], network_attribute: NetworkAttribute) -> dict[str, str]:
    network = nic.get("NETWORK_ID", "")

    def first(sources: tuple[str, ...]) -> str:
        for source in sources:
            found = nic.get(source) or (
                network_attribute("NETWORK_ID", network, source) if network and source not in _OWN_OF_NIC else ""
            )
            if found:
                return found
        return ""

    variables = {f"{prefix}_{variable}": first(sources) for variable, sources in _OF_NIC}
    return {name: value for name, value in variables.items() if value}
