"""one.vn.* about the addresses of a network: ranges, addresses on hold, reservations."""

from msgspec.structs import replace

from trifid.core.access import Right, check, check_use
from trifid.core.network import lease, ranges, reservation
from trifid.core.network.record import HELD_BY_NOBODY, Network
from trifid.core.network.services import check_address
from trifid.core.restricted import refusal
from trifid.core.template.model import Template
from trifid.engine.first_permissions import first_permissions
from trifid.engine.networks import random_mac_suffix
from trifid.engine.new_networks import defaults
from trifid.engine.nic_groups import check_range_groups
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, BadTemplate, Refused
from trifid.methods.common import BadUpdate, changed, parse_update, refuse_taken
from trifid.methods.network import refuse_in_network
from trifid.methods.registry import Call, method


@method("one.vn.add_ar")
async def add_range(call: Call, network_id: int, template: str) -> int:
    """Add an address range, `AR=[TYPE=IP4, IP=…, SIZE=…]`."""
    vectors = _vectors(template, "AR")

    mac_prefix = defaults(call.engine.config.network).mac_prefix

    def change(draft: Draft, network: Network) -> Network:
        reservation.refuse_reservation(network, "The address ranges")
        refuse_in_network(call, Template(tuple(("AR", vector) for vector in vectors)))
        before = network
        for vector in vectors:
            network = ranges.add_range(network, vector, mac_prefix=mac_prefix, random_mac_suffix=random_mac_suffix)
        check_range_groups(draft, call.caller, before, network)
        return check_address(network)

    return await changed(call, "NET", network_id, Right.ADMIN, "range added", change)


@method("one.vn.rm_ar")
async def remove_range(call: Call, network_id: int, range_id: int, force: bool = False) -> int:
    """Remove an address range of which no address is in use; that of a reservation goes back to its parent.

    Args:
        force: addresses on hold do not count; those of VMs and of reservations always do.
    """
    return await _remove_range(call, network_id, range_id, force)


@method("one.vn.free_ar")
async def free_range(call: Call, network_id: int, range_id: int) -> int:
    """Give an address range of a reservation back to its parent; that of another network is removed, not freed."""
    return await _remove_range(call, network_id, range_id, force=False, is_given_back=True)


async def _remove_range(call: Call, network_id: int, range_id: int, force: bool, is_given_back: bool = False) -> int:
    def command(draft: Draft) -> int:
        network = draft.network(network_id)
        check(call.caller, Right.MANAGE if network.is_reservation else Right.ADMIN, "NET", network)
        if is_given_back and not network.is_reservation:
            raise Refused(
                f"network {network.name} [{network_id}] is no reservation: its range {range_id} can be given back to "
                f'nobody; "onevnet rmar {network_id} {range_id}" deletes it',
                network_id,
            )
        if force:
            for held in draft.leases_of(HELD_BY_NOBODY):
                if held.key[:2] == (network_id, range_id):
                    draft.delete("leases", held.key)
        draft.put(ranges.remove_range(network, range_id, draft.used_leases(network_id, range_id)))
        draft.note("NET", network_id, call.caller, "range removed", text=f"range {range_id}")
        return network_id

    return await call.ask(command)


@method("one.vn.update_ar")
async def update_range(call: Call, network_id: int, template: str) -> int:
    """Change an address range, `AR=[AR_ID=…, …]`; no address in use may fall out of it."""
    vectors = _vectors(template, "AR")
    restricted = call.engine.config.restricted.of_networks

    def change(draft: Draft, network: Network) -> Network:
        may, uid, is_admin = (
            (Right.MANAGE if network.is_reservation else Right.ADMIN),
            call.caller.uid,
            call.caller.is_admin,
        )
        check(call.caller, may, "NET", network)
        before = network
        for vector in vectors:
            number = vector.get("AR_ID", "")
            last = draft.last_used_index(network_id, int(number)) if number.isdecimal() else -1
            if network.is_reservation:
                network = reservation.update_reserved_range(
                    network, vector, last, uid=uid, is_admin=is_admin, keys=restricted.keys("AR")
                )
            else:
                if not is_admin:
                    _refuse_in_range(call, network, vector)
                network = ranges.update_range(network, vector, last)
        check_range_groups(draft, call.caller, before, network)
        return check_address(network)

    return await changed(call, "NET", network_id, Right.MANAGE, "range updated", change)


