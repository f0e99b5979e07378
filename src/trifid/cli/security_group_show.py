"""`onesecgroup show`: one security group, told to people."""

from typing import Any

from trifid.cli import columns as c
from trifid.cli.figures import permission
from trifid.cli.listing import has_colours, pairs, print_template, section
from trifid.cli.shell import Shell
from trifid.wire.elements import numbers, several

_STATES = ("UPDATED", "OUTDATED", "UPDATING", "ERROR")
_RULE_COLUMNS = (
    c.Column("TYPE", 8, "", lambda row, view: row["RULE_TYPE"].lower(), left=True),
    c.Column("PROTOCOL", 8, "", c.text("PROTOCOL"), left=True),
    c.Column("ICMP_TYPE", 9, "", lambda row, view: row.get("ICMP_TYPE") or row.get("ICMPV6_TYPE") or "-", left=True),
    c.Column("RANGE", 15, "", lambda row, view: row.get("RANGE") or "-", left=True),
    c.Column("PEER", 20, "", lambda row, view: _peer(row), left=True),
)


def print_group(shell: Shell, group: dict[str, Any]) -> None:
    """Print everything about a security group: its rules, and which VMs have it."""
    section(shell, f"SECURITY GROUP {group['ID']} INFORMATION")
    pairs(shell, {"ID": group["ID"], "NAME": group["NAME"], "USER": group["UNAME"], "GROUP": group["GNAME"]})
    flags = group.get("PERMISSIONS") or {}
    section(shell, "PERMISSIONS")
    pairs(shell, {who: permission(flags, who) for who in ("OWNER", "GROUP", "OTHER")})
    section(shell, "VIRTUAL MACHINES")
    pairs(shell, {state: ",".join(map(str, numbers(group.get(f"{state}_VMS")))) for state in _STATES})
    template = group.get("TEMPLATE")
    attributes = template if isinstance(template, dict) else {}
    section(shell, "RULES")
    rules = several(attributes.get("RULE"))
    shell.say(c.table(rules, _RULE_COLUMNS, c.View(), header=True, colour=has_colours()))
    print_template(shell, "SECURITY GROUP TEMPLATE", {k: v for k, v in attributes.items() if k != "RULE"})


def _peer(rule: dict[str, str]) -> str:
    if rule.get("NETWORK_ID"):
        return f"network {rule['NETWORK_ID']}"
    if not rule.get("IP"):
        return "any"
    count = rule.get("SIZE") or "1"
    return rule["IP"] if count == "1" else f"{rule['IP']} and {int(count) - 1} more"
