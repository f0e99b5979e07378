"""Disks on their way back to the catalogue: a persistent one to its image, and a copy of one as a new image.

Source: reference/drivers.md §4.3 (MVDS, CPDS).
"""

import contextlib
from collections.abc import Iterator

from trifid.core.vm.transfer import COPY_SUFFIX
from trifid.drivers.kit import Failure
from trifid.drivers.tm import images, paths
from trifid.drivers.tm.ssh import moves
from trifid.drivers.tm.ssh.copying import STATE_SUFFIX, copy_file
from trifid.drivers.tm.ssh.job import Job
from trifid.drivers.tm.ssh.place import Place
from trifid.drivers.tm.ssh.qemu import image_of

_SAVED = ".saved"
"""Beside a qcow2 disk: its contents without the snapshots, or one of these, until it is sent."""
_REMOVAL_TIMEOUT_S = 3.0
"""Less than the engine grants a cancelled request."""


def bring_back(job: Job) -> None:
    """Let a persistent image be what its disk became, its snapshots too, and remove the disk from the host."""
    source, target = job.operands(2)
    disk, image = job.disk(source), job.image(target)
    snapshots = disk.beside(".snap")
    if disk.is_there():
        moves.mirror(job, snapshots, image.beside(".snap"))
        copy_file(disk, image, job.progress(disk))
        # The disk goes first: while it is there, all of this is done again.
        disk.run("rm", "-f", "--", str(disk.path))
        disk.run("sync", "--", str(disk.path.parent))
    elif not image.is_there():
        raise Failure(f"neither {disk} nor {image} exists")
    snapshots.remove()


def copy_to_image(job: Job) -> None:
    """Make a new image of a disk as it is, or as it was in a snapshot; an image that is there is complete.

    Or of a copy that the hypervisor made of a disk in use, disk.N.copy; see drivers/tm/saving.py.
    """
    source, target, number = job.operands(3)
    disk = job.disk_or_copy(source)
    snapshot_id = -1 if number == "-1" else job.number(number, "snapshot")
    if paths.is_copy_name(disk.path.name):
        with _removing_copy(job, disk):
            image = job.image(target)
            if not image.is_there():
                copy_file(_plain_copy(disk, snapshot_id), image, job.progress(disk))
            _remove_parts(image)
        return
    with _removing_copy(job, disk.beside(COPY_SUFFIX)):
        image, saved = job.image(target), disk.beside(_SAVED)
        if not image.is_there():
            copy_file(_wanted(job, disk, saved, snapshot_id), image, job.progress(disk))
        _remove_parts(image)
        saved.remove(paths.PART_SUFFIX)


def _remove_parts(image: Place) -> None:
    image.run("rm", "-f", "--", *(str(image.beside(suffix).path) for suffix in (paths.PART_SUFFIX, STATE_SUFFIX)))


@contextlib.contextmanager
def _removing_copy(job: Job, copy: Place) -> Iterator[None]:
    """Remove a copy that a hypervisor made of a disk when the block ends, of a cancelled transfer as well.

    When it ends badly and the copy cannot be removed either, the first reason is the one that is told.
    """
    leftover = [str(copy.path), str(copy.beside(paths.PART_SUFFIX).path)]
    try:
        yield
    except Failure:
        try:
            copy.host.run("rm", "-f", "--", *leftover, timeout_s=_REMOVAL_TIMEOUT_S)
        except Failure as fault:
            job.request.log(f"left over and not removed: {copy}: {fault}", "W")
        raise
    copy.run("rm", "-f", "--", *leftover)


def _plain_copy(copy: Place, snapshot_id: int) -> Place:
    if snapshot_id >= 0:
        raise Failure(f"{copy} has no snapshot {snapshot_id}: it is the disk as it was when it was copied")
    if not copy.is_there():
        raise Failure(f"there is no copy {copy}")
    return copy


def _wanted(job: Job, disk: Place, saved: Place, snapshot_id: int) -> Place:
    """Return the file that the new image is a copy of."""
    if not disk.is_there():
        raise Failure(f"there is no disk {disk}")
    if job.command.format != images.QCOW2:
        kept = disk if snapshot_id < 0 else disk.beside(".snap").inside(str(snapshot_id))
        if not kept.is_there():
            raise Failure(f"it has no snapshot {snapshot_id}")
        return kept
    image = image_of(disk)
    if snapshot_id >= 0 and not image.has(snapshot_id):
        raise Failure(f"it has no snapshot {snapshot_id}")
    if snapshot_id < 0 and not image.snapshots:
        return disk
    if not saved.is_there():
        _convert(disk, saved, snapshot_id)
    return saved


def _convert(disk: Place, saved: Place, snapshot_id: int) -> None:
    """Write the contents of a qcow2 disk into a file of their own, on its host."""
    part = saved.beside(paths.PART_SUFFIX)
    part.remove()
    of = ("-U", "-l", f"snapshot.name={images.name_in_image(snapshot_id)}") if snapshot_id >= 0 else ()
    disk.run("qemu-img", "convert", "-q", *of, "-f", "qcow2", "-O", "qcow2", "--", str(disk.path), str(part.path))
    part.take_name(saved)
