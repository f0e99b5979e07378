"""Disks on their way back to the catalogue: a persistent one to its image, and a copy of one as a new image.

Source: reference/drivers.md §4.3 (MVDS, CPDS).
"""

from trifid.drivers.kit import Failure
from trifid.drivers.tm import images, paths
from trifid.drivers.tm.ssh import moves
from trifid.drivers.tm.ssh.copying import STATE_SUFFIX, copy_file
from trifid.drivers.tm.ssh.job import Job
from trifid.drivers.tm.ssh.place import Place
from trifid.drivers.tm.ssh.qemu import image_of

_SAVED = ".saved"
"""Beside a qcow2 disk: its contents without the snapshots, or one of these, until it is sent."""


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
    """Make a new image of a disk as it is, or as it was in a snapshot; an image that is there is complete."""
    source, target, number = job.operands(3)
    disk, image = job.disk(source), job.image(target)
    copied, saved = disk.beside(".copy"), disk.beside(_SAVED)
    if not image.is_there():
        snapshot_id = -1 if number == "-1" else job.number(number, "snapshot")
        copy_file(_wanted(job, disk, copied, saved, snapshot_id), image, job.progress(disk))
    image.run("rm", "-f", "--", *(str(image.beside(suffix).path) for suffix in (paths.PART_SUFFIX, STATE_SUFFIX)))
    for place in (saved, saved.beside(paths.PART_SUFFIX), copied):
        place.remove()


def _wanted(job: Job, disk: Place, copied: Place, saved: Place, snapshot_id: int) -> Place:
    """Return the file that the new image is a copy of."""
    if snapshot_id < 0 and copied.is_there():
        return copied
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
