"""The life of an image: what may be begun with it, and what it is once a driver has answered.

    nothing   CP, MKFS, CLONE     LOCKED    done: READY     failed: ERROR
    READY     RESIZE, SNAP_…      LOCKED    done: READY     failed: READY, and its owner is told why
    any       RM                  DELETE    done: gone      failed: ERROR
    nothing   a VM's disk         LOCKED    saved: READY    not saved: ERROR

An answer carries the step number of what was asked; to an image that has gone on, it means nothing.
"""

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from trifid.core.image.record import NO_IMAGE, NO_VM, Image, ImageState
from trifid.core.vm.record import DiskSnapshots
from trifid.errors import Refused

MAKES = ("CP", "MKFS", "CLONE")
"""What makes the file of a new image."""
CHANGES = ("RESIZE", "SNAP_DELETE", "SNAP_REVERT", "SNAP_FLATTEN")
"""What changes the file of one that is there."""
REMOVES = "RM"
RESIZE_TO = "RESIZE_TO_MB"
"""Attribute of an image's template while it is resized: the size that it shall have, MiB."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a datastore driver says of what it was asked.

    Attributes:
        step: the image's step number when it was asked.
    """

    step: int


class Done(Answer, frozen=True, kw_only=True):
    """It is done.  `info` is what the driver tells: where the image lies, its format, its size."""

    info: str = ""


class Failed(Answer, frozen=True, kw_only=True):
    """It is not done, for all that the driver knows.  `why` is for people."""

    why: str


# -- beginning -----------------------------------------------------------------------------------------


def begin(image: Image, verb: str, *, snapshot_id: int = -1, size_mib: int = 0) -> Image:
    """Return the image while a driver is at work for it.

    Args:
        snapshot_id: that SNAP_… is about.
        size_mib: that RESIZE shall bring it to.

    Raises:
        Refused: its state does not allow that, or it has no such snapshot.
    """
    if verb in MAKES:
        assert image.step == 0, f"image {image.id} was made already"
        return replace(image, state=ImageState.LOCKED, step=1)
    if verb == REMOVES:
        if image.state is ImageState.DELETE:
            raise Refused(f"image {image.id} is being deleted already", image.id)
        if image.saved_from != NO_VM:
            raise Refused(f"image {image.id} is being saved from VM {image.saved_from}: wait for that", image.id)
        return _locked(image, ImageState.DELETE)
    assert verb in CHANGES, verb
    if image.state is not ImageState.READY:
        raise Refused(f"image {image.id} is {image.state.name}: {verb} needs READY", image.id)
    if verb == "RESIZE":
        return _resizing(image, size_mib)
    if snapshot_id not in (present := [one.id for one in image.snapshots.snapshots]):
        ids = ", ".join(map(str, present)) or "none"
        raise Refused(f"Snapshot {snapshot_id} does not exist: image {image.id} has {ids}", image.id)
    return replace(_locked(image), target_snapshot=snapshot_id)


def _locked(image: Image, state: ImageState = ImageState.LOCKED) -> Image:
    return replace(image, prev=image.state, state=state, step=image.step + 1)


def _resizing(image: Image, size_mib: int) -> Image:
    if size_mib < image.size_mib:
        raise Refused(f"image {image.id} has {image.size_mib} MiB: images only grow, {size_mib} MiB is less", image.id)
    if image.snapshots.snapshots:
        raise Refused(f"image {image.id} has snapshots, of its present size: delete them before it grows", image.id)
    return replace(_locked(image), template=image.template.replacing(RESIZE_TO, str(size_mib)))


# -- answers -------------------------------------------------------------------------------------------


def answered(image: Image, verb: str, answer: Answer, now: int) -> Image | None:
    """Return the image after an answer; None when it is gone, the same object when the answer is out of date."""
    if answer.step != image.step:
        return image
    if isinstance(answer, Failed):
        return _not_done(image, verb, answer.why)
    assert isinstance(answer, Done)
    if verb == REMOVES:
        return None
    try:
        return _DONE[verb](image, answer.info, now)
    except ValueError as fault:
        return _not_done(image, verb, f"the driver's answer to {verb} cannot be understood: {fault}")


