"""Images in a draft: what is begun is written whole or refused, and nothing is taken away from who uses it."""

from pathlib import Path

import pytest

from tests.core.image.builders import IMAGE_ID, datastore, image, new_image
from tests.core.vm.builders import ALICE, vm
from tests.engine.world import World
from trifid.core.image.life import Done, Failed
from trifid.core.image.record import ImageAction, ImageState
from trifid.core.template.model import template
from trifid.core.vm.states import VmState
from trifid.engine import images
from trifid.errors import Refused

USES_IT = template(DISK={"DISK_ID": "0", "IMAGE_ID": str(IMAGE_ID), "TYPE": "DISK"})


@pytest.fixture
async def world():
    world = World()
    await world.put(datastore())
    yield world
    await world.turns.close()


async def ask(world, of, verb, **more):
    return await world.turns.ask(lambda draft: images.ask(draft, of, verb, ALICE, **more))


async def refused(world, of, verb, **more):
    with pytest.raises(Refused) as caught:
        await ask(world, of, verb, **more)
    return caught.value.message


async def answer(world, verb, told):
    action = ImageAction(IMAGE_ID, told.step, verb)
    await world.turns.ask(lambda draft: images.answer(draft, action, told))


def story(world):
    return [(e.what, e.old, e.new, e.uid) for e in world.store.journal_of("IMAGE", IMAGE_ID, 10)]


async def test_record_action_and_journal_change_together(world):
    await ask(world, new_image(), "CP")
    assert world.memory.images[IMAGE_ID].state is ImageState.LOCKED
    assert world.memory.image_actions == {IMAGE_ID: ImageAction(IMAGE_ID, 1, "CP")}
    await answer(world, "CP", Done(step=1, info="/there raw 3"))
    assert world.memory.images[IMAGE_ID].state is ImageState.READY
    assert world.memory.image_actions == {}
    assert story(world) == [("state", "", "LOCKED", ALICE.uid), ("state", "LOCKED", "READY", -1)]


async def test_what_is_refused_leaves_nothing(world):
    await world.put(image(ImageState.DISABLED))
    await refused(world, image(ImageState.DISABLED), "RESIZE", size_mib=100)
    assert (world.memory.image_actions, story(world)) == ({}, [])


async def test_an_image_that_was_removed_is_gone_with_its_action(world):
    await world.put(image())
    await ask(world, image(), "RM")
    await answer(world, "RM", Done(step=3))
    assert (world.memory.images, world.memory.image_actions) == ({}, {})
    assert story(world)[-1] == ("deleted", "DELETE", "", -1)


async def test_an_answer_to_what_is_gone_changes_nothing(world):
    await answer(world, "RM", Failed(step=3, why="late"))
    assert (world.memory.images, story(world)) == ({}, [])


@pytest.mark.parametrize(("verb", "deed"), [("RM", "deleted"), ("RESIZE", "resized"), ("SNAP_REVERT", "changed")])
async def test_nothing_is_done_to_what_vms_use_and_they_are_named(world, verb, deed):
    await world.put(image(), vm(VmState.RUNNING, template=USES_IT), vm(VmState.POWEROFF, id=43, template=USES_IT))
    why = await refused(world, image(), verb, size_mib=100)
    assert why == f"image 5 is used by VM 42, 43, it cannot be {deed} while it is"


async def test_two_clones_are_made_of_one_image_which_cannot_go_meanwhile(world):
    await world.put(image())
    for clone_id in (6, 7):
        await ask(world, new_image(id=clone_id, name=f"clone{clone_id}", cloning_id=IMAGE_ID), "CLONE")
    assert (
        await refused(world, image(), "RM") == "image 5 is being cloned, as image 6, 7: it cannot be deleted meanwhile"
    )
    for clone_id, told in ((6, Done(step=1, info="/six raw 64")), (7, Failed(step=1, why="no"))):
        action = world.memory.image_actions[clone_id]
        await world.turns.ask(lambda draft, action=action, told=told: images.answer(draft, action, told))
    await ask(world, image(), "RM")
    assert world.memory.images[IMAGE_ID].state is ImageState.DELETE


async def test_a_clone_that_is_deleted_while_it_is_made_holds_its_source_until_it_is_gone(world):
    await world.put(image())
    clone = await ask(world, new_image(id=6, name="clone", cloning_id=IMAGE_ID), "CLONE")
    await ask(world, clone, "RM")
    assert "is being cloned" in await refused(world, image(), "RM")
    action = world.memory.image_actions[6]
    await world.turns.ask(lambda draft: images.answer(draft, action, Done(step=2)))
    await ask(world, image(), "RM")


@pytest.mark.parametrize("state", [ImageState.LOCKED, ImageState.DISABLED, ImageState.ERROR, ImageState.DELETE])
async def test_only_what_is_ready_is_cloned(world, state):
    await world.put(image(state))
    why = await refused(world, new_image(id=6, cloning_id=IMAGE_ID), "CLONE")
    assert why == f"image 5 is {state.name}: a clone needs READY"


async def test_a_persistent_image_is_not_cloned_while_a_vm_writes_to_it(world):
    await world.put(image(is_persistent=True), vm(VmState.RUNNING, template=USES_IT))
    why = await refused(world, new_image(id=6, cloning_id=IMAGE_ID), "CLONE")
    assert why == "image 5 is persistent and used by VM 42: a clone must wait"
    await world.put(image(is_persistent=False))
    await ask(world, new_image(id=6, cloning_id=IMAGE_ID), "CLONE")


async def test_what_is_forgotten_is_gone_at_once_and_the_journal_tells_where_its_file_is(world):
    await ask(world, new_image(), "CP")
    await world.turns.ask(lambda draft: images.forget(draft, draft.image(IMAGE_ID), ALICE))
    assert (world.memory.images, world.memory.image_actions) == ({}, {})
    assert world.store.journal_of("IMAGE", IMAGE_ID, 1)[0].text == f"etch, {new_image().source} forgotten"


def test_sources_are_never_the_same_and_lie_in_their_datastore():
    base = images.base_path(Path("/home/datastores"), datastore(1))
    assert base == "/home/datastores/1"
    assert images.base_path(Path("/home/datastores"), datastore(1, base_path="/dev/vg0")) == "/dev/vg0"
    one, other = images.fresh_source(base), images.fresh_source(base)
    assert one != other
    assert one.startswith("/home/datastores/1/")
    assert len(one) == len("/home/datastores/1/") + 32
