"""New images inside a draft: registered, or cloned from others."""

from msgspec.structs import replace

from trifid.core.access import Caller, Permissions
from trifid.core.image.datastore import Datastore, DatastoreType, Space
from trifid.core.image.define import PUBLIC
from trifid.core.image.record import Image, ImageState
from trifid.engine import images
from trifid.engine.first_permissions import first_permissions
from trifid.engine.transaction import Draft
from trifid.errors import Refused


def register(draft: Draft, image: Image, base_path: str, caller: Caller) -> Image:
    """Add an image as core/image/define.py describes it, with an id and a place; have its driver make it.

    One that names its SOURCE is used where it lies: nothing is made, it is READY, and SOURCE is its path too.

    Args:
        base_path: of its datastore.

    Raises:
        Refused: another image is that very SOURCE.
    """
    opened = first_permissions(draft, caller).bits | image.permissions.bits & PUBLIC
    image = replace(image, id=draft.next_id("image"), permissions=Permissions(opened))
    state = ImageState.READY.name if image.source else ""  # else what its driver does tells
    draft.note("IMAGE", image.id, caller, "allocated", new=state, text=image.name)
    if image.source:
        _refuse_same_source(draft, image)
        image = replace(image, path=image.source, state=ImageState.READY, step=1)
        draft.put(image)
        return image
    image = replace(image, source=images.fresh_source(base_path), format=image.format or ("" if image.path else "raw"))
    return images.ask(draft, image, "CP" if image.path else "MKFS", caller)


def clone(
    draft: Draft,
    source: Image,
    name: str,
    datastore: Datastore,
    base_path: str,
    caller: Caller,
    *,
    persistent: bool,
    size_mib: int = 0,
) -> Image:
    """Add an image that becomes what another one is, whose owner is the caller.

    Args:
        datastore, base_path: where it shall be.
        persistent: whether it shall be.
        size_mib: that it shall have at least.

    Raises:
        Refused: the image cannot be cloned as it is, or not into that datastore.
    """
    refuse_no_clone(source, draft.datastore(source.datastore_id), datastore)
    made = Image(
        id=draft.next_id("image"),
        uid=caller.uid,
        gid=caller.gid,
        name=name,
        type=source.type,
        datastore_id=datastore.id,
        disk_type=source.disk_type,
        permissions=first_permissions(draft, caller),
        is_persistent=persistent,
        regtime=draft.now,
        modtime=draft.now,
        source=images.fresh_source(base_path),
        path="",
        format=source.format,
        fs=source.fs,
        size_mib=max(source.size_mib, size_mib),
        cloning_id=source.id,
        template=source.template.without("ERROR", "MD5", "SHA1", "SHA256"),
    )
    draft.note("IMAGE", made.id, caller, "allocated", text=f"{name}, clone of {source.id}")
    return images.ask(draft, made, "CLONE", caller)


def refuse_no_clone(source: Image, of: Datastore, into: Datastore) -> None:
    """Raise Refused unless images of one datastore can be cloned into another, and this is no file."""
    if source.type.is_file:
        raise Refused(f"{source.type.name} images cannot be cloned: register the file again", source.id)
    if into.type is not DatastoreType.IMAGE or into.ds_mad != of.ds_mad:
        raise Refused(
            f"image {source.name} [{source.id}] cannot be cloned into datastore {into.name} [{into.id}]: it must be "
            f"an IMAGE datastore of driver {of.ds_mad}, is {into.type.name} of {into.ds_mad or 'none'}",
            source.id,
        )


def refuse_full(draft: Draft, datastore: Datastore, size_mib: int, space: Space) -> None:
    """Raise Refused when a datastore has no room for an image.

    Images that are being made count as if they were there; room that was never told is not in the way.

    Args:
        size_mib: that the image takes.
        space: what the datastore's driver told last.
    """
    room = draft.room_of_images(datastore.id)
    limit = int(datastore.template.single("LIMIT_MB") or 0)
    left = []
    if space.at:
        left.append(space.free_mib - room.coming_mib)
    if limit:
        left.append(limit - room.images_mib)
    if left and size_mib > min(left):
        raise Refused(
            f"Not enough space in datastore {datastore.name} [{datastore.id}]: {size_mib} MiB are needed, "
            f"{max(min(left), 0)} MiB are free"
        )


def is_ours(image: Image) -> bool:
    """Tell whether an image's file was made by a driver: one that was there before is used, and never removed."""
    return image.path != image.source


def _refuse_same_source(draft: Draft, image: Image) -> None:
    for other in draft.each("images"):
        if other.source == image.source:
            raise Refused(f"SOURCE {image.source} is image {other.id} already: clone that one, or use it")
