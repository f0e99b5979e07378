"""Which image a DISK means, and whether a VM may have it."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from trifid.core.access import Caller, Right, allowed, check, check_use
from trifid.core.image.disks import disk_from
from trifid.core.image.record import Image, ImageState
from trifid.core.template.model import Template
from trifid.core.vm.record import DiskSnapshots, UsedFile
from trifid.core.vm.states import VmState
from trifid.engine.transaction import Draft
from trifid.errors import BadTemplate

Vector = dict[str, str]


class UsedImages:
    """Finds the images that the disks of one VM are made of; a persistent one is given once.

    Args:
        vm_id: of the VM, which may have persistent images already.
        may_wait: whether it can wait for images that are being made; one that is there cannot.
    """

    def __init__(self, draft: Draft, caller: Caller, vm_id: int, *, may_wait: bool = True) -> None:
        self._draft = draft
        self._caller = caller
        self._vm_id = vm_id
        self._usable = (ImageState.READY, ImageState.LOCKED) if may_wait else (ImageState.READY,)
        self._given: set[int] = set()

    def disk(self, disk: Vector) -> Vector:
        """Return a DISK that names an image, with what the image tells.

        Raises:
            BadTemplate: there is no such image, or it cannot be used.
            NotAllowed: the caller may not use it.
            Locked: nobody may.
        """
        image = image_to_use(self._draft, self._caller, disk)
        self._refuse_unusable(image)
        self._given.add(image.id)
        datastore = self._draft.datastore(image.datastore_id)
        return disk_from(disk, image, owner=self._draft.user(image.uid).name, datastore=datastore.name)

    def _refuse_unusable(self, image: Image) -> None:
        about = f"image {image.name} [{image.id}]"
        if image.state not in self._usable:
            hint = {
                ImageState.LOCKED: "it is being made or changed, try again when that is done",
                ImageState.DISABLED: f'enable it first, "oneimage enable {image.id}"',
                ImageState.ERROR: f'see "oneimage show {image.id}" for what went wrong',
            }.get(image.state, "choose another one")
            raise BadTemplate(f"{about} is {image.state.name}, it must be READY: {hint}")
        if not image.is_persistent:
            return
        users = self._draft.image_users(image.id) | ({self._vm_id} if image.id in self._given else set())
        if users:
            names = ", ".join(str(vm_id) for vm_id in sorted(users))
            raise BadTemplate(f"Cannot acquire {about}, it is persistent and already in use by VM {names}")
        if clones := self._draft.clones_of(image.id):
            raise BadTemplate(
                f"{about} is persistent and being cloned (image {', '.join(map(str, sorted(clones)))}): wait for that"
            )


def first_state(draft: Draft, template: Template, files: tuple[UsedFile, ...], hold: bool) -> VmState:
    """Return the state that a VM begins in: it waits for images that are still being made."""
    images = [image for _, image in disks_of_images(draft, template)]
    images += [draft.image(file.image_id) for file in files]
    if any(image.state is ImageState.LOCKED for image in images):
        return VmState.CLONING_HELD if hold else VmState.CLONING
    return VmState.HOLD if hold else VmState.PENDING


def next_disk_id(template: Template) -> int:
    """Return the lowest DISK_ID that no disk of a template has, nor its context."""
    given = [one.get("DISK_ID", "") for name in ("DISK", "CONTEXT") for one in template.vectors(name)]
    return 1 + max((int(number) for number in given if number.isdecimal()), default=-1)


def snapshots_of_images(draft: Draft, template: Template) -> tuple[DiskSnapshots, ...]:
    """Return the snapshots that persistent images bring along, each as those of its disk."""
    return tuple(
        replace(image.snapshots, disk_id=int(disk["DISK_ID"]))
        for disk, image in disks_of_images(draft, template)
        if image.is_persistent and image.snapshots.next_id
    )


def disks_of_images(draft: Draft, template: Template) -> Iterator[tuple[Vector, Image]]:
    """Yield the disks of a prepared template that are made of images, each with its image."""
    for disk in template.vectors("DISK"):
        number = disk.get("IMAGE_ID", "")
        image = draft.find_image(int(number)) if number.isdecimal() else None
        if image is not None:
            yield disk, image


def image_of(draft: Draft, caller: Caller, vector: Mapping[str, str], *, kind: str = "DISK") -> Image:
    """Return the image that a vector names by IMAGE_ID, or by IMAGE and IMAGE_UID or IMAGE_UNAME.

    Args:
        kind: how messages call the vector.

    Raises:
        BadTemplate: there is none (texts: reference/api-modern.md §2).
        NotAllowed: the caller may not use it.
    """
    image = find_image(draft, caller, vector, kind)
    check(caller, Right.USE, "IMAGE", image)
    return image


def image_to_use(draft: Draft, caller: Caller, vector: Mapping[str, str], *, kind: str = "DISK") -> Image:
    """Return the same, for something that is to be made with it.

    Raises:
        BadTemplate, NotAllowed: as `image_of`.
        Locked: it has a lock that forbids its use.
    """
    image = image_of(draft, caller, vector, kind=kind)
    check_use(caller, "IMAGE", image)
    return image


def find_image(draft: Draft, caller: Caller, vector: Mapping[str, str], kind: str) -> Image:
    """Do the same without asking whether the caller may use it."""
    number = vector.get("IMAGE_ID", "")
    if number:
        image = draft.find_image(int(number)) if number.isdecimal() and len(number) < 19 else None
        if image is None:
            raise BadTemplate(f"Image with ID: {number} does not exist")
        return image
    name = vector.get("IMAGE", "")
    owner = _owner(draft, caller, vector)
    found = draft.owned("images", owner, name) if owner is not None else None
    if found is None:
        who = vector.get("IMAGE_UNAME") or vector.get("IMAGE_UID") or caller.uid
        visible = sorted(
            one.uid for one in draft.each("images") if one.name == name and allowed(caller, Right.USE, "IMAGE", one)
        )
        hint = f" (user {visible[0]} has one)" if visible else ""
        advice = f"Set IMAGE_UNAME or IMAGE_UID of owner in {kind}.{hint}"
        raise BadTemplate(f"User {who} does not own an image with name: {name} . {advice}")
    return draft.image(found)


def _owner(draft: Draft, caller: Caller, vector: Mapping[str, str]) -> int | None:
    if uid := vector.get("IMAGE_UID"):
        return int(uid) if uid.isdecimal() and len(uid) < 19 else None
    if name := vector.get("IMAGE_UNAME"):
        return draft.named("user", name)
    return caller.uid
