"""What volumes are called, and what their names and tags say.

    /dev/GROUP/<32 hex digits>          an image of the catalogue
    /dev/GROUP/vm-<vm>-<disk>-<engine>  a disk of a VM
    …-s<id>                             a snapshot of one of these
    …-r                                 what one becomes that is being brought back to a snapshot

Engines that share a volume group give the same ids to their VMs; each has its id in the names and in a tag.
Source: lvm(8), valid names and tags.
"""

import os
import re
from pathlib import Path

import msgspec

from trifid.core.vm.outside import is_image_name
from trifid.drivers.kit import Failure

DEVICES = "/dev"
TAG = "trifid"
"""Of every volume that is ours."""
PART_TAG = "trifid-part"
"""Of one that is not complete yet."""
_ENGINE_TAG = "trifid-engine="
_ENGINE_DIGITS = 8
_GROUP = re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*", re.ASCII)
_DISK = re.compile(r"vm-([0-9]{1,18})-([0-9]{1,9})-[0-9a-z]+")
_AFTER = re.compile(r"-(?:s[0-9]{1,13}|r)")


class Place(msgspec.Struct, frozen=True):
    """Where a volume is, or shall be."""

    group: str
    name: str

    @property
    def path(self) -> Path:
        """Its device."""
        return Path(DEVICES, self.group, self.name)


def group_of(base_path: str) -> str:
    """Return the volume group that a datastore's BASE_PATH names.

    Raises:
        Failure: it is not /dev/GROUP.
    """
    above, _, group = base_path.rstrip("/").rpartition("/")
    if above != DEVICES or _GROUP.fullmatch(group) is None or group in (".", ".."):
        raise Failure(f"{base_path[:200] or 'no BASE_PATH'} is not a volume group, expected BASE_PATH={DEVICES}/GROUP")
    return group


def place_of(path: str | Path) -> Place | None:
    """Return the place of what is, by its path, a logical volume; None for any other path."""
    above, _, name = os.fspath(path).rpartition("/")
    if _NAME.fullmatch(name) is None or name in (".", ".."):
        return None
    try:
        return Place(group_of(above), name)
    except Failure:
        return None


def image(path: str) -> Place:
    """Return the place of an image of the catalogue.

    Raises:
        Failure: it is anything else; nothing is written or removed there.
    """
    place = place_of(path)
    if place is None or not is_image_name(place.name):
        said = path[:200] or "no source"
        raise Failure(f"{said} is not an image of this datastore, expected {DEVICES}/GROUP/NAME of 32 hex digits")
    return place


def disk(group: str, vm_id: int, disk_id: str, engine_id: str) -> Place:
    """Return the place of a disk of a VM."""
    return Place(group, f"vm-{vm_id}-{int(disk_id)}-{engine_id[:_ENGINE_DIGITS]}")


def vm_and_disk(name: str) -> tuple[int, int] | None:
    """Return whose disk, or snapshot of one, a volume is by its name; None when it is none."""
    found = _DISK.match(name)
    return (int(found[1]), int(found[2])) if found else None


def is_own_disk(name: str, vm_id: int) -> bool:
    """Tell whether a volume is a disk of this VM by its name."""
    owner = vm_and_disk(name)
    return owner is not None and owner[0] == vm_id


def snapshot(name: str, snapshot_id: int) -> str:
    """Return what a snapshot of a volume is called.

    Raises:
        Failure: the number is none.
    """
    if snapshot_id < 0:
        raise Failure(f"snapshot {snapshot_id} is none")
    return f"{name}-s{snapshot_id}"


def reverted(name: str) -> str:
    """Return what a volume is called that is to take another's place."""
    return f"{name}-r"


def is_of(name: str, whole: str) -> bool:
    """Tell whether a volume is a snapshot of the one called `whole`, or is to take its place."""
    return name.startswith(whole) and _AFTER.fullmatch(name, len(whole)) is not None


def is_snapshot(name: str, whole: str) -> bool:
    """Tell whether a volume is a snapshot of the one called `whole`."""
    return is_of(name, whole) and name != reverted(whole)


def engine_tag(engine_id: str) -> str:
    """Return the tag of what an engine made."""
    return f"{_ENGINE_TAG}{engine_id}"
