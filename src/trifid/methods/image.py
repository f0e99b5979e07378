"""one.image.* and one.imagepool.info: how images come, are shown and go; methods/image_changes.py has the rest."""

import re
from urllib.parse import unquote

from msgspec.structs import replace

from trifid.core.access import Right, check, check_use
from trifid.core.image import define
from trifid.core.image.datastore import Datastore
from trifid.core.image.record import Image, ImageState
from trifid.engine import images, new_images
from trifid.engine.image_orders import UPLOAD, action_data
from trifid.engine.transaction import Draft
from trifid.errors import Internal, NotAllocated, NotAllowed, Refused
from trifid.methods.common import listed, name_checked, parse_allocate, read, refuse_taken
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

_LOOKED_AT = re.compile(r"([0-9]{1,15}) (\S+)\Z")


class ImageNotAllocated(NotAllocated):
    """A name that is taken is told with a code and a prefix of its own (reference/api-modern.md §2)."""

    code = 0x4000

    def __init__(self, reason: str) -> None:
        super().__init__(f"Error allocating a new image. {reason}")


def owner_of(call: Call) -> define.Owner:
    """Return whose an image that the caller makes becomes."""
    caller = call.caller
    return define.Owner(caller.uid, caller.gid, caller.is_admin, call.engine.config.restricted.of_images)


@method("one.image.allocate")
async def allocate(call: Call, template: str, datastore_id: int, skip: bool = False) -> int:
    """Register an image: imported from PATH, made empty with SIZE, or, for administrators, used at its SOURCE.

    PATH is looked at before this is answered; the import itself goes on in state LOCKED.  With `skip`, which
    only administrators' calls may have, the free space is not compared.
    """
    check(call.caller, Right.CREATE, "IMAGE")
    parsed = parse_allocate(template)
    engine = call.engine
    datastore = read(engine.turns.memory.datastores, "datastores", datastore_id)
    check(call.caller, Right.USE, "DATASTORE", datastore)
    owner = owner_of(call)
    image = define.define(parsed, datastore=datastore, owner=owner, image_id=-1, now=engine.now())
    if image.path:
        image = replace(image, path=_path_allowed(call, image, datastore))
        size_mib = await _looked_at(call, image, datastore)
        image = replace(image, size_mib=max(image.size_mib, size_mib))

    def command(draft: Draft) -> int:
        now = draft.datastore(datastore_id)
        define.refuse_other_datastore(image.type, now)
        refuse_taken(draft, "IMAGE", image.name, uid=image.uid, error=ImageNotAllocated)
        if not image.source and not (skip and call.caller.is_admin):
            new_images.refuse_full(draft, now, image.size_mib, engine.documents.space_of(datastore_id))
        base_path = engine.documents.base_path(now)
        return new_images.register(draft, image, base_path, call.caller).id

    return await call.ask(command)


def _path_allowed(call: Call, image: Image, datastore: Datastore) -> str:
    """Return the path of what shall be imported, an upload with whose it is; raises NotAllowed for a foreign one."""
    path = image.path
    if path.startswith(UPLOAD):
        return f"{UPLOAD}{call.caller.uid}/{path.removeprefix(UPLOAD)}"
    if call.caller.is_admin:
        return path
    places = [*datastore.template.single("SAFE_DIRS").split(), *call.engine.config.engine.user_paths]
    is_inside = any(path.startswith(f"{place.rstrip('/')}/") for place in places)
    if not is_inside or ".." in unquote(path).split("/"):
        raise NotAllowed(
            f"User [{call.caller.uid}] : Image Template includes a restricted attribute PATH: {path} lies outside the "
            f"places that users may name ({', '.join(places) or 'none'}): upload the file, or ask an administrator."
        )
    return path


async def _looked_at(call: Call, image: Image, datastore: Datastore) -> int:
    """Return the size of what shall be imported, MiB; raises Refused when its driver finds that it cannot be."""
    engine = call.engine
    data = action_data(
        image,
        datastore,
        None,
        "STAT",
        engine.documents.base_path(datastore),
        engine.config.engine,
        uploads=str(engine.home / "uploads"),
    )
    told = await engine.images.query(datastore.ds_mad, "STAT", data)
    found = _LOOKED_AT.match(told.strip())
    if found is None:
        raise Internal(f"driver ds {datastore.ds_mad} answered STAT with {told[:80]!r}, expected SIZE_MIB FORMAT")
    return int(found[1])


@method("one.image.clone")
async def clone(call: Call, image_id: int, name: str, datastore_id: int = -1) -> int:
    """Make a copy of an image, the caller's, in the same datastore (-1) or another of its kind; answer its id."""
    check(call.caller, Right.CREATE, "IMAGE")
    new = name_checked(name)
    engine = call.engine

    def command(draft: Draft) -> int:
        source = draft.image(image_id)
        check_use(call.caller, "IMAGE", source)
        into = draft.datastore(source.datastore_id if datastore_id == -1 else datastore_id)
        check(call.caller, Right.USE, "DATASTORE", into)
        refuse_taken(draft, "IMAGE", new, uid=call.caller.uid, error=ImageNotAllocated)
        new_images.refuse_no_clone(source, draft.datastore(source.datastore_id), into)
        new_images.refuse_full(draft, into, source.size_mib, engine.documents.space_of(into.id))
        base_path = engine.documents.base_path(into)
        return new_images.clone(draft, source, new, into, base_path, call.caller, persistent=False).id

    return await call.ask(command)


@method("one.image.delete")
async def delete(call: Call, image_id: int, force: bool = False) -> int:
    """Delete an image that no VM uses and no clone is made of; its state is DELETE until its driver has.

    With `force` an image in ERROR, or whose driver does not come to an end, is forgotten at once; its file
    may stay where it is.
    """

    def command(draft: Draft) -> int:
        image = draft.image(image_id)
        check(call.caller, Right.MANAGE, "IMAGE", image)
        is_stuck = image.state in (ImageState.ERROR, ImageState.DELETE)
        if (force and is_stuck) or not new_images.is_ours(image):
            _refuse_saving(image)
            images.forget(draft, image, call.caller)
        else:
            images.ask(draft, image, "RM", call.caller)
        return image_id

    return await call.ask(command)


def _refuse_saving(image: Image) -> None:
    if image.saved_from >= 0:
        raise Refused(
            f"image {image.name} [{image.id}] is being saved from VM {image.saved_from}: wait for that", image.id
        )


@method("one.image.restore")
async def restore(call: Call, image_id: int, datastore_id: int, template: str) -> str:
    """Make disks of a backup.  Refused: there are no backups, so that no image is one."""
    image = read(call.engine.turns.memory.images, "images", image_id)
    check(call.caller, Right.USE, "IMAGE", image)
    raise Refused(f"image {image.name} [{image_id}] is no backup: restore is not supported, clone it", image_id)


@method("one.image.info")
async def info(call: Call, image_id: int, decrypt: bool = False) -> Escaped:
    """Answer an image's document."""
    image = read(call.engine.turns.memory.images, "images", image_id)
    check(call.caller, Right.USE, "IMAGE", image)
    return call.engine.documents.image(image)


@method("one.imagepool.info")
async def pool(call: Call, filter_flag: int, start: int, end: int) -> Escaped:
    """Answer the images that the filter selects."""
    found = listed(call.engine.turns.memory.images.values(), call.caller, "IMAGE", filter_flag, start, end)
    return call.engine.documents.image_pool(found)
