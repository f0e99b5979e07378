"""The commands of `onevnet` about addresses: ranges of them, and single ones kept back.

Source: reference/api-modern.md §4 (vn.add_ar …, vn.hold), reference/xmlrpc.md §2.2 (addleases, rmleases).
"""

from typing import Any

import click

from trifid.cli.command import Argument, Command, Given, WholeNumber
from trifid.cli.editing import read
from trifid.cli.failure import Failure
from trifid.cli.kinds import NETWORK
from trifid.cli.shell import Shell

NETWORK_ARGUMENT = Argument("NETWORK", NETWORK)
_FILE = Argument("FILE", optional=True)

_ATTRIBUTES = (
    ("type", "TYPE", "IP4, IP6, IP4_6, IP6_STATIC, IP4_6_STATIC or ETHER; what the addresses make it, when left out."),
    ("ip", "IP", "First IPv4 address."),
    ("mac", "MAC", "First MAC address; chosen when left out."),
    ("ip6-global", "GLOBAL_PREFIX", "IPv6 global prefix."),
    ("ip6-ula", "ULA_PREFIX", "IPv6 unique local prefix."),
    ("ip6", "IP6", "First IPv6 address, of a range whose IPv6 addresses are given one by one."),
    ("prefix-length", "PREFIX_LENGTH", "How long the prefix of these is."),
)
RANGE_OPTIONS = (
    click.Option(["-s", "--size"], type=WholeNumber(min=1), metavar="N", help="How many addresses."),
    *(click.Option([f"--{option}"], metavar=name, help=about) for option, name, about in _ATTRIBUTES),
)
FORCE = click.Option(["--force"], is_flag=True, help="Even if addresses of it are on hold.")


RESERVE_OPTIONS = (
    click.Option(["-s", "--size"], type=WholeNumber(min=1), metavar="N", help="How many addresses."),
    click.Option(["-n", "--name"], metavar="NAME", help="Name of the new network."),
    click.Option(["-a", "--address-range"], type=WholeNumber(min=0), metavar="AR_ID", help="Of this range only."),
    click.Option(["-i", "--ip"], metavar="IP", help="From this IPv4 address on."),
    click.Option(["-m", "--mac"], metavar="MAC", help="From this MAC address on."),
    click.Option(["-6", "--ip6"], metavar="IP6", help="From this IPv6 address on."),
)


def _vector(name: str, values: dict[str, str]) -> str:
    """Return `NAME=[KEY="value", …]`; raises Failure as `_pair` does."""
    return f"{name}=[{', '.join(_pair(key, value) for key, value in values.items())}]"


def _pair(key: str, value: str) -> str:
    """Return `KEY="value"`; raises Failure for a value that cannot be written between quotes."""
    if '"' in value or "\\" in value:
        raise Failure(f"{value} cannot be a {key}", "leave out quotes and backslashes")
    return f'{key}="{value}"'


def _range_of(given: Given, required: str) -> dict[str, str]:
    """Return the attributes of a range that options describe."""
    values = {name: getattr(given, option.replace("-", "_")) for option, name, _ in _ATTRIBUTES}
    values["SIZE"] = str(given.size) if given.size else None
    found = {name: value for name, value in values.items() if value}
    if not found:
        raise Failure(f"nothing is said about the range: {required}", "or name a FILE with AR=[…]")
    return found


def _add_range(shell: Shell, given: Given) -> None:
    if given.file is not None:
        shell.call("one.vn.add_ar", given.network, read(given.file))
        return
    wanted = _range_of(given, "give --size, and --ip or --mac or --type ETHER")
    if "SIZE" not in wanted:
        raise Failure("how many addresses shall the range have?", "give --size N")
    shell.call("one.vn.add_ar", given.network, _vector("AR", {"TYPE": _type(wanted), **wanted}))


def _type(wanted: dict[str, str]) -> str:
    """Return the type of a range that does not say: what its addresses make it."""
    if "IP6" in wanted:
        return "IP4_6_STATIC" if "IP" in wanted else "IP6_STATIC"
    has_ip6 = "GLOBAL_PREFIX" in wanted or "ULA_PREFIX" in wanted
    if "IP" in wanted:
        return "IP4_6" if has_ip6 else "IP4"
    return "IP6" if has_ip6 else "ETHER"


def _update_range(shell: Shell, given: Given) -> None:
    if given.file is not None:
        template = read(given.file)
    else:
        changed = _range_of(given, "give what changes, such as --size")
        template = _vector("AR", {"AR_ID": given.range_id, **changed})
    shell.call("one.vn.update_ar", given.network, template)


def _remove_range(shell: Shell, given: Given) -> None:
    shell.call("one.vn.rm_ar", given.network, _number(given.range_id), given.force)


def _free_range(shell: Shell, given: Given) -> None:
    shell.call("one.vn.free_ar", given.network, _number(given.range_id))


