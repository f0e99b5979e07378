"""A disk that becomes an image: the record of the image, which waits for its contents."""

from collections.abc import Callable

from trifid.core.access import Caller, Right, check
from trifid.core.image.datastore import DEFAULT_ID, Datastore, DatastoreType, Space
from trifid.core.image.record import Image, ImageType
from trifid.core.template.model import Template
from trifid.core.vm.placed import is_layer
from trifid.core.vm.record import VM
from trifid.engine.first_permissions import first_permissions
from trifid.engine.images import fresh_source
from trifid.engine.new_images import refuse_full
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated, Refused

Vector = dict[str, str]
_TYPES = (ImageType.OS, ImageType.DATABLOCK, ImageType.CDROM)


def image_of_disk(
    draft: Draft,
    vm: VM,
    disk: Vector,
    caller: Caller,
    *,
    name: str,
    kind: str,
    base_path_of: Callable[[Datastore], str],
    space_of: Callable[[int], Space],
) -> Image:
    """Return the image that a disk shall become, LOCKED until it is.

    Args:
        kind: its type; empty = that of the disk's own image, else DATABLOCK.
        base_path_of: returns the directory of a datastore.
        space_of: returns the room of a datastore, by its id.

    Raises:
        Refused, NotAllocated, NotAllowed: no such type, the name is taken, or its datastore takes no images or
            has no room.
    """
    original = draft.find_image(int(disk["IMAGE_ID"])) if disk.get("IMAGE_ID", "").isdecimal() else None
    datastore = draft.datastore(original.datastore_id if original else DEFAULT_ID)
    check(caller, Right.USE, "DATASTORE", datastore)
    _refuse_no_place(datastore, vm)
    if (taken := draft.owned("images", caller.uid, name)) is not None:
        raise NotAllocated(f"NAME is already taken by IMAGE {taken}.")
    size_mib = int(disk["SIZE"]) if disk.get("SIZE", "").isdecimal() else 0
    refuse_full(draft, datastore, size_mib, space_of(datastore.id))
    return Image(
        id=draft.next_id("image"),
        uid=caller.uid,
        gid=caller.gid,
        name=name,
        permissions=first_permissions(draft, caller),
        type=_type(kind, original, vm),
        datastore_id=datastore.id,
        regtime=draft.now,
        source=fresh_source(base_path_of(datastore)),
        format=_format(vm, disk),
        size_mib=size_mib,
        saved_from=vm.id,
        template=Template((("FROM_VM", str(vm.id)), *((("FROM_IMAGE", str(original.id)),) if original else ()))),
    )


def _type(kind: str, original: Image | None, vm: VM) -> ImageType:
    if not kind:
        return original.type if original else ImageType.DATABLOCK
    found = next((one for one in _TYPES if one.name == kind.upper()), None)
    if found is None:
        raise Refused(f"Unknown type {kind[:40]}: a disk becomes one of {', '.join(t.name for t in _TYPES)}", vm.id)
    return found


def _format(vm: VM, disk: Vector) -> str:
    """Return the format that a saved disk has: a layer is saved in one piece."""
    if is_layer(vm, disk):
        return "qcow2"
    return (disk.get("DRIVER") or disk.get("FORMAT") or "raw").lower() if disk["TYPE"] not in ("FS", "SWAP") else "raw"


def _refuse_no_place(datastore: Datastore, vm: VM) -> None:
    if datastore.type is not DatastoreType.IMAGE:
        raise Refused(f"datastore {datastore.name} [{datastore.id}] is {datastore.type.name}, it takes no disks", vm.id)
