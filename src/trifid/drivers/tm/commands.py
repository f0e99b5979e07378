"""The commands of transfer scripts, for a directory that all hosts share; here, those that make a disk.

Each ends in the same place when it is done again, and leaves nothing half-done under its final name.
Source: reference/drivers.md §4.2, §4.3.
"""

import os
from collections.abc import Callable, Mapping

from trifid.core.template.types import NO_FILE_SYSTEM
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import context, files, images, moves, saving, snapshots
from trifid.drivers.tm.fetch import fetch, is_url, shown
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.sources import source_of
from trifid.drivers.tm.work import arrival, operands, progress

MAKERS: dict[str, tuple[str, ...]] = {
    "ext2": ("mkfs.ext2", "-q", "-F"),
    "ext3": ("mkfs.ext3", "-q", "-F"),
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "vfat": ("mkfs.vfat",),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
"""What makes a file system on a file."""


Commands = Mapping[str, Callable[[Request, Command], None]]
"""Words of scripts to what does them."""


def carry_out(request: Request, command: Command, commands: Commands | None = None) -> None:
    """Do one command, of COMMANDS or of those that another driver has.

    Raises:
        Failure: with the command, the path and the reason.
    """
    commands = COMMANDS if commands is None else commands
    does = commands.get(command.word)
    if does is None:
        raise Failure(f"{command.word}: this driver does not know it, it knows {', '.join(commands)}")
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
    place = arrival(target, command)
    if place.is_file():
        return
    if is_url(source):
        fetch(source, place, progress(request, shown(source)), files.DISK_MODE)
        return
    original = source_of(source, command, place.parent)
    if command.format == images.QCOW2:
        images.copy_whole(request, original, command.format, place)
    else:
        files.copy(original, place, progress(request, str(original)))


def link(request: Request, command: Command) -> None:
    """Let a disk be a symbolic link to its source, which is used in place."""
    source, target = operands(command, 2)
    if is_url(source):
        raise Failure(f"{shown(source)} cannot be used in place, expected a path (or CLONE=YES)")
    place = arrival(target, command)
    original = source_of(source, command, place.parent)
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


COMMANDS: Commands = {
    "CLONE": clone,
    "LN": link,
    "MKSWAP": make_swap,
    "MKIMAGE": make_image,
    "CONTEXT": context.context,
    "MV": moves.move,
    "CP": moves.copy_directory,
    "CLEAN": moves.clean,
    "DELETE": moves.delete,
    "TIDY": moves.tidy,
    "MVDS": saving.bring_back,
    "CPDS": saving.copy_to_image,
    "SNAP_CREATE": snapshots.create,
    "SNAP_REVERT": snapshots.revert,
    "SNAP_DELETE": snapshots.forget,
    "RESIZE": snapshots.resize,
}


def _place(command: Command) -> str:
    """Return the path that a message names: where the command works."""
    return next((operand for operand in reversed(command.operands) if "/" in operand), "without a path")


def _make(request: Request, command: Command, size_mib: str, target: str, maker: tuple[str, ...]) -> None:
    place = arrival(target, command)
    if place.is_file():
        return
    if not (size_mib.isascii() and size_mib.isdigit() and 0 < int(size_mib) < 1 << 40):
        raise Failure(f"size {size_mib} is not a positive number of MiB")
    with files.arriving(place) as file:
        file.truncate(int(size_mib) << 20)
        if maker:
            request.run(*maker, "--", file.name)
