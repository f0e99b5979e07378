"""Who uses an image, what its state therefore looks like, and what room it takes: derived, never stored."""

from collections.abc import Iterator
from typing import NamedTuple

from trifid.core.image.record import NO_VM, Image, ImageState
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState


def images_of(vm: VM) -> frozenset[int]:
    """Return the ids of the images that a VM holds: its disks, and the files that it boots or is told with.

    A disk that goes is held until it is gone; a VM that is DONE holds nothing.
    """
    return frozenset(_held(vm)) if vm.state is not VmState.DONE else frozenset()


def _held(vm: VM) -> Iterator[int]:
    for disk in vm.template.vectors("DISK"):
        number = disk.get("IMAGE_ID", "")
        if number.isdecimal():
            yield int(number)
    for file in vm.files:
        yield file.image_id


def shown_state(image: Image, users: int, clones: int) -> ImageState:
    """Return the state that clients see.

    Args:
        users: how many VMs use it.
        clones: how many clones of it are being made.
    """
    if image.state is ImageState.READY:
        if users:
            return ImageState.USED_PERS if image.is_persistent else ImageState.USED
        return ImageState.CLONE if clones else ImageState.READY
    if image.state is ImageState.LOCKED and users:
        return ImageState.LOCKED_USED_PERS if image.is_persistent else ImageState.LOCKED_USED
    return image.state


class Room(NamedTuple):
    """What images take of their datastore.

    Attributes:
        images_mib: all of them.
        coming_mib: those of them that are still being made.
    """

    images_mib: int = 0
    coming_mib: int = 0

    def plus(self, image: Image, sign: int) -> "Room":
        """Return the room with one image more (1) or less (-1)."""
        size_mib = sign * image.size_mib
        return Room(self.images_mib + size_mib, self.coming_mib + (size_mib if is_being_made(image) else 0))

    def and_also(self, other: "Room") -> "Room":
        """Return what both take together."""
        return Room(self.images_mib + other.images_mib, self.coming_mib + other.coming_mib)


NO_ROOM = Room()


def is_being_made(image: Image) -> bool:
    """Tell whether an image has no file yet: its first step is not over, or it is being saved from a VM."""
    return image.state is ImageState.LOCKED and (image.step == 1 or image.saved_from != NO_VM)
