"""The columns of `oneimage list`, and what images and datastores are called in them.

Source: reference/xmlrpc.md §5.2 (names and widths), reference/api-modern.md §5.6 (types and states).
"""

import enum
from typing import Any

from trifid.cli.columns import Column, Columns, Row, View, named_or_id, number, text
from trifid.cli.figures import memory, moment

TYPES = ("OS", "CDROM", "DATABLOCK", "KERNEL", "RAMDISK", "CONTEXT", "BACKUP", "FILESYSTEM")
SHORT_TYPES = ("OS", "CD", "DB", "KL", "RD", "CX", "BK", "FS")
_STATE_COLOURS = {"rdy": "green", "used": "green", "err": "red"}


def short_state(row: Row, view: View) -> str:
    """Return an image's state as lists show it."""
    from trifid.core.image.record import ImageState

    try:
        return ImageState(int(row["STATE"])).short
    except ValueError:
        return str(row["STATE"])


def word(enumeration: type[enum.IntEnum], value: Any) -> str:
    """Return the name of a number that a document has; the number itself when it is a new one."""
    try:
        return enumeration(int(value)).name
    except ValueError:
        return str(value)


def size(mib: Any, kilobytes: bool = False) -> str:
    """Return a size in MiB as 512M, 2.2G; as KiB with `kilobytes`."""
    return memory(float(mib or 0) * 1024, kilobytes)


def _short_type(row: Row, view: View) -> str:
    try:
        return SHORT_TYPES[int(row["TYPE"])]
    except (IndexError, ValueError):
        return str(row["TYPE"])


def _size_kib(row: Row, view: View) -> float:
    """Return the size in KiB, which filters compare with."""
    return number("SIZE")(row, view) * 1024


def _size(value: Any, view: View) -> str:
    return memory(value, view.kilobytes)


def _persistent(row: Row, view: View) -> str:
    return "Yes" if row.get("PERSISTENT") == "1" else "No"


def _number_of_snapshots(row: Row, view: View) -> int:
    from trifid.wire.elements import several

    return len(several((row.get("SNAPSHOTS") or {}).get("SNAPSHOT")))


IMAGE_COLUMNS = Columns(
    "oneimage list",
    "ID,USER,GROUP,NAME,DATASTORE,SIZE,TYPE,PER,STAT,RVMS",
    (
        Column("ID", 4, "number", number("ID")),
        Column("USER", 8, "owner", named_or_id("UNAME", "UID"), left=True),
        Column("GROUP", 8, "group", named_or_id("GNAME", "GID"), left=True),
        Column("NAME", 15, "name", text("NAME"), left=True),
        Column("DATASTORE", 10, "datastore it is in", named_or_id("DATASTORE", "DATASTORE_ID"), left=True),
        Column("SIZE", 7, "what a VM sees of it", _size_kib, _size),
        Column("TYPE", 4, ", ".join(map(" ".join, zip(SHORT_TYPES, TYPES, strict=True))), _short_type, left=True),
        Column("PER", 3, "whether what a VM writes stays in it", _persistent, left=True),
        Column("PERSISTENT", 3, "the same, by its name of 2010", _persistent, left=True),
        Column("STAT", 4, "state", short_state, left=True, colours=_STATE_COLOURS),
        Column("RVMS", 4, "VMs that use it", number("RUNNING_VMS")),
        Column("FORMAT", 6, "of its file", text("FORMAT"), left=True),
        Column("SNAPS", 5, "snapshots it has", _number_of_snapshots),
        Column("REGTIME", 14, "when it was made", number("REGTIME"), lambda value, view: moment(value), left=True),
        Column("PROGRESS", 8, "how far it is being made", text("TEMPLATE/PROGRESS"), left=True),
        Column("DESCRIPTION", 20, "what it is", text("TEMPLATE/DESCRIPTION"), left=True),
        Column("WHY", 20, "why it is in error", text("TEMPLATE/ERROR"), left=True),
    ),
)
