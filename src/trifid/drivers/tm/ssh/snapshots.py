"""Snapshots and sizes of one disk of a VM that is off or saved, on its host.

A qcow2 image keeps its snapshots in itself; of a raw disk they are files beside it, `disk.1.snap/<id>`.  Which of
the two a disk is, the script says; what it does not say is raw: its contents are the guest's and say nothing.
Source: reference/drivers.md §4.3 (SNAP_CREATE, SNAP_REVERT, SNAP_DELETE, RESIZE).
"""

from trifid.drivers.kit import Failure
from trifid.drivers.tm import files, images
from trifid.drivers.tm.ssh.copying import copy_file
from trifid.drivers.tm.ssh.job import Job
from trifid.drivers.tm.ssh.place import SECRET_DIRECTORY_MODE, Place
from trifid.drivers.tm.ssh.qemu import Image, image_of

_GROW = 'truncate -s "$2" -- "$1" && exec sync "$1"'
# $1 directory.  Tells whether a snapshot is in it, apart from what a killed one left.
_HAS = 'for kept in "$1"/*; do case $kept in *.part|*.state|*/\\*) ;; *) echo yes; exit ;; esac; done'


def create(job: Job) -> None:
    """Keep the disk as it is."""
    disk, snapshot_id = _disk_and_number(job, "snapshot")
    if job.command.format == images.QCOW2:
        if not image_of(disk).has(snapshot_id):
            disk.run("qemu-img", "snapshot", "-q", "-c", images.name_in_image(snapshot_id), "--", str(disk.path))
        return
    kept = _kept(disk, snapshot_id)
    if not kept.is_there():
        disk.beside(".snap").make_directory(SECRET_DIRECTORY_MODE)
        copy_file(disk, kept, job.progress(disk))


def revert(job: Job) -> None:
    """Bring the disk back as it was; its snapshots stay."""
    disk, snapshot_id = _disk_and_number(job, "snapshot")
    if job.command.format == images.QCOW2:
        if not image_of(disk).has(snapshot_id):
            raise Failure(f"it has no snapshot {snapshot_id}")
        disk.run("qemu-img", "snapshot", "-q", "-a", images.name_in_image(snapshot_id), "--", str(disk.path))
        return
    kept = _kept(disk, snapshot_id)
    if not kept.is_there():
        raise Failure(f"it has no snapshot {snapshot_id}")
    copy_file(kept, disk, job.progress(disk))


def forget(job: Job) -> None:
    """Remove a snapshot; the disk and what else is kept of it stay."""
    disk, snapshot_id = _disk_and_number(job, "snapshot")
    if job.command.format == images.QCOW2:
        if image_of(disk).has(snapshot_id):
            disk.run("qemu-img", "snapshot", "-q", "-d", images.name_in_image(snapshot_id), "--", str(disk.path))
        return
    _kept(disk, snapshot_id).remove(".part", ".part.state")
    if not _has_files(disk):
        disk.beside(".snap").remove()


def resize(job: Job) -> None:
    """Make the disk as large as SIZE MiB; never smaller."""
    disk, size_mib = _disk_and_number(job, "size in MiB")
    is_qcow2, size = job.command.format == images.QCOW2, size_mib << 20
    about = disk.about()
    image = image_of(disk) if is_qcow2 else Image(size=about.size if about else 0)
    if image.size == size:
        return
    if image.size > size:
        raise Failure(f"it has {files.in_mib(image.size)}, it is not made smaller: {size_mib} MiB were asked for")
    if image.snapshots or _has_files(disk):
        raise Failure("it has snapshots, which are of its old size: delete them first")
    if is_qcow2:
        disk.run("qemu-img", "resize", "-q", "-f", "qcow2", "--", str(disk.path), str(size))
    else:
        disk.script(_GROW, str(size))


def _disk_and_number(job: Job, what: str) -> tuple[Place, int]:
    target, number = job.operands(2)
    disk, found = job.disk(target), job.number(number, what)
    about = disk.about()
    if about is None or about.kind != "f":
        raise Failure("there is no such disk")
    return disk, found


def _kept(disk: Place, snapshot_id: int) -> Place:
    """Return where a snapshot of a raw disk is kept."""
    return disk.beside(".snap").inside(str(snapshot_id))


def _has_files(disk: Place) -> bool:
    return bool(disk.beside(".snap").script(_HAS).strip())
