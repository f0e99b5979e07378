"""A VM's files on their way: moved, copied for a migration, cleaned up after it, deleted.

A copy is whole before it bears its name, what it was made of goes afterwards, and a command that was
killed half-way ends in the same place when it is done again.
Source: reference/drivers.md §4.2, §4.3 (MV, DELETE); CP and CLEAN are the two halves of a migration.
"""

import errno
import filecmp
import itertools
import os
import shutil
from pathlib import Path

from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files, images, paths
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.work import operands, progress

_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP)


def move(request: Request, command: Command) -> None:
    """Move a file or directory; what has arrived already has arrived.

    A VM that leaves its host for a while stays in its datastore, which the next host sees as well.  A disk that is
    kept on the front-end is kept in one piece: the image that it was a layer over may be deleted.
    """
    source, target = (paths.path_of(operand) for operand in operands(command, 2))
    for path in (source, target):
        paths.vm_directory(path, command.vm_id)
    if source == target or any(paths.is_stopped_files(path, command.vm_id) for path in (source, target)):
        return
    if not os.path.lexists(source):
        if not os.path.lexists(target):
            raise Failure(f"neither {source} nor {target} exists")
        return
    if os.path.lexists(target) and os.path.samestat(source.lstat(), target.lstat()):
        return  # one directory under two names
    directory = paths.vm_directory(target, command.vm_id)
    paths.make_directory(directory)
    if paths.is_kept(directory):
        images.flatten(request, source)
        _keep_older(source, target)
    _move(request, source, target)


def copy_directory(request: Request, command: Command) -> None:
    """Let the target directory be what the source is; the source stays until CLEAN.

    On one file system a file gets a second name, which costs nothing.
    """
    source, target = _two_places(command)
    if not os.path.lexists(source):
        if not os.path.lexists(target):
            raise Failure(f"neither {source} nor {target} exists")
        return
    if source.is_symlink() or not source.is_dir():
        raise Failure(f"{source} is no directory")
    if _is_one(source, target):
        return
    _copy_contents(request, source, target)


def clean(request: Request, command: Command) -> None:
    """Remove the directory that a VM has left, once all of its disks are where it runs now."""
    source, target = _two_places(command)
    if not os.path.lexists(source) or _is_one(source, target):
        return
    disks = [path.name for path in source.iterdir() if paths.is_disk_name(path.name)]
    lacking = [name for name in sorted(disks) if not os.path.lexists(target / name)]
    if lacking or not target.is_dir():
        raise Failure(f"it lacks {', '.join(lacking) or 'everything'}: {source} is kept")
    _remove(source)


def delete(request: Request, command: Command) -> None:
    """Remove the VM's directory, or one of its disks; links are removed, what they point to is not."""
    (target,) = operands(command, 1)
    path = paths.path_of(target)
    if paths.is_disk_name(path.name):
        paths.vm_disk(path, command.vm_id, command.datastore_id)
        copy, base = paths.copy_of(path), paths.base_of(path)
        for left in (path, copy, *map(paths.part_of, (path, copy)), base, paths.snapshots_of(path)):
            _remove(left)
        return
    if not paths.is_stopped_files(path, command.vm_id):
        paths.vm_directory_itself(path, command.vm_id, command.datastore_id)
    _remove(path)


def tidy(request: Request, command: Command) -> None:
    """Remove what a move long ago may have left, as far as that can be done."""
    try:
        delete(request, command)
    except (Failure, OSError) as fault:
        request.log(f"left over and not removed: {fault}", "W")


def _two_places(command: Command) -> tuple[Path, Path]:
    """Return the VM's directories in two datastores."""
    source, target = (paths.path_of(operand) for operand in operands(command, 2))
    for path in (source, target):
        if paths.vm_directory(path, command.vm_id) != path or paths.is_kept(path):
            raise Failure(f"{path} is not the directory of vm {command.vm_id} in a datastore")
    return source, target


def _is_one(source: Path, target: Path) -> bool:
    """Tell whether two paths lead to one directory."""
    return source == target or (target.exists() and source.samefile(target))


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif os.path.lexists(path):
        shutil.rmtree(path)


# -- moved ---------------------------------------------------------------------------------------------


def _keep_older(source: Path, target: Path) -> None:
    """Give another file that is in the way, a disk saved earlier, a name of its own: it may be the only copy."""
    if not os.path.lexists(target):
        return
    if source.is_file() and target.is_file() and filecmp.cmp(source, target, shallow=False):
        return  # this one, by a move that was killed before it removed the source
    names = (target.with_name(f"{target.name}.{number}") for number in itertools.count(1))
    target.rename(next(name for name in names if not os.path.lexists(name)))


def _move(request: Request, source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        paths.make_directory(target)
        for inside in sorted(source.iterdir()):
            if inside.name.endswith(paths.PART_SUFFIX):
                inside.unlink()
            else:
                _move(request, inside, target / inside.name)
        source.rmdir()
    elif not _renamed(source, target):
        _carry_over(request, source, target)
        source.unlink()


def _renamed(source: Path, target: Path) -> bool:
    """Rename, and tell whether that was possible: it is not between file systems."""
    try:
        source.rename(target)
    except OSError as fault:
        if fault.errno == errno.EXDEV:
            return False
        raise
    files.sync_directory(target.parent)
    return True


# -- copied --------------------------------------------------------------------------------------------


def _copy_contents(request: Request, source: Path, target: Path) -> None:
    """Copy a directory; what else is in the target is of an earlier stay and goes."""
    paths.make_directory(target)
    wanted = {path.name for path in source.iterdir() if not path.name.endswith(paths.PART_SUFFIX)}
    for path in target.iterdir():
        if path.name not in wanted or path.is_dir() != (source / path.name).is_dir():
            _remove(path)
    for name in sorted(wanted):
        if (source / name).is_dir() and not (source / name).is_symlink():
            _copy_contents(request, source / name, target / name)
        else:
            _copy_file(request, source / name, target / name)


def _copy_file(request: Request, source: Path, target: Path) -> None:
    if os.path.lexists(target) and os.path.samestat(source.lstat(), target.lstat()):
        return
    part = target.with_name(target.name + paths.PART_SUFFIX)
    part.unlink(missing_ok=True)
    try:
        os.link(source, part, follow_symlinks=False)
    except OSError as fault:
        if fault.errno not in _NO_LINK:
            raise
        _carry_over(request, source, target)
        return
    part.rename(target)
    files.sync_directory(target.parent)


def _carry_over(request: Request, source: Path, target: Path) -> None:
    """Copy to another file system, keeping a link a link."""
    if not source.is_symlink():
        files.copy(source, target, progress(request, str(source)))
        return
    part = target.with_name(target.name + paths.PART_SUFFIX)
    part.unlink(missing_ok=True)
    part.symlink_to(source.readlink())
    part.rename(target)
    files.sync_directory(target.parent)
