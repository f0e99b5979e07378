"""NICs whose network is chosen when their VM is placed get it, and an address there, inside the placement's draft."""

from collections.abc import Mapping

from msgspec.structs import replace

from trifid.core.access import Caller, check_use
from trifid.core.network.auto import Nic, undecided
from trifid.core.network.record import NetworkState
from trifid.core.template.model import Template
from trifid.core.vm.record import VM
from trifid.engine.context import with_context_of_nics
from trifid.engine.networks import with_leases
from trifid.engine.transaction import Draft
from trifid.errors import Refused


def owner_of(draft: Draft, vm: VM) -> Caller:
    """Return the owner of a VM, with the groups of today; raises NotFound."""
    return draft.memory.caller(draft.user(vm.uid))


def with_networks(draft: Draft, vm: VM, chosen: Mapping[int, int]) -> VM:
    """Return a VM whose NICs have the networks that were chosen for them, the leases of which are taken in the draft.

    Args:
        chosen: NIC_ID -> network id, for every NIC that has none yet.

    Raises:
        Refused: it is no choice for this VM's NICs, or a network is not there to be used.
        NotAllowed: the owner of the VM may not use a network.
        NoLease, NotAllocated, BadTemplate: as for a NIC that names its network.
    """
    nics = {int(nic["NIC_ID"]): nic for nic in undecided(vm.template)}
    if strange := sorted(set(chosen) - set(nics)):
        raise Refused(f"VM {vm.id} has no NIC {strange[0]} that waits for a network, {_told(nics)} do", vm.id)
    if missing := sorted(set(nics) - set(chosen)):
        raise Refused(f"NIC {missing[0]} of VM {vm.id} has no network yet, and none is chosen for it", vm.id)
    if not nics:
        return vm
    owner = owner_of(draft, vm)
    filled = {nic_id: _filled(draft, vm, owner, nic, chosen[nic_id]) for nic_id, nic in nics.items()}
    present = [filled.get(int(nic["NIC_ID"]), nic) for nic in vm.template.vectors("NIC")]
    vm = replace(vm, template=vm.template.replacing("NIC", *present))
    return replace(vm, template=with_context_of_nics(draft, vm, owner))


def _filled(draft: Draft, vm: VM, owner: Caller, nic: Nic, network_id: int) -> Nic:
    network = draft.find_network(network_id)
    which = f"NIC {nic['NIC_ID']} of VM {vm.id}"
    if network is None:
        raise Refused(f"{which}: network [{network_id}] is not there (any more), choose another", vm.id)
    if network.state is not NetworkState.READY:
        raise Refused(f"{which}: network {network.name} [{network_id}] is {network.state.name}, choose another", vm.id)
    check_use(owner, "NET", network)
    named = Template((("NIC", {**nic, "NETWORK_ID": str(network_id)}),))
    return with_leases(draft, owner, named, vm.id, int(nic["NIC_ID"]), are_vetted=True).vector("NIC")


def _told(nics: Mapping[int, Nic]) -> str:
    return ", ".join(map(str, sorted(nics))) or "none"
