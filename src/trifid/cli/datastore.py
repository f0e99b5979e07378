"""`onedatastore`: places for images, for files, and for the disks of running VMs.

Source: reference/api-modern.md §4 (the calls) and §5.6 (types and states).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from trifid.cli import cluster
from trifid.cli.columns import Column, Columns, Row, View, named_or_id, number, text
from trifid.cli.command import Argument, Command, CommandTable, Given
from trifid.cli.editing import access_commands, read_all, rename_command, update_command
from trifid.cli.failure import Failure, explain
from trifid.cli.figures import memory
from trifid.cli.kinds import DATASTORE, GROUP, USER
from trifid.cli.listing import LIST_OPTIONS, SHOW_OPTIONS, Listing, show
from trifid.cli.shell import Shell

if TYPE_CHECKING:
    from trifid.core.template.model import Template

_TYPES = {"0": "img", "1": "sys", "2": "fil", "3": "bck"}
_STATES = {"0": "on", "1": "off"}

DATASTORES = Argument("DATASTORE", DATASTORE, many=True)

_TEXTS = (
    ("ds", "NAME", "DS_MAD", "Driver that makes and removes its images, such as fs or lvm; none for SYSTEM."),
    ("tm", "NAME", "TM_MAD", "Driver that brings them to hosts: shared, ssh, qcow2 or lvm."),
    ("base-path", "PATH", "BASE_PATH", "Its directory, or /dev/GROUP of volumes; DATASTORES/ID when left out."),
    ("safe-dirs", "DIRS", "SAFE_DIRS", "The only directories that images are made from, blanks between."),
    ("restricted-dirs", "DIRS", "RESTRICTED_DIRS", "Directories that none is made from."),
)
"""Option, metavar, attribute, help."""

_OPTIONS = (
    click.Option(["--name"], metavar="NAME", help="What it is called."),
    click.Option(
        ["--type"],
        type=click.Choice(["IMAGE", "SYSTEM", "FILE"], case_sensitive=False),
        help="What it keeps: images, the disks of running VMs, or plain files.  IMAGE by default.",
    ),
    *(click.Option([f"--{option}"], metavar=metavar, help=about) for option, metavar, _, about in _TEXTS),
    click.Option(["--limit"], metavar="SIZE", help="The most it may hold: MiB, or 500g."),
)


def _create(shell: Shell, given: Given) -> None:
    from trifid.client import ApiError
    from trifid.core.template.scanner import render

    described = _of_options(given)
    if given.file and len(described):
        raise Failure("a FILE and options do not go together", "write everything in the file, or leave it out")
    if not given.file and "NAME" not in described:
        raise Failure(
            "a datastore needs a FILE, or --name and its drivers",
            'such as "onedatastore create --name fast --ds fs --tm qcow2"; see onedatastore create --help',
        )
    cluster_id = cluster.chosen(shell, given)
    for what, template in read_all(given.file) if given.file else [("options", render(described))]:
        try:
            datastore_id = shell.call("one.datastore.allocate", template, cluster_id)
        except ApiError as refused:
            told = explain(refused, DATASTORE.command)
            shell.complain(told.about(what))
        else:
            shell.made(DATASTORE, datastore_id)


def _of_options(given: Given) -> "Template":
    from trifid.cli.vm_devices import mib
    from trifid.core.template.model import Template

    values = {
        "NAME": given.name,
        "TYPE": f"{given.type.upper()}_DS" if given.type else None,
        "LIMIT_MB": str(mib(given.limit)) if given.limit else None,
        **{attribute: getattr(given, option.replace("-", "_")) for option, _, attribute, _ in _TEXTS},
    }
    return Template(tuple((name, value) for name, value in values.items() if value))


def _free_share(row: Row, view: View) -> float:
    """Return which part of the room is free, per cent; -1 when nothing is known of it."""
    total = number("TOTAL_MB")(row, view)
    return number("FREE_MB")(row, view) * 100 / total if total else -1


def _ids(name: str, row: Row) -> list[int]:
    from trifid.wire.elements import numbers

    return numbers(row.get(name))


def _kib(name: str) -> Callable[[Row, View], float]:
    """Return a value in KiB, which filters compare with, of what documents tell in MiB."""
    mib = number(name)
    return lambda row, view: mib(row, view) * 1024


def _size(value: float, view: View) -> str:
    return memory(value, view.kilobytes) if value else "-"


DATASTORE_COLUMNS = Columns(
    "onedatastore list",
    "ID,NAME,SIZE,AVA,CLUSTERS,IMAGES,TYPE,DS,TM,STAT",
    (
        Column("ID", 4, "number", number("ID")),
        Column("USER", 8, "owner", named_or_id("UNAME", "UID"), left=True),
        Column("GROUP", 8, "group", named_or_id("GNAME", "GID"), left=True),
        Column("NAME", 15, "name", text("NAME"), left=True),
        Column("SIZE", 7, "room there is; - where every host has its own", _kib("TOTAL_MB"), _size),
        Column("USED", 7, "room that is used", _kib("USED_MB"), _size),
        Column("FREE", 7, "room that is left", _kib("FREE_MB"), _size),
        Column("AVA", 4, "room that is left, per cent", _free_share, lambda v, view: f"{v:.0f}%" if v >= 0 else "-"),
        Column(
            "CLUSTERS", 8, "clusters it is in", lambda row, view: ",".join(map(str, _ids("CLUSTERS", row))), left=True
        ),
        Column("IMAGES", 6, "images in it", lambda row, view: len(_ids("IMAGES", row))),
        Column("TYPE", 4, "img, sys or fil", lambda row, view: _TYPES.get(row["TYPE"], row["TYPE"]), left=True),
        Column("DS", 7, "driver of its images", lambda row, view: row.get("DS_MAD") or "-", left=True),
        Column("TM", 7, "driver that brings them to hosts", text("TM_MAD"), left=True),
        Column(
            "STAT",
            4,
            "state",
            lambda row, view: _STATES.get(row["STATE"], row["STATE"]),
            left=True,
            colours={"on": "green", "off": "red"},
        ),
    ),
)

_LISTING = Listing(DATASTORE, DATASTORE_COLUMNS, lambda shell, given: ("one.datastorepool.info",))


def _show(shell: Shell, given: Given) -> None:
    from trifid.cli.datastore_show import print_datastore

    show(DATASTORE, "datastore", print_datastore)(shell, given)


def _enabled(word: str, about: str, value: bool) -> Command:
    return Command(
        word,
        about,
        (DATASTORES,),
        "one.datastore.enable",
        lambda datastore_id, given: (datastore_id, value),
        examples=(f"{word} system", f"{word} 0,100"),
    )


ROWS = (
    Command(
        "create",
        "Add a datastore described by a template FILE, - for standard input, or by options.",
        (Argument("FILE", many=True, optional=True),),
        run=_create,
        options=(*_OPTIONS, cluster.OPTION),
        examples=(
            "create fast.ds",
            "create --name fast --ds fs --tm qcow2 --limit 500g",
            "create --name local --type SYSTEM --tm ssh",
        ),
    ),
    Command(
        "delete", "Remove a datastore that is empty.", (DATASTORES,), "one.datastore.delete", examples=("delete fast",)
    ),
    _enabled("enable", "Let the scheduler put VMs into a system datastore.", True),
    _enabled("disable", "Keep new VMs from a system datastore.", False),
    rename_command(DATASTORE, "DATASTORE"),
    update_command(DATASTORE, "DATASTORE", "TEMPLATE"),
    *access_commands(DATASTORE, "DATASTORE", USER, GROUP),
    Command(
        "list",
        "List the datastores, the newest first.",
        run=_LISTING.run,
        options=LIST_OPTIONS,
        examples=("list", "list -l ID,NAME,USED,FREE", "list -f TYPE=sys -j"),
    ),
    Command(
        "show",
        "Tell everything about a datastore: its room, its drivers, its images.",
        (DATASTORES,),
        run=_show,
        options=SHOW_OPTIONS,
        examples=("show default", "show 1 -x"),
    ),
)

main = CommandTable(
    "onedatastore",
    "Manage datastores.  DATASTORE stands for ids, names, and lists of them such as 0,100..102.",
    ROWS,
    DATASTORE,
)

if __name__ == "__main__":
    main()
