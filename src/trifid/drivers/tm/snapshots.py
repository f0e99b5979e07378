"""Snapshots and sizes of one disk of a VM that is off or saved.

A qcow2 image keeps its snapshots in itself; of a raw disk they are files beside it, `disk.1.snap/<id>`.  A disk
that is a persistent image of the catalogue, used in place, is changed where it lies.
Source: reference/drivers.md §4.3 (SNAP_CREATE, SNAP_REVERT, SNAP_DELETE, RESIZE).
"""

import os
from pathlib import Path

import msgspec

from trifid.core.vm.outside import is_image_name
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files, paths
from trifid.drivers.tm.images import QCOW2, RAW, format_of, name_in_image
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.work import operands, progress

_SNAPSHOTS_MODE = 0o700
_NUMBER_MAX = 1 << 40


class _Kept(msgspec.Struct):
    name: str


class _Image(msgspec.Struct):
    """What qemu-img tells about an image."""

    size: int = msgspec.field(name="virtual-size")
    snapshots: list[_Kept] = []

    def has(self, snapshot_id: int) -> bool:
        """Tell whether it keeps a snapshot."""
        return name_in_image(snapshot_id) in [one.name for one in self.snapshots]


def create(request: Request, command: Command) -> None:
    """Keep the disk as it is."""
    disk, snapshot_id = _disk_and_number(command, "snapshot")
    if format_of(disk, command.format) == QCOW2:
        if not _image(request, disk).has(snapshot_id):
            request.run("qemu-img", "snapshot", "-q", "-c", name_in_image(snapshot_id), str(disk))
        return
    kept = _file(disk, snapshot_id)
    if not kept.is_file():
        kept.parent.mkdir(mode=_SNAPSHOTS_MODE, exist_ok=True)
        files.copy(disk, kept, progress(request, str(disk)))


def revert(request: Request, command: Command) -> None:
    """Bring the disk back as it was; its snapshots stay."""
    disk, snapshot_id = _disk_and_number(command, "snapshot")
    if format_of(disk, command.format) == QCOW2:
        if not _image(request, disk).has(snapshot_id):
            raise Failure(f"it has no snapshot {snapshot_id}")
        request.run("qemu-img", "snapshot", "-q", "-a", name_in_image(snapshot_id), str(disk))
        return
    kept = _file(disk, snapshot_id)
    if not kept.is_file():
        raise Failure(f"it has no snapshot {snapshot_id}")
    files.copy(kept, disk, progress(request, str(kept)))


def forget(request: Request, command: Command) -> None:
    """Remove a snapshot; the disk and what else is kept of it stay."""
    disk, snapshot_id = _disk_and_number(command, "snapshot")
    if format_of(disk, command.format) == QCOW2:
        if _image(request, disk).has(snapshot_id):
            request.run("qemu-img", "snapshot", "-q", "-d", name_in_image(snapshot_id), str(disk))
        return
    _file(disk, snapshot_id).unlink(missing_ok=True)
    if _has_files(disk):
        return
    _remove_empty(paths.snapshots_of(disk))


def resize(request: Request, command: Command) -> None:
    """Make the disk as large as SIZE MiB; never smaller."""
    disk, size_mib = _disk_and_number(command, "size in MiB")
    is_raw, size = format_of(disk, command.format) == RAW, size_mib << 20
    image = _Image(size=disk.stat().st_size) if is_raw else _image(request, disk)
    if image.size == size:
        return
    if image.size > size:
        raise Failure(f"it has {files.in_mib(image.size)}, it is not made smaller: {size_mib} MiB were asked for")
    if image.snapshots or _has_files(disk):
        raise Failure("it has snapshots, which are of its old size: delete them first")
    if not is_raw:
        request.run("qemu-img", "resize", "-q", "-f", "qcow2", str(disk), str(size))
        return
    with disk.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def _disk_and_number(command: Command, what: str) -> tuple[Path, int]:
    """Return the disk, a file of the VM's own or an image of the catalogue, and the number that goes with it."""
    target, number = operands(command, 2)
    disk = paths.vm_disk(paths.path_of(target), command.vm_id, command.datastore_id)
    if not (number.isascii() and number.isdigit() and int(number) < _NUMBER_MAX):
        raise Failure(f"{what} {number[:40]} is not a number")
    if disk.is_symlink():
        original = disk.readlink()
        if not is_image_name(original.name):
            raise Failure(f"it is {original} itself, used in place (CLONE=NO): that is not changed by a transfer")
        disk = paths.image(str(original))
    if not disk.is_file():
        raise Failure("there is no such disk")
    return disk, int(number)


def _file(disk: Path, snapshot_id: int) -> Path:
    """Return where a snapshot of a raw disk is kept."""
    return paths.snapshots_of(disk) / str(snapshot_id)


def _has_files(disk: Path) -> bool:
    """Tell whether a raw disk has snapshots, apart from what a killed one left."""
    kept = paths.snapshots_of(disk)
    return kept.is_dir() and any(not path.name.endswith(paths.PART_SUFFIX) for path in kept.iterdir())


def _remove_empty(directory: Path) -> None:
    if directory.is_dir():
        for part in directory.iterdir():
            part.unlink()
        directory.rmdir()


def _image(request: Request, disk: Path) -> _Image:
    told = request.run("qemu-img", "info", "-f", "qcow2", "--output=json", str(disk))
    return msgspec.json.decode(told, type=_Image)
