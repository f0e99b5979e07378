"""Snapshots, told to people: of an image, of a VM's disks, of a whole machine."""

from typing import Any

from trifid.cli import columns as c
from trifid.cli.figures import full_moment
from trifid.cli.image_columns import size
from trifid.cli.listing import has_colours, section
from trifid.cli.shell import Shell
from trifid.wire.elements import several

_ACTIVE = c.Column("AC", 2, "", lambda row, view: "=>" if _is_active(row) else "", left=True)
_OF_DISK = (
    _ACTIVE,
    c.Column("ID", 3, "", c.number("ID")),
    c.Column("PARENT", 6, "", lambda row, view: row["PARENT"] if row["PARENT"] != "-1" else "-"),
    c.Column("DATE", 19, "", lambda row, view: full_moment(row["DATE"]), left=True),
    c.Column("SIZE", 7, "", c.number("SIZE"), lambda value, view: size(value)),
    c.Column("NAME", 20, "", c.text("NAME"), left=True),
)
_OF_DISKS = (c.Column("DISK", 4, "", c.number("DISK_ID")), *_OF_DISK)
_OF_MACHINE = (
    _ACTIVE,
    c.Column("ID", 3, "", c.number("SNAPSHOT_ID")),
    c.Column("DATE", 19, "", lambda row, view: full_moment(row["TIME"]), left=True),
    c.Column("NAME", 20, "", c.text("NAME"), left=True),
)


def _is_active(row: dict[str, Any]) -> bool:
    return row.get("ACTIVE", "NO") not in ("", "NO", "0")


def print_image_snapshots(shell: Shell, image: dict[str, Any]) -> None:
    """Print the snapshots that lie in an image."""
    _print(shell, "SNAPSHOTS", several((image.get("SNAPSHOTS") or {}).get("SNAPSHOT")), _OF_DISK)


def print_vm_snapshots(shell: Shell, vm: dict[str, Any]) -> None:
    """Print the snapshots of a VM's disks, and those of the whole machine, by the ids that commands take."""
    of_disks = [
        {**one, "DISK_ID": tree["DISK_ID"]}
        for tree in several(vm.get("SNAPSHOTS"))
        for one in several(tree["SNAPSHOT"])
    ]
    _print(shell, "SNAPSHOTS OF DISKS", of_disks, _OF_DISKS)
    _print(shell, "SNAPSHOTS OF THE MACHINE", several((vm.get("TEMPLATE") or {}).get("SNAPSHOT")), _OF_MACHINE)


def _print(shell: Shell, title: str, rows: list[Any], columns: tuple[c.Column, ...]) -> None:
    if rows:
        section(shell, title)
        shell.say(c.table(rows, columns, c.View(), header=True, colour=has_colours()))
