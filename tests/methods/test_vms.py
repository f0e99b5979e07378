"""Refusals of calls about VMs: what they say to do."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, HOST_ID, STAY, VM_ID, Refusal
from trifid.core.vm.states import VmState


async def test_a_vm_that_cannot_resume_for_want_of_room_is_not_sent_to_another_host(world):
    await world.change("vms", VM_ID, state=VmState.POWEROFF, history=(replace(STAY, etime=150),))
    with pytest.raises(Refusal, match="Not enough memory: needs 64 MiB, has 0 free: power off or terminate") as refusal:
        await world.ask(ALICE, "one.vm.action", "resume", VM_ID)
    assert "another host" not in refusal.value.text


async def test_a_search_by_attributes_is_said_to_be_of_no_database(world):
    with pytest.raises(Refusal, match="not supported by any database here"):
        await world.ask(ADMIN, "one.vmpool.info", -2, -1, -1, -2, "NAME=web")


@pytest.mark.parametrize("state", [VmState.HOLD, VmState.RUNNING])
async def test_what_a_scheduler_decided_before_the_owner_changed_his_mind_is_refused(world, state):
    await world.change("vms", VM_ID, state=state)
    with pytest.raises(Refusal, match=f"VM {VM_ID} is {state.name}: it neither waits for a host nor is it marked"):
        await world.ask(ADMIN, "trifid.vm.place", VM_ID, HOST_ID)
