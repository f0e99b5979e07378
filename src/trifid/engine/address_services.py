"""Address services of networks: what hosts are told of them, and which commits change that."""

from trifid.core.network.host_document import Services
from trifid.core.network.record import HELD_BY_NOBODY, Network
from trifid.core.network.services import services_of, wants_services
from trifid.core.vm.record import VM
from trifid.engine.memory import Memory
from trifid.store.interface import Batch


class AddressServices:
    """The services of all networks, from leases and the names of VMs."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._names: dict[int, str] = {}

    def of(self, network: Network) -> Services | None:
        """Return the services of a network, None when it has none."""
        if not wants_services(network):
            return None
        holders = {lease.vm_id for lease in self._memory.leases_in(network.id)} - {HELD_BY_NOBODY}
        return services_of(network, [self._memory.vms[vm_id] for vm_id in holders if vm_id in self._memory.vms])

    def changed_by(self, batch: Batch) -> set[int]:
        """Return the networks whose services know somebody else, or by another name, since a commit."""
        found = {network_id for network_id, _, _ in batch.leases}
        for vm_id, vm in batch.vms.items():
            if vm is None:
                self._names.pop(vm_id, None)
            elif self._names.get(vm_id) != vm.name:
                found |= self._served(vm)
        return {network_id for network_id in found if self._has_services(network_id)}

    def _served(self, vm: VM) -> set[int]:
        """Return the networks with services that a VM is in; when there are some, its name is kept."""
        numbers = (nic.get("NETWORK_ID", "") for nic in vm.template.vectors("NIC"))
        served = {int(number) for number in numbers if number.isdecimal() and self._has_services(int(number))}
        if served:
            self._names[vm.id] = vm.name
        return served

    def _has_services(self, network_id: int) -> bool:
        network = self._memory.networks.get(network_id)
        return network is not None and wants_services(network)
