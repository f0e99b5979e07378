"""`onevmgroup`: which VMs share a host, and which do not.

Source: reference/api-modern.md §4 (the calls).
"""

from typing import TYPE_CHECKING, Any

import click

from trifid.cli.columns import Column, Columns, Row, View, named_or_id, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.editing import access_commands, read, read_all, rename_command, update_command
from trifid.cli.failure import Failure, explain
from trifid.cli.kinds import GROUP, USER, VM_GROUP
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, WHOSE_HELP, Listing, show, whose
from trifid.cli.locks import lock_commands
from trifid.cli.shell import Shell

if TYPE_CHECKING:
    from trifid.core.template.model import Template, Value

_ALL_IDS = (-1, -1)
GROUPS = Argument("VMGROUP", VM_GROUP, many=True)
_ONE = Argument("VMGROUP", VM_GROUP)
_ROLE = Argument("ROLE")
_FILE = Argument("FILE", optional=True)
_CREATE_OPTIONS = (
    click.Option(["--name"], metavar="NAME", help="What it is called."),
    click.Option(
        ["--role"],
        metavar="NAME[:POLICY]",
        multiple=True,
        help="A role; its VMs affined (on one host) or anti_affined (each on another); may be given many times.",
    ),
    click.Option(
        ["--affined"], metavar="ROLE,ROLE", multiple=True, help="Roles whose VMs are all on one host; many times."
    ),
    click.Option(
        ["--anti-affined"],
        metavar="ROLE,ROLE",
        multiple=True,
        help="Roles of which no two have VMs on one host; many times.",
    ),
    click.Option(
        ["--spread"],
        metavar="ROLE:OVER[:MAX_SKEW]",
        multiple=True,
        help="Spread a role evenly over CLUSTER, HOST or an attribute of hosts such as RACK; many times.",
    ),
)
_ROLE_OPTIONS = (
    click.Option(["--name"], metavar="NAME", help="What the role is called."),
    click.Option(["--policy"], metavar="POLICY", help="affined (all VMs on one host), anti_affined, or none."),
    click.Option(["--host-affined"], metavar="HOSTS", help="Ids of the only hosts for it, commas between."),
    click.Option(["--host-anti-affined"], metavar="HOSTS", help="Ids of hosts that are not for it."),
)
_ROLE_KEYS = {
    "name": "NAME",
    "policy": "POLICY",
    "host_affined": "HOST_AFFINED",
    "host_anti_affined": "HOST_ANTI_AFFINED",
}


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError
    from trifid.core.template.scanner import render

    described = _of_options(given)
    if given.file and len(described):
        raise Failure("a FILE and options do not go together", "write everything in the file, or leave it out")
    if not given.file and not (given.name and given.role):
        raise Failure(
            "a VM group needs a FILE, or --name and its roles",
            'such as "onevmgroup create --name app --role web:anti_affined --role db"',
        )
    for what, template in read_all(given.file) if given.file else [("options", render(described))]:
        try:
            group_id = shell.call("one.vmgroup.allocate", template)
        except ApiError as refused:
            told = explain(refused, VM_GROUP.command)
            shell.complain(told.about(what))
        else:
            shell.made(VM_GROUP, group_id)


def _of_options(given: Given) -> "Template":
    from trifid.core.template.model import Template

    pairs: list[tuple[str, Value]] = [("NAME", given.name)] if given.name else []
    pairs += [("ROLE", _role_of(word)) for word in given.role]
    pairs += [("AFFINED", word) for word in given.affined]
    pairs += [("ANTI_AFFINED", word) for word in given.anti_affined]
    pairs += [("SPREAD", _spread_of(word)) for word in given.spread]
    return Template(tuple(pairs))


def _role_of(word: str) -> dict[str, str]:
    name, _, policy = word.partition(":")
    return {"NAME": name} | ({"POLICY": policy.upper()} if policy else {})


def _spread_of(word: str) -> dict[str, str]:
    parts = word.split(":")
    if len(parts) not in (2, 3):
        raise Failure(f"{word} does not say how a role is spread", "write ROLE:OVER or ROLE:OVER:MAX_SKEW, web:RACK:1")
    return dict(zip(("ROLE", "OVER", "MAX_SKEW"), parts, strict=False))


def _role_text(given: Given) -> str:
    """Return the ROLE that a FILE or options describe; raises Failure."""
    from trifid.core.template.model import Template
    from trifid.core.template.scanner import render

    values = {key: getattr(given, option) for option, key in _ROLE_KEYS.items()}
    role = {key: value for key, value in values.items() if value is not None}
    if (given.file is not None) == bool(role):
        raise Failure("say what the role is: a FILE, or options such as --policy", "not both, and not neither")
    return read(given.file) if given.file is not None else render(Template((("ROLE", role),)))


