"""`onevdc`: virtual data centres, which groups may use which clusters, hosts, datastores and networks.

Source: reference/api-modern.md §4 (the calls).
"""

from typing import Any

from trifid.cli.columns import Column, Columns, Row, View, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.editing import rename_command, update_command
from trifid.cli.kinds import CLUSTER, DATASTORE, GROUP, HOST, NETWORK, VDC, ZONE, Kind
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, Listing, pairs, print_template, section, show
from trifid.cli.shell import Shell

VDCS = Argument("VDC", VDC, many=True)
_ALL_WORD, _ALL_ID = "ALL", -10
_RESOURCES = (
    ("cluster", CLUSTER, "CLUSTERS", "CLUSTER"),
    ("host", HOST, "HOSTS", "HOST"),
    ("datastore", DATASTORE, "DATASTORES", "DATASTORE"),
    ("vnet", NETWORK, "VNETS", "VNET"),
)


def _create(shell: Shell, given: Given) -> None:
    from trifid.core.template.model import template
    from trifid.core.template.scanner import render

    shell.made(VDC, shell.call("one.vdc.allocate", render(template(NAME=given.name))))


# -- what is in it -----------------------------------------------------------------------------------


def _members(row: Row, name: str) -> list[dict[str, str]]:
    """Return the entries of a kind, `{"ZONE_ID": …, "HOST_ID": …}`."""
    from trifid.wire.elements import several

    found = row.get(f"{name}S")
    entries: list[Any] = several(found.get(name)) if isinstance(found, dict) else []
    return [one for one in entries if isinstance(one, dict)]


def _count(name: str) -> Any:
    def value(row: Row, view: View) -> str:
        entries = _members(row, name)
        return "ALL" if any(one.get(f"{name}_ID") == str(_ALL_ID) for one in entries) else str(len(entries))

    return value


def _groups(row: Row) -> list[int]:
    from trifid.wire.elements import numbers

    return list(numbers(row.get("GROUPS")))


VDC_COLUMNS = Columns(
    "onevdc list",
    "ID,NAME,GROUPS,CLUSTERS,HOSTS,VNETS,DATASTORES",
    (
        Column("ID", 5, "number", number("ID")),
        Column("NAME", 25, "name", text("NAME"), left=True),
        Column("GROUPS", 6, "groups in it", lambda row, view: len(_groups(row))),
        Column("CLUSTERS", 8, "clusters in it, or ALL", _count("CLUSTER")),
        Column("HOSTS", 5, "hosts in it, or ALL", _count("HOST")),
        Column("VNETS", 5, "virtual networks in it, or ALL", _count("VNET")),
        Column("DATASTORES", 10, "datastores in it, or ALL", _count("DATASTORE")),
    ),
)
_LISTING = Listing(VDC, VDC_COLUMNS, lambda shell, given: ("one.vdcpool.info",))


def _print(shell: Shell, vdc: dict[str, Any]) -> None:
    section(shell, f"VDC {vdc['ID']} INFORMATION")
    pairs(shell, {"ID": vdc["ID"], "NAME": vdc["NAME"]})
    print_template(shell, "VDC TEMPLATE", vdc.get("TEMPLATE"))
    section(shell, "GROUPS")
    _print_names(shell, GROUP, [("", str(group_id)) for group_id in _groups(vdc)])
    for _, kind, title, name in _RESOURCES:
        section(shell, title)
        _print_names(shell, kind, [(one.get("ZONE_ID", ""), one.get(f"{name}_ID", "")) for one in _members(vdc, name)])


def _print_names(shell: Shell, kind: Kind, entries: list[tuple[str, str]]) -> None:
    for zone, object_id in entries:
        is_all = object_id == str(_ALL_ID)
        name = "" if is_all else shell.name(kind, int(object_id))
        where = f"zone {zone:<4} " if zone else ""
        shell.say(f"{where}{_ALL_WORD if is_all else object_id:>5} {name}".rstrip())
    if not entries:
        shell.say("-")


def _change_groups(verb: str, about: str) -> Command:
    def run(shell: Shell, given: Given) -> None:
        for group_id in given.group:
            shell.attempt(VDC, given.vdc, f"one.vdc.{verb}group", given.vdc, group_id)

    return Command(
        f"{verb}group",
        about,
        (Argument("VDC", VDC), Argument("GROUP", GROUP, many=True)),
        run=run,
        examples=(f"{verb}group lab staff", f"{verb}group 100 101..103"),
    )


def _change_resources(verb: str, word: str, kind: Kind, about: str) -> Command:
    argument = "VNET" if kind is NETWORK else kind.label.upper()

    def run(shell: Shell, given: Given) -> None:
        named: str = getattr(given, argument.lower())
        ids = [_ALL_ID] if named in (_ALL_WORD, str(_ALL_ID)) else shell.ids(kind, (named,))
        for object_id in ids:
            shell.attempt(VDC, given.vdc, f"one.vdc.{verb}{word}", given.vdc, given.zone, object_id)

    return Command(
        f"{verb}{word}",
        f"{about} {_ALL_WORD} means all of them.",
        (Argument("VDC", VDC), Argument("ZONE", ZONE), Argument(argument)),
        run=run,
        more="The zone is 0, the only one.",
        examples=(f"{verb}{word} lab 0 {argument.lower()}1", f"{verb}{word} 100 0 {_ALL_WORD}"),
    )


ROWS = (
    Command(
        "create",
        "Add a virtual data centre; nothing is in it.",
        (Argument("NAME"),),
        run=_create,
        examples=("create lab",),
    ),
    Command(
        "delete",
        "Remove a virtual data centre: its groups may use its resources no more, unless another one lets them.",
        (VDCS,),
        "one.vdc.delete",
        examples=("delete lab",),
    ),
    _change_groups("add", "Put groups into a virtual data centre: they may use what is in it."),
    _change_groups("del", "Take groups out of a virtual data centre."),
    *(
        _change_resources(verb, word, kind, about.format(f"{kind.label}s"))
        for word, kind, _, _ in _RESOURCES
        for verb, about in (
            ("add", "Put {} into a virtual data centre."),
            ("del", "Take {} out of a virtual data centre."),
        )
    ),
    rename_command(VDC, "VDC"),
    update_command(VDC, "VDC", "TEMPLATE"),
    Command(
        "list",
        "List the virtual data centres, the newest first.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -j"),
    ),
    Command(
        "show",
        "Tell everything about a virtual data centre: its groups, and what they may use.",
        (VDCS,),
        run=show(VDC, "vdc", _print),
        options=SHOW_OPTIONS,
        examples=("show lab", "show 0 -x"),
    ),
)

main = CommandTable(
    "onevdc",
    "Manage virtual data centres: which groups may use which clusters, hosts, datastores and networks.  VDC stands for "
    "ids, names, and lists of them.",
    ROWS,
    VDC,
)

if __name__ == "__main__":
    main()
