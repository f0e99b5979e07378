"""`onevnet show`: one network, told to people."""

from typing import Any

from trifid.cli import columns as c
from trifid.cli.figures import permission
from trifid.cli.listing import has_colours, pairs, print_template, section
from trifid.cli.locks import lock_word
from trifid.cli.shell import Shell
from trifid.core.network.record import HELD_BY_NOBODY, NetworkState
from trifid.wire.elements import numbers, several

_LEASE_COLUMNS = (
    c.Column("AR", 3, "", c.number("AR_ID")),
    c.Column("OWNER", 10, "", lambda row, view: _holder(row), left=True),
    c.Column("IP", 15, "", lambda row, view: row.get("IP") or row.get("IP6") or "-", left=True),
    c.Column("MAC", 17, "", c.text("MAC"), left=True),
)


def print_network(shell: Shell, network: dict[str, Any]) -> None:
    """Print everything about a network: its ranges, and who has which address."""
    section(shell, f"VIRTUAL NETWORK {network['ID']} INFORMATION")
    pairs(
        shell,
        {
            "ID": network["ID"],
            "NAME": network["NAME"],
            "USER": network["UNAME"],
            "GROUP": network["GNAME"],
            "STATE": _state(int(network["STATE"])),
            "LOCK": lock_word(network["LOCK"]) if network.get("LOCK") else None,
            "CLUSTERS": ", ".join(map(str, numbers(network.get("CLUSTERS")))),
            "RESERVED FROM": network.get("PARENT_NETWORK_ID"),
            "BRIDGE": network.get("BRIDGE"),
            "VN_MAD": network.get("VN_MAD"),
            "PHYSICAL DEVICE": network.get("PHYDEV"),
            "VLAN ID": _vlan(network),
            "USED LEASES": network["USED_LEASES"],
        },
    )
    flags = network.get("PERMISSIONS") or {}
    section(shell, "PERMISSIONS")
    pairs(shell, {who: permission(flags, who) for who in ("OWNER", "GROUP", "OTHER")})
    print_template(shell, "VIRTUAL NETWORK TEMPLATE", network.get("TEMPLATE"))
    ranges = several((network.get("AR_POOL") or {}).get("AR"))
    for one in ranges:
        _print_range(shell, one)
    leases = [{**lease, "AR_ID": one["AR_ID"]} for one in ranges for lease in _leases(one)]
    if leases:
        section(shell, "LEASES")
        shell.say(c.table(leases, _LEASE_COLUMNS, c.View(), header=True, colour=has_colours()))


def _state(number: int) -> str:
    try:
        return NetworkState(number).name
    except ValueError:
        return str(number)


def _leases(ar: dict[str, Any]) -> list[dict[str, Any]]:
    return several((ar.get("LEASES") or {}).get("LEASE"))


def _vlan(network: dict[str, Any]) -> str | None:
    number = network.get("VLAN_ID")
    return f"{number} (chosen)" if number and network.get("VLAN_ID_AUTOMATIC") == "1" else number


def _holder(lease: dict[str, Any]) -> str:
    if "VNET" in lease:
        return f"network {lease['VNET']}"
    return "held" if int(lease["VM"]) == HELD_BY_NOBODY else f"VM {lease['VM']}"


def _print_range(shell: Shell, ar: dict[str, Any]) -> None:
    section(shell, f"ADDRESS RANGE {ar['AR_ID']}")
    lines = {"TYPE": ar["TYPE"], "SIZE": ar["SIZE"], "USED LEASES": ar.get("USED_LEASES")}
    for name in ("IP", "MAC", "IP6_GLOBAL", "IP6_ULA", "IP6"):
        if ar.get(name):
            last = ar.get(f"{name}_END")
            lines[name] = f"{ar[name]} … {last}" if last and last != ar[name] else ar[name]
    shown = {*lines, "AR_ID", "USED_LEASES", "LEASES", "NEXT_INDEX", *(f"{name}_END" for name in lines)}
    pairs(shell, lines | {name: value for name, value in ar.items() if name not in shown and isinstance(value, str)})
