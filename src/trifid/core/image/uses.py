"""Who uses an image, and what its state therefore looks like: derived, never stored."""

from collections.abc import Iterator

from trifid.core.image.record import Image, ImageState
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
