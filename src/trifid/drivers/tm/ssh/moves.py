"""A VM's files on their way between hosts and the front-end: moved, copied for a migration, cleaned up, deleted.

Between two hosts they go through the front-end: no host needs a key of another.  A copy is whole before it bears
its name, what it was made of goes afterwards and all at once, so a command that was killed half-way ends in the
same place when it is done again.
Source: reference/drivers.md §4.2 (the column SSH), §4.3 (MV, DELETE); CP and CLEAN are the two halves of a migration.
"""

import itertools
import re
from pathlib import PurePosixPath

from trifid.drivers.kit import Failure
from trifid.drivers.tm import paths
from trifid.drivers.tm.ssh.copying import STATE_SUFFIX, copy_file
from trifid.drivers.tm.ssh.job import Job
from trifid.drivers.tm.ssh.place import About, Place
from trifid.drivers.tm.ssh.same import MARK, are_in_one, is_one

GONE_SUFFIX = ".gone"
"""Of a directory that is being removed: what is left of it is nothing that a VM could be made of."""
_PARTS = (paths.PART_SUFFIX, STATE_SUFFIX)

_PASSED_OVER = re.compile(rf".*({'|'.join(map(re.escape, _PARTS))})|{MARK.pattern}", re.DOTALL)

# $1 a directory, $2 its name while it goes.
_VANISH = """
[ -d "$1" ] && [ ! -L "$1" ] && { rm -rf -- "$2"; mv -T -- "$1" "$2" && sync "${1%/*}" || exit 1; }
exec rm -rf -- "$1" "$2"
"""
# $1 a disk.  Of it are all files whose names go on with a dot.
_DELETE_DISK = 'exec rm -rf -- "$1" "$1".*'


def move(job: Job) -> None:
    """Move a file or directory; what has arrived already has arrived."""
    source, target = (job.of_vm(operand) for operand in job.operands(2))
    about = source.about()
    if about is not None and (is_one(source, target) or are_in_one(source, target)):
        return
    if about is None:
        if not target.is_there():
            raise Failure(f"neither {source} nor {target} exists")
        source.remove(GONE_SUFFIX)
    elif about.kind == "d":
        _parent(target).run("mkdir", "-p", "--", str(target.path.parent))
        mirror(job, source, target)
        vanish(source)
    else:
        _parent(target).make_directory()
        if target.host.is_here and paths.is_kept(target.path.parent):
            _keep_older(about, target)
        copy_file(source, target, job.progress(source))
        source.remove()


def copy_directory(job: Job) -> None:
    """Let the target directory be what the source is; the source stays until CLEAN."""
    source, target = _two_places(job)
    if is_one(source, target):
        return
    about = source.about()
    if about is None and not target.is_there():
        raise Failure(f"neither {source} nor {target} exists")
    if about is not None:
        if about.kind != "d":
            raise Failure(f"{source} is no directory")
        _parent(target).run("mkdir", "-p", "--", str(target.path.parent))
        mirror(job, source, target)


def clean(job: Job) -> None:
    """Remove the directory that a VM has left, once all of its disks are where it runs now, none shorter."""
    source, target = _two_places(job)
    if is_one(source, target):
        return
    if source.is_there():
        here = {name: about for name, about in source.listing().items() if _is_of_disk(name)}
        there = target.listing() if target.is_there() else {}
        lacking = [name for name, about in here.items() if not _holds(there.get(name), about)]
        if lacking or not target.is_there():
            raise Failure(f"{target} lacks {', '.join(lacking) or 'everything'}: {source} is kept")
    vanish(source)


def delete(job: Job) -> None:
    """Remove the VM's directory, or one of its disks with all that is kept of it."""
    (operand,) = job.operands(1)
    place, vm_id = job.place(operand), job.command.vm_id
    if paths.is_disk_name(place.path.name):
        paths.vm_disk(place.path, vm_id, job.command.datastore_id)
        place.script(_DELETE_DISK)
        return
    if not paths.is_stopped_files(place.path, vm_id):
        paths.vm_directory_itself(place.path, vm_id, job.command.datastore_id)
    vanish(place)


def tidy(job: Job) -> None:
    """Remove what a move long ago may have left; a host of long ago may never answer again, which does no harm."""
    try:
        delete(job)
    except Failure as failure:
        job.request.log(f"left over and not removed: {failure}", "W")


def mirror(job: Job, source: Place, target: Place) -> None:
    """Let a directory be what another is; what else is in it is of an earlier stay and goes.

    Where there is no source there is no target either.
    """
    wanted = {name: about for name, about in _listing(source).items() if not _PASSED_OVER.fullmatch(name)}
    there = _listing(target)
    if not source.is_there():
        target.remove()
        return
    target.make_directory(_mode_of(source))
    for name, about in there.items():
        is_going_on = name.endswith(_PARTS) and name.partition(paths.PART_SUFFIX)[0] in wanted
        if not is_going_on and (name not in wanted or wanted[name].kind != about.kind):
            target.inside(name).remove()
    for name, about in wanted.items():
        mirror_one(job, source.inside(name), target.inside(name), about, there.get(name))


def mirror_one(job: Job, source: Place, target: Place, about: About, there: About | None) -> None:
    """Let one entry of a directory be what the source is; a directory without its contents.

    Args:
        about: the source.
        there: what is at the target.
    """
    if about.kind == "d":
        target.make_directory(about.mode)
    elif about.kind == "f":
        if there is None or not there.is_as(about) or there.mode != about.mode:
            copy_file(source, target, job.progress(source), about.mode)
    else:
        raise Failure(f"{source} is neither a file nor a directory, it is not moved")


def _listing(place: Place) -> dict[str, About]:
    return place.listing() if place.is_there() else {}


def _mode_of(place: Place) -> int:
    about = place.about()
    return about.mode if about else paths.DIRECTORY_MODE


def _parent(place: Place) -> Place:
    return place._replace(path=place.path.parent)


def _is_of_disk(name: str) -> bool:
    """Tell whether a file is a disk, or a snapshot of a raw one."""
    first = PurePosixPath(name).parts[0].removesuffix(".snap")
    return paths.is_disk_name(first) and not name.endswith(_PARTS)


def _holds(there: About | None, about: About) -> bool:
    """Tell whether a file can be what became of another: a disk grows while a VM uses it."""
    return there is not None and there.kind == about.kind and (about.kind != "f" or there.size >= about.size)


def _two_places(job: Job) -> tuple[Place, Place]:
    """Return the VM's directories on two hosts, or in two datastores."""
    source, target = (job.place(operand) for operand in job.operands(2))
    for place in (source, target):
        if paths.vm_directory(place.path, job.command.vm_id) != place.path or paths.is_kept(place.path):
            raise Failure(f"{place} is not the directory of vm {job.command.vm_id} in a datastore")
    return source, target


def vanish(place: Place) -> None:
    """Remove a directory so that it is never there in part: a source that is there is complete."""
    place.script(_VANISH, str(place.beside(GONE_SUFFIX).path))


def _keep_older(about: About, target: Place) -> None:
    """Give another file that is in the way, a disk saved earlier, a name of its own: it may be the only copy."""
    there = target.about()
    if there is None or there.is_as(about):
        return  # nothing, or this one, by a move that was killed before it removed the source
    places = (target.beside(f".{number}") for number in itertools.count(1))
    target.take_name(next(place for place in places if not place.is_there()))