def _not_done(image: Image, verb: str, why: str) -> Image:
    """What changes an image leaves it as it was; one that could not be made, or removed, is in error."""
    state = ImageState.READY if verb in CHANGES else ImageState.ERROR
    return _told(_settled(image, state), why)


def _settled(image: Image, state: ImageState) -> Image:
    """Nothing is under way any more."""
    return replace(
        image,
        prev=image.state,
        state=state,
        step=image.step + 1,
        cloning_id=NO_IMAGE,
        saved_from=NO_VM,
        target_snapshot=-1,
        template=image.template.without(RESIZE_TO, "ERROR"),
    )


def _told(image: Image, why: str) -> Image:
    """Write a text where the owner sees it: TEMPLATE/ERROR."""
    return replace(image, template=image.template.replacing("ERROR", why))


def _made(image: Image, info: str, now: int) -> Image:
    """It is there: `SOURCE FORMAT SIZE_MIB`."""
    source, image_format, size = _words(info, 3, "SOURCE FORMAT SIZE_MIB")
    made = replace(image, source=source, format=image_format, size_mib=_size(size), modtime=now)
    return _settled(made, ImageState.READY)


def _resized(image: Image, info: str, now: int) -> Image:
    """It has another size: `SIZE_MIB`."""
    (size,) = _words(info, 1, "SIZE_MIB")
    return _settled(replace(image, size_mib=_size(size), modtime=now), ImageState.READY)


def _snapshot_deleted(image: Image, info: str, now: int) -> Image:
    """The snapshot is gone; its children are its parent's."""
    of = image.snapshots
    gone = next(one for one in of.snapshots if one.id == image.target_snapshot)
    left = tuple(
        replace(one, parent=gone.parent if one.parent == gone.id else one.parent)
        for one in of.snapshots
        if one.id != gone.id
    )
    active = gone.parent if of.active == gone.id else of.active
    return _settled(replace(image, snapshots=replace(of, active=active, snapshots=left)), ImageState.READY)


def _reverted(image: Image, info: str, now: int) -> Image:
    """It is as it was in the snapshot."""
    changed = replace(image, snapshots=replace(image.snapshots, active=image.target_snapshot), modtime=now)
    return _settled(changed, ImageState.READY)


def _flattened(image: Image, info: str, now: int) -> Image:
    """It is as it was in the snapshot, and has none any more."""
    empty = DiskSnapshots(image.snapshots.disk_id, next_id=image.snapshots.next_id)
    return _settled(replace(image, snapshots=empty, modtime=now), ImageState.READY)


_DONE: dict[str, Callable[[Image, str, int], Image]] = {
    **dict.fromkeys(MAKES, _made),
    "RESIZE": _resized,
    "SNAP_DELETE": _snapshot_deleted,
    "SNAP_REVERT": _reverted,
    "SNAP_FLATTEN": _flattened,
}


def _words(info: str, count: int, form: str) -> list[str]:
    """Cut what a driver told into its words; raises ValueError."""
    words = info.split()
    if len(words) != count:
        raise ValueError(f"expected {form}, is {info[:80]!r}")
    return words


def _size(word: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise ValueError(f"expected a size in MiB, is {word[:80]!r}")
    return int(word)


# -- disks of VMs that become images -------------------------------------------------------------------


def saved(image: Image, ok: bool, now: int, *, size_mib: int = 0, format: str = "", why: str = "") -> Image:
    """Return the image after a VM's disk was to be saved as it; the same object when it waits for none.

    Args:
        ok: whether the disk was saved.
        size_mib, format: of the disk; 0 and empty: as the image says already.
        why: it was not, for people.
    """
    if image.state is not ImageState.LOCKED or image.saved_from == NO_VM:
        return image
    if not ok:
        return _told(_settled(image, ImageState.ERROR), why or f"VM {image.saved_from} could not save its disk")
    known = replace(image, size_mib=size_mib or image.size_mib, format=format or image.format, modtime=now)
    return _settled(known, ImageState.READY)