def _role_add(shell: Shell, given: Given) -> None:
    shell.call("one.vmgroup.roleadd", given.vmgroup, _role_text(given))


def _role_delete(shell: Shell, given: Given) -> None:
    shell.call("one.vmgroup.roledelete", given.vmgroup, _role_id(shell, given))


def _role_update(shell: Shell, given: Given) -> None:
    shell.call("one.vmgroup.roleupdate", given.vmgroup, _role_id(shell, given), _role_text(given))


def _role_id(shell: Shell, given: Given) -> int:
    """Return the id of the role that is meant, by its name or its id; raises Failure."""
    if given.role.isdecimal():
        return int(given.role)
    roles = _roles(shell.one(VM_GROUP, given.vmgroup))
    for role in roles:
        if role["NAME"] == given.role:
            return int(role["ID"])
    known = ", ".join(role["NAME"] for role in roles)
    raise Failure(f"VM group {given.vmgroup} has no role {given.role}", f"it has {known}")


def _roles(row: Row) -> list[dict[str, Any]]:
    from trifid.wire.elements import several

    roles = row.get("ROLES")
    return several(roles.get("ROLE")) if isinstance(roles, dict) else []


def _vms(row: Row, view: View) -> int:
    return sum(len([word for word in role.get("VMS", "").split(",") if word]) for role in _roles(row))


GROUP_COLUMNS = Columns(
    "onevmgroup list",
    "ID,USER,GROUP,NAME,ROLES,VMS",
    (
        Column("ID", 4, "number", number("ID")),
        Column("USER", 15, "owner", named_or_id("UNAME", "UID"), left=True),
        Column("GROUP", 15, "group", named_or_id("GNAME", "GID"), left=True),
        Column("NAME", 20, "name", text("NAME"), left=True),
        Column("ROLES", 5, "roles it has", lambda row, view: len(_roles(row))),
        Column("VMS", 4, "VMs that are in it", _vms),
    ),
)
_LISTING = Listing(
    VM_GROUP, GROUP_COLUMNS, lambda shell, given: ("one.vmgrouppool.info", whose(shell, given.whose), *_ALL_IDS)
)


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.vm_group_show import print_group

    show(VM_GROUP, "vmgroup", print_group)(shell, given)


ROWS = (
    Command(
        "create",
        "Add a VM group described by a template FILE, - for standard input, or by options.",
        (Argument("FILE", many=True, optional=True),),
        run=_create,
        options=_CREATE_OPTIONS,
        examples=(
            "create app.group",
            "create --name app --role web:anti_affined --role db --anti-affined web,db",
            "create --name shop --role front --spread front:RACK:1",
        ),
    ),
    Command("delete", "Remove a VM group that has no VMs.", (GROUPS,), "one.vmgroup.delete", examples=("delete app",)),
    Command(
        "role-add",
        "Add a role to a VM group: from FILE, - for standard input, or by options.",
        (_ONE, _FILE),
        run=_role_add,
        options=_ROLE_OPTIONS,
        examples=("role-add app --name cache --policy anti_affined", "role-add 0 role.txt"),
    ),
    Command(
        "role-delete",
        "Remove a role that has no VMs, by its name or its id.",
        (_ONE, _ROLE),
        run=_role_delete,
        examples=("role-delete app cache",),
    ),
    Command(
        "role-update",
        "Change a role, by its name or its id: from FILE, - for standard input, or by options.",
        (_ONE, _ROLE, _FILE),
        run=_role_update,
        options=_ROLE_OPTIONS,
        more="What is not named stays; an empty value removes.",
        examples=("role-update app cache --host-affined 2,3", 'role-update app 0 --host-affined ""'),
    ),
    rename_command(VM_GROUP, "VMGROUP"),
    update_command(VM_GROUP, "VMGROUP", "TEMPLATE"),
    *access_commands(VM_GROUP, "VMGROUP", USER, GROUP),
    *lock_commands(VM_GROUP, "VMGROUP"),
    Command(
        "list",
        "List the VM groups, the newest first.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.run,
        options=LIST_OPTIONS,
        more=WHOSE_HELP,
        examples=("list", "list m -l ID,NAME,VMS"),
    ),
    Command(
        "show",
        "Tell everything about a VM group: its roles, its rules, and which VMs it has.",
        (GROUPS,),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show app", "show 0 -j"),
    ),
)

main = CommandTable(
    "onevmgroup",
    "Manage VM groups: which VMs share a host, and which do not.  VMGROUP stands for ids, names, and lists of them "
    "such as 0,2..4.",
    ROWS,
    VM_GROUP,
)

if __name__ == "__main__":
    main()
