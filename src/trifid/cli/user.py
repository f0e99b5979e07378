"""`oneuser`: users.

Source: reference/xmlrpc.md §5 (the commands and columns), reference/api-modern.md §4 (the calls).
"""

import sys
from typing import Any

import click

from trifid.cli.columns import Column, Columns, Row, View, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given, WholeNumber
from trifid.cli.editing import read, update_command
from trifid.cli.failure import Failure
from trifid.cli.figures import full_moment, memory
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
from trifid.cli.shell import Shell

_CORE = ""
_MYSELF = -1
_ALL_GROUPS = -1
_DEFAULT_TIME_S = 36_000
_EXTENDS = 1
"""Of an update: attributes that it does not name stay."""
_MASK_DIGITS = 3

USERS = Argument("USER", USER, many=True)
ONE_USER = Argument("USER", USER, optional=True)
PASSWORD_FILE = click.Option(
    ["-r", "--read-file"], metavar="FILE", help="Read the password from a file, - for standard input."
)
GROUPS = click.Option(["--group"], metavar="X,Y", help="Its groups, the first is the primary one.")
TIME = click.Option(
    ["--time"],
    type=WholeNumber(min=-1),
    default=_DEFAULT_TIME_S,
    metavar="SECONDS",
    help=f"How long it holds, {_DEFAULT_TIME_S} by default; -1: until it is cleared; 0: clear all of them.",
)
ONE_GROUP = click.Option(["--group"], metavar="GROUP", help="With the rights of this group of the user only.")


def password(given: Given, prompt: str) -> str:
    """Return the password given as an argument, in a file, or at the terminal.

    Raises:
        Failure: none was given, and there is nobody to ask.
    """
    if given.password is not None:
        return str(given.password)
    if given.read_file is not None:
        found = read(given.read_file).rstrip("\r\n")
    elif sys.stdin.isatty():
        found = str(click.prompt(prompt, hide_input=True, confirmation_prompt=True))
    else:
        raise Failure("there is no password", "give it with --read-file FILE, or - for standard input")
    if not found:
        raise Failure("the password is empty", "choose one that is not")
    return found


def _create(shell: Shell, given: Given) -> None:
    groups = shell.ids(GROUP, (given.group,)) if given.group else []
    secret = password(given, f"Password of {given.name}")
    shell.made(USER, shell.call("one.user.allocate", given.name, secret, _CORE, groups))


def _passwd(shell: Shell, given: Given) -> None:
    user_id = _MYSELF if given.user is None else given.user
    secret = password(given, "New password")
    # Asked before the change, because afterwards our own session may no longer be let in.
    own_id = int(shell.one(USER, _MYSELF)["ID"])
    shell.call("one.user.passwd", user_id, secret)
    if user_id in (_MYSELF, own_id):
        shell.tell("The password is set.  Now write it into your credentials file: $ONE_AUTH or ~/.one/one_auth.")


def _login(shell: Shell, given: Given) -> None:
    user = shell.one(USER, _MYSELF if given.user is None else given.user)
    group = shell.id(GROUP, given.group) if given.group else _ALL_GROUPS
    token = shell.call("one.user.login", user["NAME"], "", given.time, group)
    if given.time == 0:
        shell.tell(f"The login tokens of {user['NAME']} are cleared.")
        return
    shell.say(token)
    shell.tell(f"This is shown once.  To use it, write {user['NAME']}:TOKEN into a file that $ONE_AUTH names.")


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
    for vm in shell.all(VM):
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
    tokens = several(user.get("LOGIN_TOKEN"))
    if tokens:
        section(shell, "LOGIN TOKENS")
    for token in tokens:
        until = int(token["EXPIRATION_TIME"])
        group = "all its groups" if token["EGID"] == "-1" else f"group {token['EGID']} only"
        shell.say(f"until {full_moment(until) if until > 0 else 'it is cleared'}, {group}")
    print_template(shell, "USER TEMPLATE", user.get("TEMPLATE"))


def _show(shell: Shell, given: Given) -> None:
    users = Given({**vars(given), "user": given.user or [_MYSELF]})
    show(USER, "user", _print_user)(shell, users)


ROWS = (
    Command(
        "create",
        "Add a user; without a password on the line it is asked for.",
        (Argument("NAME"), Argument("PASSWORD", optional=True)),
        run=_create,
        options=(PASSWORD_FILE, GROUPS),
        examples=("create alice", "create alice --read-file secret.txt --group users"),
    ),
    Command(
        "delete",
        "Remove a user that owns nothing.",
        (USERS,),
        "one.user.delete",
        examples=("delete alice", "delete 5..7"),
    ),
    Command(
        "passwd",
        "Set a password, your own unless USER is named; its login tokens are cleared.",
        (ONE_USER, Argument("PASSWORD", optional=True)),
        run=_passwd,
        options=(PASSWORD_FILE,),
        examples=("passwd", "passwd alice --read-file secret.txt"),
    ),
    Command(
        "token-create",
        "Make a login token, which stands for the password for a while.",
        (ONE_USER,),
        run=_login,
        options=(TIME, ONE_GROUP),
        aliases=("login",),
        examples=("token-create", "token-create --time 3600", "token-create --time 0"),
    ),
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
    {
        "chauth": "not supported; the engine checks passwords itself",
        "key": "not supported; passwords and login tokens are",
    },
)

if __name__ == "__main__":
    main()
