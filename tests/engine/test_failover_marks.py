"""The mark on a fenced host in drafts: whom a proof covers, and who goes on elsewhere on its strength."""

import pytest
from msgspec.structs import replace

from tests.core.vm.builders import vm
from tests.engine.world import World, host
from trifid.core.host import HostState
from trifid.core.template.model import Template
from trifid.core.vm.events import Resume, SeenRunning
from trifid.core.vm.states import VmState as S
from trifid.engine.failover import marks
from trifid.engine.life import happen
from trifid.engine.transaction import Draft

PROOF = "its power was seen off by ipmi"


def settled(vm_id: int) -> bool:
    return False


def machine(state: S, vm_id: int = 42, tm: str = "shared", host_id: int = 3, **owner: str):
    made = vm(state, id=vm_id)
    history = tuple(replace(stay, host_id=host_id, tm=tm) for stay in made.history)
    disks = Template((("CPU", "1"), ("MEMORY", "128"), ("DISK", {"DISK_ID": "0", "SAVE": "NO", "TYPE": "SWAP"})))
    return replace(made, history=history, template=disks, user_template=Template(tuple(owner.items())))


async def world_with(*machines, state: HostState = HostState.MONITORED) -> World:
    world = World()
    await world.put(host(state=state), host(4), *machines)
    return world


async def proven(world: World, **more) -> None:
    """Ask, and confirm in time."""
    await world.turns.ask(lambda draft: marks.ask(draft, 3, "silent"))
    covers = await world.turns.ask(lambda draft: marks.coverable(draft, 3, more.get("is_undecided", settled)))
    await world.turns.ask(lambda draft: marks.confirm(draft, 3, covers, PROOF))


async def released(world: World, limit: int = 100) -> int:
    return await world.turns.ask(lambda draft: marks.release(draft, 3, limit))


async def test_a_host_that_is_to_be_fenced_takes_nothing_and_its_vms_are_unknown() -> None:
    world = await world_with(machine(S.RUNNING))
    await world.turns.ask(lambda draft: marks.ask(draft, 3, "silent for 61 s"))
    marked = world.memory.hosts[3]
    assert (marked.state, marked.takes_vms) == (HostState.ERROR, False)
    assert "silent for 61 s" in marked.template.single("ERROR")
    assert world.memory.vms[42].state is S.UNKNOWN
    assert await released(world) == 0


async def test_a_vm_of_a_host_that_is_proven_dead_waits_for_another() -> None:
    world = await world_with(machine(S.RUNNING))
    await proven(world)
    assert await released(world) == 1
    after = world.memory.vms[42]
    assert after.state is S.PENDING_UNDEPLOYED
    assert PROOF in after.user_template.single("ERROR")
    assert world.memory.hosts[3].fence.released == (42,)
    assert await released(world) == 0


async def test_what_happened_after_the_proof_was_sought_takes_a_vm_from_under_it() -> None:
    world = await world_with(machine(S.RUNNING))
    await proven(world)
    await world.turns.ask(lambda draft: happen(draft, draft.vm(42), Resume()))
    assert world.memory.vms[42].state is S.BOOT_UNKNOWN
    assert await released(world) == 0
    assert world.memory.vms[42].state is S.BOOT_UNKNOWN


async def test_a_vm_that_is_seen_again_is_not_started_twice() -> None:
    world = await world_with(machine(S.UNKNOWN))
    await proven(world)
    await world.turns.ask(lambda draft: happen(draft, draft.vm(42), SeenRunning()))
    assert await released(world) == 0
    assert world.memory.vms[42].state is S.RUNNING


@pytest.mark.parametrize("state", [S.BOOT, S.BOOT_UNKNOWN, S.MIGRATE, S.PROLOG, S.SAVE_SUSPEND, S.HOTPLUG])
async def test_a_vm_that_something_under_way_may_still_start_is_not_covered(state: S) -> None:
    world = await world_with(machine(state))
    await proven(world)
    assert world.memory.hosts[3].fence.covers == ()
    assert await released(world) == 0


async def test_a_vm_that_a_driver_still_works_at_is_not_covered() -> None:
    world = await world_with(machine(S.UNKNOWN))
    await proven(world, is_undecided=lambda vm_id: vm_id == 42)
    assert await released(world) == 0


async def test_a_proof_for_a_host_that_was_heard_of_meanwhile_means_nothing() -> None:
    world = await world_with(machine(S.UNKNOWN))

    def command(draft: Draft) -> None:
        marks.confirm(draft, 3, marks.coverable(draft, 3, settled), PROOF)

    await world.turns.ask(command)
    assert world.memory.hosts[3].fence is None
    assert await released(world) == 0


async def test_vms_of_other_hosts_stay() -> None:
    world = await world_with(machine(S.UNKNOWN), machine(S.RUNNING, 43, host_id=4))
    await proven(world)
    assert await released(world) == 1
    assert world.memory.vms[43].state is S.RUNNING


