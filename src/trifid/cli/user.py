"""`oneuser`: users.

Source: reference/xmlrpc.md §5 (the commands and columns), reference/api-modern.md §4 (the calls).
"""

from typing import Any

from trifid.cli import user_logins
from trifid.cli.columns import Column, Columns, Row, View, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.editing import update_command
from trifid.cli.failure import Failure
from trifid.cli.figures import memory
from trifid.cli.kinds import GROUP, USER, VM
from trifid.cli.listing import (
    LIST_OPTIONS,
    SHOW_OPTIONS,
    Listing,
    pairs,
    print_template,
    section,
    show,
)
from trifid.cli.quota import quota_commands
from trifid.cli.quota_shown import print_quotas
from trifid.cli.shell import Shell
from trifid.cli.user_logins import CREATE, print_tokens

_MYSELF = -1
_EXTENDS = 1
"""Of an update: attributes that it does not name stay."""
_MASK_DIGITS = 3

USERS = Argument("USER", USER, many=True)


def _enable(word: str, about: str, enabled: bool) -> Command:
    return Command(
        word,
        about,
        (USERS,),
        "one.user.enable",
        lambda user_id, given: (user_id, enabled),
        examples=(f"{word} alice",),
    )


def _mask(text: str) -> str:
    """Return a umask as it is written into an attribute; raises Failure for what is none."""
    if text and (len(text) != _MASK_DIGITS or not set(text) <= set("01234567")):
        raise Failure(f"{text[:20]} is no umask", "give three digits from 0 to 7, like 137")
    return text


def _usage(shell: Shell) -> dict[str, Any]:
    """Return {user id: [VMs, memory in KiB, cores]}."""
    used: dict[str, list[float]] = {}
    view = View()
    for vm in shell.each(VM):
        of_user = used.setdefault(vm["UID"], [0, 0.0, 0.0])
        of_user[0] += 1
        of_user[1] += number("TEMPLATE/MEMORY")(vm, view) * 1024
        of_user[2] += number("TEMPLATE/CPU")(vm, view)
    return used


def _used(place: int) -> Any:
    return lambda row, view: view.more.get(row["ID"], (0, 0, 0))[place]


def _groups(row: Row, view: View) -> str:
    from trifid.wire.elements import numbers

    return ",".join(map(str, numbers(row.get("GROUPS"))))


def _yes(row: Row, view: View) -> str:
    return "yes" if row.get("ENABLED") == "1" else "no"


USER_COLUMNS = Columns(
    "oneuser list",
    "ID,NAME,ENABLED,GROUP,AUTH,VMS,MEMORY,CPU",
    (
        Column("ID", 4, "number", number("ID")),
        Column("NAME", 15, "name", text("NAME"), left=True),
        Column("USER", 15, "the same, by its name of 2009", text("NAME"), left=True),
        Column("ENABLED", 7, "whether it is let in", _yes, left=True),
        Column("GROUP", 10, "primary group", lambda row, view: row["GID" if view.numeric else "GNAME"], left=True),
        Column("GROUPS", 10, "ids of all its groups", _groups, left=True),
        Column("AUTH", 8, "what checks its password", text("AUTH_DRIVER"), left=True),
        Column("VMS", 4, "VMs it has", _used(0)),
        Column("MEMORY", 7, "memory they ask for", _used(1), lambda value, view: memory(value, view.kilobytes)),
        Column("CPU", 5, "cores they ask for", _used(2), lambda value, view: f"{value:g}"),
    ),
)
_LISTING = Listing(USER, USER_COLUMNS, lambda shell, given: ("one.userpool.info",), _usage)


def _print_user(shell: Shell, user: dict[str, Any]) -> None:
    from trifid.wire.elements import several

    section(shell, f"USER {user['ID']} INFORMATION")
    pairs(
        shell,
        {
            "ID": user["ID"],
            "NAME": user["NAME"],
            "GROUP": user["GNAME"],
            "GROUPS": _groups(user, View()),
            "AUTH_DRIVER": user.get("AUTH_DRIVER"),
            "ENABLED": _yes(user, View()),
        },
    )
    if several(user.get("LOGIN_TOKEN")):
        section(shell, "TOKENS")
        print_tokens(shell, user)
    print_template(shell, "USER TEMPLATE", user.get("TEMPLATE"))
    print_quotas(shell, user, "DEFAULT_USER_QUOTAS")


def _show(shell: Shell, given: Given) -> None:
    users = Given({**vars(given), "user": given.user or [_MYSELF]})
    show(USER, "user", _print_user)(shell, users)


ROWS = (
    CREATE,
    Command(
        "delete",
        "Remove a user that owns nothing.",
        (USERS,),
        "one.user.delete",
        examples=("delete alice", "delete 5..7"),
    ),
    *user_logins.ROWS,
    _enable("enable", "Let a user in again.", True),
    _enable("disable", "Keep a user out; what it owns stays.", False),
    Command(
        "chgrp",
        "Give users another primary group.",
        (USERS, Argument("GROUP", GROUP)),
        "one.user.chgrp",
        lambda user_id, given: (user_id, given.group),
        examples=("chgrp alice users",),
    ),
    Command(
        "addgroup",
        "Make users members of a further group.",
        (USERS, Argument("GROUP", GROUP)),
        "one.user.addgroup",
        lambda user_id, given: (user_id, given.group),
        examples=("addgroup alice oneadmin",),
    ),
    Command(
        "delgroup",
        "Take users out of a further group.",
        (USERS, Argument("GROUP", GROUP)),
        "one.user.delgroup",
        lambda user_id, given: (user_id, given.group),
        examples=("delgroup alice oneadmin",),
    ),
    Command(
        "umask",
        "Set what is taken away of the permissions of objects that users make: three digits from 0 to 7, of the owner, "
        "the group and others.  Without a MASK the usual one holds.",
        (USERS, Argument("MASK", optional=True)),
        "one.user.update",
        lambda user_id, given: (user_id, f'UMASK="{_mask(given.mask or "")}"', _EXTENDS),
        examples=("umask alice 137", "umask alice"),
    ),
    update_command(USER, "USER", "TEMPLATE"),
    *quota_commands(USER, "USER"),
    Command(
        "list",
        "List the users, the newest first.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -l ID,NAME,GROUPS"),
    ),
    Command(
        "show",
        "Tell about a user, about yourself unless USER is named.",
        (Argument("USER", USER, many=True, optional=True),),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show", "show alice"),
    ),
)

main = CommandTable(
    "oneuser",
    "Manage users.  USER stands for ids, names, and lists of them such as 5..7.",
    ROWS,
    USER,
)

if __name__ == "__main__":
    main()
