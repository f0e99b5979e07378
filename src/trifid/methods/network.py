"""one.vn.* about networks as a whole, and one.vnpool.info; what is about addresses is in network_addresses.py."""

from msgspec.structs import replace

from trifid.core.access import Right, allowed, check
from trifid.core.network import define
from trifid.core.network.record import HELD_BY_NOBODY, Network, NetworkState
from trifid.core.network.reservation import follows
from trifid.core.network.vlan import refuse_taken_vxlan
from trifid.core.restricted import refusal
from trifid.core.template.model import Template
from trifid.engine.clusters import chosen
from trifid.engine.engine import Engine
from trifid.engine.new_networks import add_network
from trifid.engine.new_networks import defaults as configured
from trifid.engine.nic_groups import check_network_groups
from trifid.engine.transaction import Draft
from trifid.errors import Refused
from trifid.methods.common import changed, listed, parse_allocate, read, updated, usable
from trifid.methods.locks import lock_object, unlock_object
from trifid.methods.ownership import Owned, declare_ownership
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

FAILURE, SUCCESS, DELETE, RETRY = range(4)
"""What recover does (reference/api-modern.md §4)."""
_RECOVERABLE = {
    FAILURE: dict.fromkeys((NetworkState.INIT, NetworkState.LOCK_CREATE, NetworkState.LOCK_DELETE), NetworkState.ERROR),
    SUCCESS: {
        NetworkState.INIT: NetworkState.READY,
        NetworkState.LOCK_CREATE: NetworkState.READY,
        NetworkState.ERROR: NetworkState.READY,
        NetworkState.UPDATE_FAILURE: NetworkState.READY,
    },
    RETRY: {NetworkState.ERROR: NetworkState.READY, NetworkState.UPDATE_FAILURE: NetworkState.READY},
}
"""operation -> state -> what it becomes."""


@method("one.vn.allocate")
async def allocate(call: Call, template: str, cluster_id: int) -> int:
    """Add a virtual network, in the classic form (RANGED, FIXED) or with address ranges; for administrators."""
    check(call.caller, Right.CREATE, "NET")
    parsed = parse_allocate(template)
    refuse_in_network(call, parsed)

    def command(draft: Draft) -> int:
        network = made(call, draft, parsed, draft.next_id("net"), (chosen(draft, call.caller, cluster_id),))
        draft.note("NET", network.id, call.caller, "allocated", new=network.state.name, text=network.name)
        return network.id

    return await call.ask(command)


def refuse_in_network(call: Call, template: Template) -> None:
    """Raise NotAllowed for what only administrators write in the template of a network, or of its ranges."""
    if not call.caller.is_admin and (forbidden := call.engine.config.restricted.of_networks.found(template)):
        raise refusal(call.caller.uid, "Virtual Network", forbidden[0])


def defaults(engine: Engine) -> define.Defaults:
    """Return the configured defaults of networks."""
    return configured(engine.config.network)


def made(call: Call, draft: Draft, template: Template, network_id: int, cluster_ids: tuple[int, ...]) -> Network:
    """Make a network of the caller in the draft, and return it; raises as `add_network` does."""
    return add_network(draft, call.engine.config.network, template, call.caller, network_id, cluster_ids)


@method("one.vn.delete")
async def delete(call: Call, network_id: int) -> int:
    """Delete a network of which no address is in use; those of a reservation go back to its parent."""

    def command(draft: Draft) -> int:
        network = draft.network(network_id)
        _check_deletable(call, network)
        _delete(draft, call, network)
        return network_id

    return await call.ask(command)


def _check_deletable(call: Call, network: Network) -> None:
    """Raise NotAllowed unless the caller may delete a network.

    Who manages a reservation may give it back, and who made a network of a template may take it down again.
    """
    is_their_own = network.is_reservation or network.template_id >= 0
    check(call.caller, Right.MANAGE if is_their_own else Right.ADMIN, "NET", network)


def _delete(draft: Draft, call: Call, network: Network) -> None:
    """Delete a network; raises Refused when addresses of it are in use or reserved."""
    used = sum(draft.used_leases(network.id, ar.id) for ar in network.ranges)
    if used:
        parts = ", ".join(map(str, sorted(draft.reservations_of(network.id))))
        reserved = f", some of them by reservation {parts}" if parts else ""
        raise Refused(
            f"Can not remove a virtual network with leases in use: {network.name} [{network.id}] has {used}{reserved}, "
            f'see "onevnet show {network.id}"',
            network.id,
        )
    draft.delete("networks", network.id)
    draft.note("NET", network.id, call.caller, "deleted", network.state.name, text=network.name)


