"""one.image.*: what is changed of an image that is there."""

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.image import define
from trifid.core.image.record import Image, ImageState, ImageType
from trifid.core.template.types import WHOLE_MAX
from trifid.engine import images, new_images
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, Refused
from trifid.methods.common import changed, updated
from trifid.methods.image import owner_of
from trifid.methods.locks import lock_object, unlock_object
from trifid.methods.ownership import Owned, declare_ownership
from trifid.methods.registry import Call, method


@method("one.image.update")
async def update(call: Call, image_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of an image; what has a call of its own stays as it is."""

    def change(draft: Draft, image: Image) -> Image:
        return define.updated(image, updated(image.template, template, append), owner_of(call))

    return await changed(call, "IMAGE", image_id, Right.MANAGE, "updated", change)


declare_ownership(Owned("one.image", "IMAGE", "image_id", "an image"))


@method("one.image.enable")
async def enable(call: Call, image_id: int, enabled: bool) -> int:
    """Enable or disable an image: no new VM uses a disabled one."""
    states = (ImageState.DISABLED, ImageState.READY)
    before, after = states if enabled else states[::-1]

    def change(draft: Draft, image: Image) -> Image:
        if image.state is after:
            return image
        word = "enabled" if enabled else "disabled"
        if image.state is not before:
            raise Refused(
                f"image {image.name} [{image_id}] is {image.state.name}: it must be {before.name} to be {word}",
                image_id,
            )
        if not enabled:
            _refuse_use(draft, image, word)
        return replace(image, state=after, prev=image.state)

    return await changed(call, "IMAGE", image_id, Right.MANAGE, "enabled" if enabled else "disabled", change)


@method("one.image.persistent")
async def persistent(call: Call, image_id: int, is_persistent: bool) -> int:
    """Say whether what a VM writes to an image stays in it; refused while the image is in use."""

    def change(draft: Draft, image: Image) -> Image:
        if image.is_persistent == is_persistent:
            return image
        _refuse_use(draft, image, "made persistent" if is_persistent else "made non-persistent")
        if image.type.is_file:
            raise Refused("KERNEL, RAMDISK and CONTEXT must be non-persistent", image_id)
        if image.snapshots.snapshots:
            raise Refused(
                f"image {image.name} [{image_id}] has snapshots, which only a persistent image has: "
                "delete or flatten them first",
                image_id,
            )
        return replace(image, is_persistent=is_persistent)

    return await changed(call, "IMAGE", image_id, Right.MANAGE, "persistence changed", change)


@method("one.image.chtype")
async def change_type(call: Call, image_id: int, kind: str) -> int:
    """Change the type of an image: among OS, CDROM and DATABLOCK, or among KERNEL, RAMDISK and CONTEXT."""

    def change(draft: Draft, image: Image) -> Image:
        new = define.type_of(kind)
        if new is image.type:
            return image
        if new.is_file != image.type.is_file:
            raise Refused(
                f"Cannot change image type to an incompatible type for the current datastore: {image.name} "
                f"[{image_id}] is {image.type.name}, {new.name} images are kept in another type of datastore",
                image_id,
            )
        _refuse_use(draft, image, "given another type")
        if image.state not in (ImageState.READY, ImageState.ERROR):
            raise Refused(
                f"image {image.name} [{image_id}] is {image.state.name}: it must be READY or ERROR to be given another "
                "type",
                image_id,
            )
        if new is ImageType.CDROM and image.format not in ("", "raw"):
            raise Refused(f"image {image.name} [{image_id}] is {image.format}: CDROMs are raw", image_id)
        datastore = draft.datastore(image.datastore_id)
        return replace(image, type=new, disk_type=define.disk_type(new, datastore))

    return await changed(call, "IMAGE", image_id, Right.MANAGE, "type changed", change)


def _refuse_use(draft: Draft, image: Image, what: str) -> None:
    define.refuse_use(image, draft.image_users(image.id), draft.clones_of(image.id), what)


@method("one.image.lock")
async def lock(call: Call, image_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change an image, administrators too: 1 use, 2 manage, 3 admin, 4 all (kept as 1).

    With `test` an image that is locked already is refused.
    """
    return await lock_object(call, "IMAGE", image_id, level, test)


@method("one.image.unlock")
async def unlock(call: Call, image_id: int) -> int:
    """Take the lock of an image away; for whoever locked it, and administrators."""
    return await unlock_object(call, "IMAGE", image_id)


# -- what its driver changes ---------------------------------------------------------------------------


@method("one.image.snapshotdelete")
async def snapshot_delete(call: Call, image_id: int, snapshot_id: int) -> int:
    """Forget a snapshot of an image that no VM uses."""
    return await _asked(call, image_id, "SNAP_DELETE", snapshot_id)


@method("one.image.snapshotrevert")
async def snapshot_revert(call: Call, image_id: int, snapshot_id: int) -> int:
    """Bring an image that no VM uses back to what it was in a snapshot."""
    return await _asked(call, image_id, "SNAP_REVERT", snapshot_id)


@method("one.image.snapshotflatten")
async def snapshot_flatten(call: Call, image_id: int, snapshot_id: int) -> int:
    """Bring an image that no VM uses back to what it was in a snapshot, and forget all its snapshots."""
    return await _asked(call, image_id, "SNAP_FLATTEN", snapshot_id)


async def _asked(call: Call, image_id: int, verb: str, snapshot_id: int) -> int:
    def command(draft: Draft) -> int:
        image = draft.image(image_id)
        check(call.caller, Right.MANAGE, "IMAGE", image)
        images.ask(draft, image, verb, call.caller, snapshot_id=snapshot_id)
        return image_id

    return await call.ask(command)


@method("trifid.image.resize")
async def resize(call: Call, image_id: int, size_mib: int) -> int:
    """Make a disk image that no VM uses larger, MiB.  What is in it, partitions and file systems, stays as it is."""
    if not 1 <= size_mib <= WHOLE_MAX:
        raise BadRequest(f"SIZE must be a positive number of MiB up to {WHOLE_MAX}, is {size_mib}")

    def command(draft: Draft) -> int:
        image = draft.image(image_id)
        check(call.caller, Right.MANAGE, "IMAGE", image)
        if image.type.is_file or image.type is ImageType.CDROM:
            raise Refused(f"image {image.name} [{image_id}] is {image.type.name}: only disks are resized", image_id)
        datastore = draft.datastore(image.datastore_id)
        grown = max(size_mib - image.size_mib, 0)
        new_images.refuse_full(draft, datastore, grown, call.engine.documents.space_of(datastore.id))
        images.ask(draft, image, "RESIZE", call.caller, size_mib=size_mib)
        return image_id

    return await call.ask(command)
