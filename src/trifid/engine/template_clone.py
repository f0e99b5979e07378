"""A copy of a kept VM template, on demand with copies of the images that it names."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from trifid.core.access import Caller, Right, check
from trifid.core.image.datastore import Datastore, Space
from trifid.core.image.record import Image, ImageType
from trifid.core.template.model import Template, Value
from trifid.core.vm_template import VmTemplate
from trifid.engine import new_images
from trifid.engine.first_permissions import first_permissions
from trifid.engine.template_images import Vector, names_image
from trifid.engine.transaction import Draft
from trifid.engine.used_images import image_to_use
from trifid.errors import NotAllocated

_NAMES_IMAGE = ("IMAGE", "IMAGE_ID", "IMAGE_UID", "IMAGE_UNAME")


class Datastores(NamedTuple):
    """What is asked about a datastore: its directory, and by its id the room it has."""

    base_path: Callable[[Datastore], str]
    space_of: Callable[[int], Space]


def clone_template(draft: Draft, caller: Caller, template: VmTemplate, name: str) -> VmTemplate:
    """Return a new template like another, the caller's own; the caller sees to it that the name is free."""
    made = VmTemplate(
        id=draft.next_id("template"),
        uid=caller.uid,
        gid=caller.gid,
        name=name,
        permissions=first_permissions(draft, caller),
        regtime=draft.now,
        template=template.template,
        is_vetted=template.is_vetted,
    )
    draft.put(made)
    draft.note("TEMPLATE", made.id, caller, "cloned", text=f"{name}, clone of {template.id}")
    return made


def with_own_images(
    draft: Draft, caller: Caller, template: VmTemplate, datastores: Datastores, *, is_persistent: bool
) -> VmTemplate:
    """Return a template whose DISKs name new images, clones of those that they named, called `NAME-disk-N`.

    A CDROM, which nobody writes to, stays what it is.  A persistent image is used as it is, so that it becomes as
    large as its DISK asks.

    Args:
        is_persistent: whether the new images are.

    Raises:
        BadTemplate, NotAllowed, NotAllocated, Refused: an image is not there, not the caller's to use, or cannot be
            cloned now, there is no room for it, or there is one of the new name.
    """
    pairs: list[tuple[str, Value]] = []
    number = 0
    for attribute, value in template.template:
        if attribute == "DISK" and isinstance(value, dict):
            image = image_to_use(draft, caller, value) if names_image(value) else None
            if image is not None and image.type is not ImageType.CDROM:
                asked = value.get("SIZE", "") if is_persistent else ""
                image_name, size_mib = f"{template.name}-disk-{number}", int(asked) if asked.isdecimal() else 0
                clone = _clone(draft, caller, image, image_name, datastores, is_persistent, size_mib)
                value = _naming(value, clone)
            number += 1
        pairs.append((attribute, value))
    made = replace(template, template=Template(tuple(pairs)))
    draft.put(made)
    return made


def _naming(disk: Vector, image: Image) -> Vector:
    """Return a DISK that names this image instead of its own."""
    return {**{key: text for key, text in disk.items() if key not in _NAMES_IMAGE}, "IMAGE_ID": str(image.id)}


def _clone(
    draft: Draft, caller: Caller, image: Image, name: str, datastores: Datastores, is_persistent: bool, size_mib: int
) -> Image:
    """Begin to make a clone of an image in its own datastore."""
    check(caller, Right.CREATE, "IMAGE")
    into = draft.datastore(image.datastore_id)
    check(caller, Right.USE, "DATASTORE", into)
    if (taken := draft.owned("images", caller.uid, name)) is not None:
        raise NotAllocated(f"NAME is already taken by IMAGE {taken}.")
    new_images.refuse_full(draft, into, max(image.size_mib, size_mib), datastores.space_of(into.id))
    base_path = datastores.base_path(into)
    return new_images.clone(draft, image, name, into, base_path, caller, persistent=is_persistent, size_mib=size_mib)
