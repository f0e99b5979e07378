"""The commands of transfer scripts where a VM's disks are volumes.

DIR/disk.N is a symbolic link to the device: of a volume of the disk's own, or of the image when that is used in
place.  Kernels and contexts are files, as on a shared file system, whose other commands these are.
Source: reference/drivers.md §4.2, §4.3.
"""

import functools
import os
import stat
from collections.abc import Callable
from pathlib import Path

from trifid.core.template.types import NO_FILE_SYSTEM
from trifid.core.vm.outside import is_image_name
from trifid.drivers.kit import Failure, Request
from trifid.drivers.lvm import copies, leaving, names, volumes
from trifid.drivers.lvm.names import Place
from trifid.drivers.lvm.settings import Settings
from trifid.drivers.lvm.tools import MIB, Lvm, Volume
from trifid.drivers.tm import commands, files, images, paths
from trifid.drivers.tm.fetch import fetch, is_url, shown
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.sources import source_of
from trifid.drivers.tm.work import arrival, operands, progress

_NUMBER_MAX = 1 << 40
_TIDY = "TIDY"
"""As DELETE, where what cannot be removed is only told."""


def clone(lvm: Lvm, command: Command) -> None:
    """Make a disk of an image's volume, a file, or what is fetched; a disk that is there stays as it is."""
    source, target = operands(command, 2)
    place = arrival(target, command)
    if not paths.is_disk_name(place.name):
        commands.clone(lvm.request, command)
        return
    if _is_there(lvm, place):
        return
    _refuse_qcow2(source, command.format)
    if is_url(source):
        _fetched(lvm, command, source, place)
        return
    original = source_of(source, command, place.parent)
    origin = _volume_at(lvm, original, command.vm_id)
    own = _own_place(lvm, command, place, origin.group if origin and origin.is_thin else "")
    if volumes.complete(lvm, own) is None:
        if origin is not None:
            copies.of_volume(lvm, origin, own)
        else:
            _from_file(lvm, original, own)
    _link(place, own.path)


def link(lvm: Lvm, command: Command) -> None:
    """Let a disk be an image's volume itself, or another block device."""
    source, target = operands(command, 2)
    if is_url(source):
        raise Failure(f"{shown(source)} cannot be used in place, expected a path (or CLONE=YES)")
    _refuse_qcow2(source, command.format)
    place = arrival(target, command)
    original = source_of(source, command, place.parent)
    volume = _volume_at(lvm, original, command.vm_id)
    if volume is not None and is_image_name(volume.name) and not command.is_image:
        raise Failure(f"{original} is an image of the catalogue: name it with IMAGE, so that it is known to be in use")
    if volume is not None:
        lvm.activate(volume)
    elif not stat.S_ISBLK(original.stat().st_mode):
        raise Failure(f"{original} is no block device, it cannot be used in place here: say CLONE=YES")
    if os.path.lexists(place) and not (place.is_symlink() and place.readlink() == original):
        raise Failure(f"something else is there already, expected nothing or a link to {original}")
    _link(place, original)


def make_swap(lvm: Lvm, command: Command) -> None:
    """Make a swap disk of SIZE MiB."""
    size, target = operands(command, 2)
    _make(lvm, command, size, target, ("mkswap",))


def make_image(lvm: Lvm, command: Command) -> None:
    """Make a disk of SIZE MiB with an empty file system, or without any."""
    size, file_system, target = operands(command, 3)
    known = (*commands.MAKERS, *NO_FILE_SYSTEM)
    if file_system not in known:
        raise Failure(f"format {file_system[:40]} is not known, expected one of {', '.join(known)}")
    _make(lvm, command, size, target, commands.MAKERS.get(file_system, ()))


def create_snapshot(lvm: Lvm, command: Command) -> None:
    """Keep the disk as it is."""
    volume, snapshot_id = _volume_and_number(lvm, command, "snapshot")
    volumes.keep(lvm, volume, snapshot_id)


def revert(lvm: Lvm, command: Command) -> None:
    """Bring the disk back as it was; its snapshots stay."""
    volume, snapshot_id = _volume_and_number(lvm, command, "snapshot")
    volumes.revert(lvm, volume, snapshot_id)


def forget(lvm: Lvm, command: Command) -> None:
    """Remove a snapshot; the disk and what else is kept of it stay."""
    volume, snapshot_id = _volume_and_number(lvm, command, "snapshot")
    volumes.forget(lvm, volume, snapshot_id)


def resize(lvm: Lvm, command: Command) -> None:
    """Make the disk as large as SIZE MiB; never smaller."""
    volume, size_mib = _volume_and_number(lvm, command, "size in MiB")
    volumes.resize(lvm, volume, size_mib)


def _file_command(does: Callable[[Request, Command], None]) -> Callable[[Lvm, Command], None]:
    return lambda lvm, command: does(lvm.request, command)


_DOES: dict[str, Callable[[Lvm, Command], None]] = {
    **{word: _file_command(does) for word, does in commands.COMMANDS.items()},
    "CLONE": clone,
    "LN": link,
    "MKSWAP": make_swap,
    "MKIMAGE": make_image,
    "MV": leaving.move,
    "DELETE": leaving.delete,
    _TIDY: leaving.delete,
    "MVDS": leaving.bring_back,
    "CPDS": leaving.copy_to_image,
    "SNAP_CREATE": create_snapshot,
    "SNAP_REVERT": revert,
    "SNAP_DELETE": forget,
    "RESIZE": resize,
}


