"""What hosts are told of a network's services, and when they are told again."""

from msgspec.structs import replace

from tests.core.network.builders import modern
from tests.core.vm.builders import vm
from tests.engine.world import World
from trifid.core.network.record import HELD_BY_NOBODY, Lease
from trifid.core.template.model import template
from trifid.core.vm.states import VmState
from trifid.engine.address_services import AddressServices
from trifid.store.interface import Batch

NIC = {"NIC_ID": "0", "NETWORK_ID": "3", "MAC": "02:00:0a:00:00:0a", "IP": "10.0.0.10"}
GUEST = vm(VmState.RUNNING, id=42, name="web", template=template(NIC=[NIC]))
MAC = 0x02000A00000A


async def world_of(**attributes: str) -> World:
    world = World()
    held = Lease(3, 0, 1, HELD_BY_NOBODY, MAC + 1)
    await world.put(modern(**attributes), GUEST, Lease(3, 0, 0, 42, MAC), held)
    return world


async def test_who_has_an_address_of_the_network_is_known() -> None:
    world = await world_of(DHCP="YES")
    services = AddressServices(world.memory).of(world.memory.networks[3])
    assert services is not None
    assert [(one.name, one.addresses) for one in services.known] == [("web", ("10.0.0.10",))]
    await world.turns.close()


async def test_a_network_that_asks_for_no_service_has_none_and_changes_nothing() -> None:
    world = await world_of()
    services = AddressServices(world.memory)
    assert services.of(world.memory.networks[3]) is None
    assert services.changed_by(Batch(vms={42: GUEST}, leases={(3, 0, 0): None})) == set()
    await world.turns.close()


async def test_leases_and_new_names_change_services_and_nothing_else_of_a_vm_does() -> None:
    world = await world_of(DHCP="YES")
    services = AddressServices(world.memory)
    assert services.changed_by(Batch(leases={(3, 0, 0): None})) == {3}
    assert services.changed_by(Batch(vms={42: GUEST})) == {3}
    assert services.changed_by(Batch(vms={42: replace(GUEST, step=GUEST.step + 1)})) == set()
    assert services.changed_by(Batch(vms={42: replace(GUEST, name="db")})) == {3}
    assert services.changed_by(Batch(vms={42: None})) == set()
    await world.turns.close()
