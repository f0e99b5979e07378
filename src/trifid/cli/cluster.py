"""`onecluster`: hosts, datastores and networks that belong together.

Source: reference/api-modern.md §4 (the calls).
"""

from typing import Any

import click

from trifid.cli.columns import Column, Columns, Row, View, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.editing import rename_command, update_command
from trifid.cli.kinds import CLUSTER, DATASTORE, HOST, NETWORK, Kind
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, Listing, pairs, print_template, section, show
from trifid.cli.shell import Shell

CLUSTERS = Argument("CLUSTER", CLUSTER, many=True)
OPTION = click.Option(["-c", "--cluster"], metavar="CLUSTER", help="Its cluster, the default one if not given.")
"""Of the commands that add what belongs to a cluster."""

_DEFAULT = -1
_MEMBERS = (("HOSTS", "hosts"), ("DATASTORES", "datastores"), ("VNETS", "virtual networks"))


def chosen(shell: Shell, given: Given) -> int:
    """Return the id of the cluster that `--cluster` names, or what stands for the default one."""
    return shell.id(CLUSTER, given.cluster) if given.cluster is not None else _DEFAULT


def _create(shell: Shell, given: Given) -> None:
    shell.made(CLUSTER, shell.call("one.cluster.allocate", given.name))


def _count(name: str) -> Any:
    def value(row: Row, view: View) -> int:
        from trifid.wire.elements import numbers

        return len(numbers(row.get(name)))

    return value


CLUSTER_COLUMNS = Columns(
    "onecluster list",
    "ID,NAME,HOSTS,VNETS,DATASTORES",
    (
        Column("ID", 5, "number", number("ID")),
        Column("NAME", 25, "name", text("NAME"), left=True),
        Column("HOSTS", 5, "hosts in it", _count("HOSTS")),
        Column("VNETS", 5, "virtual networks in it", _count("VNETS")),
        Column("DATASTORES", 10, "datastores in it", _count("DATASTORES")),
    ),
)
_LISTING = Listing(CLUSTER, CLUSTER_COLUMNS, lambda shell, given: ("one.clusterpool.info",))


def _print(shell: Shell, cluster: dict[str, Any]) -> None:
    from trifid.wire.elements import numbers

    section(shell, f"CLUSTER {cluster['ID']} INFORMATION")
    pairs(shell, {"ID": cluster["ID"], "NAME": cluster["NAME"]})
    print_template(shell, "CLUSTER TEMPLATE", cluster.get("TEMPLATE"))
    kinds: dict[str, Kind] = {"HOSTS": HOST, "DATASTORES": DATASTORE, "VNETS": NETWORK}
    for name, title in _MEMBERS:
        section(shell, title.upper())
        ids = numbers(cluster.get(name))
        names = _names(shell, kinds[name]) if ids else {}
        for object_id in ids:
            shell.say(f"{object_id:>5} {names.get(object_id, '')}".rstrip())
        if not ids:
            shell.say("-")


def _names(shell: Shell, kind: Kind) -> dict[int, str]:
    from trifid.wire.elements import iter_elements

    pool = shell.call(*kind.pool)
    return {int(one["ID"]): str(one["NAME"]) for one in iter_elements(pool, kind.element)}


def _member(word: str, about: str, kind: Kind, argument: str, verb: str) -> Command:
    """Return the row of a command that puts something into a cluster, or takes it out."""
    return Command(
        word,
        about,
        (Argument("CLUSTER", CLUSTER), Argument(argument, kind, many=True)),
        run=_each(f"one.cluster.{verb}", kind, argument),
        examples=(f"{word} production {argument.lower()}1", f"{word} 100 0,2..4"),
    )


def _each(method: str, kind: Kind, argument: str) -> Any:
    def run(shell: Shell, given: Given) -> None:
        for object_id in getattr(given, argument.lower()):
            shell.attempt(kind, object_id, method, given.cluster, object_id)

    return run


ROWS = (
    Command("create", "Add a cluster; nothing is in it.", (Argument("NAME"),), run=_create, examples=("create prod",)),
    Command(
        "delete", "Remove a cluster in which nothing is.", (CLUSTERS,), "one.cluster.delete", examples=("delete prod",)
    ),
    _member("addhost", "Put hosts into a cluster; they leave the one that they are in.", HOST, "HOST", "addhost"),
    _member("delhost", "Take hosts out of a cluster: they are in the default one then.", HOST, "HOST", "delhost"),
    _member(
        "adddatastore",
        "Put datastores into a cluster; they stay in the others.",
        DATASTORE,
        "DATASTORE",
        "adddatastore",
    ),
    _member("deldatastore", "Take datastores out of a cluster.", DATASTORE, "DATASTORE", "deldatastore"),
    _member("addvnet", "Put virtual networks into a cluster; they stay in the others.", NETWORK, "NETWORK", "addvnet"),
    _member("delvnet", "Take virtual networks out of a cluster.", NETWORK, "NETWORK", "delvnet"),
    rename_command(CLUSTER, "CLUSTER"),
    update_command(CLUSTER, "CLUSTER", "TEMPLATE"),
    Command(
        "list",
        "List the clusters, the newest first.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -j"),
    ),
    Command(
        "show",
        "Tell everything about a cluster: its attributes, and what is in it.",
        (CLUSTERS,),
        run=show(CLUSTER, "cluster", _print),
        options=SHOW_OPTIONS,
        examples=("show production", "show 0 -x"),
    ),
)

main = CommandTable(
    "onecluster",
    "Manage clusters of hosts, datastores and networks.  CLUSTER stands for ids, names, and lists of them.",
    ROWS,
    CLUSTER,
    {
        "optimize": 'called "trifid sched plan --cluster CLUSTER" here',
        "plan-delete": 'not needed: a plan of "trifid sched plan" is only made when it is asked for',
        "plan-execute": 'called "trifid sched plan --cluster CLUSTER --apply" here',
    },
)

if __name__ == "__main__":
    main()
