"""A VM's files around a live migration that takes its disks along: PREMIGRATE, POSTMIGRATE, FAILMIGRATE.

All three are told the source's directory first and the target's second, and each may be done again at any time.
Hosts that see one directory are told apart by a mark, since for them any of the three would destroy what runs.
Source: reference/drivers.md §4.3.
"""

import re
from collections.abc import Callable, Mapping

from trifid.drivers.kit import Failure
from trifid.drivers.tm import files, images, paths
from trifid.drivers.tm.ssh import moves
from trifid.drivers.tm.ssh.job import Job
from trifid.drivers.tm.ssh.place import About, Place
from trifid.drivers.tm.ssh.qemu import image_of
from trifid.drivers.tm.ssh.same import MARK, is_one

_NOTHING = "-"
_DISK = re.compile(r"(0|[1-9][0-9]{0,9}):(raw|qcow2)", re.ASCII)
_STAYS = re.compile(rf"(checkpoint\.|deployment\.).*|{MARK.pattern}|.*(\.part|\.part\.state|\.copy|\.copy\.paused)")
"""What a VM that runs does not need, or what belongs to something else that was under way."""

# $1 part, $2 bytes, $3 mode, $4 final name.
_RAW = 'umask 077; truncate -s "$2" -- "$1" && chmod "$3" "$1" && mv -fT -- "$1" "$4" && sync "${4%/*}"'
# $1 part, $2 bytes, $3 mode, $4 final name.
_QCOW2 = (
    'umask 077; qemu-img create -q -f qcow2 -- "$1" "$2" && chmod "$3" "$1" && mv -fT -- "$1" "$4" && sync "${4%/*}"'
)
# $1 directory, then names in it.  Prints the bytes that each takes.
_TAKEN = 'cd -- "$1" && shift && exec stat -c "%b %B" -- "$@"'


def prepare(job: Job) -> None:
    """Let the target have everything but what is in the disks that are written to: these are there, and empty.

    Raises:
        Failure: no room, a disk that cannot come along, both hosts see one directory.
    """
    source, target = _places(job, 3)
    disks = _disks(job.command.operands[2])
    there = _contents(source)
    if lacking := sorted(name for name in disks if name not in there or there[name].kind != "f"):
        raise Failure(f"{source} has no file {', '.join(lacking)}")
    if is_one(source, target):
        raise Failure(
            f"{source} is {target}: hosts that see one directory need a system datastore of transfer driver shared"
        )
    sizes = {name: _size(source.inside(name), form, there[name]) for name, form in disks.items()}
    target.need_space(_taken(source, sorted(disks)))
    target.make_directory(paths.DIRECTORY_MODE)
    at_target = target.listing()
    for name in at_target:
        if name in disks or name not in there or there[name].kind != at_target[name].kind:
            target.inside(name).remove()
    for name, about in there.items():
        if name not in disks:
            moves.mirror_one(job, source.inside(name), target.inside(name), about, at_target.get(name))
    for name, size in sizes.items():
        _make_empty(target.inside(name), disks[name], size)


def arrived(job: Job) -> None:
    """Remove the source's directory: the VM runs on the target, which must have all of its disks."""
    source, target = _places(job, 2)
    if not is_one(source, target):
        _keep_if_lacking(source, target)
        moves.vanish(source)


def failed(job: Job) -> None:
    """Remove the target's directory: the VM runs on the source, which must have all of its disks."""
    source, target = _places(job, 2)
    if not is_one(source, target):
        _keep_if_lacking(target, source)
        moves.vanish(target)


def _places(job: Job, operands: int) -> tuple[Place, Place]:
    """Return the VM's directories on two hosts."""
    source, target = (job.place(operand) for operand in job.operands(operands)[:2])
    for place in (source, target):
        if paths.vm_directory(place.path, job.command.vm_id) != place.path or paths.is_kept(place.path):
            raise Failure(f"{place} is not the directory of vm {job.command.vm_id} in a datastore")
    return source, target


def _disks(text: str) -> dict[str, str]:
    """Return {name of a disk's file: its format} of `0:raw,2:qcow2`."""
    found = {}
    for word in text.split(",") if text != _NOTHING else ():
        disk = _DISK.fullmatch(word)
        if disk is None:
            raise Failure(f"{word[:40]!r} is no disk with its format, expected such as 0:raw")
        found[f"disk.{disk[1]}"] = disk[2]
    return found


def _contents(source: Place) -> dict[str, About]:
    """Return what of a directory is to be at the target as well."""
    listing = source.listing() if source.is_there() else {}
    return {name: about for name, about in listing.items() if not _STAYS.fullmatch(name)}


def _keep_if_lacking(goes: Place, stays: Place) -> None:
    """Raise Failure unless every disk of one directory is in the other one."""
    if not goes.is_there():
        return
    there = stays.listing() if stays.is_there() else {}
    disks = {name: about for name, about in goes.listing().items() if paths.is_disk_name(name)}
    if lacking := sorted(name for name, about in disks.items() if not _may_be(there.get(name), about)):
        raise Failure(f"{stays} lacks {', '.join(lacking)}: {goes} is kept")


def _may_be(there: About | None, about: About) -> bool:
    return there is not None and there.kind == about.kind and (there.size > 0 or about.size == 0)


def _size(disk: Place, form: str, about: About) -> int:
    """Return how large a disk is for its guest, bytes.

    Raises:
        Failure: there is more to it than a hypervisor copies.
    """
    if form != images.QCOW2:
        return about.size
    image = image_of(disk, is_in_use=True)
    if image.snapshots:
        raise Failure(f"{disk} keeps snapshots, which would not come along: delete them, or move the VM cold")
    return image.size


def _taken(source: Place, names: list[str]) -> int:
    """Return how many bytes files take on their disk: holes take none at the target either."""
    if not names:
        return 0
    told = source.script(_TAKEN, *names).split()
    return sum(int(blocks) * int(size) for blocks, size in zip(told[::2], told[1::2], strict=True))


def _make_empty(disk: Place, form: str, size: int) -> None:
    part = disk.beside(paths.PART_SUFFIX)
    part.remove()
    part.script(_QCOW2 if form == images.QCOW2 else _RAW, str(size), f"{files.DISK_MODE:o}", str(disk.path))


DOES: Mapping[str, Callable[[Job], None]] = {"PREMIGRATE": prepare, "POSTMIGRATE": arrived, "FAILMIGRATE": failed}
