"""`onevnet`: virtual networks.

Source: reference/xmlrpc.md §5 (the commands and columns), reference/api-modern.md §4 (the calls).
"""

from collections.abc import Callable

import click

from trifid.cli import cluster
from trifid.cli.columns import Column, Columns, Row, View, named_or_id, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.courses import NETWORK_COURSE
from trifid.cli.editing import access_commands, read_all, rename_command, update_command
from trifid.cli.failure import Failure, explain
from trifid.cli.kinds import GROUP, NETWORK, USER
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, WHOSE_HELP, Listing, show, whose
from trifid.cli.locks import lock_commands
from trifid.cli.network_ranges import RANGE_COMMANDS
from trifid.cli.orphans import unnamed_in_templates
from trifid.cli.settle import WAIT_OPTIONS, wait_for, waited
from trifid.cli.shell import Shell

_ALL_IDS = (-1, -1)
_STATES = {"0": "init", "1": "rdy", "2": "lock", "3": "lock", "4": "done", "5": "err", "6": "fail"}
"""reference/api-modern.md §5.6."""

_OPERATIONS = {"failure": 0, "success": 1, "delete": 2, "retry": 3}
"""reference/api-modern.md §4 (vn.recover)."""
RECOVERIES = tuple(
    click.Option([f"--{word}"], is_flag=True, help=about)
    for word, about in (
        ("retry", "Do again what failed."),
        ("delete", "Forget the network, whatever is left of it."),
        ("success", "Take what it waits for as done."),
        ("failure", "Take what it waits for as failed."),
    )
)

NETWORKS = Argument("NETWORK", NETWORK, many=True)


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError

    cluster_id = cluster.chosen(shell, given)
    made = []
    for file, template in read_all(given.file):
        try:
            network_id = shell.call("one.vn.allocate", template, cluster_id)
        except ApiError as refused:
            told = explain(refused, NETWORK.command)
            shell.complain(told.about(file))
        else:
            shell.made(NETWORK, network_id)
            made.append(network_id)
    wait_for(shell, NETWORK_COURSE, made, given)


def _clusters(row: Row, view: View) -> str:
    from trifid.wire.elements import numbers

    return ",".join(map(str, numbers(row.get("CLUSTERS"))))


def _ranges(row: Row) -> list[Row]:
    from trifid.wire.elements import several

    return several((row.get("AR_POOL") or {}).get("AR"))


def _type(row: Row, view: View) -> str:
    """Return how the network was declared in 2009, else the types of its ranges."""
    declared = text("TEMPLATE/TYPE")(row, view)
    return declared or ",".join(dict.fromkeys(str(one["TYPE"]) for one in _ranges(row)))


def _size(row: Row, view: View) -> int:
    return sum(int(one["SIZE"]) for one in _ranges(row))


NETWORK_COLUMNS = Columns(
    "onevnet list",
    "ID,USER,GROUP,NAME,CLUSTERS,BRIDGE,STATE,LEASES,OUTDATED,ERROR",
    (
        Column("ID", 4, "number", number("ID")),
        Column("NID", 4, "the same, by its name of 2009", number("ID")),
        Column("USER", 8, "owner", named_or_id("UNAME", "UID"), left=True),
        Column("GROUP", 8, "group", named_or_id("GNAME", "GID"), left=True),
        Column("NAME", 15, "name", text("NAME"), left=True),
        Column("CLUSTERS", 8, "clusters it is in", _clusters, left=True),
        Column("BRIDGE", 8, "bridge on the hosts", text("BRIDGE"), left=True),
        Column("STATE", 5, "state", lambda row, view: _STATES.get(row["STATE"], row["STATE"]), left=True),
        Column("LEASES", 6, "addresses in use", number("USED_LEASES")),
        Column("OUTDATED", 8, "VMs with an older form of it", lambda row, view: _vms(row, "OUTDATED_VMS")),
        Column("ERROR", 5, "VMs that could not be updated", lambda row, view: _vms(row, "ERROR_VMS")),
        Column("TYPE", 6, "RANGED, FIXED, or the types of its ranges", _type, left=True),
        Column("SIZE", 6, "addresses there are", _size),
    ),
)


def _vms(row: Row, name: str) -> int:
    from trifid.wire.elements import numbers

    return len(numbers(row.get(name)))


_LISTING = Listing(
    NETWORK, NETWORK_COLUMNS, lambda shell, given: ("one.vnpool.info", whose(shell, given.whose), *_ALL_IDS)
)


def _orphaned(shell: Shell) -> Callable[[Row], bool]:
    is_unnamed = unnamed_in_templates(shell, "NIC", "NETWORK")
    return lambda row: row.get("USED_LEASES") in ("0", "", None) and is_unnamed(row)


_ORPHANS = _LISTING._replace(only=_orphaned)


def _recovery(network_id: int, given: Given) -> tuple[int, int]:
    asked = [word for word in _OPERATIONS if getattr(given, word)]
    if len(asked) != 1:
        raise Failure(
            "recover needs one of --retry, --success, --failure, --delete",
            f'"onevnet show {network_id}" tells what went wrong; --retry does it again, --delete gives up',
        )
    return network_id, _OPERATIONS[asked[0]]


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.network_show import print_network

    show(NETWORK, "network", print_network)(shell, given)


ROWS = (
    Command(
        "create",
        "Add a network described by a template FILE, - for standard input.",
        (Argument("FILE", many=True),),
        run=_create,
        options=(cluster.OPTION, *WAIT_OPTIONS),
        examples=("create private.net --wait", "create - < private.net"),
    ),
    waited(
        Command(
            "delete",
            "Remove a network of which no address is in use.",
            (NETWORKS,),
            "one.vn.delete",
            examples=("delete private", "delete 3,5..7 --wait"),
        ),
        NETWORK_COURSE,
        is_deletion=True,
    ),
    waited(
        Command(
            "recover",
            "Help a network out of a failure, or out of waiting for an answer that does not come.",
            (NETWORKS,),
            "one.vn.recover",
            _recovery,
            options=RECOVERIES,
            examples=("recover private --retry --wait", "recover 3 --delete"),
        ),
        NETWORK_COURSE,
    ),
    *RANGE_COMMANDS,
    rename_command(NETWORK, "NETWORK"),
    waited(update_command(NETWORK, "NETWORK", "TEMPLATE"), NETWORK_COURSE),
    *access_commands(NETWORK, "NETWORK", USER, GROUP),
    *lock_commands(NETWORK, "NETWORK"),
    Command(
        "list",
        "List the networks, the newest first.",
        (Argument("WHOSE", optional=True),),
        run=_LISTING.run,
        options=LIST_OPTIONS,
        more=WHOSE_HELP,
        examples=("list", "list m -l NID,NAME,TYPE,SIZE,BRIDGE"),
    ),
    Command(
        "orphans",
        "List the networks that no VM uses and no VM template names.",
        (Argument("WHOSE", optional=True),),
        run=_ORPHANS.run,
        options=LIST_OPTIONS,
        more=WHOSE_HELP,
        examples=("orphans", "orphans m --csv"),
    ),
    Command(
        "show",
        "Tell everything about a network: its ranges, and who has which address.",
        (NETWORKS,),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show private", "show 0 -j"),
    ),
)

main = CommandTable(
    "onevnet",
    "Manage virtual networks.  NETWORK stands for ids, names, and lists of them such as 0,2..4.",
    ROWS,
    NETWORK,
    {
        "publish": 'called chmod today: "onevnet chmod NETWORK 644"',
        "unpublish": 'called chmod today: "onevnet chmod NETWORK 600"',
    },
)

if __name__ == "__main__":
    main()
