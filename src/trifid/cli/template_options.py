"""A VM template from options: `--cpu 1 --memory 512 --disk debian,data:size=2048 --nic private`."""

import re
from typing import TYPE_CHECKING

import click

from trifid.cli.command import Given, Number, WholeNumber
from trifid.cli.editing import read
from trifid.cli.failure import Failure
from trifid.cli.vm_devices import AUTO, mib

if TYPE_CHECKING:
    from trifid.core.template.model import Template, Value

_NAMED = re.compile(r"(?:(?P<owner>[^\[\]]+)\[(?P<owned>[^\[\]]+)\]|(?P<name>[^\[\]]+))")
_PAIR = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)
_WORDS = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A comma that is not in double quotes."""
_WITH_COLONS = ("MAC", "IP6", "IP6_GLOBAL", "IP6_ULA", "GATEWAY6")
"""Keys whose values have colons, which also stand between the keys."""
_PAIRS = re.compile(r',(?=\s*[A-Za-z_][A-Za-z0-9_]*\s*=)(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A comma before the next NAME=, not between double quotes."""
_KEY_OF_USER = "$USER[SSH_PUBLIC_KEY]"

_MANY = "separate several by commas, add attributes as NAME:KEY=VALUE:KEY=VALUE, and USER[NAME] for another's"

OPTIONS = (
    click.Option(["--cpu"], type=Number(min=0.01), metavar="N", help="Cores that it is promised, such as 0.5."),
    click.Option(["--vcpu"], type=WholeNumber(min=1), metavar="N", help="Cores that it sees."),
    click.Option(["--memory"], metavar="SIZE", help="Memory in MiB, or with a unit: 2g."),
    click.Option(["--disk"], metavar="X,Y", help=f"Images by name or id; {_MANY}."),
    click.Option(["--nic"], metavar="X,Y", help=f"Networks by name or id, auto for one that is chosen; {_MANY}."),
    click.Option(["--ssh"], metavar="FILE", help="A public key that the guest lets in."),
    click.Option(["--ssh-user"], is_flag=True, help="Let in the SSH_PUBLIC_KEY of the user, whoever that is."),
    click.Option(["--net-context"], is_flag=True, help="Tell the guest its addresses (NETWORK=YES)."),
    click.Option(["--context"], metavar="A=1,B=2", help="More variables for the guest."),
)


def from_options(given: Given, context: dict[str, str] | None = None) -> "Template":
    """Return the template that the options describe.

    Args:
        context: variables that the guest is told anyway; those of the options come on top.

    Raises:
        Failure: an option cannot be read.
    """
    from trifid.core.template.model import Template

    pairs: list[tuple[str, Value]] = []
    for name, value in (("CPU", given.cpu), ("VCPU", given.vcpu)):
        if value is not None:
            pairs.append((name, f"{value:g}"))
    if given.memory is not None:
        pairs.append(("MEMORY", str(mib(given.memory))))
    pairs += [("DISK", vector) for vector in _devices(given.disk, "IMAGE")]
    pairs += [("NIC", _nic(vector)) for vector in _devices(given.nic, "NETWORK")]
    if variables := _context(given):
        pairs.append(("CONTEXT", {**(context or {}), **variables}))
    return Template(tuple(pairs))


def assignments(text: str) -> dict[str, str]:
    """Return the pairs of `A=1,B=2`; a value holds commas when no NAME= follows them, or in double quotes.

    Raises:
        Failure: a part is not NAME=VALUE.
    """
    found = {}
    for part in _PAIRS.split(text):
        pair = _PAIR.fullmatch(part)
        if pair is None:
            raise Failure(f"{part.strip() or text!r} is not NAME=VALUE", 'write A=1,B=2 or A="with, comma"')
        found[pair[1].upper()] = _unquoted(pair[2])
    return found


def _context(given: Given) -> dict[str, str]:
    found = {}
    if given.ssh is not None:
        found["SSH_PUBLIC_KEY"] = read(given.ssh).strip()
    if given.ssh_user:
        if given.ssh is not None:
            raise Failure("--ssh and --ssh-user do not go together", "leave one of them out")
        found["SSH_PUBLIC_KEY"] = _KEY_OF_USER
    if given.net_context:
        found["NETWORK"] = "YES"
    return found | (assignments(given.context) if given.context else {})


def _nic(vector: dict[str, str]) -> dict[str, str]:
    """Return a NIC, `auto` read as one whose network is chosen."""
    if vector.get("NETWORK") != AUTO or "NETWORK_UNAME" in vector:
        return vector
    return {"NETWORK_MODE": AUTO, **{key: value for key, value in vector.items() if key != "NETWORK"}}


def _devices(text: str | None, key: str) -> list[dict[str, str]]:
    """Return one vector for each word of `debian,alice[data]:size=2048,3`."""
    return [_device(word.strip(), key) for word in _WORDS.split(text)] if text else []


def _device(word: str, key: str) -> dict[str, str]:
    first, *more = word.split(":")
    named = _NAMED.fullmatch(first)
    if named is None:
        raise Failure(f"{word!r} names no {key.lower()}", "write a name or an id, USER[NAME] for another's")
    vector = {}
    if named["owner"]:
        vector = {key: named["owned"], f"{key}_UNAME": named["owner"]}
    else:
        vector = {f"{key}_ID" if named["name"].isdecimal() else key: named["name"]}
    last = ""
    for part in more:
        pair = _PAIR.fullmatch(part)
        if pair is not None:
            last = pair[1].upper()
            vector[last] = _unquoted(pair[2])
        elif last in _WITH_COLONS:
            vector[last] += f":{part.strip()}"
        else:
            raise Failure(f"{part!r} of {word} is not KEY=VALUE", f"write {first}:KEY=VALUE")
    return vector


def _unquoted(text: str) -> str:
    value = text.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
