"""The commands of transfer scripts for hosts whose datastores are their own disks; here, those that make a disk.

`host:DIR` is on that host; the images and what is kept of a VM are on the front-end.
Source: reference/drivers.md §4.2 (the column SSH), §4.3.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path

from trifid.core.template.types import NO_FILE_SYSTEM
from trifid.drivers.kit import Failure, Request
from trifid.drivers.remote.host import Hosts
from trifid.drivers.tm import context, files, paths
from trifid.drivers.tm.commands import MAKERS, Commands
from trifid.drivers.tm.fetch import fetch, is_url, shown
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.sources import source_of
from trifid.drivers.tm.ssh import catalogue, live, moves, snapshots
from trifid.drivers.tm.ssh.copying import copy_file
from trifid.drivers.tm.ssh.job import Job
from trifid.drivers.tm.ssh.place import SECRET_DIRECTORY_MODE, Place

_FETCHED_SUFFIX = ".fetched"
_SENT = "sent"
"""Directory among the VM's files on the front-end that its context is written in before it is sent."""

# $1 part, $2 bytes.
_EMPTY = 'rm -rf -- "$1"; umask 077; exec truncate -s "$2" -- "$1"'
# $1 part, $2 mode, $3 final name.
_NAME = 'chmod "$2" "$1" && sync "$1" && mv -fT -- "$1" "$3" && sync "${3%/*}"'


def clone(job: Job) -> None:
    """Copy or fetch a file to the host; what is there stays as it is."""
    source, target = job.operands(2)
    place = job.arrival(target)
    if is_url(source):
        _fetched(job, source, place)
        return
    original = _original(job, source, place)
    if not _is_there(place):
        copy_file(original, place, job.progress(source))


def link(job: Job) -> None:
    """Copy a persistent image with its snapshots: it is nowhere else while the VM has it, and MVDS brings it back."""
    source, target = job.operands(2)
    if is_url(source):
        raise Failure(f"{shown(source)} cannot be used in place, expected a path (or CLONE=YES)")
    place = job.arrival(target)
    original = _original(job, source, place)
    if not _is_there(place):
        moves.mirror(job, original.beside(".snap"), place.beside(".snap"))
        copy_file(original, place, job.progress(source))


def make_swap(job: Job) -> None:
    """Make a swap disk of SIZE MiB."""
    size, target = job.operands(2)
    _make(job, size, target, ("mkswap",))


def make_image(job: Job) -> None:
    """Make a disk of SIZE MiB with an empty file system, or without any."""
    size, file_system, target = job.operands(3)
    if file_system not in MAKERS and file_system not in NO_FILE_SYSTEM:
        raise Failure(f"format {file_system} is not known, expected one of {', '.join((*MAKERS, *NO_FILE_SYSTEM))}")
    _make(job, size, target, MAKERS.get(file_system, ()))


def write_context(job: Job) -> None:
    """Write the context on the front-end, and send it; anew each time: what is in the files may have changed."""
    if len(job.command.operands) < 2:
        raise Failure("expected context.sh, files, and where the image goes")
    context_sh, *more, target = job.command.operands
    place = job.arrival(target)
    sh = paths.path_of(context_sh)
    stage = job.here(paths.vm_directory(sh, job.command.vm_id) / f"{place.path.name}.{_SENT}")
    written = context.write_images(job.request, sh, more, stage.path, job.command.within)
    for image in written:
        suffix = image.name.removeprefix(stage.path.name)
        copy_file(job.here(image), place.beside(suffix), job.progress(image), context.IMAGE_MODE)
        job.here(image).remove()
    if len(written) == 1:
        place.beside(context.SEED_SUFFIX).remove()


_DOES: dict[str, Callable[[Job], None]] = {
    "CLONE": clone,
    "LN": link,
    "MKSWAP": make_swap,
    "MKIMAGE": make_image,
    "CONTEXT": write_context,
    "MV": moves.move,
    "CP": moves.copy_directory,
    "CLEAN": moves.clean,
    "DELETE": moves.delete,
    "TIDY": moves.tidy,
    "MVDS": catalogue.bring_back,
    "CPDS": catalogue.copy_to_image,
    "SNAP_CREATE": snapshots.create,
    "SNAP_REVERT": snapshots.revert,
    "SNAP_DELETE": snapshots.forget,
    "RESIZE": snapshots.resize,
    **live.DOES,
}


def commands_on(hosts: Hosts) -> Commands:
    """Return the commands, for these machines."""
    return {word: functools.partial(_do, does, hosts) for word, does in _DOES.items()}


def _do(does: Callable[[Job], None], hosts: Hosts, request: Request, command: Command) -> None:
    does(Job(hosts, request, command))


def _original(job: Job, operand: str, place: Place) -> Place:
    """Return where an image lies, links followed."""
    source = job.place(operand)
    if not source.host.is_here:
        raise Failure(f"{source} is not on the front-end: images are taken from there")
    return job.here(Path(os.path.realpath(source_of(operand, job.command, place.path.parent))))


def _is_there(place: Place) -> bool:
    """Tell whether a disk is there, which is complete then."""
    about = place.about()
    if about is None:
        return False
    if about.kind != "f":
        raise Failure(f"{place} is not a file")
    place.run("rm", "-f", "--", *(str(place.beside(suffix).path) for suffix in (".part", ".part.state")))
    return True


def _fetched(job: Job, url: str, place: Place) -> None:
    """Fetch a file to the front-end, then send it."""
    if _is_there(place):
        return
    home = os.environ.get("TRIFID_HOME")
    if not home:
        raise Failure("TRIFID_HOME is not set: files from the web come to a directory in it first")
    cache = job.here(Path(home) / "vms" / str(job.command.vm_id) / f"{place.path.name}{_FETCHED_SUFFIX}")
    cache._replace(path=cache.path.parent).make_directory(SECRET_DIRECTORY_MODE)
    if not cache.is_there():
        fetch(url, cache.path, job.progress(shown(url)), files.DISK_MODE)
    copy_file(cache, place, job.progress(shown(url)))
    cache.remove()


def _make(job: Job, size_mib: str, target: str, maker: tuple[str, ...]) -> None:
    place = job.arrival(target)
    if _is_there(place):
        return
    if not job.number(size_mib, "size in MiB"):
        raise Failure("size 0 is not a positive number of MiB")
    part = place.beside(paths.PART_SUFFIX)
    part.script(_EMPTY, str(int(size_mib) << 20))
    if maker:
        part.run(*maker, "--", str(part.path))
    part.script(_NAME, f"{files.DISK_MODE:o}", str(place.path))
