"""A host is said to be dead, shows what is known of it, and is used again."""

import json

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, HOST_ID, VM_OF_ALICE, Refusal
from trifid.core.host import HostObservation, HostState
from trifid.core.host_failure.fence import Fence, FenceState
from trifid.core.host_failure.judge import Signs
from trifid.core.vm.states import VmState as S
from trifid.core.wild import Wild

CONFIRMED = Fence(FenceState.CONFIRMED, 100, "its power was seen off")


def fenced_host(world, **more):
    return replace(world.memory.hosts[HOST_ID], state=HostState.ERROR, fence=CONFIRMED, **more)


async def signs(world):
    return json.loads(await world.ask(ADMIN, "trifid.host.signs", HOST_ID))


async def test_the_word_for_a_host_is_in_the_journal_and_its_vms_go_on(world):
    await world.put(VM_OF_ALICE)
    assert await world.ask(ADMIN, "trifid.host.fenced", HOST_ID) == HOST_ID
    host = world.memory.hosts[HOST_ID]
    assert (host.state, host.takes_vms, host.fence.is_confirmed) == (HostState.ERROR, False, True)
    assert "says that it is off" in host.fence.proof
    assert world.memory.vms[VM_OF_ALICE.id].state is S.PENDING_UNDEPLOYED
    told = await signs(world)
    assert "; 1 VM went on elsewhere" in told["fence"]
    assert f"onehost enable {HOST_ID}" in told["follows"]


async def test_a_fenced_host_is_used_again_when_it_is_enabled(world):
    await world.put(fenced_host(world))
    await world.ask(ADMIN, "one.host.status", HOST_ID, 0)
    host = world.memory.hosts[HOST_ID]
    assert (host.state, host.fence) == (HostState.INIT, None)


async def test_it_is_not_while_it_has_domains_of_vms_that_went_on_elsewhere(world):
    await world.put(fenced_host(world), VM_OF_ALICE)
    zombie = Wild(f"one-{VM_OF_ALICE.id}", state="RUNNING", vm_id=VM_OF_ALICE.id)
    world.engine.monitoring.hosts[HOST_ID] = HostObservation(at=5, wilds=(zombie,))
    with pytest.raises(Refusal, match="domains of VMs that went on elsewhere"):
        await world.ask(ADMIN, "one.host.status", HOST_ID, 0)
    assert world.memory.hosts[HOST_ID].fence is CONFIRMED


async def test_it_is_not_before_it_has_reported_when_vms_went_on_elsewhere(world):
    fence = replace(CONFIRMED, released=(VM_OF_ALICE.id,))
    await world.put(replace(fenced_host(world), fence=fence), VM_OF_ALICE)
    with pytest.raises(Refusal, match="has not reported since"):
        await world.ask(ADMIN, "one.host.status", HOST_ID, 0)
    assert world.memory.hosts[HOST_ID].fence == fence
    await world.put(replace(VM_OF_ALICE, state=S.DONE))
    await world.ask(ADMIN, "one.host.status", HOST_ID, 0)
    assert world.memory.hosts[HOST_ID].fence is None


@pytest.mark.parametrize(("listed_s", "is_used"), [(None, True), (10.0, True), (10_000_000_000.0, False)])
async def test_it_is_once_it_has_listed_its_domains_after_it_was_fenced(world, monkeypatch, listed_s, is_used):
    signs = Signs(is_watched=True, monitored_s=5.0, was_heard=True, domains_s=listed_s)
    monkeypatch.setattr(world.engine.monitoring, "signs", lambda host: signs)
    await world.put(replace(fenced_host(world), fence=replace(CONFIRMED, released=(VM_OF_ALICE.id,))), VM_OF_ALICE)
    if is_used:
        await world.ask(ADMIN, "one.host.status", HOST_ID, 0)
    else:
        with pytest.raises(Refusal, match="has not reported since"):
            await world.ask(ADMIN, "one.host.status", HOST_ID, 0)
    assert (world.memory.hosts[HOST_ID].fence is None) == is_used


async def test_to_disable_a_fenced_host_or_switch_it_off_leaves_the_mark(world):
    for status in (1, 2):
        await world.put(fenced_host(world))
        await world.ask(ADMIN, "one.host.status", HOST_ID, status)
        assert world.memory.hosts[HOST_ID].fence == CONFIRMED


async def test_what_users_write_does_not_mark_a_host(world):
    await world.ask(ADMIN, "one.host.update", HOST_ID, "FENCED=YES", 1)
    assert "FENCED" not in world.memory.hosts[HOST_ID].template
    await world.put(fenced_host(world))
    assert "<FENCED><![CDATA[YES]]></FENCED>" in str(await world.ask(ADMIN, "one.host.info", HOST_ID))


async def test_a_host_that_is_well_has_nothing_that_follows(world):
    told = await signs(world)
    assert (told["fence"], told["follows"]) == ("", "")
    assert "heartbeat: none" in told["signs"]
