"""Images inside a draft: what is begun with them, what came of it, and where they lie.

Records, outbox rows and journal change together here; methods and driver answers all come here.
"""

import secrets
from pathlib import Path

from trifid.core.access import ENGINE, Caller
from trifid.core.image.datastore import Datastore
from trifid.core.image.life import CHANGES, Answer, Failed, answered, begin
from trifid.core.image.record import Image, ImageAction, ImageState
from trifid.engine.life import images_settled
from trifid.engine.transaction import Draft
from trifid.errors import Refused

_SOURCE_BYTES = 16
_DEEDS = {
    "RM": "deleted",
    "RESIZE": "resized",
    "SNAP_DELETE": "changed",
    "SNAP_REVERT": "changed",
    "SNAP_FLATTEN": "changed",
}
"""What messages call what a datastore driver is asked for."""


def base_path(datastores: Path, datastore: Datastore) -> str:
    """Return the directory, or volume group, of a datastore.

    Args:
        datastores: directory of those that name no place of their own.
    """
    return datastore.base_path or str(datastores / str(datastore.id))


def fresh_source(base_path: str) -> str:
    """Return where a new image shall lie: a name that no other image ever had, so that a late driver finds nothing."""
    return f"{base_path}/{secrets.token_hex(_SOURCE_BYTES)}"


def ask(
    draft: Draft, image: Image, verb: str, caller: Caller = ENGINE, *, snapshot_id: int = -1, size_mib: int = 0
) -> Image:
    """Have a datastore driver do something for an image, new or there; return the image meanwhile.

    A new one has its source and step 0; a clone says of what by its cloning_id.

    Args:
        verb: CP, MKFS, CLONE, RM, RESIZE, SNAP_DELETE, SNAP_REVERT, SNAP_FLATTEN.
        snapshot_id: that SNAP_… is about.
        size_mib: that RESIZE shall bring it to.

    Raises:
        Refused: its state does not allow that, or somebody uses it.
    """
    if verb == "CLONE":
        _refuse_unready(draft, draft.image(image.cloning_id))
    elif verb == "RM" or verb in CHANGES:
        _refuse_used(draft, image, verb)
    after = begin(image, verb, snapshot_id=snapshot_id, size_mib=size_mib)
    draft.put(after)
    draft.set_image_action(image.id, ImageAction(image.id, after.step, verb))
    draft.note("IMAGE", image.id, caller, "state", _name(image), after.state.name, verb)
    return after


def answer(draft: Draft, action: ImageAction, answer: Answer) -> None:
    """Write what follows from a driver's answer, for VMs that wait for the image as well.

    To an image that is gone or has gone on it means nothing.
    """
    image = draft.find_image(action.image_id)
    if image is None:
        return
    after = answered(image, action.verb, answer, draft.now)
    if after is image:
        return
    draft.set_image_action(image.id, None)
    why = answer.why if isinstance(answer, Failed) else ""
    if after is None:
        draft.delete("images", image.id)
        draft.note("IMAGE", image.id, ENGINE, "deleted", image.state.name, text=image.name)
        return
    draft.put(after)
    draft.note("IMAGE", image.id, ENGINE, "state", image.state.name, after.state.name, why)
    images_settled(draft, image.id)


def forget(draft: Draft, image: Image, caller: Caller) -> None:
    """Delete an image's record at once, whatever its driver is doing; what lies in the datastore may stay there.

    Raises:
        Refused: somebody uses it.
    """
    _refuse_used(draft, image, "RM")
    draft.set_image_action(image.id, None)
    draft.delete("images", image.id)
    draft.note("IMAGE", image.id, caller, "deleted", image.state.name, text=f"{image.name}, {image.source} forgotten")


def _name(image: Image) -> str:
    """Return the state before; a new image had none."""
    return image.state.name if image.step else ""


def _refuse_used(draft: Draft, image: Image, verb: str) -> None:
    """Refuse to change or remove what VMs use or clones are made of."""
    if users := draft.image_users(image.id):
        raise Refused(
            f"image {image.id} is used by VM {_ids(users)}, it cannot be {_DEEDS[verb]} while it is", image.id
        )
    if clones := draft.clones_of(image.id):
        raise Refused(
            f"image {image.id} is being cloned, as image {_ids(clones)}: it cannot be {_DEEDS[verb]} meanwhile",
            image.id,
        )


def _refuse_unready(draft: Draft, source: Image) -> None:
    """Refuse to clone what is not whole, or what a VM may be writing to."""
    if source.state is not ImageState.READY:
        raise Refused(f"image {source.id} is {source.state.name}: a clone needs READY", source.id)
    if source.is_persistent and (users := draft.image_users(source.id)):
        raise Refused(f"image {source.id} is persistent and used by VM {_ids(users)}: a clone must wait", source.id)


def _ids(ids: set[int]) -> str:
    return ", ".join(map(str, sorted(ids)))
