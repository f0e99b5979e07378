"""What a disk is, raw or qcow2, and what qemu-img does to one: a layer over an image, a copy in one piece.

What the script tells of a disk goes before what its first bytes look like, since a guest writes those of a raw
disk.  A layer stands on one image, to which `disk.N.base` leads (paths.base_of).
"""

import os
import stat
from pathlib import Path

from trifid.drivers.kit import Failure, Request
from trifid.drivers.libvirt.images import Head, head_of, is_qcow2
from trifid.drivers.tm import files, paths
from trifid.drivers.tm.work import progress

RAW, QCOW2 = "raw", "qcow2"


def name_in_image(snapshot_id: int) -> str:
    """Return what a qcow2 image calls a snapshot of a disk, made while it ran or not (drivers/libvirt)."""
    return f"disk-snapshot-{snapshot_id}"


def format_of(disk: Path, told: str) -> str:
    """Return what a disk, or an image, is.

    Args:
        told: format of what it was made from, as the script tells it; empty when it does not.

    Raises:
        Failure: it leads to other files than it may, or is no qcow2 image and was said to be one.
        OSError: it cannot be read.
    """
    if paths.base_of(disk).is_symlink():
        _head_of_layer(disk)
        return QCOW2
    if told == RAW or is_qcow2(str(disk)):
        return told or QCOW2
    if told:
        raise Failure(f"{disk} is no {told} image, though it was made from one")
    return RAW


def make_layer(request: Request, source: Path, source_format: str, disk: Path) -> None:
    """Make a disk that holds what differs from an image; as large as that.

    Raises:
        Failure: the image is not what it is said to be, or leads to other files.
        OSError: it cannot be read, or the disk not be made.
    """
    mode = source.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise Failure(f"{source} is neither a file nor a block device")
    image_format = format_of(source, source_format)
    base = paths.base_of(disk)
    if not (base.is_symlink() and base.readlink() == source):
        base.unlink(missing_ok=True)
        base.symlink_to(source)
    with files.arriving(disk) as file:
        request.run("qemu-img", "create", "-q", "-f", QCOW2, "-b", str(source), "-F", image_format, file.name)


def flatten(request: Request, disk: Path) -> None:
    """Let a layer become a disk in one piece; one that is so stays as it is.

    Raises:
        Failure: it stands on something else than it was made on, or there is no space for it.
    """
    base = paths.base_of(disk)
    if not base.is_symlink():
        return
    if disk.is_file() and _head_of_layer(disk).backing:
        with files.arriving(disk) as file:
            _convert(request, disk, Path(file.name))
    base.unlink()
    files.sync_directory(disk.parent)


def copy_whole(request: Request, disk: Path, told: str, target: Path, snapshot_id: int = -1) -> None:
    """Copy a disk, as it is or was in a snapshot, into one file of its format that holds no snapshots.

    Raises:
        Failure: it is not what it was told to be, has no such snapshot, or there is no space for it.
        OSError: it cannot be read or written.
    """
    if format_of(disk, told) == RAW:
        source = disk if snapshot_id < 0 else paths.snapshots_of(disk) / str(snapshot_id)
        if not source.is_file() and snapshot_id >= 0:
            raise Failure(f"{disk} has no snapshot {snapshot_id}")
        files.copy(source, target, progress(request, str(source)))
        return
    head = head_of(str(disk)) or Head()
    if snapshot_id < 0 and not head.backing and not head.snapshots:
        files.copy(disk, target, progress(request, str(disk)))
        return
    with files.arriving(target) as file:
        _convert(request, disk, Path(file.name), snapshot_id)


def _convert(request: Request, disk: Path, target: Path, snapshot_id: int = -1) -> None:
    """Write the contents of a qcow2 disk to a file in one piece; a snapshot may be read while a VM uses the disk."""
    of_snapshot = ("-U", "-l", f"snapshot.name={name_in_image(snapshot_id)}") if snapshot_id >= 0 else ()
    request.run("qemu-img", "convert", "-q", *of_snapshot, "-f", QCOW2, "-O", QCOW2, str(disk), str(target))


def _head_of_layer(disk: Path) -> Head:
    base = paths.base_of(disk).readlink()
    head = head_of(os.fspath(disk))
    if head is None:
        raise Failure(f"{disk} is no qcow2 image, expected a layer over {base}")
    if head.backing not in ("", str(base)) or head.has_data_elsewhere:
        raise Failure(f"{disk} is a layer over {head.backing or 'another file'}, expected over {base}")
    return head