def commands_with(settings: Settings) -> commands.Commands:
    """Return the commands, for what the driver was told."""
    return {word: functools.partial(_do, does, settings) for word, does in _DOES.items()}


def _do(does: Callable[[Lvm, Command], None], settings: Settings, request: Request, command: Command) -> None:
    try:
        for operand in command.operands:
            _check_here(operand, command.vm_id, settings.here)
        does(Lvm(request, settings), command)
    except (Failure, OSError) as fault:
        if command.word != _TIDY:
            raise
        request.log(f"left over and not removed: {fault}", "W")


def _check_here(operand: str, vm_id: int, here: tuple[str, ...]) -> None:
    """Refuse a VM's files on another machine: a thin pool is in use on one only, or it breaks."""
    host, _, path = operand.partition(":")
    if not path.startswith("/") or host in here:
        return
    try:
        directory = paths.vm_directory(Path(path), vm_id)
    except Failure:
        return  # an image, or a file for the context
    if not paths.is_kept(directory) and not paths.is_stopped_files(Path(path), vm_id):
        known = ", ".join(dict.fromkeys(here))
        raise Failure(
            f"host {host} is not this machine ({known}), and volumes of a thin pool can be in use on one machine only: "
            f"if it is this one, start the driver with --here {host}"
        )


def _refuse_qcow2(source: str, told: str) -> None:
    if told == images.QCOW2:
        about = shown(source) if is_url(source) else source
        raise Failure(f"{about} is qcow2, and volumes are raw: import it as an image, or qemu-img convert -O raw")


def _volume_at(lvm: Lvm, path: Path, vm_id: int) -> Volume | None:
    """Return the volume whose device a path is, unless another VM's; None for a file or another device."""
    volume = volumes.at(lvm, path)
    owner = names.vm_and_disk(volume.name) if volume and names.TAG in volume.tags else None
    if owner is not None and owner[0] != vm_id:
        raise Failure(f"{path} belongs to vm {owner[0]}, it is not given to another")
    return volume


def _own_place(lvm: Lvm, command: Command, disk: Path, group: str = "") -> Place:
    """Return the place of the disk's own volume, in this group or in the one of the system datastore."""
    group = group or lvm.settings.group
    if not group:
        raise Failure(
            f"nobody says in which volume group disk {disk.name} shall be: "
            "give the system datastore BASE_PATH=/dev/GROUP, or the driver --group"
        )
    return names.disk(group, command.vm_id, disk.name.rpartition(".")[2], lvm.settings.engine_id)


def _is_there(lvm: Lvm, disk: Path) -> bool:
    """Tell whether a disk is there, which is complete then."""
    if not os.path.lexists(disk):
        return False
    place = names.place_of(disk.readlink()) if disk.is_symlink() else None
    if place is None:
        raise Failure(f"{disk} is there already, and is no volume")
    volume = volumes.find(lvm, place)
    return volume is not None and not volume.is_part


def _from_file(lvm: Lvm, original: Path, own: Place) -> None:
    """Make a volume of a raw file, or of a device that is no volume."""
    mode = original.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise Failure(f"{original} is neither a file nor a block device")
    if stat.S_ISREG(mode) and images.format_of(original, "") == images.QCOW2:
        _refuse_qcow2(str(original), images.QCOW2)
    copies.of_file(lvm, original, own)


def _fetched(lvm: Lvm, command: Command, url: str, place: Path) -> None:
    """Fetch a file beside the disk, and write it to a volume."""
    own, fetched = _own_place(lvm, command, place), leaving.fetched_of(place)
    if volumes.complete(lvm, own) is None:
        if not fetched.is_file():
            fetch(url, fetched, progress(lvm.request, shown(url)), files.DISK_MODE)
        _from_file(lvm, fetched, own)
    _link(place, own.path)
    fetched.unlink(missing_ok=True)


def _make(lvm: Lvm, command: Command, size_mib: str, target: str, maker: tuple[str, ...]) -> None:
    place = arrival(target, command)
    if not paths.is_disk_name(place.name):
        raise Failure("it is not a disk, expected …/disk.NUMBER")
    if not (size_mib.isascii() and size_mib.isdigit() and 0 < int(size_mib) < _NUMBER_MAX):
        raise Failure(f"size {size_mib[:40]} is not a positive number of MiB")
    if _is_there(lvm, place):
        return
    own = _own_place(lvm, command, place)
    if volumes.complete(lvm, own) is None:
        copies.empty(lvm, own, int(size_mib) * MIB, maker)
    _link(place, own.path)


def _link(disk: Path, device: Path) -> None:
    if not (disk.is_symlink() and disk.readlink() == device):
        disk.unlink(missing_ok=True)  # to a volume that is gone
        disk.symlink_to(device)
        files.sync_directory(disk.parent)


def _volume_and_number(lvm: Lvm, command: Command, what: str) -> tuple[Volume, int]:
    """Return the volume that a disk is, its own or an image's, and the number that goes with it."""
    target, number = operands(command, 2)
    disk = paths.vm_disk(paths.path_of(target), command.vm_id, command.datastore_id)
    if not (number.isascii() and number.isdigit() and int(number) < _NUMBER_MAX):
        raise Failure(f"{what} {number[:40]} is not a number")
    if not disk.is_symlink():
        raise Failure("there is no such disk")
    place = names.place_of(disk.readlink())
    if place is None or not (names.is_own_disk(place.name, command.vm_id) or is_image_name(place.name)):
        raise Failure(f"it is {disk.readlink()} itself, used in place (CLONE=NO): that is not changed by a transfer")
    return volumes.own(lvm, place), int(number)
