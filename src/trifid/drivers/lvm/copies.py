"""New volumes: empty, or with what is on another volume or in a file."""

from pathlib import Path

from trifid.drivers.kit import Failure
from trifid.drivers.lvm import filling, volumes
from trifid.drivers.lvm.names import Place
from trifid.drivers.lvm.tools import Lvm, Volume


def empty(lvm: Lvm, place: Place, size: int, maker: tuple[str, ...]) -> Volume:
    """Make an empty volume.

    Args:
        size: bytes.
        maker: what makes a file system, or swap space, on it; empty for none.

    Raises:
        Failure: there is no room, or it cannot be formatted.
    """
    with volumes.arriving(lvm, place, size) as volume:
        if maker:
            lvm.request.run(*maker, "--", str(place.path))
            filling.sync(place.path)
    return volume


def of_volume(lvm: Lvm, origin: Volume, place: Place) -> Volume:
    """Make a volume of what another one, or a snapshot, holds now: in its group a thin snapshot, in no time.

    Raises:
        Failure: there is no room.
        OSError: it cannot be read or written.
    """
    if origin.is_thin and origin.group == place.group:
        return volumes.copy(lvm, origin, place)
    lvm.activate(origin)
    return of_file(lvm, origin.place.path, place)


def of_file(lvm: Lvm, original: Path, place: Place) -> Volume:
    """Make a volume of what is in a raw file, or on a device.

    Raises:
        Failure: it is empty, or there is no room.
        OSError: it cannot be read or written.
    """
    size = filling.size_of(original)
    if not size:
        raise Failure(f"{original} is empty")
    with volumes.arriving(lvm, place, size) as volume:
        filling.fill(lvm.request, volume, original)
    return volume
