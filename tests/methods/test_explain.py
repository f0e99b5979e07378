"""trifid.vm.explain, and the decision that is kept with a VM."""

import asyncio
import json
import time

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, HOST_ID, STAY, VM_ID, VM_OF_ALICE, Refusal
from trifid.core.access import Permissions
from trifid.core.host import Host, HostObservation, HostState
from trifid.core.template.model import template
from trifid.core.template.scanner import parse
from trifid.core.vm.record import Needs
from trifid.core.vm.states import VmState
from trifid.core.vm_group.define import defined
from trifid.core.vm_group.record import VmGroup

SECOND_ID = 9
WHY = "2026-11-25 12:00 node1 [3] of 2 that fit (2 hosts): SCHED_RANK FREE_CPU = 812; next node2 with 700"
WAITING = replace(
    VM_OF_ALICE,
    state=VmState.PENDING,
    history=(),
    needs=Needs(100, 2048),
    template=template(CPU="1", MEMORY="2048"),
    user_template=template(SCHED_REQUIREMENTS='HYPERVISOR = "kvm"'),
)


def host(host_id, name, *, memory_mib=4096, state=HostState.MONITORED, **more):
    return Host(
        host_id, name, state, "dummy", "dummy", total_cpu_percent=800, total_memory_kib=memory_mib * 1024, **more
    )


@pytest.fixture
async def two_hosts(world):
    """A VM waits for kvm; node1 has it and too little memory, node2 has neither."""
    await world.put(
        host(HOST_ID, "node1", memory_mib=1843, template=template(HYPERVISOR="kvm")),
        host(SECOND_ID, "node2", memory_mib=1000, template=template(HYPERVISOR="xen")),
        WAITING,
    )
    return world


async def explained(world, session=ADMIN, vm_id=VM_ID, *more):
    return json.loads(await world.ask(session, "trifid.vm.explain", vm_id, *more))


def failing(told):
    return {
        one["name"]: {rule["rule"]: rule["text"] for rule in one["rules"] if not rule["holds"]} for one in told["hosts"]
    }


async def test_an_administrator_is_told_every_rule_of_every_host(two_hosts):
    told = await explained(two_hosts)
    assert failing(told) == {
        "node1": {"memory": "needs 2048 MiB, 1843 free"},
        "node2": {"memory": "needs 2048 MiB, 1000 free", "requirement": 'HYPERVISOR = "kvm": the host has xen'},
    }
    assert told["change"] == "with 205 MiB less memory it would fit on node1"
    assert (told["hosts_total"], told["hosts_fitting"], told["hosts_hidden"], told["chosen"]) == (2, 0, 0, None)
    assert told["why"].startswith("No host meets SCHED_REQUIREMENTS: 2 hosts")
    assert told["failing"] == [{"rule": "memory", "hosts": 2}, {"rule": "requirement", "hosts": 1}]


async def test_whoever_may_not_see_hosts_is_told_numbers_and_neither_names_nor_attributes(two_hosts):
    text = await two_hosts.ask(ALICE, "trifid.vm.explain", VM_ID, -1)
    told = json.loads(text)
    assert told["change"] == "with 205 MiB less memory it would fit on a host"
    assert (told["hosts"], told["hosts_hidden"], told["hosts_total"]) == ([], 2, 2)
    assert not any(word in text for word in ("node1", "node2", "xen"))
    await two_hosts.change("hosts", HOST_ID, total_memory_kib=4096 * 1024)
    assert (await explained(two_hosts, ALICE))["hosts_fitting"] == 1
    assert "node1" not in await two_hosts.ask(ALICE, "trifid.vm.explain", VM_ID, -1)


async def test_use_of_the_vm_is_what_it_takes(two_hosts):
    assert await two_hosts.code(BOB, "trifid.vm.explain", VM_ID) == 0x0200
    await two_hosts.change("vms", VM_ID, permissions=Permissions(0o604))
    assert await two_hosts.code(BOB, "trifid.vm.explain", VM_ID) == 0


async def test_as_many_hosts_are_told_as_are_asked_for_the_nearest_first(two_hosts):
    assert list(failing(await explained(two_hosts, ADMIN, VM_ID, 1))) == ["node1"]
    assert len((await explained(two_hosts, ADMIN, VM_ID, -1))["hosts"]) == 2
    assert await two_hosts.code(ADMIN, "trifid.vm.explain", VM_ID, -2) == 0x1000


async def test_a_vm_that_fits_is_told_the_host_that_would_take_it(two_hosts):
    await two_hosts.change("hosts", HOST_ID, total_memory_kib=4096 * 1024)
    told = await explained(two_hosts)
    assert told["chosen"] == {"id": HOST_ID, "name": "node1", "datastore_id": 0}
    assert (told["hosts_fitting"], told["change"], told["why"]) == (1, "", "")
    assert told["ranked_by"] == {"attribute": "striping", "text": "- RUNNING_VMS"}


