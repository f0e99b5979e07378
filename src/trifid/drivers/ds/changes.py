"""Images that are there: made larger, brought back to a snapshot, removed.

A qcow2 image keeps its snapshots in itself; of a raw one they are files beside it, SOURCE.snap/<id>.
The format is always the one of the record: what a guest wrote to a raw disk does not make it another.
"""

import os
from pathlib import Path

from trifid.drivers.ds import own, probe, qemu
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files
from trifid.drivers.tm.images import name_in_image
from trifid.drivers.tm.paths import PART_SUFFIX, snapshots_of
from trifid.drivers.tm.work import progress
from trifid.wire.image_action import ImageActionData


def remove(request: Request, data: ImageActionData) -> None:
    """Remove an image and everything of it.  A file that an administrator registered (SOURCE=…) stays.

    Raises:
        OSError: it cannot be removed.
    """
    if not own.is_own(data):
        request.log(f"{data.source or 'no source'} was not made by this datastore, the file is left as it is")
        return
    source = own.source_of(data)
    for path in own.leftovers(source):
        path.unlink(missing_ok=True)
    kept = snapshots_of(source)
    if kept.is_symlink():
        kept.unlink()
    elif kept.is_dir():
        kept.rmdir()
    if source.parent.is_dir():
        files.sync_directory(source.parent)


def resize(request: Request, data: ImageActionData) -> int:
    """Make an image SIZE_MIB large, never smaller; return its size in MiB.

    Raises:
        Failure: it would get smaller or larger than is taken, or it has snapshots.
        OSError: it cannot be written.
    """
    source, size = own.existing(data), data.size_mib * probe.MIB
    if _is_qcow2(data):
        info = qemu.info_of(request, source)
        is_now, has_snapshots = info.size, bool(info.snapshots)
    else:
        is_now, has_snapshots = source.stat().st_size, bool(_kept(source))
    if is_now == size:
        return data.size_mib
    if is_now > size:
        raise Failure(f"it has {files.in_mib(is_now)}, it is not made smaller: {data.size_mib} MiB were asked for")
    if has_snapshots:
        raise Failure("it has snapshots, which are of its old size: delete them first")
    probe.check_size(size, data.size_mib_max)
    if _is_qcow2(data):
        qemu.resize(request, str(source), size)
    else:
        with source.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())
    return data.size_mib


def delete_snapshot(request: Request, data: ImageActionData) -> None:
    """Remove a snapshot; the image and its other snapshots stay.

    Raises:
        Failure, OSError: it cannot be removed.
    """
    source = own.existing(data)
    if _is_qcow2(data):
        if qemu.info_of(request, source).has(data.snapshot_id):
            qemu.snapshot(request, "-d", name_in_image(data.snapshot_id), source)
        return
    _file(source, data.snapshot_id).unlink(missing_ok=True)
    _remove_if_empty(source)


def revert(request: Request, data: ImageActionData) -> None:
    """Bring an image back as it was at a snapshot; its snapshots stay.

    Raises:
        Failure: there is no such snapshot, or no space.
        OSError: it cannot be written.
    """
    source = own.existing(data)
    if _is_qcow2(data):
        if not qemu.info_of(request, source).has(data.snapshot_id):
            raise Failure(f"it has no snapshot {data.snapshot_id}")
        qemu.snapshot(request, "-a", name_in_image(data.snapshot_id), source)
        return
    kept = _file(source, data.snapshot_id)
    if not kept.is_file():
        raise Failure(f"it has no snapshot {data.snapshot_id}")
    files.copy(kept, source, progress(request, str(kept)))


def flatten(request: Request, data: ImageActionData) -> None:
    """Bring an image back as it was at a snapshot, and remove all of its snapshots.

    That snapshot goes last, and in one step: an image without any was flattened before.

    Raises:
        Failure: there is no such snapshot.
        OSError: it cannot be written.
    """
    source = own.existing(data)
    if _is_qcow2(data):
        _flatten_qcow2(request, data, source)
        return
    kept, all_kept = _file(source, data.snapshot_id), _kept(source)
    if all_kept and not kept.is_file():
        raise Failure(f"it has no snapshot {data.snapshot_id}")
    for other in all_kept:
        if other != kept:
            other.unlink()
    if kept.is_file():
        kept.rename(source)
        files.sync_directory(source.parent)
    _remove_if_empty(source)


def _flatten_qcow2(request: Request, data: ImageActionData, source: Path) -> None:
    info, name = qemu.info_of(request, source), name_in_image(data.snapshot_id)
    if not info.snapshots:
        return
    if not info.has(data.snapshot_id):
        raise Failure(f"it has no snapshot {data.snapshot_id}")
    qemu.snapshot(request, "-a", name, source)
    for other in info.snapshots:
        if other.name != name:
            qemu.snapshot(request, "-d", other.name, source)
    qemu.snapshot(request, "-d", name, source)


def _is_qcow2(data: ImageActionData) -> bool:
    if data.format not in probe.FORMATS:
        raise Failure(f"the format of the image must be raw or qcow2, is {data.format[:40]!r}")
    return data.format == "qcow2"


def _file(source: Path, snapshot_id: int) -> Path:
    if snapshot_id < 0:
        raise Failure(f"snapshot {snapshot_id} is none")
    return snapshots_of(source) / str(snapshot_id)


def _kept(source: Path) -> list[Path]:
    """Return the snapshots of a raw image, apart from what a killed one left."""
    directory = snapshots_of(source)
    found = sorted(directory.iterdir()) if directory.is_dir() else []
    return [path for path in found if not path.name.endswith(PART_SUFFIX)]


def _remove_if_empty(source: Path) -> None:
    directory = snapshots_of(source)
    if directory.is_dir() and not _kept(source):
        for part in directory.iterdir():
            part.unlink()
        directory.rmdir()
