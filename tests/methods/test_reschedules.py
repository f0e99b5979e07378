"""How a VM moves that is marked for it: live where it can, as trifid.vm.place decides."""

import pytest
from msgspec.structs import replace

from tests.core.image.builders import datastore
from tests.methods.world import ADMIN, HOST_ID, STAY, VM_ID, VM_OF_ALICE
from trifid.core.image.datastore import SYSTEM_ID, DatastoreType
from trifid.core.vm.states import VmState

OTHER_ID, ELSEWHERE_ID = 9, 121


@pytest.fixture
async def marked(world):
    """The VM runs on its host and is marked; there is a second host, and a second datastore."""
    await world.change("hosts", HOST_ID, total_memory_kib=1 << 20)
    await world.put(
        replace(world.memory.hosts[HOST_ID], id=OTHER_ID, name="node2"),
        replace(VM_OF_ALICE, resched=True, history=(replace(STAY, rstime=110),)),
        datastore(ELSEWHERE_ID, DatastoreType.SYSTEM),
    )
    return world


async def placed(world, datastore_id=-1):
    await world.ask(ADMIN, "trifid.vm.place", VM_ID, OTHER_ID, datastore_id)
    return world.memory.vms[VM_ID]


async def test_a_running_vm_that_is_marked_moves_live(marked):
    vm = await placed(marked)
    assert (vm.state, vm.current.host_id, vm.resched) == (VmState.MIGRATE, OTHER_ID, False)


async def test_it_is_saved_and_restored_when_the_configuration_says_so(marked):
    marked.engine.config.scheduler.live_reschedules = False
    assert (await placed(marked)).state is VmState.SAVE_MIGRATE


async def test_it_is_saved_and_restored_where_its_disks_are_not(marked):
    vm = await placed(marked, ELSEWHERE_ID)
    assert (vm.state, vm.current.datastore_id) == (VmState.SAVE_MIGRATE, ELSEWHERE_ID)
    assert vm.history[0].datastore_id == SYSTEM_ID


async def test_a_vm_that_is_off_is_moved_as_it_is(marked):
    await marked.change("vms", VM_ID, state=VmState.POWEROFF, history=(replace(STAY, etime=150),))
    assert (await placed(marked)).state is VmState.PROLOG_MIGRATE_POWEROFF_LOOK
