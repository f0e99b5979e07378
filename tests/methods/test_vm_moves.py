"""Live migrations between hosts that do not share their datastores, and what becomes of those that are not wanted."""

import pytest
from msgspec.structs import replace

from tests.core.image.builders import datastore
from tests.methods.world import ADMIN, ALICE, HOST_ID, STAY, VM_ID, VM_OF_ALICE, Refusal
from trifid.core.image.datastore import SYSTEM_ID, DatastoreType
from trifid.core.template.model import template
from trifid.core.vm.record import VM, DiskSnapshot, DiskSnapshots
from trifid.core.vm.states import VmState

OTHER_ID, ELSEWHERE_ID = 9, 121
DISK = {"DISK_ID": "0", "TYPE": "FILE", "SOURCE": "/images/a", "TARGET": "vda", "CLONE": "YES"}


@pytest.fixture
async def unshared(world):
    """A VM that runs on the first of two hosts, from a datastore that is each host's own."""
    await world.change("hosts", HOST_ID, total_memory_kib=1 << 20)
    await world.put(
        replace(world.memory.hosts[HOST_ID], id=OTHER_ID, name="node2"),
        replace(world.memory.datastores[SYSTEM_ID], tm_mad="ssh"),
        replace(datastore(ELSEWHERE_ID, DatastoreType.SYSTEM), tm_mad="ssh"),
        replace(VM_OF_ALICE, template=template(DISK=[DISK]), history=(replace(STAY, tm="ssh", rstime=110),)),
    )
    return world


def vm(world) -> VM:
    return world.memory.vms[VM_ID]


async def migrated(world, datastore_id: int = -1) -> VM:
    await world.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_ID, True, False, datastore_id)
    return vm(world)


async def test_disks_that_the_target_has_not_come_along(unshared):
    moving = await migrated(unshared)
    assert (moving.state, moving.current.host_id) == (VmState.MIGRATE_COPY_PREPARE, OTHER_ID)
    assert unshared.memory.actions[VM_ID].verb == "premigrate"


async def test_live_it_stays_in_its_datastore(unshared):
    with pytest.raises(Refusal, match=r"cannot move live: .*live it stays in its datastore, or move it cold"):
        await migrated(unshared, ELSEWHERE_ID)


async def test_snapshots_that_would_not_come_along_are_in_the_way(unshared):
    await unshared.change("vms", VM_ID, template=template(DISK=[DISK], SNAPSHOT=[{"SNAPSHOT_ID": "0"}]))
    with pytest.raises(Refusal, match="its snapshots would not: delete them, or move it cold"):
        await migrated(unshared)
    kept = (DiskSnapshots(0, next_id=1, snapshots=(DiskSnapshot(0, "a", 98, 512),)),)
    inside = template(DISK=[{**DISK, "DRIVER": "qcow2"}])
    await unshared.change("vms", VM_ID, template=inside, disk_snapshots=kept)
    with pytest.raises(Refusal, match="the snapshots of DISK 0 would not"):
        await migrated(unshared)
    await unshared.change("vms", VM_ID, template=template(DISK=[DISK]))  # raw: they are files beside it
    assert (await migrated(unshared)).state is VmState.MIGRATE_COPY_PREPARE


async def test_a_migration_is_taken_back_by_who_may_move_the_vm(unshared):
    stays = (vm(unshared).current, replace(STAY, seq=1, tm="ssh", host_id=OTHER_ID, hostname="node2"))
    await unshared.change("vms", VM_ID, state=VmState.MIGRATE_COPY, history=stays)
    assert await unshared.code(ALICE, "trifid.vm.migrate_cancel", VM_ID) == 0x0200
    assert await unshared.ask(ADMIN, "trifid.vm.migrate_cancel", VM_ID) == VM_ID
    assert (vm(unshared).state, unshared.memory.actions[VM_ID].verb) == (VmState.MIGRATE_COPY_LOCATE, "POLL")
    (*_, entry) = unshared.store.journal_of("VM", VM_ID, 10)
    assert entry.text == "migrate --cancel", "its users see MIGRATE before and after"


async def test_what_does_not_move_live_has_no_migration_to_be_taken_back(unshared):
    with pytest.raises(Refusal, match=r"not available for state RUNNING, it needs MIGRATE"):
        await unshared.ask(ADMIN, "trifid.vm.migrate_cancel", VM_ID)


@pytest.mark.parametrize(
    ("operation", "state", "verb"),
    [
        (0, VmState.PROLOG_MIGRATE_ABANDON_POWEROFF, "failmigrate"),
        (1, VmState.PROLOG_MIGRATE_POWEROFF_CLEAN, "postmigrate"),
    ],
)
async def test_people_say_which_of_two_sets_of_disks_counts(unshared, operation, state, verb):
    stays = (STAY, replace(STAY, seq=1, host_id=OTHER_ID, hostname="node2"))
    await unshared.change("vms", VM_ID, state=VmState.MIGRATE_COPY_FAILURE, history=stays)
    await unshared.ask(ADMIN, "one.vm.recover", VM_ID, operation)
    assert (vm(unshared).state, unshared.memory.actions[VM_ID].verb) == (state, verb)


async def test_terminate_hard_does_not_give_up_disks_that_shall_be_kept_and_lie_on_two_hosts(unshared):
    stays = (STAY, replace(STAY, seq=1, host_id=OTHER_ID, hostname="node2"))
    for state in (VmState.MIGRATE_COPY_FAILURE, VmState.UNKNOWN_MIGRATE_COPY):
        kept = template(DISK=[{**DISK, "SAVE": "YES"}])
        await unshared.change("vms", VM_ID, state=state, history=stays, template=kept)
        with pytest.raises(Refusal, match="terminate-hard would delete DISK 0, which shall be kept"):
            await unshared.ask(ADMIN, "one.vm.action", "terminate-hard", VM_ID)
    await unshared.change("vms", VM_ID, template=template(DISK=[DISK]))
    await unshared.ask(ADMIN, "one.vm.action", "terminate-hard", VM_ID)
    assert vm(unshared).state is VmState.CLEANUP_DELETE_SOURCE_COPY
