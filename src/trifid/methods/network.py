"""one.vn.* and one.vnpool.info."""

import secrets
from typing import Any

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.network import define, lease
from trifid.core.network.address import parse_mac_prefix
from trifid.core.network.record import HELD_BY_NOBODY, Network
from trifid.core.template.model import Template
from trifid.engine.engine import Engine
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, NotAllocated, Refused
from trifid.methods.common import (
    changed,
    listed,
    name_checked,
    owner_changed,
    parse_allocate,
    parse_update,
    permissions_changed,
    read,
    refuse_taken,
    updated,
)
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped


def defaults(engine: Engine) -> define.Defaults:
    """Return the configured defaults of networks."""
    settings = engine.config.network
    return define.Defaults(parse_mac_prefix(settings.mac_prefix), settings.network_size)


def _random_suffix() -> int:
    """Return four random bytes for the MACs of a range without IPv4."""
    return secrets.randbits(32)


@method("one.vn.allocate")
async def allocate(call: Call, template: str, cluster_id: int = -1) -> int:
    """Add a virtual network, in the classic form (RANGED, FIXED) or with address ranges; for administrators."""
    check(call.caller, Right.CREATE, "NET")
    if cluster_id not in (-1, 0):
        raise NotAllocated(f"cluster {cluster_id} does not exist; -1 or 0 is the default cluster")
    parsed = parse_allocate(template)

    def command(draft: Draft) -> int:
        network = define.define(
            parsed,
            network_id=draft.next_id("net"),
            uid=call.caller.uid,
            gid=call.caller.gid,
            defaults=defaults(call.engine),
            random_mac_suffix=_random_suffix,
        )
        refuse_taken(draft, "NET", network.name, uid=network.uid)
        draft.put(network)
        draft.note("NET", network.id, call.caller, "allocated", new=network.state.name, text=network.name)
        return network.id

    return await call.engine.turns.ask(command)


@method("one.vn.delete")
async def delete(call: Call, network_id: int) -> int:
    """Delete a network of which no address is in use."""

    def command(draft: Draft) -> int:
        network = draft.network(network_id)
        check(call.caller, Right.ADMIN, "NET", network)
        used = sum(draft.used_leases(network_id, ar.id) for ar in network.ranges)
        if used:
            raise Refused(
                f"Can not remove a virtual network with leases in use: {network.name} [{network_id}] has {used}, "
                f'see "onevnet show {network_id}"',
                network_id,
            )
        draft.delete("networks", network_id)
        draft.note("NET", network_id, call.caller, "deleted", network.state.name, text=network.name)
        return network_id

    return await call.engine.turns.ask(command)


@method("one.vn.info")
async def info(call: Call, network_id: int, decrypt: bool = False) -> Escaped:
    """Answer a network's document, with its leases."""
    network = read(call.engine.turns.memory.networks, "networks", network_id)
    check(call.caller, Right.USE, "NET", network)
    return call.engine.documents.network(network)


@method("one.vnpool.info")
async def pool(call: Call, filter_flag: int, start: int = -1, end: int = -1) -> Escaped:
    """Answer the networks that the filter selects."""
    networks = listed(call.engine.turns.memory.networks.values(), call.caller, "NET", filter_flag, start, end)
    return call.engine.documents.network_pool(networks)


