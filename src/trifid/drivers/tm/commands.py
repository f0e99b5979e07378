"""The commands of transfer scripts, for a directory that all hosts share; here, those that make a disk.

Each ends in the same place when it is done again, and leaves nothing half-done under its final name.
Source: reference/drivers.md §4.2, §4.3.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from trifid.core.template.types import NO_FILE_SYSTEM
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files, moves, paths, snapshots
from trifid.drivers.tm.fetch import fetch, is_url, shown
from trifid.drivers.tm.iso import Entry, entries_of, write_iso
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.work import operands, progress

SECRET_MODE = 0o600
CONTEXT_SH_MODE = 0o400

MAKERS: dict[str, tuple[str, ...]] = {
    "ext2": ("mkfs.ext2", "-q", "-F"),
    "ext3": ("mkfs.ext3", "-q", "-F"),
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "vfat": ("mkfs.vfat",),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
"""What makes a file system on a file."""


def carry_out(request: Request, command: Command) -> None:
    """Do one command.

    Raises:
        Failure: with the command, the path and the reason.
    """
    does = COMMANDS.get(command.word)
    if does is None:
        raise Failure(f"{command.word}: this driver does not know it, it knows {', '.join(COMMANDS)}")
    about = f"{command.word} {shown(target) if is_url(target := _place(command)) else target}"
    try:
        if command.vm_id != request.oid:
            raise Failure(f"it is about vm {command.vm_id}, expected {request.oid}")
        does(request, command)
    except Failure as failure:
        raise Failure(f"{about}: {failure}") from failure
    except OSError as fault:
        where = fault.filename2 or fault.filename
        raise Failure(f"{about}: {f'{where}: ' if where else ''}{fault.strerror or fault}") from fault


def clone(request: Request, command: Command) -> None:
    """Copy or fetch a disk; a disk that is there stays as it is."""
    source, target = operands(command, 2)
    place = _arrival(target, command)
    if place.is_file():
        return
    if is_url(source):
        fetch(source, place, progress(request, shown(source)), files.DISK_MODE)
        return
    original = paths.path_of(source)
    paths.check_readable(original, place.parent)
    files.copy(original, place, progress(request, str(original)))


def link(request: Request, command: Command) -> None:
    """Let a disk be a symbolic link to its source, which is used in place."""
    source, target = operands(command, 2)
    if is_url(source):
        raise Failure(f"{shown(source)} cannot be used in place, expected a path (or CLONE=YES)")
    original, place = paths.path_of(source), _arrival(target, command)
    paths.check_readable(original, place.parent)
    if place.is_symlink() and place.readlink() == original:
        return
    if os.path.lexists(place):
        raise Failure(f"something else is there already, expected nothing or a link to {original}")
    original.stat()
    place.symlink_to(original)
    files.sync_directory(place.parent)


def make_swap(request: Request, command: Command) -> None:
    """Make a swap disk of SIZE MiB."""
    size, target = operands(command, 2)
    _make(request, command, size, target, ("mkswap",))


def make_image(request: Request, command: Command) -> None:
    """Make a disk of SIZE MiB with an empty file system, or without any."""
    size, file_system, target = operands(command, 3)
    if file_system not in MAKERS and file_system not in NO_FILE_SYSTEM:
        raise Failure(f"format {file_system} is not known, expected one of {', '.join((*MAKERS, *NO_FILE_SYSTEM))}")
    _make(request, command, size, target, MAKERS.get(file_system, ()))


def context(request: Request, command: Command) -> None:
    """Write the context image, anew each time: what is in the files may have changed."""
    if len(command.operands) < 2:
        raise Failure("expected context.sh, files, and where the image goes")
    context_sh, *more, target = command.operands
    place = _arrival(target, command)
    fetched = place.with_name(place.name + ".files")
    shutil.rmtree(fetched, ignore_errors=True)
    try:
        fetched.mkdir(mode=0o700)
        entries = [Entry("context.sh", paths.path_of(context_sh), CONTEXT_SH_MODE)]
        for number, operand in enumerate(more):
            entries += _entries(request, operand, fetched / str(number), place.parent)
        with files.arriving(place, SECRET_MODE) as file:
            write_iso(entries, file)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)


COMMANDS: dict[str, Callable[[Request, Command], None]] = {
    "CLONE": clone,
    "LN": link,
    "MKSWAP": make_swap,
    "MKIMAGE": make_image,
    "CONTEXT": context,
    "MV": moves.move,
    "CP": moves.copy_directory,
    "CLEAN": moves.clean,
    "DELETE": moves.delete,
    "SNAP_CREATE": snapshots.create,
    "SNAP_REVERT": snapshots.revert,
    "SNAP_DELETE": snapshots.forget,
    "RESIZE": snapshots.resize,
}


def _place(command: Command) -> str:
    """Return the path that a message names: where the command works."""
    return next((operand for operand in reversed(command.operands) if "/" in operand), "without a path")


def _arrival(operand: str, command: Command) -> Path:
    """Return where a disk goes, its directory made."""
    place = paths.path_of(operand)
    directory = paths.vm_directory(place, command.vm_id)
    if place == directory:
        raise Failure("it is the directory of the vm, expected a file in it")
    paths.make_directory(directory)
    return place


def _make(request: Request, command: Command, size_mib: str, target: str, maker: tuple[str, ...]) -> None:
    place = _arrival(target, command)
    if place.is_file():
        return
    if not (size_mib.isascii() and size_mib.isdigit() and 0 < int(size_mib) < 1 << 40):
        raise Failure(f"size {size_mib} is not a positive number of MiB")
    with files.arriving(place) as file:
        file.truncate(int(size_mib) << 20)
        if maker:
            request.run(*maker, "--", file.name)


def _entries(request: Request, operand: str, fetched: Path, directory: Path) -> Iterator[Entry]:
    """Yield what one operand of CONTEXT puts into the image."""
    if is_url(operand):
        name = PurePosixPath(urlsplit(operand).path).name or "index.html"
        fetch(operand, fetched, progress(request, shown(operand)), SECRET_MODE)
        yield from (Entry(name, entry.path, entry.mode) for entry in entries_of(fetched, name))
        return
    path = paths.path_of(operand)
    for entry in entries_of(path, path.name):
        paths.check_readable(entry.path or path, directory)
        yield entry