async def test_they_go_on_in_order_and_not_all_at_once() -> None:
    world = await world_with(
        machine(S.RUNNING, 41), machine(S.RUNNING, 42, HA_PRIORITY="5"), machine(S.RUNNING, 43), machine(S.RUNNING, 44)
    )
    await proven(world)
    order = []
    while await released(world, limit=1):
        order.append(world.memory.hosts[3].fence.released[-1])
    assert order == [42, 41, 43, 44]


async def test_disks_that_are_on_the_dead_host_alone_keep_their_vm_there_and_its_owner_is_told() -> None:
    world = await world_with(machine(S.RUNNING, tm="ssh"))
    await proven(world)
    assert await released(world) == 0
    after = world.memory.vms[42]
    assert after.state is S.UNKNOWN
    assert "its disks are on the host alone" in after.user_template.single("ERROR")


async def test_a_vm_with_nothing_to_lose_is_made_anew_where_its_owner_says_so() -> None:
    world = await world_with(machine(S.RUNNING, tm="ssh", HA="RECREATE"))
    await proven(world)
    assert await released(world) == 1
    assert world.memory.vms[42].state is S.PENDING


async def test_a_vm_whose_owner_wants_it_left_stays() -> None:
    world = await world_with(machine(S.RUNNING, HA="NO"))
    await proven(world)
    assert await released(world) == 0
    assert "HA=NO" in world.memory.vms[42].user_template.single("ERROR")


async def test_what_was_ending_there_has_ended() -> None:
    world = await world_with(machine(S.SHUTDOWN_POWEROFF), machine(S.SHUTDOWN_HARD, 43))
    await proven(world)
    assert await released(world) == 2
    assert world.memory.vms[42].state is S.POWEROFF
    assert world.memory.vms[43].state is S.EPILOG
    assert world.memory.actions[43].verb == "epilog"


async def test_a_failed_attempt_is_told_and_moves_nothing() -> None:
    world = await world_with(machine(S.RUNNING))
    await world.turns.ask(lambda draft: marks.ask(draft, 3, "silent"))
    await world.turns.ask(lambda draft: marks.fail(draft, 3, "ipmi: no answer"))
    assert "ipmi: no answer" in world.memory.hosts[3].template.single("ERROR")
    assert await released(world) == 0
    assert world.memory.vms[42].state is S.UNKNOWN


async def test_a_vm_that_its_dead_host_has_after_all_is_held() -> None:
    world = await world_with(machine(S.RUNNING))
    await proven(world)
    await released(world)
    dead = world.memory.hosts[3]
    await world.turns.ask(lambda draft: marks.hold(draft, vm_id=42, host=dead, domain="one-42"))
    after = world.memory.vms[42]
    assert after.state is S.HOLD_UNDEPLOYED
    assert "it would run twice" in after.user_template.single("ERROR")


def moving(state: S, tm: str = "ssh"):
    """A VM that is on its way from host 3 to host 4, on both of which it may be."""
    made = machine(state, tm=tm)
    source = replace(made.history[-1], seq=0, etime=0)
    return replace(made, history=(source, replace(source, seq=1, host_id=4)))


@pytest.mark.parametrize(
    ("host_id", "becomes", "asks"),
    [(3, S.MIGRATE_COPY_LOCATE_ONLY_TARGET, False), (4, S.MIGRATE_COPY_LOCATE_SOURCE, True)],
)
async def test_a_vm_with_two_sets_of_disks_is_looked_for_on_the_host_that_lives(
    host_id: int, becomes: S, asks: bool
) -> None:
    world = await world_with(moving(S.UNKNOWN_MIGRATE_COPY))
    await world.turns.ask(lambda draft: marks.ask(draft, host_id, "silent"))
    covers = await world.turns.ask(lambda draft: marks.coverable(draft, host_id, settled))
    await world.turns.ask(lambda draft: marks.confirm(draft, host_id, covers, PROOF))
    await world.turns.ask(lambda draft: marks.release(draft, host_id, 100))
    assert world.memory.vms[42].state is becomes
    assert world.memory.actions[42].previous is asks


async def test_a_vm_that_was_started_before_the_power_went_off_and_cannot_go_elsewhere_does_not_run() -> None:
    world = await world_with(machine(S.UNKNOWN, tm="ssh"))
    await world.turns.ask(lambda draft: marks.ask(draft, 3, "silent"))
    await world.put(replace(world.memory.vms[42], state=S.RUNNING))
    await world.turns.ask(lambda draft: marks.confirm(draft, 3, (), PROOF))
    assert world.memory.vms[42].state is S.UNKNOWN
    assert "its disks are on the host alone" in world.memory.vms[42].user_template.single("ERROR")
