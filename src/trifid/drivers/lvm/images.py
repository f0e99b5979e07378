"""The verbs of the datastore driver `lvm`: images of the catalogue as volumes.

What is imported first becomes a file in the engine's home, by the rules of all imports (drivers/ds/importing.py),
and only then data on a volume.  Each verb ends in the same place when it is done again.
"""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from trifid.core.template.types import NO_FILE_SYSTEM
from trifid.core.vm.outside import is_image_name
from trifid.drivers.download import is_url, shown
from trifid.drivers.ds import importing, own, probe
from trifid.drivers.ds.making import SWAP
from trifid.drivers.kit import Failure
from trifid.drivers.lvm import copies, filling, names, volumes
from trifid.drivers.lvm.names import Place
from trifid.drivers.lvm.tools import MIB, Lvm, Volume
from trifid.drivers.tm.commands import MAKERS
from trifid.wire.image_action import ImageActionData

_MAKERS = {**MAKERS, SWAP: ("mkswap",)}
RAW = "raw"
STAGED = "staged"
"""Directory of the engine's home for what is being imported."""
_STAGED_MODE = 0o700


def copy(lvm: Lvm, data: ImageActionData) -> str:
    """Import an image from PATH; the failure names it."""
    place = _place(data)
    if data.kind in probe.FILES:
        raise Failure(f"a {data.kind} is a file, and a volume group keeps disks: use a file datastore")
    volume = volumes.complete(lvm, place)
    staged = _staged(place)
    if volume is None:
        try:
            volume = _bring(lvm, data, place, staged)
        except Failure as failure:
            about = shown(data.path) if is_url(data.path) else data.path
            _forget(staged)
            raise Failure(f"{about}: {str(failure).removeprefix(f'{about}: ')}") from failure
        except OSError:
            _forget(staged)
            raise
    _forget(staged)
    return _told(volume)


def make(lvm: Lvm, data: ImageActionData) -> str:
    """Make an empty image, with a file system or without."""
    place, file_system = _place(data), data.fs.lower()
    if data.format not in ("", RAW):
        raise Failure(f"format {data.format[:40]} cannot be: images of a volume group are raw")
    if file_system not in ("", *NO_FILE_SYSTEM, *_MAKERS):
        raise Failure(f"file system {file_system[:40]} is not known, expected one of {', '.join(_MAKERS)}")
    if data.size_mib <= 0:
        raise Failure(f"size {data.size_mib} is not a positive number of MiB")
    probe.check_size(data.size_mib * MIB, data.size_mib_max)
    volume = volumes.complete(lvm, place)
    if volume is None:
        volume = copies.empty(lvm, place, data.size_mib * MIB, _MAKERS.get(file_system, ()))
    return _told(volume)


def clone(lvm: Lvm, data: ImageActionData) -> str:
    """Make an image of what is in another one now: a thin snapshot in one group, a copy from one to another."""
    place, original = _place(data), names.image(data.clone_source)
    if data.clone_format not in ("", RAW):
        raise Failure(f"the format of the image to clone is {data.clone_format[:40]}, volumes are raw")
    volume = volumes.complete(lvm, place)
    if volume is None:
        origin = volumes.existing(lvm, original)
        size = max(origin.size, data.size_mib * MIB)
        probe.check_size(size, data.size_mib_max)
        volume = copies.of_volume(lvm, origin, place)
    if volume.size < data.size_mib * MIB:
        volume = volumes.resize(lvm, volume, data.size_mib)
    return _told(volume)


def remove(lvm: Lvm, data: ImageActionData) -> str:
    """Remove an image and everything of it.  A device that an administrator registered (SOURCE=…) stays."""
    place = names.place_of(data.source)
    if place is None or place.group != names.group_of(data.base_path) or not is_image_name(place.name):
        lvm.request.log(f"{data.source or 'no source'} was not made by this datastore, it is left as it is")
        return ""
    volumes.remove_with_snapshots(lvm, place)
    _forget(_staged(place))
    return ""


def resize(lvm: Lvm, data: ImageActionData) -> str:
    """Make an image larger; return its size in MiB."""
    volume = volumes.own(lvm, _place(data))
    probe.check_size(data.size_mib * MIB, data.size_mib_max)
    return str(probe.mib(volumes.resize(lvm, volume, data.size_mib).size))


def delete_snapshot(lvm: Lvm, data: ImageActionData) -> str:
    """Remove a snapshot."""
    volumes.forget(lvm, volumes.own(lvm, _place(data)), data.snapshot_id)
    return ""


def revert(lvm: Lvm, data: ImageActionData) -> str:
    """Bring an image back to a snapshot."""
    volumes.revert(lvm, volumes.own(lvm, _place(data)), data.snapshot_id)
    return ""


def flatten(lvm: Lvm, data: ImageActionData) -> str:
    """Bring an image back to a snapshot, and remove all of its snapshots.

    That snapshot goes last: an image without any was flattened before.
    """
    volume = volumes.own(lvm, _place(data))
    kept = volumes.snapshots_of(lvm, volume)
    if kept:
        last = volumes.kept(lvm, volume, data.snapshot_id)
        volumes.revert(lvm, volume, data.snapshot_id)
        volumes.remove_all(lvm, [one for one in kept if one != last])
        volumes.remove_all(lvm, [last])
    return ""


COMMANDS: dict[str, Callable[[Lvm, ImageActionData], str]] = {
    "CP": copy,
    "MKFS": make,
    "CLONE": clone,
    "RM": remove,
    "RESIZE": resize,
    "SNAP_DELETE": delete_snapshot,
    "SNAP_REVERT": revert,
    "SNAP_FLATTEN": flatten,
}


def _bring(lvm: Lvm, data: ImageActionData, place: Place, staged: Path) -> Volume:
    """Import into a file, and write that to a volume."""
    _make_stage(staged.parent)
    as_file = msgspec.structs.replace(data, source=str(staged), base_path=str(staged.parent), size_mib=0)
    found = importing.bring(lvm.request, as_file)
    size = found.size if data.kind == probe.CDROM else max(found.size, data.size_mib * MIB)
    probe.check_size(size, data.size_mib_max)
    with volumes.arriving(lvm, place, size) as volume:
        if found.format == "qcow2":
            filling.fill_from_qcow2(lvm.request, volume, staged)
        else:
            filling.fill(lvm.request, volume, staged)
    return volume


def _place(data: ImageActionData) -> Place:
    """Return where the image is, or shall be.

    Raises:
        Failure: that is not in the datastore's group, or not a name that the engine gives.
    """
    place, group = names.image(data.source), names.group_of(data.base_path)
    if place.group != group:
        raise Failure(f"{data.source} is not in volume group {group}, which is the datastore's")
    return place


def _staged(place: Place) -> Path:
    """Return where an image is a file while it is imported.

    Raises:
        Failure: nobody says where the engine's home is.
    """
    home = os.environ.get("TRIFID_HOME")
    if not home:
        raise Failure("TRIFID_HOME is not set: what is imported is put in a directory of it first")
    return Path(home, STAGED, place.name)


def _make_stage(directory: Path) -> None:
    directory.mkdir(mode=_STAGED_MODE, exist_ok=True)


def _forget(staged: Path) -> None:
    for path in own.leftovers(staged):
        path.unlink(missing_ok=True)


def _told(volume: Volume) -> str:
    return f"{volume.place.path} {RAW} {probe.mib(volume.size)}"
