"""Every command of both LVM drivers, killed before each of its steps and done again, ends the same.

Looked at are the files, and the volumes with their tags and contents.  ON A RECORDED VOLUME GROUP where the kernel
has no device-mapper, see fake_lvm.py: kills come between LVM's commands, what one in the middle of a real command
leaves was not seen.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.drivers.ds_builders import qemu_img
from tests.drivers.lvm_builders import IMAGE, OTHER, Group, VolumeKills

DATA = os.urandom(5000) + bytes(1 << 20) + b"end"
DISK = "vm-42-0-01234567"


class Place(NamedTuple):
    """Where it happens."""

    group: Group
    home: Path
    inbox: Path

    @property
    def directory(self) -> Path:
        return self.home / "datastores" / "0" / "42"

    @property
    def at(self) -> str:
        return f"host1:{self.directory}/disk.0"

    def link_to(self, name: str) -> None:
        """Let disk 0 be a volume."""
        (self.directory / "disk.0").symlink_to(self.group.base / name)


Begin = Callable[[Place], None]


def nothing(_: Place) -> None:
    """An image and no disk."""


def other(place: Place) -> None:
    """Another image, which has a snapshot of an older state."""
    place.group.make(OTHER, b"first.")


def disk(place: Place) -> None:
    place.group.make(DISK, b"guest.")
    place.link_to(DISK)


def disk_with_snapshots(place: Place) -> None:
    disk(place)
    for snapshot_id, data in ((0, b"second"), (3, b"third.")):
        place.group.do(f"SNAP_CREATE lvm {place.at} {snapshot_id}")
        place.group.write(DISK, data)


def persistent(place: Place) -> None:
    place.group.make(IMAGE, b"image.")
    place.link_to(IMAGE)


def with_snapshots(place: Place) -> None:
    """An image with two snapshots; no VM has it."""
    persistent(place)
    for snapshot_id, data in ((0, b"second"), (3, b"third.")):
        place.group.do(f"SNAP_CREATE lvm {place.at} {snapshot_id}")
        place.group.write(IMAGE, data)
    (place.directory / "disk.0").unlink()


def copied(place: Place) -> None:
    disk(place)
    (place.directory / "disk.0.copy").write_bytes(b"one point in time")


Fields = dict[str, Any]
VERBS: dict[str, tuple[Begin, str, Fields]] = {
    "import": (nothing, "CP", {"path": "{place.inbox}/raw"}),
    "import a qcow2 file that grows": (nothing, "CP", {"path": "{place.inbox}/qcow2", "size_mib": 9}),
    "make": (nothing, "MKFS", {"size_mib": 5}),
    "make a file system": (nothing, "MKFS", {"size_mib": 1, "fs": "swap"}),
    "clone": (other, "CLONE", {"clone_source": f"{{place.group.base}}/{OTHER}"}),
    "clone that grows": (other, "CLONE", {"clone_source": f"{{place.group.base}}/{OTHER}", "size_mib": 10}),
    "grow": (persistent, "RESIZE", {"size_mib": 10}),
    "remove": (with_snapshots, "RM", {}),
    "forget": (with_snapshots, "SNAP_DELETE", {"snapshot_id": 0}),
    "revert": (with_snapshots, "SNAP_REVERT", {"snapshot_id": 0}),
    "flatten": (with_snapshots, "SNAP_FLATTEN", {"snapshot_id": 0}),
}
"""{what is killed: (how it begins, the verb, what it is told)}"""

LINES: dict[str, tuple[Begin, str]] = {
    "clone": (other, f"CLONE lvm fe:{{place.group.base}}/{OTHER} {{place.at}}"),
    "clone a file": (nothing, "CLONE lvm fe:{place.inbox}/raw {place.at}"),
    "link": (other, f"LN lvm fe:{{place.group.base}}/{OTHER} {{place.at}}"),
    "swap": (nothing, "MKSWAP lvm 1 {place.at}"),
    "data disk": (nothing, "MKIMAGE lvm 5 raw {place.at}"),
    "copy": (disk_with_snapshots, "CP lvm host1:{place.directory} host2:{place.home}/datastores/100/42 42 100"),
    "keep": (disk, "MV lvm {place.at} fe:{place.home}/vms/42/disk.0"),
    "delete a disk": (disk_with_snapshots, "DELETE lvm {place.at}"),
    "delete all": (disk_with_snapshots, "DELETE lvm host1:{place.directory}"),
    "delete all but the image": (persistent, "DELETE lvm host1:{place.directory}"),
    "tidy": (disk_with_snapshots, "TIDY lvm host1:{place.directory}"),
    "snapshot": (disk, "SNAP_CREATE lvm {place.at} 0"),
    "snapshot in place": (persistent, "SNAP_CREATE lvm {place.at} 0"),
    "revert": (disk_with_snapshots, "SNAP_REVERT lvm {place.at} 0"),
    "forget": (disk_with_snapshots, "SNAP_DELETE lvm {place.at} 0"),
    "grow": (disk, "RESIZE lvm {place.at} 10 42 0"),
    "bring back": (persistent, f"MVDS lvm {{place.at}} fe:{{place.group.base}}/{IMAGE}"),
    "save": (disk, f"CPDS lvm {{place.at}} fe:{{place.group.base}}/{OTHER} -1"),
    "save a snapshot": (disk_with_snapshots, f"CPDS lvm {{place.at}} fe:{{place.group.base}}/{OTHER} 3"),
    "save a copy": (copied, f"CPDS lvm {{place.at}}.copy fe:{{place.group.base}}/{OTHER} -1"),
}
"""{what is killed: (how it begins, the line)}"""
_RANDOM = ("swap", "make a file system")
"""These have a random number in them, so contents are not compared."""


@pytest.fixture
def place(group: Group, home: Path, inbox: Path) -> Place:
    """A group, a home, and something to import."""
    (inbox / "raw").write_bytes(DATA)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", inbox / "raw", inbox / "qcow2")
    return Place(group, home, inbox)


def table_of(place: Place, begin: Begin, name: str) -> VolumeKills:
    def fill() -> None:
        place.directory.mkdir(parents=True)
        (place.home / "vms" / "42").mkdir(parents=True)
        begin(place)

    def restart() -> None:
        place.group.restart(place.home, fill)

    table = VolumeKills(place.home, restart, source=place.inbox)
    table.group = place.group
    table.is_random = name in _RANDOM
    return table


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_killed_anywhere_and_done_again_ends_the_same(place: Place, name: str) -> None:
    begin, verb, told = VERBS[name]
    fields: Fields = {
        key: value.format(place=place) if isinstance(value, str) else value for key, value in told.items()
    }
    assert table_of(place, begin, name).run(lambda: place.group.ask(verb, **fields)) > 0


@pytest.mark.parametrize("name", LINES)
def test_a_line_killed_anywhere_and_done_again_ends_the_same(place: Place, name: str) -> None:
    begin, line = LINES[name]
    command = line.format(place=place)
    assert table_of(place, begin, name).run(lambda: place.group.do(command)) > 0
