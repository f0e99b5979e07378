"""`onegroup`: groups of users.

Source: reference/xmlrpc.md §5 (the commands and columns), reference/api-modern.md §4 (the calls), §5.6 (rules).
"""

from typing import Any

import click

from trifid.cli.acl import add_rule
from trifid.cli.columns import Column, Columns, Row, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.editing import update_command
from trifid.cli.failure import Failure
from trifid.cli.kinds import GROUP, USER
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, Listing, pairs, print_template, section, show
from trifid.cli.quota import quota_commands
from trifid.cli.quota_shown import print_quotas
from trifid.cli.shell import Shell
from trifid.cli.user_secrets import PASSWORD_FILE, password

GROUPS = Argument("GROUP", GROUP, many=True)
_OWN = -1
_CREATED = "VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP"
_CREATE_OPTIONS = (
    click.Option(
        ["--resources"],
        metavar="KIND+KIND",
        default=_CREATED,
        help=f'What members may create, {_CREATED} by default; "" = nothing.',
    ),
    click.Option(["--admin_user", "--admin-user"], metavar="NAME", help="Make a user who administers the group."),
    click.Option(["--admin_driver", "--admin-driver"], metavar="NAME", default="", help="What checks its logins."),
    click.Option(["--admin_password", "--admin-password"], metavar="PASSWORD", help="Its password; others may see it."),
    PASSWORD_FILE,
)


def _create(shell: Shell, given: Given) -> None:
    if given.admin_user is None and (given.admin_password is not None or given.read_file is not None):
        raise Failure("there is a password, and no administrator", "name one with --admin_user")
    secret = ""
    if given.admin_user is not None:
        asked = Given({"password": given.admin_password, "read_file": given.read_file})
        secret = password(asked, f"Password of {given.admin_user}")
        if any(user["NAME"] == given.admin_user for user in shell.each(USER)):
            raise Failure(
                f"there is a user {given.admin_user} already, and nothing was made",
                f"to make that user an administrator: onegroup create {given.name}, then oneuser addgroup "
                f"{given.admin_user} {given.name} and onegroup addadmin {given.name} {given.admin_user}",
            )
    group_id = shell.call("one.group.allocate", given.name)
    shell.made(GROUP, group_id)
    if given.resources:
        add_rule(shell, f"@{group_id} {given.resources}/* CREATE *")
    if given.admin_user is not None:
        user_id = shell.call("one.user.allocate", given.admin_user, secret, given.admin_driver, [group_id])
        shell.call("one.group.addadmin", group_id, user_id)
        shell.made(USER, user_id, f"Administrator {given.admin_user}, user ID")


def _change_admins(verb: str, about: str) -> Command:
    def run(shell: Shell, given: Given) -> None:
        for user_id in given.user:
            shell.attempt(GROUP, given.group, f"one.group.{verb}admin", given.group, user_id)

    return Command(
        f"{verb}admin",
        about,
        (Argument("GROUP", GROUP), Argument("USER", USER, many=True)),
        run=run,
        examples=(f"{verb}admin staff alice",),
    )


def _ids(row: Row, name: str) -> list[int]:
    from trifid.wire.elements import numbers

    return list(numbers(row.get(name)))


GROUP_COLUMNS = Columns(
    "onegroup list",
    "ID,NAME,USERS,ADMINS",
    (
        Column("ID", 5, "number", number("ID")),
        Column("NAME", 25, "name", text("NAME"), left=True),
        Column("USERS", 5, "members it has", lambda row, view: len(_ids(row, "USERS"))),
        Column("ADMINS", 6, "members who administer it", lambda row, view: len(_ids(row, "ADMINS"))),
    ),
)
_LISTING = Listing(GROUP, GROUP_COLUMNS, lambda shell, given: ("one.grouppool.info",))


def _print(shell: Shell, group: dict[str, Any]) -> None:
    section(shell, f"GROUP {group['ID']} INFORMATION")
    pairs(shell, {"ID": group["ID"], "NAME": group["NAME"]})
    print_template(shell, "GROUP TEMPLATE", group.get("TEMPLATE"))
    admins = set(_ids(group, "ADMINS"))
    section(shell, "USERS")
    shell.say(f"{'ID':>5} {'ADMIN':5} NAME")
    for user_id in _ids(group, "USERS"):
        shell.say(f"{user_id:>5} {'*' if user_id in admins else '':5} {shell.name(USER, user_id)}".rstrip())
    print_quotas(shell, group, "DEFAULT_GROUP_QUOTAS")


def _show(shell: Shell, given: Given) -> None:
    groups = Given({**vars(given), "group": given.group or [_OWN]})
    show(GROUP, "group", _print)(shell, groups)


ROWS = (
    Command(
        "create",
        "Add a group, and let its members create VMs, images and what else they need.",
        (Argument("NAME"),),
        run=_create,
        options=_CREATE_OPTIONS,
        more="It is in the default virtual data centre; onevdc changes that.",
        examples=(
            "create staff",
            "create lab --admin_user alice --read-file secret.txt",
            "create guests --resources VM",
        ),
    ),
    Command("delete", "Remove a group without members.", (GROUPS,), "one.group.delete", examples=("delete staff",)),
    _change_admins("add", "Let members administer a group: its users, and what belongs to it."),
    _change_admins("del", "Let members administer a group no more; they stay members."),
    update_command(GROUP, "GROUP", "TEMPLATE"),
    *quota_commands(GROUP, "GROUP"),
    Command(
        "list",
        "List the groups, the newest first.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -j"),
    ),
    Command(
        "show",
        "Tell about a group, about your primary one unless GROUP is named.",
        (Argument("GROUP", GROUP, many=True, optional=True),),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show", "show staff"),
    ),
)

main = CommandTable(
    "onegroup",
    "Manage groups of users.  GROUP stands for ids, names, and lists of them such as 100..102.",
    ROWS,
    GROUP,
    not_here={"umask": 'groups have none, users have: "oneuser umask"'},
)

if __name__ == "__main__":
    main()
