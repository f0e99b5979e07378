"""The snapshots of a persistent image are those of the disk that it becomes, however it comes to its VM."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ALICE, IMAGE_ID, VM_ID, Refusal
from trifid.core.image.record import ImageState
from trifid.core.vm.events import Done
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots, HistoryRecord
from trifid.core.vm.states import VmState
from trifid.engine.life import happen, images_settled

STAY = HistoryRecord(0, 1, "host1", 0, "dummy", "shared", 0, stime=100)
KEPT = DiskSnapshots(0, next_id=4, active=3, snapshots=(DiskSnapshot(3, "before", 50, 100),))


@pytest.fixture
async def kept(world):
    await world.change("images", IMAGE_ID, is_persistent=True, snapshots=KEPT)
    return world


def brought(world, vm_id):
    vm = world.memory.vms[vm_id]
    disk = next(one["DISK_ID"] for one in vm.template.vectors("DISK") if one.get("IMAGE_ID") == str(IMAGE_ID))
    return [one.id for of in vm.disk_snapshots if of.disk_id == int(disk) for one in of.snapshots]


async def submitted(world):
    return await world.ask(ALICE, "one.vm.allocate", f"CPU=1\nMEMORY=64\nDISK=[IMAGE_ID={IMAGE_ID}]")


async def test_a_disk_that_is_attached_brings_them_along(kept):
    await kept.ask(ALICE, "one.vm.attach", VM_ID, f"DISK=[IMAGE_ID={IMAGE_ID}]")
    assert brought(kept, VM_ID) == [3]


async def test_an_image_that_is_being_made_is_not_attached(kept):
    await kept.change("images", IMAGE_ID, state=ImageState.LOCKED)
    with pytest.raises(Refusal, match="is LOCKED, it must be READY: it is being made or changed"):
        await kept.ask(ALICE, "one.vm.attach", VM_ID, f"DISK=[IMAGE_ID={IMAGE_ID}]")


async def test_a_vm_that_is_made_anew_has_them_again(kept):
    vm_id = await submitted(kept)
    await kept.change("vms", vm_id, state=VmState.CLEANUP_RESUBMIT_FILES, disk_snapshots=())
    vm = kept.memory.vms[vm_id]
    await kept.engine.turns.ask(lambda draft: happen(draft, vm, Done(step=vm.step)))
    assert kept.memory.vms[vm_id].state is VmState.PENDING
    assert brought(kept, vm_id) == [3]


async def test_a_vm_that_waited_for_its_image_has_those_that_are_left(kept):
    await kept.change("images", IMAGE_ID, state=ImageState.LOCKED)
    vm_id = await submitted(kept)
    assert kept.memory.vms[vm_id].state is VmState.CLONING
    await kept.change("images", IMAGE_ID, state=ImageState.READY, snapshots=DiskSnapshots(0, next_id=4))
    await kept.engine.turns.ask(lambda draft: images_settled(draft, IMAGE_ID))
    assert kept.memory.vms[vm_id].state is VmState.PENDING
    assert brought(kept, vm_id) == []


# -- what a VM leaves ----------------------------------------------------------------------------------

LEFT = DiskSnapshots(0, next_id=6, active=5, snapshots=(DiskSnapshot(5, "of the vm", 60, 100),))


async def ended(world, vm_id, state, tm, **changed):
    """Let a VM that has run under a transfer driver leave a state, its work done; return its image."""
    disks = [{**one, **changed} for one in world.memory.vms[vm_id].template.vectors("DISK")]
    template = world.memory.vms[vm_id].template.replacing("DISK", *disks)
    stay = replace(STAY, tm=tm)
    await world.change("vms", vm_id, state=state, disk_snapshots=(LEFT,), template=template, history=(stay,))
    vm = world.memory.vms[vm_id]
    await world.engine.turns.ask(lambda draft: happen(draft, vm, Done(step=vm.step)))
    return world.memory.images[IMAGE_ID]


@pytest.mark.parametrize("state", [VmState.EPILOG, VmState.CLEANUP_DELETE_FILES, VmState.CLEANUP_RESUBMIT_FILES])
async def test_an_image_that_was_used_in_place_has_the_snapshots_that_were_made_however_its_vm_ended(kept, state):
    vm_id = await submitted(kept)
    assert (await ended(kept, vm_id, state, "shared")).snapshots == LEFT
    if state is VmState.CLEANUP_RESUBMIT_FILES:
        assert brought(kept, vm_id) == [5]


@pytest.mark.parametrize("state", [VmState.CLEANUP_DELETE_FILES, VmState.CLEANUP_RESUBMIT_FILES])
async def test_an_image_whose_copy_was_thrown_away_is_as_it_was_and_gives_no_number_again(kept, state):
    image = await ended(kept, await submitted(kept), state, "ssh")
    assert image.snapshots == replace(KEPT, next_id=LEFT.next_id)


async def test_an_image_whose_copy_came_back_has_its_snapshots(kept):
    assert (await ended(kept, await submitted(kept), VmState.EPILOG, "ssh")).snapshots == LEFT


async def test_a_snapshot_that_was_just_being_made_is_not_the_images_and_its_number_is_not_given_again(kept):
    vm_id = await submitted(kept)
    await ended(kept, vm_id, VmState.CLEANUP_DELETE_FILES, "shared")
    making = replace(LEFT, snapshots=(replace(LEFT.snapshots[0], pending="create"),))
    vm_id = await submitted(kept)
    await kept.change("vms", vm_id, state=VmState.CLEANUP_DELETE_FILES, disk_snapshots=(making,), history=(STAY,))
    vm = kept.memory.vms[vm_id]
    await kept.engine.turns.ask(lambda draft: happen(draft, vm, Done(step=vm.step)))
    assert kept.memory.images[IMAGE_ID].snapshots == replace(LEFT, snapshots=())


async def test_an_image_that_grew_with_its_disk_is_as_large(kept):
    assert (await ended(kept, await submitted(kept), VmState.EPILOG, "shared", SIZE="700")).size_mib == 700
    await kept.change("images", IMAGE_ID, snapshots=DiskSnapshots(0))
    assert (await ended(kept, await submitted(kept), VmState.EPILOG, "shared", SIZE="900", GROW="YES")).size_mib == 700
