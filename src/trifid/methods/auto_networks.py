"""The networks of NICs that take any (NETWORK_MODE=auto): those that somebody chose, else the best by the same rules.

A scheduler names them when it places a VM.  Whoever deploys by hand, or attaches such a NIC, need not.
"""

from collections.abc import Collection

from trifid.core.access import Caller, Right, allowed
from trifid.core.network.auto import Nic, is_auto, read_choice, undecided
from trifid.core.network.lease import free_addresses
from trifid.core.network.record import Network
from trifid.core.vm.record import VM
from trifid.engine.auto_networks import owner_of, with_networks
from trifid.engine.transaction import Draft
from trifid.errors import BadTemplate, NoLease, NotAllocated, Refused
from trifid.methods.common import BadUpdate, parse_update
from trifid.methods.registry import Call
from trifid.placement.reading_networks import networks, wish_of
from trifid.placement.view import Expression, NetworkView, WaitingVm
from trifid.wire.bodies.network import network_pool_entry

_NOTHING = Expression("", "modern", "")


def with_all_networks(call: Call, draft: Draft, vm: VM, host_id: int, given: str) -> VM:
    """Return a VM that is to be on a host, with a network and an address there for each NIC.

    Args:
        given: `NIC = [ NIC_ID = 0, NETWORK_ID = 3 ]` for those that somebody chose, empty for none.

    Raises:
        NotFound, NotAllowed, Refused: there is no such host, no network does, or the owner may not use what was chosen.
        BadUpdate: what is given is no choice, or a network has no address left.
    """
    nics = undecided(vm.template)
    if not nics and not given.strip():
        return vm
    try:
        chosen = read_choice(parse_update(given)) if given.strip() else {}
        left = [nic for nic in nics if int(nic["NIC_ID"]) not in chosen]
        if left:
            cluster_id = draft.host(host_id).cluster_id
            chosen |= _best(call, draft, vm, left, cluster_id, taken=frozenset(chosen.values()), who=[])
        return with_networks(draft, vm, chosen)
    except (BadTemplate, NotAllocated, NoLease) as bad:
        raise BadUpdate(bad.message, vm.id) from bad


def network_for(call: Call, draft: Draft, vm: VM, nic: Nic) -> int:
    """Return the id of the best network for a further NIC of a VM where it is; the caller may use it, too.

    Raises:
        Refused: there is none, says why.
    """
    host = draft.find_host(vm.current.host_id) if vm.history else None
    if host is None:
        raise Refused(f"VM {vm.id} is on no host yet: a network is chosen where it is, name one", vm.id)
    return _best(call, draft, vm, [nic], host.cluster_id, taken=frozenset(), who=[call.caller])[int(nic["NIC_ID"])]


def _best(
    call: Call,
    draft: Draft,
    vm: VM,
    nics: Collection[Nic],
    cluster_id: int,
    *,
    taken: frozenset[int],
    who: Collection[Caller],
) -> dict[int, int]:
    """Return NIC_ID -> id of the best network in a cluster.

    Args:
        taken: networks that were chosen for other NICs.
        who: may use it as well as the owner.
    """
    from trifid.placement.networks import Networks  # loads numpy: not before somebody needs it

    settings = call.placement
    if settings.different_networks:
        taken |= {
            int(nic["NETWORK_ID"]) for nic in vm.template.vectors("NIC") if is_auto(nic) and nic.get("NETWORK_ID")
        }
    owner = owner_of(draft, vm)
    others = [
        one
        for one in draft.each("networks")
        if not (settings.different_networks and one.id in taken)
        and all(allowed(each, Right.USE, "NET", one) for each in who)
    ]
    asked = WaitingVm(vm.id, 0, 0, _NOTHING, _NOTHING, uid=vm.uid, nics=tuple(map(wish_of, nics)))

    def known(records: Collection[Network]) -> Networks:
        views = [_view(call, draft, one, owner) for one in records]
        return Networks(views, settings.address_policy, differ=settings.different_networks)

    choice = known([one for one in others if cluster_id in one.cluster_ids]).choice(asked, cluster_id)
    if choice is None:
        raise Refused(known(others).why_none(asked, [cluster_id]), vm.id)
    return dict(choice)


def _view(call: Call, draft: Draft, network: Network, owner: Caller) -> NetworkView:
    """Return a network as a scheduler reads it, with the addresses that are taken in the draft."""
    used = sum(draft.used_leases(network.id, ar.id) for ar in network.ranges)
    free = free_addresses(network, lambda range_id: draft.taken(network.id, range_id))
    return networks(network_pool_entry(network, call.engine.documents, used, free), [owner])[0]
