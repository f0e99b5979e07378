"""What people ask of images and kept templates: random calls, most of them legal."""

import random
from collections.abc import Callable

from trifid.core.image.datastore import DEFAULT_ID, SYSTEM_ID
from trifid.core.image.record import Image, ImageState
from trifid.core.vm_template import VmTemplate
from trifid.engine.memory import Memory
from trifid.simulator.request import NETWORK, Request

LEGAL = 0.85
"""How many requests are made of images whose state allows them."""
SIZE_MIB_MAX = 40
_NAMES = 200
"""Few enough that a name is taken now and then."""

Make = Callable[[random.Random, Image], Request]


def image_id_for(chance: random.Random, memory: Memory, uid: int) -> int | None:
    """Return an image for a disk of somebody's VM, mostly one that he may use and that can be used."""
    images = [one for _, one in sorted(memory.images.items()) if one.uid == uid or chance.random() < 0.05]
    if chance.random() < LEGAL:
        usable = (ImageState.READY, ImageState.LOCKED)[: chance.choice((1, 1, 2))]
        images = [one for one in images if one.state in usable and not _is_taken(memory, one)]
    return chance.choice(images).id if images else None


def _is_taken(memory: Memory, image: Image) -> bool:
    return image.is_persistent and bool(memory.image_users.get(image.id))


def new_image(chance: random.Random) -> Request:
    """Return the registration of an image, which is imported or made empty."""
    lines = [f'NAME="image-{chance.randrange(_NAMES)}"', f"PERSISTENT={chance.choice(('YES', 'NO'))}"]
    if chance.random() < 0.5:
        lines += ["TYPE=OS", f'PATH="/images/{chance.choice(("etch", "sarge"))}.img"']
    else:
        lines += ["TYPE=DATABLOCK", f"SIZE={chance.choice((5, 10, 20))}"]
    datastore_id = SYSTEM_ID if chance.random() < 0.03 else DEFAULT_ID
    return Request("one.image.allocate", ("\n".join(lines), datastore_id), makes="image")


# -- one image -----------------------------------------------------------------------------------------


def _clone(chance: random.Random, image: Image) -> Request:
    name = f"image-{chance.randrange(_NAMES)}"
    return Request("one.image.clone", (image.id, name, -1), makes="image")


def _delete(chance: random.Random, image: Image) -> Request:
    return Request("one.image.delete", (image.id, False), image_id=image.id, deletes=(image.id,))


def _forget(chance: random.Random, image: Image) -> Request:
    return Request("one.image.delete", (image.id, True), image_id=image.id, deletes=(image.id,), forgets=True)


def _enable(is_enabled: bool) -> Make:
    return lambda chance, image: Request("one.image.enable", (image.id, is_enabled), image_id=image.id, is_quiet=True)


def _persist(chance: random.Random, image: Image) -> Request:
    arguments = (image.id, not image.is_persistent)
    return Request("one.image.persistent", arguments, image_id=image.id, is_quiet=True)


def _change_type(chance: random.Random, image: Image) -> Request:
    kind = chance.choice(("OS", "DATABLOCK", "KERNEL"))
    return Request("one.image.chtype", (image.id, kind), image_id=image.id, is_quiet=True)


def _resize(chance: random.Random, image: Image) -> Request:
    size_mib = min(SIZE_MIB_MAX, image.size_mib + chance.choice((-5, 5, 10)))
    return Request("trifid.image.resize", (image.id, size_mib), image_id=image.id)


def _snapshot(word: str) -> Make:
    def make(chance: random.Random, image: Image) -> Request:
        known = [one.id for one in image.snapshots.snapshots]
        arguments = (image.id, chance.choice(known) if known else 0)
        return Request(f"one.image.snapshot{word}", arguments, image_id=image.id)

    return make


def _rename(chance: random.Random, image: Image) -> Request:
    name = f"image-{chance.randrange(_NAMES)}"
    return Request("one.image.rename", (image.id, name), image_id=image.id, name=name, is_quiet=name == image.name)


def _lock(chance: random.Random, image: Image) -> Request:
    return Request("one.image.lock", (image.id, chance.choice((1, 2, 3, 4))), image_id=image.id, is_quiet=True)


def _unlock(chance: random.Random, image: Image) -> Request:
    return Request("one.image.unlock", (image.id,), image_id=image.id, is_quiet=True)


ANY = tuple(ImageState)
READY, ERROR, DISABLED = (ImageState.READY,), (ImageState.ERROR,), (ImageState.DISABLED,)

ASKED: tuple[tuple[int, tuple[ImageState, ...], bool, Make], ...] = (
    # (how often, the states that allow it, whether VMs may use the image, what makes the call)
    (6, READY, True, _clone),
    (6, (*READY, *ERROR, *DISABLED, ImageState.LOCKED), False, _delete),
    (1, (*ERROR, ImageState.DELETE), False, _forget),
    (2, READY, False, _enable(False)),
    (6, DISABLED, True, _enable(True)),
    (3, (*READY, *DISABLED), False, _persist),
    (1, READY, False, _change_type),
    (4, READY, False, _resize),
    (6, READY, False, _snapshot("delete")),
    (3, READY, False, _snapshot("revert")),
    (2, READY, False, _snapshot("flatten")),
    (2, ANY, True, _rename),
    (1, ANY, True, _lock),
    (3, ANY, True, _unlock),
)


def request_about_image(chance: random.Random, memory: Memory, image: Image) -> Request:
    """Return something that is asked of an image, mostly what its state allows."""
    table = ASKED
    if chance.random() < LEGAL:
        is_used = bool(memory.image_users.get(image.id))
        table = tuple(row for row in ASKED if image.state in row[1] and (row[2] or not is_used))
    _, _, _, make = chance.choices(table, [row[0] for row in table])[0]
    return make(chance, image)


# -- kept templates ------------------------------------------------------------------------------------


def new_template(chance: random.Random, memory: Memory, uid: int) -> Request:
    """Return the description of a VM, to be kept."""
    lines = [f'NAME="kept-{chance.randrange(_NAMES)}"', "CPU=1", "MEMORY=64", f'NIC=[NETWORK="{NETWORK}"]']
    image_id = image_id_for(chance, memory, uid)
    lines.append("DISK=[TYPE=fs, SIZE=10, FORMAT=raw]" if image_id is None else f"DISK=[IMAGE_ID={image_id}]")
    return Request("one.template.allocate", ("\n".join(lines),))


def request_about_template(chance: random.Random, template: VmTemplate) -> Request:
    """Return something that is asked of a kept template."""
    what = chance.random()
    if what < 0.6:
        arguments = (template.id, "", chance.random() < 0.1, "", chance.random() < 0.3)
        return Request("one.template.instantiate", arguments, makes="vm")
    if what < 0.7:
        name = f"kept-{chance.randrange(_NAMES)}"
        return Request("one.template.clone", (template.id, name, chance.random() < 0.5))
    is_recursive = chance.random() < 0.3
    numbers = [disk.get("IMAGE_ID", "") for disk in template.template.vectors("DISK")]
    images = tuple(int(number) for number in numbers if number) if is_recursive else ()
    return Request("one.template.delete", (template.id, is_recursive), deletes=images)