@pytest.mark.parametrize(
    "state", [VmState.RUNNING, VmState.POWEROFF, VmState.SUSPENDED, VmState.UNKNOWN, VmState.PROLOG]
)
async def test_of_a_vm_on_a_host_it_is_told_where_it_could_move(two_hosts, state):
    vm = replace(WAITING, state=state, history=(STAY,), needs=Needs(100, 64), template=template(MEMORY="64"))
    await two_hosts.put(replace(vm, user_template=template()))
    told = await explained(two_hosts)
    assert (told["moves"], told["host_id"], told["host"]) == (True, HOST_ID, "node1")
    assert told["chosen"]["name"] == "node2"
    assert failing(told) == {"node2": {}, "node1": {"leaving": "the VM is on it"}}


@pytest.mark.parametrize("state", [VmState.HOLD, VmState.STOPPED, VmState.UNDEPLOYED, VmState.CLONING])
async def test_a_vm_that_will_need_a_host_is_told_as_if_it_waited_now(two_hosts, state):
    await two_hosts.put(replace(WAITING, state=state, history=(replace(STAY, etime=150),)))
    told = await explained(two_hosts)
    assert (told["moves"], told["state"]) == (False, state.printable)
    assert "leaving" not in failing(told)["node1"]


async def test_a_finished_vm_needs_no_host(two_hosts):
    with pytest.raises(Refusal, match="is finished: it needs no host any more"):
        await explained(two_hosts, ADMIN, 49)
    assert await two_hosts.code(ADMIN, "trifid.vm.explain", 99) == 0x0400


async def test_explaining_leaves_everything_as_it_was(two_hosts):
    before = (two_hosts.memory.journal_id, two_hosts.memory.vms[VM_ID], two_hosts.memory.shares)
    await explained(two_hosts)
    assert (two_hosts.memory.journal_id, two_hosts.memory.vms[VM_ID], two_hosts.memory.shares) == before


# -- VM groups -----------------------------------------------------------------------------------------

GROUP_ID, NEIGHBOUR_ID = 7, 8


def member(vm_id, *hosts, **more):
    """A VM of the role `a` of the group, on these hosts."""
    stays = tuple(replace(STAY, host_id=host_id, hostname=f"node{host_id}") for host_id in hosts)
    vector = {"VMGROUP_ID": str(GROUP_ID), "ROLE": "a"}
    state = VmState.RUNNING if hosts else VmState.PENDING
    vm = replace(VM_OF_ALICE, id=vm_id, state=state, history=stays, needs=Needs(100, 64), **more)
    return replace(vm, template=template(CPU="1", MEMORY="64", VMGROUP=vector))


async def grouped(world, text, *members):
    await world.put(defined(VmGroup(GROUP_ID, ALICE_ID, 1, "app"), parse(text)), *members)
    return failing(await explained(world))


async def test_why_its_group_keeps_a_vm_off_a_host_is_told(two_hosts):
    apart = 'ROLE = [ NAME = "a", POLICY = "ANTI_AFFINED" ]'
    told = await grouped(two_hosts, apart, member(VM_ID), member(NEIGHBOUR_ID, HOST_ID))
    assert told == {"node2": {}, "node1": {"affinity": f"role a is kept apart: VM {NEIGHBOUR_ID} of it is on node1"}}
    assert (await explained(two_hosts))["chosen"]["name"] == "node2"
    together = 'ROLE = [ NAME = "a", POLICY = "AFFINED" ]'
    assert list((await grouped(two_hosts, together))["node2"]) == ["affinity"]
    await two_hosts.change("hosts", HOST_ID, state=HostState.DISABLED)
    told = await explained(two_hosts)
    assert (told["chosen"], told["hosts_fitting"]) == (None, 0)
    assert "1 is not for its VM group" in told["why"]


async def test_of_a_spread_only_the_hosts_that_take_vms_count(two_hosts):
    spread = 'ROLE = [ NAME = "a" ]\nSPREAD = [ ROLE = "a", OVER = "HOST", MAX_SKEW = "1" ]'
    two = (member(NEIGHBOUR_ID, HOST_ID), member(VM_ID))
    told = await grouped(two_hosts, spread, *two)
    assert "affinity" in told["node1"] and told["node2"] == {}
    await two_hosts.change("hosts", SECOND_ID, state=HostState.DISABLED)
    told = await grouped(two_hosts, spread)
    assert told["node1"] == {} and list(told["node2"]) == ["state"]


async def test_vms_of_a_group_that_are_to_move_hold_each_other_nowhere(two_hosts):
    together = 'ROLE = [ NAME = "a", POLICY = "AFFINED" ]'
    both = (member(VM_ID, HOST_ID, resched=True), member(NEIGHBOUR_ID, HOST_ID))
    assert list((await grouped(two_hosts, together, *both))["node2"]) == ["affinity"]
    await two_hosts.change("vms", NEIGHBOUR_ID, resched=True)
    assert failing(await explained(two_hosts))["node2"] == {}


async def test_the_hosts_of_a_group_are_not_named_to_who_may_not_see_them(two_hosts):
    apart = 'ROLE = [ NAME = "a", POLICY = "ANTI_AFFINED" ]'
    await grouped(two_hosts, apart, member(VM_ID), member(NEIGHBOUR_ID, HOST_ID))
    assert "node" not in await two_hosts.ask(ALICE, "trifid.vm.explain", VM_ID, -1)


