"""`onetemplate show`: one VM template, told to people."""

from typing import Any

from trifid.cli.figures import full_moment, permission
from trifid.cli.listing import pairs, print_template, section
from trifid.cli.locks import lock_word
from trifid.cli.shell import Shell


def print_vm_template(shell: Shell, template: dict[str, Any]) -> None:
    """Print everything about a VM template."""
    section(shell, f"TEMPLATE {template['ID']} INFORMATION")
    pairs(
        shell,
        {
            "ID": template["ID"],
            "NAME": template["NAME"],
            "USER": template["UNAME"],
            "GROUP": template["GNAME"],
            "LOCK": lock_word(template["LOCK"]) if template.get("LOCK") else "None",
            "REGISTER TIME": full_moment(template["REGTIME"]),
        },
    )
    flags = template.get("PERMISSIONS") or {}
    section(shell, "PERMISSIONS")
    pairs(shell, {who: permission(flags, who) for who in ("OWNER", "GROUP", "OTHER")})
    print_template(shell, "TEMPLATE CONTENTS", template.get("TEMPLATE"))
