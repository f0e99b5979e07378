"""`onevmgroup show`: one VM group, told to people."""

from typing import Any

from trifid.cli import columns as c
from trifid.cli.figures import permission
from trifid.cli.listing import has_colours, pairs, print_template, section
from trifid.cli.locks import lock_word
from trifid.cli.shell import Shell
from trifid.wire.elements import several

_ROLE_COLUMNS = (
    c.Column("ID", 3, "", c.number("ID")),
    c.Column("NAME", 15, "", c.text("NAME"), left=True),
    c.Column("POLICY", 12, "", lambda row, view: row.get("POLICY") or "-", left=True),
    c.Column("ONLY HOSTS", 12, "", lambda row, view: row.get("HOST_AFFINED") or "-", left=True),
    c.Column("NOT HOSTS", 12, "", lambda row, view: row.get("HOST_ANTI_AFFINED") or "-", left=True),
    c.Column("VMS", 20, "", lambda row, view: row.get("VMS") or "-", left=True),
)
_RULES = ("AFFINED", "ANTI_AFFINED", "SPREAD")


def print_group(shell: Shell, group: dict[str, Any]) -> None:
    """Print everything about a VM group: its roles, its rules, and which VMs it has."""
    section(shell, f"VM GROUP {group['ID']} INFORMATION")
    about = {"ID": group["ID"], "NAME": group["NAME"], "USER": group["UNAME"], "GROUP": group["GNAME"]}
    pairs(shell, about | ({"LOCK": lock_word(group["LOCK"])} if group.get("LOCK") else {}))
    flags = group.get("PERMISSIONS") or {}
    section(shell, "PERMISSIONS")
    pairs(shell, {who: permission(flags, who) for who in ("OWNER", "GROUP", "OTHER")})
    section(shell, "ROLES")
    roles = several((group.get("ROLES") or {}).get("ROLE"))
    shell.say(c.table(roles, _ROLE_COLUMNS, c.View(), header=True, colour=has_colours()))
    template = group.get("TEMPLATE")
    attributes = template if isinstance(template, dict) else {}
    _print_rules(shell, attributes)
    print_template(shell, "VM GROUP TEMPLATE", {k: v for k, v in attributes.items() if k not in _RULES})


def _print_rules(shell: Shell, attributes: dict[str, Any]) -> None:
    lines = [f"{names}: on one host" for names in several(attributes.get("AFFINED"))]
    lines += [f"{names}: never on one host" for names in several(attributes.get("ANTI_AFFINED"))]
    for one in several(attributes.get("SPREAD")):
        skew = f", numbers differ by {one['MAX_SKEW']} at most" if one.get("MAX_SKEW") else ""
        lines.append(f"{one.get('ROLE')}: evenly over {one.get('OVER')}{skew}")
    if lines:
        section(shell, "RULES")
        for line in lines:
            shell.say(line)