@method("one.vn.recover")
async def recover(call: Call, network_id: int, operation: int) -> int:
    """Bring a network out of a state that waits for something: 0 failure, 1 success, 2 delete, 3 retry.

    Networks that the engine makes are READY at once, so that there is mostly nothing to recover; delete gives
    held addresses back first.
    """
    if operation not in (FAILURE, SUCCESS, DELETE, RETRY):
        raise Refused(f"Wrong recovery operation code {operation}: 0 failure, 1 success, 2 delete, 3 retry", network_id)

    def command(draft: Draft) -> int:
        network = draft.network(network_id)
        check(call.caller, Right.ADMIN, "NET", network)
        if operation == DELETE:
            for lease in [one for one in draft.leases_of(HELD_BY_NOBODY) if one.network_id == network_id]:
                draft.delete("leases", lease.key)
            _delete(draft, call, network)
            return network_id
        state = _RECOVERABLE[operation].get(network.state)
        if state is None:
            raise Refused(
                f'Error performing action "recover": This action is not available for state {network.state.name}',
                network_id,
            )
        draft.put(replace(network, state=state, prev=state))
        draft.note("NET", network_id, call.caller, "recovered", network.state.name, state.name)
        return network_id

    return await call.ask(command)


@method("one.vn.info")
async def info(call: Call, network_id: int, decrypt: bool = False) -> Escaped:
    """Answer a network's document, with its leases; to users with those of VMs and reservations that they may use."""
    network = read(call.engine.turns.memory.networks, "networks", network_id)
    check(call.caller, Right.USE, "NET", network)
    if allowed(call.caller, Right.MANAGE, "NET", network):
        return call.engine.documents.network(network)
    return call.engine.documents.network_seen_by(network, usable(call))


@method("one.vnpool.info")
async def pool(call: Call, filter_flag: int, start: int, end: int) -> Escaped:
    """Answer the networks that the filter selects."""
    networks = listed(call.engine.turns.memory.networks.values(), call.caller, "NET", filter_flag, start, end)
    return call.engine.documents.network_pool(networks)


@method("one.vn.update")
async def update(call: Call, network_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a network; its ranges are changed by update_ar.

    BRIDGE, PHYDEV, VLAN_ID and the like only administrators change; the reservations of the network follow.  Where
    the network is on hosts (BRIDGE, VN_MAD, PHYDEV, VLAN_ID) is not changed while VMs have addresses of it.
    """

    def change(draft: Draft, network: Network) -> Network:
        new = updated(network.template, template, append)
        check_network_groups(draft, call.caller, network.template, new)
        after = define.update_template(
            network,
            new,
            uid=call.caller.uid,
            is_admin=call.caller.is_admin,
            restricted=call.engine.config.restricted.of_networks,
        )
        _refuse_moved(draft, network, after)
        for reservation_id in sorted(draft.reservations_of(network_id)):
            reservation = draft.network(reservation_id)
            if (following := follows(after, reservation)) != reservation:
                draft.put(following)
        return after

    return await changed(call, "NET", network_id, Right.MANAGE, "updated", change)


def _refuse_moved(draft: Draft, before: Network, after: Network) -> None:
    """Raise Refused when a network would be elsewhere on hosts while VMs are in it, or where another vxlan is."""
    moved = define.moved(before, after)
    if not moved:
        return
    networks = {before.id, *draft.reservations_of(before.id)}
    vms = {lease.vm_id for lease in draft.each("leases") if lease.network_id in networks} - {HELD_BY_NOBODY}
    if vms:
        raise Refused(
            f"{', '.join(moved)} of network {before.name} [{before.id}] cannot be changed while VMs have addresses of "
            f"it or its reservations, {len(vms)} do: their NICs are where it is now; detach these first",
            before.id,
        )
    refuse_taken_vxlan(after, draft.each("networks"))


declare_ownership(Owned("one.vn", "NET", "network_id", "a network"))


@method("one.vn.lock")
async def lock(call: Call, network_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change a network, administrators too: level 1 use, 2 manage, 3 admin, 4 all."""
    return await lock_object(call, "NET", network_id, level, test)


@method("one.vn.unlock")
async def unlock(call: Call, network_id: int) -> int:
    """Take the lock of a network away."""
    return await unlock_object(call, "NET", network_id)
