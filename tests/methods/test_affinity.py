"""Whoever puts a VM on a host, and however many at once: the rules of its group are looked at in the transaction."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.vm.builders import event_of
from tests.core.vm_group.builders import GROUPS, NAMES, broken
from tests.methods.world import ADMIN, ALICE, ALICE_ID, HOST_ID, STAY, VM_ID, VM_OF_ALICE, Refusal, World
from trifid.core.host import Host, HostState
from trifid.core.ledger import charged_hosts
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.states import VmState
from trifid.core.vm_group.record import Policy, Role, VmGroup, membership
from trifid.engine.life import happen
from trifid.errors import NotFound, Refused
from trifid.placement.reading import groups, waiting_vms

GROUP_ID, OTHER_VM_ID, OTHER_ID, THIRD_ID = 4, 8, 9, 10
WAITING = replace(VM_OF_ALICE, state=VmState.PENDING, history=())
KEPT_APART = Role(0, "web", Policy.ANTI_AFFINED)


def of(role, vm=WAITING, **more):
    return replace(vm, template=template(VMGROUP={"VMGROUP_ID": str(GROUP_ID), "ROLE": role}), **more)


async def furnish(world, *roles, **attributes):
    """Make a group, and two more hosts; every host has room for 8 VMs."""
    for host_id, name, rack in ((HOST_ID, "node1", "r1"), (OTHER_ID, "node2", "r1"), (THIRD_ID, "node3", "r2")):
        host = Host(host_id, name, HostState.MONITORED, "dummy", "dummy", total_cpu_percent=800)
        await world.put(replace(host, total_memory_kib=1 << 20, template=template(RACK=rack)))
    await world.put(VmGroup(GROUP_ID, ALICE_ID, 1, "app", roles, len(roles), template=template(attributes)))


@pytest.fixture
async def apart(world):
    """Two VMs that are kept apart: one runs on node1, the other waits."""
    await furnish(world, KEPT_APART)
    await world.put(of("web", VM_OF_ALICE), of("web", id=OTHER_VM_ID))
    return world


TOLD = r"VM 8 cannot be on host node1 .3.: VM group app .4.: role web is kept apart: VM 5 of it is on host node1 .3."


async def test_a_scheduler_is_told_what_came_between(apart):
    with pytest.raises(Refusal, match=f"{TOLD}: choose another host") as refused:
        await apart.ask(ADMIN, "trifid.vm.place", OTHER_VM_ID, HOST_ID)
    assert refused.value.code == 0x0800
    assert await apart.ask(ADMIN, "trifid.vm.place", OTHER_VM_ID, OTHER_ID) == OTHER_VM_ID


async def test_a_scheduler_reads_of_groups_what_the_engine_knows_of_them(apart):
    for text in (
        await apart.ask(ADMIN, "one.vmpool.info", -2, -1, -1, 1),
        await apart.ask(ADMIN, "one.vm.info", OTHER_VM_ID),
    ):
        (seen,) = waiting_vms(text)
        assert (seen.vm_group_id, seen.role) == (GROUP_ID, "web")
    (group,) = groups(await apart.ask(ADMIN, "one.vmgrouppool.info", -2, -1, -1))
    assert (group.group.roles, group.members) == ((KEPT_APART,), {VM_ID: "web", OTHER_VM_ID: "web"})


async def test_people_may_break_a_rule_unless_they_enforce(apart):
    with pytest.raises(Refusal, match=TOLD):
        await apart.ask(ADMIN, "one.vm.deploy", OTHER_VM_ID, HOST_ID, True)
    assert await apart.ask(ADMIN, "one.vm.deploy", OTHER_VM_ID, HOST_ID, False) == OTHER_VM_ID


@pytest.mark.parametrize("live", [True, False])
async def test_a_vm_is_not_moved_to_whom_it_is_kept_apart_from(apart, live):
    there = (replace(STAY, host_id=OTHER_ID, hostname="node2"),)
    await apart.put(of("web", VM_OF_ALICE, id=OTHER_VM_ID, history=there))
    with pytest.raises(Refusal, match=TOLD):
        await apart.ask(ADMIN, "one.vm.migrate", OTHER_VM_ID, HOST_ID, live, True)
    assert await apart.ask(ADMIN, "one.vm.migrate", OTHER_VM_ID, THIRD_ID, live, True) == OTHER_VM_ID
    # Both hosts of a VM that moves are taken.
    await apart.put(of("web", id=11))
    for host_id in (HOST_ID, OTHER_ID, THIRD_ID):
        with pytest.raises(Refusal, match="role web is kept apart"):
            await apart.ask(ADMIN, "trifid.vm.place", 11, host_id)


@pytest.mark.parametrize("state", [VmState.POWEROFF, VmState.SUSPENDED])
async def test_a_vm_that_was_off_does_not_come_back_beside_whom_it_is_kept_apart_from(apart, state):
    off = (replace(STAY, etime=200, retime=200),)
    await apart.put(of("web", VM_OF_ALICE, id=OTHER_VM_ID, state=state, history=off))
    with pytest.raises(Refusal, match=f"{TOLD}: migrate it first"):
        await apart.ask(ALICE, "one.vm.action", "resume", OTHER_VM_ID)
    await apart.put(of("web", VM_OF_ALICE, state=VmState.POWEROFF, history=off))
    assert await apart.ask(ALICE, "one.vm.action", "resume", OTHER_VM_ID) == OTHER_VM_ID


async def test_two_vms_placed_in_one_turn_do_not_get_the_same_host(apart):
    await apart.put(of("web"))
    both = [apart.task(ADMIN, "trifid.vm.place", vm_id, HOST_ID) for vm_id in (VM_ID, OTHER_VM_ID)]
    answers = await asyncio.gather(*both, return_exceptions=True)
    (refused,) = [one for one in answers if isinstance(one, Refusal)]
    assert "role web is kept apart" in refused.text


async def test_of_vms_that_are_kept_together_the_first_placed_decides(world):
    await furnish(world, Role(0, "db", Policy.AFFINED))
    await world.put(of("db"), of("db", id=OTHER_VM_ID))
    await world.ask(ADMIN, "trifid.vm.place", VM_ID, OTHER_ID)
    with pytest.raises(Refusal, match="role db is kept together: VM 5 is on host node2"):
        await world.ask(ADMIN, "trifid.vm.place", OTHER_VM_ID, HOST_ID)
    assert await world.ask(ADMIN, "trifid.vm.place", OTHER_VM_ID, OTHER_ID) == OTHER_VM_ID


async def test_vms_that_are_kept_together_follow_each_other_when_all_are_marked_to_be_moved(world):
    await furnish(world, Role(0, "db", Policy.AFFINED))
    for vm_id in (VM_ID, OTHER_VM_ID):
        await world.put(of("db", VM_OF_ALICE, id=vm_id, resched=vm_id == VM_ID))
    with pytest.raises(Refusal, match="role db is kept together: VM 8 is on host node1"):
        await world.ask(ADMIN, "trifid.vm.place", VM_ID, OTHER_ID)
    await world.change("vms", OTHER_VM_ID, resched=True)
    assert await world.ask(ADMIN, "trifid.vm.place", VM_ID, OTHER_ID) == VM_ID
    with pytest.raises(Refusal, match="is not on one host now"):
        await world.ask(ADMIN, "trifid.vm.place", OTHER_VM_ID, OTHER_ID)
    stays = world.memory.vms[VM_ID].history
    await world.change("vms", VM_ID, state=VmState.RUNNING, history=(replace(stays[0], etime=1001), stays[1]))
    with pytest.raises(Refusal, match="role db is kept together: VM 5 is on host node2"):
        await world.ask(ADMIN, "trifid.vm.place", OTHER_VM_ID, THIRD_ID)
    assert await world.ask(ADMIN, "trifid.vm.place", OTHER_VM_ID, OTHER_ID) == OTHER_VM_ID


async def test_a_role_that_is_spread_is_even_over_the_hosts_that_take_vms(world):
    await furnish(world, Role(0, "web"), SPREAD={"ROLE": "web", "OVER": "RACK", "MAX_SKEW": "1"})
    await world.put(*(of("web", id=vm_id) for vm_id in (20, 21, 22)))
    await world.ask(ADMIN, "trifid.vm.place", 20, HOST_ID)
    with pytest.raises(Refusal, match="r1 would have 2 of its VMs, r2 has 0, and they may differ by 1"):
        await world.ask(ADMIN, "trifid.vm.place", 21, OTHER_ID)
    await world.change("hosts", THIRD_ID, state=HostState.DISABLED)
    assert await world.ask(ADMIN, "trifid.vm.place", 21, OTHER_ID) == 21
    await world.change("hosts", THIRD_ID, state=HostState.MONITORED)
    assert await world.ask(ADMIN, "trifid.vm.place", 22, THIRD_ID) == 22


# -- anybody, anywhere, at the same time -----------------------------------------------------------------

VMS = tuple(range(20, 26))
_vm_and_host = (st.sampled_from(VMS), st.sampled_from((1, 2, 3)))
ACTS = st.one_of(
    st.tuples(st.just("trifid.vm.place"), *_vm_and_host),
    st.tuples(st.just("one.vm.deploy"), *_vm_and_host),
    st.tuples(st.just("one.vm.migrate"), *_vm_and_host),
    st.tuples(st.sampled_from(("poweroff-hard", "resume", "suspend", "stop", "terminate-hard")), st.sampled_from(VMS)),
    st.tuples(st.sampled_from((events.Done, events.Done, events.Failed)), st.sampled_from(VMS)),
)


async def act(world, kind, vm_id, host_id=0):
    """Ask something of a VM, or let what it waits for end; a refusal is as good as anything."""

    def answered(draft):
        vm = draft.vm(vm_id)
        happen(draft, vm, event_of(kind, vm.step))

    try:
        if not isinstance(kind, str):
            await world.engine.turns.ask(answered)
        elif kind == "one.vm.migrate":
            await world.ask(ADMIN, kind, vm_id, host_id, True, True)
        elif kind == "one.vm.deploy":
            await world.ask(ADMIN, kind, vm_id, host_id, True)
        elif kind == "trifid.vm.place":
            await world.ask(ADMIN, kind, vm_id, host_id)
        else:
            await world.ask(ADMIN, "one.vm.action", kind, vm_id)
    except (Refusal, Refused, NotFound):
        return


async def play(world, made, begin_as, turns):
    """Let two schedulers and hands do what they want; return the rules that are broken after any turn.

    Args:
        begin_as: the role of each VM, and on which host it was until it was powered off; 0 = on none, it waits.
    """

    def begin(draft):
        draft.put(replace(made, id=GROUP_ID))
        for vm_id, (role, was_on) in zip(VMS, begin_as, strict=True):
            off = replace(STAY, host_id=was_on, hostname=f"n{was_on}", etime=200, retime=200)
            is_off = {"state": VmState.POWEROFF, "history": (off,)} if was_on else {}
            draft.put(of(role, id=vm_id, **is_off))
            draft.set_action(vm_id, None)

    await world.engine.turns.ask(begin)
    found = []
    for acts in turns:
        await asyncio.gather(*(act(world, *one) for one in acts))
        members = [(vm, membership(vm)) for vm in world.memory.vms.values()]
        found += broken(made, {vm.id: (of[1], charged_hosts(vm)) for vm, of in members if of})
    return found


async def started(home):
    world = await World(home).start()
    for number in (1, 2, 3):
        host = Host(number, f"n{number}", HostState.MONITORED, "dummy", "dummy", total_cpu_percent=800)
        await world.put(replace(host, total_memory_kib=1 << 20))
    return world


def test_whoever_places_at_random_breaks_no_rule(tmp_path):
    with asyncio.Runner() as runner:
        world = runner.run(started(tmp_path))

        @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            made=GROUPS,
            begin_as=st.tuples(*[st.tuples(st.sampled_from(NAMES), st.sampled_from((0, 1, 2, 3)))] * len(VMS)),
            turns=st.lists(st.lists(ACTS, min_size=1, max_size=6), min_size=1, max_size=8),
        )
        def nothing_is_broken(made, begin_as, turns):
            assert runner.run(play(world, made, begin_as, turns)) == []

        try:
            nothing_is_broken()
        finally:
            runner.run(world.engine.stop())