def _refuse_in_range(call: Call, network: Network, vector: dict[str, str]) -> None:
    """Raise NotAllowed when a range would get another value of what only administrators change."""
    known = [("AR", one.attributes) for one in network.ranges if str(one.id) == vector.get("AR_ID")]
    given = Template((("AR", vector),))
    if forbidden := call.engine.config.restricted.of_networks.found(given, Template(tuple(known))):
        raise refusal(call.caller.uid, "Virtual Network", forbidden[0], network.id)


@method("one.vn.hold")
async def hold(call: Call, network_id: int, template: str) -> int:
    """Take addresses out of use, `LEASES=[IP=…]`, so that no VM gets them."""
    vectors = _vectors(template, "LEASES")

    def change(draft: Draft, network: Network) -> Network:
        for vector in vectors:
            for held in lease.hold(network, vector, _taken(draft, network_id)):
                draft.put(held)
        return network

    return await changed(call, "NET", network_id, Right.MANAGE, "lease held", change)


@method("one.vn.release")
async def release(call: Call, network_id: int, template: str) -> int:
    """Give held addresses back, `LEASES=[IP=…]`."""
    vectors = _vectors(template, "LEASES")

    def change(draft: Draft, network: Network) -> Network:
        for vector in vectors:
            for given in lease.release(
                network, vector, _taken(draft, network_id), lambda r, i: draft.lease((network_id, r, i))
            ):
                assert given.vm_id == HELD_BY_NOBODY
                draft.delete("leases", given.key)
        return network

    return await changed(call, "NET", network_id, Right.MANAGE, "lease released", change)


def _taken(draft: Draft, network_id: int) -> lease.Taken:
    return lambda range_id: draft.taken(network_id, range_id)


@method("one.vn.reserve")
async def reserve(call: Call, network_id: int, template: str) -> int:
    """Take addresses in a row out of a network, into a new network (NAME) or one that is there (NETWORK_ID).

    USE of the network is enough.  SIZE tells how many, AR_ID of which range, IP, MAC or IP6 from which on.
    Answers the id of the reservation.
    """
    parsed = parse_update(template)

    def command(draft: Draft) -> int:
        parent = draft.network(network_id)
        check_use(call.caller, "NET", parent)
        try:
            wanted = reservation.wish(parsed, network_id)
            mine = _reservation(draft, call, parent, wanted)
            parent, mine = reservation.reserve(parent, mine, wanted, _taken(draft, network_id))
        except BadTemplate as bad:
            raise BadUpdate(bad.message, network_id) from bad
        draft.put(parent)
        draft.put(mine)
        text = f"{wanted.size} addresses of network {parent.name} [{parent.id}]"
        draft.note("NET", mine.id, call.caller, "reserved", new=mine.state.name, text=text)
        return mine.id

    return await call.ask(command)


def _reservation(draft: Draft, call: Call, parent: Network, wanted: reservation.Wish) -> Network:
    """Return the network that addresses are reserved for: one that the caller manages, or a new one."""
    if wanted.network_id is not None:
        mine = draft.network(wanted.network_id)
        check(call.caller, Right.MANAGE, "NET", mine)
        return mine
    uid, gid = call.caller.uid, call.caller.gid
    refuse_taken(draft, "NET", wanted.name, uid=uid)
    new_id = draft.next_id("net")
    made = reservation.new_reservation(parent, network_id=new_id, uid=uid, gid=gid, name=wanted.name)
    return replace(made, permissions=first_permissions(draft, call.caller))


def _vectors(template: str, name: str) -> list[dict[str, str]]:
    parsed: Template = parse_update(template)
    found = parsed.vectors(name)
    if not found:
        raise BadRequest(f"expected {name} = [ … ], found {', '.join(n for n, _ in parsed) or 'nothing'}")
    return found
