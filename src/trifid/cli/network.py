"""`onevnet`: virtual networks.

Source: reference/xmlrpc.md §5 (the commands and columns), reference/api-modern.md §4 (the calls).
"""

from trifid.cli import cluster
from trifid.cli.columns import Column, Columns, Row, View, named_or_id, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.editing import access_commands, read_all, rename_command, update_command
from trifid.cli.failure import Failure, explain
from trifid.cli.kinds import GROUP, NETWORK, USER
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, WHOSE_HELP, Listing, show, whose
from trifid.cli.locks import lock_commands
from trifid.cli.network_ranges import RANGE_COMMANDS
from trifid.cli.shell import Shell

_ALL_IDS = (-1, -1)
_STATES = {"0": "init", "1": "rdy", "2": "lock", "3": "lock", "4": "done", "5": "err", "6": "fail"}
"""reference/api-modern.md §5.6."""

NETWORKS = Argument("NETWORK", NETWORK, many=True)


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError

    cluster_id = cluster.chosen(shell, given)
    for file, template in read_all(given.file):
        try:
            network_id = shell.call("one.vn.allocate", template, cluster_id)
        except ApiError as refused:
            told = explain(refused, NETWORK.command)
            shell.complain(Failure(f"{file}: {told.text}", told.next))
        else:
            shell.made(NETWORK, network_id)


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


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.network_show import print_network

    show(NETWORK, "network", print_network)(shell, given)


ROWS = (
    Command(
        "create",
        "Add a network described by a template FILE, - for standard input.",
        (Argument("FILE", many=True),),
        run=_create,
        options=(cluster.OPTION,),
        examples=("create private.net", "create - < private.net"),
    ),
    Command(
        "delete",
        "Remove a network of which no address is in use.",
        (NETWORKS,),
        "one.vn.delete",
        examples=("delete private", "delete 3,5..7"),
    ),
    *RANGE_COMMANDS,
    rename_command(NETWORK, "NETWORK"),
    update_command(NETWORK, "NETWORK", "TEMPLATE"),
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
