"""Volumes as the drivers handle them: complete or not there, brought back to snapshots, made larger, removed.

A new volume has the tag of what is not complete, from the command that makes it until everything is in it; one that
is found with that tag was left by a kill, and is begun anew.  A snapshot is complete as soon as it is there.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trifid.drivers.kit import Failure
from trifid.drivers.lvm import names
from trifid.drivers.lvm.names import Place
from trifid.drivers.lvm.tools import MIB, Lvm, Volume
from trifid.drivers.tm import files


def find(lvm: Lvm, place: Place) -> Volume | None:
    """Return a volume that is there, complete or not.

    One that a kill left between the two halves of `revert` gets its name first.

    Raises:
        Failure: there is no such group.
    """
    found = {volume.name: volume for volume in lvm.volumes(place.group)}
    fresh = found.get(names.reverted(place.name))
    if place.name in found or fresh is None:
        return found.get(place.name)
    lvm.rename(place.group, fresh.name, place.name)
    return next((volume for volume in lvm.volumes(place.group) if volume.name == place.name), None)


def at(lvm: Lvm, path: Path) -> Volume | None:
    """Return the volume whose device a path is; None for a file or another device.

    Raises:
        Failure: it is in a volume group, and not there, or not complete.
    """
    place = names.place_of(path)
    if place is None or not any(volume.group == place.group for volume in lvm.volumes()):
        return None
    return existing(lvm, place)


def existing(lvm: Lvm, place: Place) -> Volume:
    """Return a volume that is complete.

    Raises:
        Failure: it is not there, or not complete.
    """
    volume = find(lvm, place)
    if volume is None:
        raise Failure(f"{place.path}: there is no such volume")
    if volume.is_part:
        raise Failure(f"{place.path} is not complete: what made it was broken off")
    return volume


def own(lvm: Lvm, place: Place) -> Volume:
    """Return a volume that is complete, and that this engine made.

    Raises:
        Failure: it is not there, not complete, or another's.
    """
    volume = existing(lvm, place)
    _check_own(lvm, volume)
    return volume


def complete(lvm: Lvm, place: Place) -> Volume | None:
    """Return a volume that this engine made and that is complete; what is left of a kill is removed.

    Raises:
        Failure: the name is taken by a volume of another's.
    """
    volume = find(lvm, place)
    if volume is None:
        return None
    _check_own(lvm, volume)
    if not volume.is_part:
        return volume
    lvm.remove(volume)
    return None


@contextlib.contextmanager
def arriving(lvm: Lvm, place: Place, size: int) -> Iterator[Volume]:
    """Give a new volume of so many bytes to fill; it is complete when the block ends well, and is gone when not.

    Raises:
        Failure: no room for it.
    """
    try:
        lvm.create(place, size)
        volume = _there(lvm, place)
        yield volume
        lvm.complete(volume)
    except BaseException:
        with contextlib.suppress(Failure):  # cancelled: it has the tag, and is removed by whatever comes next
            complete(lvm, place)
        raise


def copy(lvm: Lvm, origin: Volume, place: Place) -> Volume:
    """Make a thin snapshot, in the group of its origin, that is a volume like any other.

    Raises:
        Failure: it cannot be made.
    """
    lvm.snapshot(origin, place.name)
    return _there(lvm, place)


def snapshots_of(lvm: Lvm, volume: Volume) -> list[Volume]:
    """Return the snapshots of a volume."""
    return [other for other in lvm.volumes(volume.group) if names.is_snapshot(other.name, volume.name)]


def keep(lvm: Lvm, volume: Volume, snapshot_id: int) -> None:
    """Keep a volume as it is now; a snapshot that is there stays.

    Raises:
        Failure: it cannot be made.
    """
    name = names.snapshot(volume.name, snapshot_id)
    if name not in [one.name for one in snapshots_of(lvm, volume)]:
        lvm.snapshot(volume, name, is_kept=True)


def kept(lvm: Lvm, volume: Volume, snapshot_id: int) -> Volume:
    """Return a snapshot.

    Raises:
        Failure: there is no such snapshot.
    """
    name = names.snapshot(volume.name, snapshot_id)
    for one in snapshots_of(lvm, volume):
        if one.name == name:
            return one
    raise Failure(f"it has no snapshot {snapshot_id}")


def revert(lvm: Lvm, volume: Volume, snapshot_id: int) -> None:
    """Bring a volume that nobody uses back as it was; its snapshots stay.

    The new one is made before the old one goes, and takes its name; `find` does that when a kill came between.

    Raises:
        Failure: there is no such snapshot, or the volume is in use.
    """
    found = {one.name: one for one in lvm.volumes(volume.group)}
    origin, fresh = found.get(names.snapshot(volume.name, snapshot_id)), names.reverted(volume.name)
    if origin is None:
        raise Failure(f"it has no snapshot {snapshot_id}")
    if fresh in found:
        lvm.remove(found[fresh])  # of another snapshot, perhaps
    lvm.snapshot(origin, fresh)
    lvm.remove(volume)
    lvm.rename(volume.group, fresh, volume.name)


def forget(lvm: Lvm, volume: Volume, snapshot_id: int) -> None:
    """Remove a snapshot; the volume and its others stay.

    Raises:
        Failure: it cannot be removed.
    """
    name = names.snapshot(volume.name, snapshot_id)
    for one in snapshots_of(lvm, volume):
        if one.name == name:
            _check_own(lvm, one)
            lvm.remove(one)


def resize(lvm: Lvm, volume: Volume, size_mib: int) -> Volume:
    """Make a volume at least SIZE_MIB large, never smaller; return it as it is then.

    Raises:
        Failure: it would get smaller, has snapshots, or there is no room.
    """
    size = size_mib * MIB
    if volume.size - volume.extent < size <= volume.size:
        return volume
    if size < volume.size:
        had = files.in_mib(volume.size)
        raise Failure(f"it has {had}, it is not made smaller: {size_mib} MiB were asked for")
    if snapshots_of(lvm, volume):
        raise Failure("it has snapshots, which are of its old size: delete them first")
    lvm.extend(volume, size)
    return _there(lvm, volume.place)


def remove_with_snapshots(lvm: Lvm, place: Place) -> None:
    """Remove a volume and everything of it, itself last; what is another's is left as it is.

    Raises:
        Failure: it is in use.
    """
    remove_all(lvm, [one for one in lvm.volumes(place.group) if one.name == place.name or _is_of(one, place)])


def remove_all(lvm: Lvm, volumes: list[Volume]) -> None:
    """Remove volumes, those with the longest names first: snapshots before what they were made of.

    Raises:
        Failure: one is in use.
    """
    for volume in sorted(volumes, key=lambda one: (len(one.name), one.name), reverse=True):
        if volume.is_own(lvm.settings.engine_id):
            lvm.remove(volume)
        else:
            lvm.request.log(f"volume {volume.group}/{volume.name} was not made by this engine, it is left as it is")


def _is_of(volume: Volume, place: Place) -> bool:
    return volume.group == place.group and names.is_of(volume.name, place.name)


def _there(lvm: Lvm, place: Place) -> Volume:
    for volume in lvm.volumes(place.group):
        if volume.name == place.name:
            return volume
    raise Failure(f"{place.path} was made, and is gone")


def _check_own(lvm: Lvm, volume: Volume) -> None:
    if not volume.is_own(lvm.settings.engine_id):
        tags = volume.told_tags or "none"
        raise Failure(f"volume {volume.group}/{volume.name} was not made by this engine (its tags: {tags})")
