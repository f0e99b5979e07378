"""The snapshots of a persistent image are those of the disk that it becomes, however it comes to its VM."""

import pytest

from tests.methods.world import ALICE, IMAGE_ID, VM_ID, Refusal
from trifid.core.image.record import ImageState
from trifid.core.vm.events import Done
from trifid.core.vm.record import DiskSnapshot, DiskSnapshots
from trifid.core.vm.states import VmState
from trifid.engine.life import happen, images_settled

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
