"""Every command of the shared and qcow2 drivers, killed before each of its steps and done again.

Whatever the kill: the same files in the end, nothing half-done, and what it was made from as it was.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.drivers.disk_contents import make_qcow2, make_raw, write
from tests.drivers.kills import KillTable, contents, size
from tests.drivers.tm_builders import do

IMAGE, NEW = "0123456789abcdef" * 2, "f" * 32


class Place(NamedTuple):
    """Where it happens: everything under one directory, with what the VM is made from beside it."""

    home: Path

    @property
    def changed(self) -> Path:
        return self.home / "datastores"

    @property
    def directory(self) -> Path:
        return self.changed / "0" / "42"

    @property
    def images(self) -> Path:
        return self.changed / "1"

    @property
    def source(self) -> Path:
        return self.home / "images"


def nothing(place: Place) -> None:
    """No disk yet."""
    place.directory.mkdir(parents=True)
    place.images.mkdir()


def raw(place: Place) -> None:
    nothing(place)
    make_raw(place.directory / "disk.0")


def raw_with_snapshot(place: Place) -> None:
    raw(place)
    do(f"SNAP_CREATE shared host1:{place.directory}/disk.0 0")
    write(place.directory / "disk.0", b"second")


def qcow2(place: Place) -> None:
    nothing(place)
    make_qcow2(place.directory / "disk.0")


def layer(place: Place) -> None:
    nothing(place)
    do(f"CLONE qcow2 fe:{place.source}/{IMAGE} host1:{place.directory}/disk.0", told="raw")
    write(place.directory / "disk.0", b"second")


def persistent(place: Place) -> None:
    nothing(place)
    make_raw(place.images / IMAGE)
    do(f"LN shared fe:{place.images}/{IMAGE} host1:{place.directory}/disk.0", told="raw")
    write(place.directory / "disk.0", b"second")


def brought_elsewhere(place: Place) -> None:
    """A persistent disk that is a file of its own, with a snapshot that the image does not have, and the other way."""
    raw_with_snapshot(place)
    make_raw(place.images / IMAGE, b"older")
    (place.images / f"{IMAGE}.snap").mkdir(mode=0o700)
    make_raw(place.images / f"{IMAGE}.snap" / "7", b"deleted since")


def copied(place: Place) -> None:
    raw(place)
    make_raw(place.directory / "disk.0.copy", b"one point in time")


DISK = "host1:{place.directory}/disk.0"
KILLED: dict[str, tuple[Callable[[Place], None], str, str]] = {
    "clone": (nothing, f"CLONE shared fe:{{place.source}}/{IMAGE} {DISK}", "raw"),
    "clone qcow2": (nothing, f"CLONE shared fe:{{place.source}}/{NEW} {DISK}", "qcow2"),
    "clone a layer": (nothing, f"CLONE qcow2 fe:{{place.source}}/{IMAGE} {DISK}", "raw"),
    "clone a kernel": (nothing, f"CLONE qcow2 fe:{{place.source}}/{IMAGE} host1:{{place.directory}}/kernel", ""),
    "link": (nothing, f"LN shared fe:{{place.source}}/{IMAGE} {DISK}", "raw"),
    "swap": (nothing, f"MKSWAP shared 1 {DISK}", ""),
    "file system": (nothing, f"MKIMAGE qcow2 1 ext2 {DISK}", ""),
    "copy": (layer, "CP shared host1:{place.directory} host2:{place.changed}/100/42 42 100", "raw"),
    "move": (layer, "MV shared host1:{place.directory} host1:{place.changed}/100/42", ""),
    "keep": (raw, f"MV shared {DISK} fe:{{place.changed}}/vms/42/disk.0", ""),
    "keep a layer": (layer, f"MV qcow2 {DISK} fe:{{place.changed}}/vms/42/disk.0", ""),
    "delete": (raw_with_snapshot, f"DELETE shared {DISK}", "raw"),
    "delete a layer": (layer, f"DELETE qcow2 {DISK}", "raw"),
    "delete all": (layer, "DELETE shared host1:{place.directory}", ""),
    "snapshot": (raw, f"SNAP_CREATE shared {DISK} 0", "raw"),
    "revert": (raw_with_snapshot, f"SNAP_REVERT shared {DISK} 0", "raw"),
    "forget": (raw_with_snapshot, f"SNAP_DELETE shared {DISK} 0", "raw"),
    "snapshot qcow2": (qcow2, f"SNAP_CREATE shared {DISK} 0", "qcow2"),
    "snapshot in place": (persistent, f"SNAP_CREATE shared {DISK} 0", "raw"),
    "grow": (raw, f"RESIZE shared {DISK} 2 42 0", "raw"),
    "grow a layer": (layer, f"RESIZE qcow2 {DISK} 2 42 0", "raw"),
    "bring back in place": (persistent, f"MVDS shared {DISK} fe:{{place.images}}/{IMAGE}", "raw"),
    "bring back": (brought_elsewhere, f"MVDS shared {DISK} fe:{{place.images}}/{IMAGE}", "raw"),
    "bring back a layer": (layer, f"MVDS qcow2 {DISK} fe:{{place.images}}/{NEW}", "raw"),
    "save": (raw, f"CPDS shared {DISK} fe:{{place.images}}/{NEW} -1", "raw"),
    "save a snapshot": (raw_with_snapshot, f"CPDS shared {DISK} fe:{{place.images}}/{NEW} 0", "raw"),
    "save a layer": (layer, f"CPDS qcow2 {DISK} fe:{{place.images}}/{NEW} -1", "raw"),
    "save a copy": (copied, f"CPDS shared {DISK}.copy fe:{{place.images}}/{NEW} -1", "raw"),
}
"""{what is killed: (how it begins, the line, the format told of disk 0)}"""
NOT_TWICE_THE_SAME = ("swap", "file system", "snapshot qcow2")
"""These have a random number or the time in them, so only sizes are compared."""


@pytest.mark.parametrize("name", KILLED)
def test_killed_anywhere_and_done_again_it_ends_the_same(home: Path, name: str) -> None:
    begin, line, told = KILLED[name]
    place = Place(home)
    make_raw(place.source / IMAGE)
    make_qcow2(place.source / NEW)
    command = line.format(place=place)
    look = size if name in NOT_TWICE_THE_SAME else contents
    table = KillTable(place.changed, lambda: begin(place), source=place.source, look=look)
    assert table.run(lambda: do(command, told=told)) > 0
