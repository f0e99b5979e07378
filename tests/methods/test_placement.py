"""Room for a VM's files: what the engine checks when a VM is placed."""

import asyncio

import pytest
from msgspec.structs import replace

from tests.core.image.builders import datastore
from tests.methods.world import ADMIN, HOST_ID, STAY, VM_ID, VM_OF_ALICE, Refusal
from trifid.core.host import HostObservation
from trifid.core.image.datastore import SYSTEM_ID, DatastoreType, Space
from trifid.core.template.model import template
from trifid.core.vm.files import files_of
from trifid.core.vm.states import VmState
from trifid.placement.reading import waiting_vms

SECOND_ID, OTHER_VM_ID = 120, 8
DISK = {"DISK_ID": "0", "TYPE": "FS", "SIZE": "100", "CLONE": "YES", "SAVE": "NO"}
WAITING = replace(VM_OF_ALICE, state=VmState.PENDING, history=(), template=template(DISK=[DISK]))


@pytest.fixture
async def spaces(world):
    """What is known of the room of datastores, by id; two VMs wait for a host, each with 100 MiB."""
    known = {}
    world.engine.documents.space_of = lambda datastore_id: known.get(datastore_id, Space())
    await world.change("hosts", HOST_ID, total_memory_kib=1 << 20)
    await world.put(WAITING, replace(WAITING, id=OTHER_VM_ID))
    return known


def room(free):
    return Space(1000, 1000 - free, free, at=900)


async def place(world, vm_id=VM_ID, datastore_id=-1):
    return await world.ask(ADMIN, "trifid.vm.place", vm_id, HOST_ID, datastore_id)


async def add_second(world, **more):
    await world.put(datastore(SECOND_ID, DatastoreType.SYSTEM, **more))


async def test_a_scheduler_reads_of_a_vms_files_what_the_engine_knows_of_them(world, spaces):
    image = {"TYPE": "DISK", "CLONE": "YES", "SIZE": "300", "IMAGE_ID": "1", "DATASTORE_ID": "1", "SOURCE": "/a"}
    disks = [DISK, {**image, "DISK_ID": "1"}, {**image, "DISK_ID": "2", "CLONE": "NO"}]
    stopped = replace(WAITING, state=VmState.PENDING_STOPPED, history=(replace(STAY, etime=150),))
    for vm in (WAITING, stopped):
        await world.put(replace(vm, template=template(DISK=disks)))
        for text in (
            await world.ask(ADMIN, "one.vmpool.info", -2, VM_ID, VM_ID, 1),
            await world.ask(ADMIN, "one.vm.info", VM_ID),
        ):
            (seen,) = waiting_vms(text)
            assert seen.files == files_of(world.memory.vms[VM_ID])


async def test_a_full_datastore_takes_no_vm_and_what_is_needed_and_free_is_told(world, spaces):
    spaces[SYSTEM_ID] = room(99)
    with pytest.raises(Refusal, match="has no room: the VM's files need 100 MiB, 99 MiB are free"):
        await place(world, datastore_id=SYSTEM_ID)
    assert world.memory.vms[VM_ID].state is VmState.PENDING


async def test_room_that_was_never_told_is_not_in_the_way(world, spaces):
    assert await place(world) == VM_ID


async def test_room_is_promised_until_the_files_are_there_or_the_vm_is_not(world, spaces):
    spaces[SYSTEM_ID] = room(150)
    await place(world)
    assert world.memory.promised == {("datastore", SYSTEM_ID): 100}
    with pytest.raises(Refusal, match="100 MiB, 50 MiB are free"):
        await place(world, OTHER_VM_ID)
    await world.change("vms", VM_ID, state=VmState.BOOT, history=(replace(STAY, petime=1000, rstime=1000),))
    assert world.memory.promised == {}
    assert await place(world, OTHER_VM_ID) == OTHER_VM_ID


async def test_two_vms_placed_in_one_turn_do_not_get_the_same_room(world, spaces):
    spaces[SYSTEM_ID] = room(150)
    both = [world.task(ADMIN, "trifid.vm.place", vm_id, HOST_ID) for vm_id in (VM_ID, OTHER_VM_ID)]
    (refused,) = [one for one in await asyncio.gather(*both, return_exceptions=True) if isinstance(one, Refusal)]
    assert "50 MiB are free" in refused.text
    assert world.memory.promised == {("datastore", SYSTEM_ID): 100}


async def test_where_no_datastore_is_named_one_with_room_is_taken(world, spaces):
    await add_second(world)
    spaces[SYSTEM_ID], spaces[SECOND_ID] = room(50), room(500)
    await place(world)
    assert world.memory.vms[VM_ID].current.datastore_id == SECOND_ID


async def test_people_may_deploy_into_a_full_datastore_unless_they_enforce(world, spaces):
    spaces[SYSTEM_ID] = room(0)
    with pytest.raises(Refusal, match="has no room"):
        await world.ask(ADMIN, "one.vm.deploy", VM_ID, HOST_ID, True)
    assert await world.ask(ADMIN, "one.vm.deploy", VM_ID, HOST_ID) == VM_ID


async def test_the_room_of_an_unshared_datastore_is_the_hosts(world, spaces):
    await add_second(world, tm_mad="ssh")
    spaces[SECOND_ID] = room(0)
    assert await place(world, datastore_id=SECOND_ID) == VM_ID
    assert world.memory.promised == {("host", HOST_ID): 100}
    world.engine.monitoring.hosts[HOST_ID] = HostObservation(at=1, disk=room(150))
    with pytest.raises(Refusal, match="has no room on host node1: the VM's files need 100 MiB, 50 MiB are free"):
        await place(world, OTHER_VM_ID, SECOND_ID)


async def test_what_is_promised_is_shown_with_the_datastore_and_with_the_host(world, spaces):
    await add_second(world, tm_mad="ssh")
    await place(world, datastore_id=SYSTEM_ID)
    await place(world, OTHER_VM_ID, SECOND_ID)
    pool = await world.ask(ADMIN, "one.datastorepool.info")
    assert pool.count("<PROMISED_MB>") == 1
    assert "<PROMISED_MB><![CDATA[100]]></PROMISED_MB>" in pool
    assert "<DISK_USAGE>100</DISK_USAGE>" in await world.ask(ADMIN, "one.host.info", HOST_ID)
    await world.ask(ADMIN, "one.datastore.update", SYSTEM_ID, "PROMISED_MB=7", 1)
    assert "PROMISED_MB" not in world.memory.datastores[SYSTEM_ID].template


async def test_a_vm_is_moved_within_a_full_datastore_and_not_into_one(world, spaces):
    await add_second(world)
    spaces[SYSTEM_ID] = spaces[SECOND_ID] = room(0)
    host = replace(world.memory.hosts[HOST_ID], id=9, name="node2")
    here = replace(STAY, host_id=9, hostname="node2", rstime=100)
    await world.put(host, replace(WAITING, state=VmState.RUNNING, history=(here,), resched=True))
    with pytest.raises(Refusal, match="has no room"):
        await place(world, datastore_id=SECOND_ID)
    assert await place(world) == VM_ID
    assert world.memory.vms[VM_ID].current.datastore_id == SYSTEM_ID
    assert world.memory.promised == {}
