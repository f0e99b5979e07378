"""Where disks go that are volumes: kept as files, back to their images, into new images, away.

A volume is removed only when its name and tags say that it is the VM's and this engine's, and when no link but the
one that goes with it leads there: after a move the VM's disks are the same volumes in another directory.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from trifid.drivers.kit import Failure
from trifid.drivers.lvm import copies, filling, names, volumes
from trifid.drivers.lvm.tools import Lvm, Volume
from trifid.drivers.tm import files, moves, paths, saving
from trifid.drivers.tm.script import Command
from trifid.drivers.tm.work import operands, progress


def move(lvm: Lvm, command: Command) -> None:
    """Move a directory, whose links go on leading where they do, or keep a disk on the front-end, as a file."""
    source, target = (paths.path_of(operand) for operand in operands(command, 2))
    is_disk_kept = paths.is_disk_name(source.name) and paths.is_kept(paths.vm_directory(target, command.vm_id))
    if is_disk_kept and os.path.lexists(source):
        _become_file(lvm, command, source)
    moves.move(lvm.request, command)


def delete(lvm: Lvm, command: Command) -> None:
    """Remove the VM's directory, or one of its disks, and the volumes that these are."""
    (target,) = operands(command, 1)
    path = paths.path_of(target)
    if paths.is_stopped_files(path, command.vm_id):
        moves.delete(lvm.request, command)
        return
    if paths.is_disk_name(path.name):
        paths.vm_disk(path, command.vm_id, command.datastore_id)
        _remove_volumes(lvm, command.vm_id, path.parent, int(path.name.rpartition(".")[2]))
        fetched_of(path).unlink(missing_ok=True)
    else:
        paths.vm_directory_itself(path, command.vm_id, command.datastore_id)
        _remove_volumes(lvm, command.vm_id, path)
    moves.delete(lvm.request, command)


def bring_back(lvm: Lvm, command: Command) -> None:
    """Let go of a persistent image, which is its disk: everything is in it already."""
    target, name = operands(command, 2)
    disk = paths.vm_disk(paths.path_of(target), command.vm_id, command.datastore_id)
    image = names.image(str(paths.path_of(name)))
    volumes.existing(lvm, image)
    if not os.path.lexists(disk):
        return
    if not disk.is_symlink() or disk.readlink() != image.path:
        leads = disk.readlink() if disk.is_symlink() else "a file"
        raise Failure(f"{disk} is {leads}, expected {image.path} used in place")
    filling.sync(image.path)
    disk.unlink()
    files.sync_directory(disk.parent)


def copy_to_image(lvm: Lvm, command: Command) -> None:
    """Make a new image of a disk, as it is or was in a snapshot; an image that is there is complete.

    Of a copy that the hypervisor made of a disk in use, disk.N.copy, as drivers/tm/saving.py does.
    """
    target, name, number = operands(command, 3)
    disk = paths.vm_disk_or_copy(paths.path_of(target), command.vm_id, command.datastore_id)
    image, snapshot_id = names.image(str(paths.path_of(name))), saving.snapshot_id_of(number)
    is_copy = paths.is_copy_name(disk.name)
    with saving.removing_copy(disk if is_copy else paths.copy_of(disk)):
        if volumes.complete(lvm, image) is not None:
            return
        if is_copy:
            copies.of_file(lvm, saving.plain_copy(disk, snapshot_id), image)
        else:
            _copy_disk(lvm, disk, snapshot_id, image)


def _copy_disk(lvm: Lvm, disk: Path, snapshot_id: int, image: names.Place) -> None:
    if not disk.is_symlink():
        raise Failure(f"there is no disk {disk}")
    volume = volumes.at(lvm, disk.readlink())
    if volume is not None:
        origin = volume if snapshot_id < 0 else volumes.kept(lvm, volume, snapshot_id)
        copies.of_volume(lvm, origin, image)
    elif snapshot_id < 0:
        copies.of_file(lvm, disk.readlink(), image)
    else:
        raise Failure(f"it has no snapshot {snapshot_id}")


def fetched_of(disk: Path) -> Path:
    """Return where something from the web is until it is on the disk's volume."""
    return disk.with_name(f"{disk.name}.fetched")


def _become_file(lvm: Lvm, command: Command, disk: Path) -> None:
    """Let a disk that is a volume of its own be a file with the same in it; the volume goes once that is complete."""
    place = names.place_of(disk.readlink()) if disk.is_symlink() else None
    if place is not None and names.is_own_disk(place.name, command.vm_id):
        volume = volumes.own(lvm, place)
        lvm.activate(volume)
        files.copy(place.path, disk, progress(lvm.request, str(place.path)))
    _remove_volumes(lvm, command.vm_id, disk.parent, int(disk.name.rpartition(".")[2]))


def _remove_volumes(lvm: Lvm, vm_id: int, directory: Path, disk_id: int | None = None) -> None:
    """Remove a VM's volumes, or those of one disk, unless they are in use through a link that stays.

    Args:
        directory: of the VM; its links, or the one of that disk, go now.
    """
    found = [
        one
        for one in lvm.volumes()
        if (owner := names.vm_and_disk(one.name)) and owner[0] == vm_id and disk_id in (None, owner[1])
    ]
    mine = [one for one in found if one.is_own(lvm.settings.engine_id)]
    if mine:
        going = directory if disk_id is None else directory / f"disk.{disk_id}"
        linked = {path for disk, path in _links(directory.parent.parent) if going not in (disk, disk.parent)}
        volumes.remove_all(lvm, [one for one in mine if not _is_linked(one, linked)])


def _is_linked(volume: Volume, linked: set[Path]) -> bool:
    """Tell whether a link leads to a volume, or to the one that it is a snapshot of."""
    return any(
        path.parent == volume.place.path.parent and (path.name == volume.name or names.is_of(volume.name, path.name))
        for path in linked
    )


def _links(datastores: Path) -> Iterator[tuple[Path, Path]]:
    """Yield every disk of any VM that is a link, and where it leads; what goes meanwhile leads nowhere."""
    for datastore in _numbered(datastores):
        for directory in _numbered(datastore):
            for disk in _inside(directory):
                if paths.is_disk_name(disk.name) and disk.is_symlink():
                    with contextlib.suppress(FileNotFoundError):
                        yield disk, disk.readlink()


def _numbered(directory: Path) -> list[Path]:
    return [path for path in _inside(directory) if path.name.isascii() and path.name.isdigit()]


def _inside(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
