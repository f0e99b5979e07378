"""Disks on their way into the catalogue: a persistent one back to its image, and a copy of one as a new image.

An image is whole before it bears its name, and what it was made of goes afterwards.
Source: reference/drivers.md §4.3 (MVDS, CPDS).
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from trifid.core.vm.outside import is_image_name
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files, images, paths
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.work import operands, progress

_SNAPSHOTS_MODE = 0o700
_NUMBER_MAX = 1 << 40
_MIB = 1 << 20


def bring_back(request: Request, command: Command) -> None:
    """Let a persistent image be what its disk became, and remove the disk.

    A disk that is its image, used in place, has nothing to bring; one that is gone has been brought.
    """
    target, name = operands(command, 2)
    disk, place = paths.vm_disk(paths.path_of(target), command.vm_id, command.datastore_id), paths.path_of(name)
    if disk.is_symlink():
        if disk.readlink() != place:
            raise Failure(f"{disk} is {disk.readlink()}, used in place, expected {place}")
        _sync(place)
        disk.unlink()
        files.sync_directory(disk.parent)
        return
    if not os.path.lexists(disk) and not is_image_name(place.name) and place.exists():
        return  # it was there before the catalogue (SOURCE=…) and was used in place, whose link is gone
    image = paths.image(name)
    if disk.is_file():
        images.flatten(request, disk)
        files.copy(disk, image, progress(request, str(disk)))
        _bring_snapshots(request, paths.snapshots_of(disk), paths.snapshots_of(image))
        disk.unlink()
        files.sync_directory(disk.parent)
    elif not image.is_file():
        raise Failure(f"neither {disk} nor {image} exists")
    if (kept := paths.snapshots_of(disk)).is_dir():
        shutil.rmtree(kept)


def copy_to_image(request: Request, command: Command) -> None:
    """Make a new image of a disk, as it is or was in a snapshot, or of a copy; an image that is there is whole.

    A copy, disk.N.copy, was made by the hypervisor of a disk in use.  It is of this point in time and of no other, so
    it is removed, whatever becomes of it; beside a disk that is saved as it is, one is left over.
    """
    target, name, number = operands(command, 3)
    disk = paths.vm_disk_or_copy(paths.path_of(target), command.vm_id, command.datastore_id)
    snapshot_id = snapshot_id_of(number)
    if paths.is_copy_name(disk.name):
        with removing_copy(disk):
            image = paths.image(name)
            if not image.is_file():
                files.copy(plain_copy(disk, snapshot_id), image, progress(request, str(disk)))
        return
    with removing_copy(paths.copy_of(disk)):
        image = paths.image(name)
        if image.is_file():
            return
        if not disk.exists():
            raise Failure(f"there is no disk {disk}")
        original = disk.readlink() if disk.is_symlink() else disk
        images.copy_whole(request, original, command.format, image, snapshot_id)


def size_told(command: Command) -> str:
    """Return what the engine is told of an image that a command made of a disk: `SIZE=MIB`, "" when that is no file.

    It is that of the file, which is the disk's when both are raw: only the engine knows what the image is.
    """
    if command.word != "CPDS":
        return ""
    image = paths.path_of(operands(command, 3)[1])
    return f"SIZE={-(-image.stat().st_size // _MIB)}" if image.is_file() else ""


@contextlib.contextmanager
def removing_copy(copy: Path) -> Iterator[None]:
    """Remove a copy that a hypervisor made of a disk, or what there is of it, when the block ends."""
    try:
        yield
    finally:
        for path in (copy, paths.part_of(copy)):
            path.unlink(missing_ok=True)


def plain_copy(copy: Path, snapshot_id: int) -> Path:
    """Return a copy that a hypervisor made of a disk, a file.

    Raises:
        Failure: it is not there, or is said to have snapshots.
    """
    if snapshot_id >= 0:
        raise Failure(f"{copy} has no snapshot {snapshot_id}: it is the disk as it was when it was copied")
    if copy.is_symlink() or not copy.is_file():
        raise Failure(f"there is no copy {copy}")
    return copy


def _bring_snapshots(request: Request, source: Path, target: Path) -> None:
    """Let the snapshots of a raw image be those of its disk."""
    kept = sorted(path for path in source.iterdir() if _is_whole(path)) if source.is_dir() else []
    if kept:
        target.mkdir(mode=_SNAPSHOTS_MODE, exist_ok=True)
    for path in kept:
        files.copy(path, target / path.name, progress(request, str(path)))
    names = {path.name for path in kept}
    for path in target.iterdir() if target.is_dir() else ():
        if path.name not in names:
            path.unlink()
    if target.is_dir() and not kept:
        target.rmdir()


def _is_whole(path: Path) -> bool:
    return not path.name.endswith(paths.PART_SUFFIX)


def _sync(image: Path) -> None:
    with image.open("rb") as file:
        os.fsync(file.fileno())


def snapshot_id_of(number: str) -> int:
    """Return which snapshot is meant, -1 for none; raises Failure for what is no number."""
    if number == "-1":
        return -1
    if not (number.isascii() and number.isdigit() and int(number) < _NUMBER_MAX):
        raise Failure(f"snapshot {number[:40]} is not a number")
    return int(number)