async def test_a_group_that_a_vm_only_says_to_be_in_is_not_told_of(two_hosts):
    apart = 'ROLE = [ NAME = "a", POLICY = "ANTI_AFFINED" ]'
    secret = replace(defined(VmGroup(GROUP_ID, 0, 0, "secret"), parse(apart)), permissions=Permissions(0o600))
    await two_hosts.put(secret, replace(member(NEIGHBOUR_ID, HOST_ID), uid=0))
    await two_hosts.ask(ALICE, "one.vm.update", VM_ID, 'VMGROUP = [ VMGROUP_ID = "7", ROLE = "a" ]', 1)
    text = await two_hosts.ask(ALICE, "trifid.vm.explain", VM_ID, -1)
    assert "secret" not in text and "role a" not in text
    told = await explained(two_hosts)
    assert all("affinity" not in rules for rules in failing(told).values())


# -- the decision that is kept -----------------------------------------------------------------------


@pytest.fixture
async def placed(two_hosts):
    await two_hosts.put(host(HOST_ID, "node1"), replace(WAITING, user_template=template(NOTE="mine")))
    await two_hosts.ask(ADMIN, "trifid.vm.place", VM_ID, HOST_ID, -1, WHY)
    return two_hosts


def decision(world):
    return world.memory.vms[VM_ID].user_template.single("SCHED_DECISION")


async def test_the_decision_is_kept_with_the_placement_and_explained(placed):
    assert decision(placed) == WHY
    assert f"<SCHED_DECISION><![CDATA[{WHY}]]></SCHED_DECISION>" in await placed.ask(ALICE, "one.vm.info", VM_ID)
    assert (await explained(placed, ALICE))["decision"] == WHY


async def test_a_refused_placement_keeps_no_decision(two_hosts):
    with pytest.raises(Refusal, match="has no room"):
        await two_hosts.ask(ADMIN, "trifid.vm.place", VM_ID, HOST_ID, -1, WHY)
    assert decision(two_hosts) == ""


@pytest.mark.parametrize("session", [ADMIN, ALICE])
@pytest.mark.parametrize("append", [0, 1])
async def test_no_update_changes_or_removes_the_decision(placed, session, append):
    await placed.ask(session, "one.vm.update", VM_ID, 'SCHED_DECISION="mine"\nNOTE="other"', append)
    assert (decision(placed), placed.memory.vms[VM_ID].user_template.single("NOTE")) == (WHY, "other")


async def test_no_template_brings_a_decision_along(world):
    vm_id = await world.ask(ADMIN, "one.vm.allocate", 'CPU=1\nMEMORY=1\nSCHED_DECISION="mine"')
    assert "SCHED_DECISION" not in world.memory.vms[vm_id].user_template


async def test_the_next_decision_stands_in_place_of_the_one_before(placed):
    await placed.ask(ADMIN, "one.vm.update", VM_ID, "X=1", 1)
    await placed.change("vms", VM_ID, state=VmState.RUNNING, resched=True)
    await placed.put(host(SECOND_ID, "node2"))
    await placed.ask(ADMIN, "trifid.vm.place", VM_ID, SECOND_ID)
    assert decision(placed) == ""


@pytest.mark.parametrize("why", ["x" * 1001, "two\nlines"])
async def test_a_decision_is_one_line_and_not_long(two_hosts, why):
    with pytest.raises(Refusal, match="why must be one line of at most 1000 characters"):
        await two_hosts.ask(ADMIN, "trifid.vm.place", VM_ID, HOST_ID, -1, why)


# -- large clusters ----------------------------------------------------------------------------------


async def test_explaining_on_many_hosts_leaves_the_loop_to_others(world):
    """The loop is never held as long as reading the cluster takes: others are answered meanwhile."""
    await world.put(WAITING, *(host(1000 + number, f"h{number}") for number in range(500)))
    for number in range(500):
        world.engine.monitoring.hosts[1000 + number] = HostObservation(more=template(HYPERVISOR="xen"))
    await explained(world)  # documents are kept from now on
    answers = 0

    async def others():
        nonlocal answers
        while True:
            await world.dispatch("one.vm.info", [ADMIN, VM_ID], "test")  # no schema is compared: that takes longer
            answers += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    began = time.perf_counter()
    assert (await explained(world))["hosts_total"] == 501
    took = time.perf_counter() - began
    task.cancel()
    assert answers > 20, f"{answers} others were answered in {took:.3f} s"


async def test_parts_of_ones_own_that_only_the_scheduler_knows_are_told_as_not_asked(two_hosts):
    assert (await explained(two_hosts))["not_asked"] == []
    two_hosts.decide_by(filters=("mine:Quiet",), planner="mine:Planner")
    assert (await explained(two_hosts))["not_asked"] == ["filters", "a planner"]
    answer = await two_hosts.ask(ADMIN, "trifid.placement.dry_run", '{"vms": [{"template": "CPU=1\\nMEMORY=1"}]}')
    assert json.loads(answer)["not_asked"] == ["filters", "a planner"]