@method("one.vn.update")
async def update(call: Call, network_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a network; its ranges are changed by update_ar.

    BRIDGE, PHYDEV, VLAN_ID and the like only administrators change.
    """

    def change(draft: Draft, network: Network) -> Network:
        new = updated(network.template, template, append)
        return define.update_template(network, new, uid=call.caller.uid, is_admin=call.caller.is_admin)

    return await changed(call, "NET", network_id, Right.MANAGE, "updated", change)


@method("one.vn.rename")
async def rename(call: Call, network_id: int, name: str) -> int:
    """Give a network another name."""
    new = name_checked(name)

    def change(draft: Draft, network: Network) -> Network:
        refuse_taken(draft, "NET", new, object_id=network_id, uid=network.uid)
        return replace(network, name=new)

    return await changed(call, "NET", network_id, Right.MANAGE, "renamed", change)


@method("one.vn.chmod")
async def chmod(
    call: Call, network_id: int, ou: int, om: int, oa: int, gu: int, gm: int, ga: int, tu: int, tm: int, ta: int
) -> int:
    """Change permissions: nine flags, each 1 set, 0 clear, -1 keep."""
    flags = (ou, om, oa, gu, gm, ga, tu, tm, ta)

    def change(draft: Draft, network: Network) -> Any:
        return permissions_changed(call.caller, "NET", network, flags)

    return await changed(call, "NET", network_id, Right.USE, "permissions changed", change)


@method("one.vn.chown")
async def chown(call: Call, network_id: int, user_id: int, group_id: int) -> int:
    """Change owner and group; -1 keeps."""

    def change(draft: Draft, network: Network) -> Network:
        new: Network = owner_changed(call.caller, draft, network, user_id, group_id)
        refuse_taken(draft, "NET", new.name, object_id=network_id, uid=new.uid)
        return new

    return await changed(call, "NET", network_id, Right.ADMIN, "owner changed", change)


@method("one.vn.add_ar")
async def add_range(call: Call, network_id: int, template: str) -> int:
    """Add an address range, `AR=[TYPE=IP4, IP=…, SIZE=…]`."""
    vectors = _vectors(template, "AR")

    def change(draft: Draft, network: Network) -> Network:
        for vector in vectors:
            network = define.add_range(
                network, vector, defaults=defaults(call.engine), random_mac_suffix=_random_suffix
            )
        return network

    return await changed(call, "NET", network_id, Right.ADMIN, "range added", change)


@method("one.vn.rm_ar")
async def remove_range(call: Call, network_id: int, range_id: int, force: bool = False) -> int:
    """Remove an address range of which no address is in use."""

    def change(draft: Draft, network: Network) -> Network:
        return define.remove_range(network, range_id, draft.used_leases(network_id, range_id))

    return await changed(call, "NET", network_id, Right.ADMIN, "range removed", change)


@method("one.vn.update_ar")
async def update_range(call: Call, network_id: int, template: str) -> int:
    """Change an address range, `AR=[AR_ID=…, …]`; no address in use may fall out of it."""
    vectors = _vectors(template, "AR")

    def change(draft: Draft, network: Network) -> Network:
        for vector in vectors:
            number = vector.get("AR_ID", "")
            last = draft.last_used_index(network_id, int(number)) if number.isdecimal() else -1
            network = define.update_range(network, vector, last)
        return network

    return await changed(call, "NET", network_id, Right.ADMIN, "range updated", change)


@method("one.vn.hold")
async def hold(call: Call, network_id: int, template: str) -> int:
    """Take addresses out of use, `LEASES=[IP=…]`, so that no VM gets them."""
    vectors = _vectors(template, "LEASES")

    def change(draft: Draft, network: Network) -> Network:
        for vector in vectors:
            for held in lease.hold(network, vector, lambda r, i: draft.lease((network_id, r, i)) is not None):
                draft.put(held)
        return network

    return await changed(call, "NET", network_id, Right.MANAGE, "lease held", change)


@method("one.vn.release")
async def release(call: Call, network_id: int, template: str) -> int:
    """Give held addresses back, `LEASES=[IP=…]`."""
    vectors = _vectors(template, "LEASES")

    def change(draft: Draft, network: Network) -> Network:
        for vector in vectors:
            for given in lease.release(network, vector, lambda r, i: draft.lease((network_id, r, i))):
                assert given.vm_id == HELD_BY_NOBODY
                draft.delete("leases", given.key)
        return network

    return await changed(call, "NET", network_id, Right.MANAGE, "lease released", change)


def _vectors(template: str, name: str) -> list[dict[str, str]]:
    parsed: Template = parse_update(template)
    found = parsed.vectors(name)
    if not found:
        raise BadRequest(f"expected {name} = [ … ], found {', '.join(n for n, _ in parsed) or 'nothing'}")
    return found