def _reserve(shell: Shell, given: Given) -> None:
    if given.size is None:
        raise Failure("how many addresses shall be reserved?", "give --size N")
    if given.reservation is None and not given.name:
        raise Failure("what shall the reservation be called?", "give --name NAME, or name a RESERVATION to add to")
    wanted = {"SIZE": str(given.size)}
    if given.reservation is None:
        wanted["NAME"] = given.name
    else:
        wanted["NETWORK_ID"] = str(given.reservation)
    for option, name in (("address_range", "AR_ID"), ("ip", "IP"), ("mac", "MAC"), ("ip6", "IP6")):
        value = getattr(given, option)
        if value is not None:
            wanted[name] = str(value)
    network_id = shell.call("one.vn.reserve", given.network, "\n".join(_pair(*pair) for pair in wanted.items()))
    if given.reservation is None:
        shell.made(NETWORK, network_id)


def _number(word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise Failure(f"{word} is not the number of a range", '"onevnet show NETWORK" lists the ranges (AR)')
    return int(word)


def address(word: str) -> dict[str, str]:
    """Return the lease that an address means: MAC, IPv4 or IPv6."""
    if word.count(":") == 5 and "::" not in word and all(len(part) <= 2 for part in word.split(":")):
        return {"MAC": word}
    return {"IP6": word} if ":" in word else {"IP": word}


def _send_lease(network_id: int, given: Given) -> tuple[int, str]:
    return network_id, "\n".join(_vector("LEASES", address(word)) for word in given.address.split(","))


def _add_lease(shell: Shell, given: Given) -> None:
    values = {"TYPE": "IP4", "SIZE": "1", **address(given.address)}
    if given.mac is not None:
        values["MAC"] = given.mac
    if "IP" not in values:
        values["TYPE"] = "ETHER"
    shell.call("one.vn.add_ar", given.network, _vector("AR", values))


def _remove_lease(shell: Shell, given: Given) -> None:
    from trifid.wire.elements import several

    ((kind, wanted),) = address(given.address).items()
    network: dict[str, Any] = shell.one(NETWORK, given.network)
    for one in several((network.get("AR_POOL") or {}).get("AR")):
        if one.get(kind, "").lower() == wanted.lower() and one["SIZE"] == "1":
            shell.call("one.vn.rm_ar", given.network, int(one["AR_ID"]), False)
            return
    raise Failure(
        f"network {network['NAME']} has no single address {wanted}",
        f'an address of a larger range is kept back by "onevnet hold {given.network} {wanted}"',
    )


RANGE_COMMANDS = (
    Command(
        "addar",
        "Add a range of addresses, from FILE or from options.",
        (NETWORK_ARGUMENT, _FILE),
        run=_add_range,
        options=RANGE_OPTIONS,
        examples=("addar private --ip 10.0.1.1 --size 100", "addar private range.ar"),
    ),
    Command(
        "updatear",
        "Change a range of addresses, from options or from FILE.",
        (NETWORK_ARGUMENT, Argument("RANGE_ID"), _FILE),
        run=_update_range,
        options=RANGE_OPTIONS,
        examples=("updatear private 0 --size 200",),
    ),
    Command(
        "rmar",
        "Remove a range of which no address is in use.",
        (NETWORK_ARGUMENT, Argument("RANGE_ID")),
        run=_remove_range,
        options=(FORCE,),
        examples=("rmar private 1",),
    ),
    Command(
        "free",
        "Give a range of a reservation back to the network that it is a part of.",
        (NETWORK_ARGUMENT, Argument("RANGE_ID")),
        run=_free_range,
        examples=("free mine 0",),
    ),
    Command(
        "reserve",
        "Take addresses in a row out of a network, for a new network of yours, or to add them to RESERVATION.",
        (NETWORK_ARGUMENT, Argument("RESERVATION", NETWORK, optional=True)),
        run=_reserve,
        options=RESERVE_OPTIONS,
        examples=(
            "reserve private --name mine --size 8",
            "reserve private mine -s 4",
            "reserve 0 -n m -s 8 -i 10.0.0.9",
        ),
    ),
    Command(
        "hold",
        "Keep addresses back, so that no VM gets them.",
        (NETWORK_ARGUMENT._replace(many=True), Argument("ADDRESS")),
        "one.vn.hold",
        _send_lease,
        examples=("hold private 10.0.0.1", "hold private 10.0.0.1,10.0.0.2"),
    ),
    Command(
        "release",
        "Give addresses back that were held.",
        (NETWORK_ARGUMENT._replace(many=True), Argument("ADDRESS")),
        "one.vn.release",
        _send_lease,
        examples=("release private 10.0.0.1",),
    ),
    Command(
        "addleases",
        "Add a single address, as to the FIXED networks of 2009.",
        (NETWORK_ARGUMENT, Argument("ADDRESS"), Argument("MAC", optional=True)),
        run=_add_lease,
        examples=("addleases public 130.10.0.3", "addleases public 130.10.0.3 50:20:20:20:20:23"),
    ),
    Command(
        "rmleases",
        "Remove a single address.",
        (NETWORK_ARGUMENT, Argument("ADDRESS")),
        run=_remove_lease,
        examples=("rmleases public 130.10.0.3",),
    ),
)
