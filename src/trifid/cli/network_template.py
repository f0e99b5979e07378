"""`onevntemplate`: descriptions of virtual networks that are kept, to make networks of.

Source: reference/api-modern.md §4 (the calls).
"""

from typing import Any

import click

from trifid.cli.columns import Column, Columns, named_or_id, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.courses import NETWORK_COURSE
from trifid.cli.editing import access_commands, read, read_all, rename_command, update_command
from trifid.cli.failure import explain
from trifid.cli.figures import full_moment, moment, permission
from trifid.cli.kinds import GROUP, NETWORK, NETWORK_TEMPLATE, USER
from trifid.cli.listing import (
    LIST_OPTIONS,
    SHOW_OPTIONS,
    TOP_OPTIONS,
    WHOSE_HELP,
    Listing,
    pairs,
    print_template,
    section,
    show,
    whose,
)
from trifid.cli.locks import lock_commands, lock_word
from trifid.cli.settle import WAIT_OPTIONS, wait_for
from trifid.cli.shell import Shell

_ALL_IDS = (-1, -1)
TEMPLATES = Argument("VNTEMPLATE", NETWORK_TEMPLATE, many=True)
NAME = click.Option(["--name"], metavar="NAME", help="What the network shall be called, TEMPLATE-ID by default.")


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError

    for file, template in read_all(given.file):
        try:
            template_id = shell.call("one.vntemplate.allocate", template)
        except ApiError as refused:
            told = explain(refused, NETWORK_TEMPLATE.command)
            shell.complain(told.about(file))
        else:
            shell.made(NETWORK_TEMPLATE, template_id)


def _instantiate(shell: Shell, given: Given) -> None:
    extra = read(given.file) if given.file else ""
    network_id = shell.call("one.vntemplate.instantiate", given.vntemplate, given.name or "", extra)
    shell.made(NETWORK, network_id, "VN ID")
    wait_for(shell, NETWORK_COURSE, [network_id], given)


def _clone(shell: Shell, given: Given) -> None:
    shell.made(NETWORK_TEMPLATE, shell.call("one.vntemplate.clone", given.vntemplate, given.name))


TEMPLATE_COLUMNS = Columns(
    "onevntemplate list",
    "ID,USER,GROUP,NAME,REGTIME",
    (
        Column("ID", 4, "number", number("ID")),
        Column("USER", 10, "owner", named_or_id("UNAME", "UID"), left=True),
        Column("GROUP", 10, "group", named_or_id("GNAME", "GID"), left=True),
        Column("NAME", 25, "name", text("NAME"), left=True),
        Column("REGTIME", 14, "when it was made", number("REGTIME"), lambda value, view: moment(value), left=True),
        Column("VN_MAD", 8, "network driver", text("TEMPLATE/VN_MAD"), left=True),
    ),
)
_LISTING = Listing(
    NETWORK_TEMPLATE,
    TEMPLATE_COLUMNS,
    lambda shell, given: ("one.vntemplatepool.info", whose(shell, given.whose), *_ALL_IDS),
)


def _print(shell: Shell, template: dict[str, Any]) -> None:
    section(shell, f"VIRTUAL NETWORK TEMPLATE {template['ID']} INFORMATION")
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


ROWS = (
    Command(
        "create",
        "Keep a network template described by a FILE, - for standard input.",
        (Argument("FILE", many=True),),
        run=_create,
        examples=("create private.vntemplate", "create - < private.vntemplate"),
    ),
    Command(
        "instantiate",
        "Make a network of a template; what FILE gives stands instead of attributes of the same names.",
        (Argument("VNTEMPLATE", NETWORK_TEMPLATE), Argument("FILE", optional=True)),
        run=_instantiate,
        options=(NAME, *WAIT_OPTIONS),
        examples=("instantiate private --name mine --wait", "instantiate 3 ranges.txt"),
    ),
    Command(
        "clone",
        "Copy a network template; the copy is yours.",
        (Argument("VNTEMPLATE", NETWORK_TEMPLATE), Argument("NAME")),
        run=_clone,
        examples=("clone private other",),
    ),
    Command(
        "delete",
        "Remove a network template; networks made of it stay.",
        (TEMPLATES,),
        "one.vntemplate.delete",
        examples=("delete private", "delete 3,5..7"),
    ),
    rename_command(NETWORK_TEMPLATE, "VNTEMPLATE"),
    update_command(NETWORK_TEMPLATE, "VNTEMPLATE", "TEMPLATE"),
    *access_commands(NETWORK_TEMPLATE, "VNTEMPLATE", USER, GROUP),
    *lock_commands(NETWORK_TEMPLATE, "VNTEMPLATE"),
    Command(
        "list",
        "List the network templates, the newest first.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.run,
        options=LIST_OPTIONS,
        more=WHOSE_HELP,
        examples=("list", "list m -l ID,NAME,VN_MAD"),
    ),
    Command(
        "top",
        "List the network templates again and again.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.top,
        options=TOP_OPTIONS,
        more=WHOSE_HELP,
        examples=("top", "top -d 5 -n 3"),
    ),
    Command(
        "show",
        "Tell everything about a network template.",
        (TEMPLATES,),
        run=show(NETWORK_TEMPLATE, "vntemplate", _print),
        options=SHOW_OPTIONS,
        examples=("show private", "show 3 -j"),
    ),
)

main = CommandTable(
    "onevntemplate",
    "Manage templates of virtual networks.  VNTEMPLATE stands for ids, names, and lists of them such as 0,2..4.",
    ROWS,
    NETWORK_TEMPLATE,
)

if __name__ == "__main__":
    main()
