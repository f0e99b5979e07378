"""What is told of leases in time: hosts are explained, and batches tried, beside what is kept for them."""

import json

import pytest
from msgspec.structs import replace

from tests.methods.test_explain import SECOND_ID, explained, failing, host
from tests.methods.world import ADMIN, HOST_ID, STAY, VM_ID, VM_OF_ALICE
from trifid.core.template.lease import moment_text
from trifid.core.template.model import template
from trifid.core.vm.record import Needs
from trifid.core.vm.states import VmState

RESERVED_ID, SUSPENDED_ID = 11, 12
START = 4_000_000_000
END = START + 3600
AT_START = {"START": moment_text(START), "DURATION": "01:00:00"}
FOR_AN_HOUR = f'HAIZEA=[START="{moment_text(START)}",DURATION="01:00:00"]'


def waits(vm_id, cpu_percent, memory_mib=100, **user):
    return replace(
        VM_OF_ALICE,
        id=vm_id,
        state=VmState.PENDING,
        history=(),
        needs=Needs(cpu_percent, memory_mib),
        template=template(CPU=f"{cpu_percent / 100:g}", MEMORY=str(memory_mib)),
        user_template=template(**user),
    )


def reserved(cpu_percent, memory_mib=100):
    mark = {"STATE": "accepted", "HOST_ID": str(HOST_ID), "START": str(START), "END": str(END)}
    return waits(RESERVED_ID, cpu_percent, memory_mib, HAIZEA=AT_START, SCHED_LEASE=mark)


@pytest.fixture
async def one_host(world):
    """A host of 8 cores and 4 GiB, for a VM that wants 6 cores and has no end."""
    await world.put(host(HOST_ID, "node1"), waits(VM_ID, 600))
    return world


async def tried(world, *texts):
    batch = {"vms": [{"template": f"MEMORY=100\n{text}"} for text in texts]}
    return json.loads(await world.ask(ADMIN, "trifid.placement.dry_run", json.dumps(batch)))["results"]


async def test_room_that_is_reserved_is_told_with_its_time_and_its_vm(one_host):
    assert (await explained(one_host))["hosts_fitting"] == 1
    await one_host.put(reserved(300))
    told = await explained(one_host)
    assert failing(told) == {
        "node1": {"cpu": "needs 6 cores, 5 free: 3 cores are reserved from 2096-10-02 07:06:40 (UTC) for VM 11"}
    }
    assert (told["chosen"], told["change"]) == (None, "with 1 core less CPU it would fit on node1")
    assert told["failing"] == [{"rule": "cpu", "hosts": 1}]


async def test_a_host_that_is_reserved_as_a_whole_would_do_without_that(one_host):
    await one_host.put(reserved(800, 4096))
    told = await explained(one_host)
    assert failing(told)["node1"]["memory"] == (
        "needs 100 MiB, 0 free: 4096 MiB are reserved from 2096-10-02 07:06:40 (UTC) for VM 11"
    )
    assert "without what is kept for VM 11" in told["change"]


async def test_room_that_would_not_be_enough_anyway_is_not_put_down_to_reservations(one_host):
    await one_host.put(reserved(300), waits(VM_ID, 900))
    assert failing(await explained(one_host)) == {"node1": {"cpu": "needs 9 cores, 5 free"}}


async def test_room_of_one_that_was_suspended_is_told(one_host):
    suspended = replace(
        VM_OF_ALICE,
        id=SUSPENDED_ID,
        state=VmState.SUSPENDED,
        history=(replace(STAY, rstime=100, retime=200, etime=200),),
        needs=Needs(300, 100),
        template=template(CPU="3", MEMORY="100"),
        user_template=template(
            HAIZEA={"START": "best_effort", "PREEMPTIBLE": "yes"}, SCHED_LEASE={"STATE": "suspended"}
        ),
    )
    await one_host.put(suspended)
    assert failing(await explained(one_host)) == {"node1": {"cpu": "needs 6 cores, 5 free: 3 cores are kept for VM 12"}}


async def test_one_that_ends_before_may_use_what_is_reserved(one_host):
    await one_host.put(reserved(300), waits(VM_ID, 600, HAIZEA={"START": "best_effort", "DURATION": "01:00:00"}))
    told = await explained(one_host)
    assert (told["chosen"]["name"], told["hosts_fitting"]) == ("node1", 1)


async def test_a_reservation_is_not_in_its_own_way_and_has_the_host_that_is_reserved(one_host):
    await one_host.put(host(SECOND_ID, "node2", memory_mib=8192), reserved(800))
    told = await explained(one_host, ADMIN, RESERVED_ID)
    assert (told["chosen"]["name"], told["hosts_fitting"]) == ("node1", 2)


async def test_a_batch_is_tried_beside_what_is_reserved(one_host):
    await one_host.put(reserved(300))
    (small,) = await tried(one_host, "CPU=5")
    assert (small["fits"], small["host"]) == (True, "node1")
    (large,) = await tried(one_host, "CPU=6")
    assert (large["fits"], large["change"]) == (False, "with 1 core less CPU it would fit on node1")


async def test_reservations_of_a_batch_are_accepted_or_rejected_as_they_would_be(one_host):
    await one_host.put(reserved(300))
    fits, does_not = await tried(one_host, f"CPU=4\n{FOR_AN_HOUR}", f"CPU=3\n{FOR_AN_HOUR}")
    assert (fits["fits"], fits["host"]) == (True, "node1")
    assert fits["notes"] == [
        "Accepted: host node1 is reserved for it from 2096-10-02 07:06:40 to 2096-10-02 08:06:40 (UTC)"
    ]
    assert not does_not["fits"]
    assert does_not["why"].endswith("needs 3 cores, 1 are free on the best host, node1")


async def test_one_that_is_put_by_hand_into_reserved_room_is_told_so(one_host):
    await one_host.put(reserved(300))
    batch = {"vms": [{"vm": VM_ID, "action": "deploy", "host": HOST_ID}]}
    (result,) = json.loads(await one_host.ask(ADMIN, "trifid.placement.dry_run", json.dumps(batch)))["results"]
    assert (result["fits"], result["host"]) == (True, "node1")
    assert result["notes"] == [
        "cpu: needs 6 cores, 5 free: 3 cores are reserved from 2096-10-02 07:06:40 (UTC) for VM 11"
    ]
