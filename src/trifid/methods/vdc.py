"""one.vdc.* and one.vdcpool.info: which groups may use which clusters, hosts, datastores and networks.

Source: reference/api-modern.md §2 (texts), §4 (the calls).
"""

from collections.abc import Callable

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.vdc import ALL, DEFAULT_ID, THIS_ZONE_ID, Vdc
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated, NotFound, Refused
from trifid.methods.common import POOLS, changed, listed, name_checked, parse_allocate, read, refuse_taken, updated
from trifid.methods.ownership import Owned, declare_rename, refuse_name_of_any
from trifid.methods.registry import Call, method
from trifid.wire.bodies.parts import escaped_pool
from trifid.wire.bodies.vdc import vdc as vdc_document
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

KIND = "VDC"


@method("one.vdc.allocate")
async def allocate(call: Call, template: str) -> int:
    """Add a virtual data centre called NAME; nothing is in it."""
    check(call.caller, Right.CREATE, KIND)
    given = parse_allocate(template)
    try:
        name = name_checked(given.single("NAME"))
    except Refused as bad:
        raise NotAllocated(bad.message) from bad

    def command(draft: Draft) -> int:
        refuse_taken(draft, KIND, name)
        made = Vdc(draft.next_id("vdc"), name, template=given.without("NAME"))
        draft.put(made)
        draft.note(KIND, made.id, call.caller, "allocated", text=name)
        return made.id

    return await call.ask(command)


@method("one.vdc.delete")
async def delete(call: Call, vdc_id: int) -> int:
    """Delete a virtual data centre: its groups may use its resources no more, unless another one lets them.

    The default one stays: new groups are put into it, and nothing could make it again.
    """

    def command(draft: Draft) -> int:
        one = draft.record("vdcs", vdc_id)
        check(call.caller, Right.ADMIN, KIND, one)
        if vdc_id == DEFAULT_ID:
            raise Refused(
                f"Cannot delete VDC. The default VDC (ID {DEFAULT_ID}) cannot be deleted: take its groups out with "
                "one.vdc.delgroup, or what is in it with one.vdc.delcluster",
                vdc_id,
            )
        draft.delete("vdcs", vdc_id)
        draft.note(KIND, vdc_id, call.caller, "deleted", text=one.name)
        return vdc_id

    return await call.ask(command)


@method("one.vdc.info")
async def info(call: Call, vdc_id: int, decrypt: bool = False) -> Escaped:
    """Answer the document of a virtual data centre."""
    one = read(call.engine.turns.memory.vdcs, "vdcs", vdc_id)
    check(call.caller, Right.USE, KIND, one)
    return Escaped.of(vdc_document(one))


@method("one.vdcpool.info")
async def pool(call: Call) -> Escaped:
    """Answer all virtual data centres that the caller may see."""
    found = listed(call.engine.turns.memory.vdcs.values(), call.caller, KIND, -2, -1, -1)
    return escaped_pool("VDC_POOL", [escape(vdc_document(one)) for one in found])


@method("one.vdc.update")
async def update(call: Call, vdc_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a virtual data centre."""

    def change(draft: Draft, one: Vdc) -> Vdc:
        return replace(one, template=updated(one.template, template, append))

    return await changed(call, KIND, vdc_id, Right.MANAGE, "updated", change)


declare_rename(Owned("one.vdc", KIND, "vdc_id", "a virtual data centre", refuse_name=refuse_name_of_any))


# -- what is in it -----------------------------------------------------------------------------------


@method("one.vdc.addgroup")
async def add_group(call: Call, vdc_id: int, group_id: int) -> int:
    """Add a group: it may use the resources of the virtual data centre."""

    def change(draft: Draft, one: Vdc) -> Vdc:
        check(call.caller, Right.ADMIN, "GROUP", draft.group(group_id))
        if group_id in one.group_ids:
            raise Refused(f"Group {group_id} is already in VDC {one.name} [{vdc_id}]", vdc_id)
        return replace(one, group_ids=tuple(sorted((*one.group_ids, group_id))))

    return await changed(call, KIND, vdc_id, Right.ADMIN, f"group {group_id} added", change)


@method("one.vdc.delgroup")
async def remove_group(call: Call, vdc_id: int, group_id: int) -> int:
    """Take a group out."""

    def change(draft: Draft, one: Vdc) -> Vdc:
        check(call.caller, Right.ADMIN, "GROUP", draft.group(group_id))
        if group_id not in one.group_ids:
            raise Refused(f"Group {group_id} is not in VDC {one.name} [{vdc_id}]", vdc_id)
        return replace(one, group_ids=tuple(gid for gid in one.group_ids if gid != group_id))

    return await changed(call, KIND, vdc_id, Right.ADMIN, f"group {group_id} removed", change)


def _declare(word: str, kind: str) -> None:
    """Declare the methods that add and remove resources of a kind; -10 is all of them.

    Args:
        word: what the methods are called by, `vnet`.
    """
    pool, id_name = POOLS[kind], f"{word}_id"

    def changing(step: Callable[[Vdc, str, int, int], Vdc], done: str) -> Callable[..., object]:
        async def handler(call: Call, vdc_id: int, zone_id: int, object_id: int) -> int:
            def change(draft: Draft, one: Vdc) -> Vdc:
                if zone_id != THIS_ZONE_ID:
                    raise NotFound("zone", zone_id)
                target = None if object_id == ALL else draft.record(pool, object_id)
                check(call.caller, Right.ADMIN, kind, target)
                return step(one, pool, zone_id, object_id)

            return await changed(call, KIND, vdc_id, Right.ADMIN, f"{word} {object_id} {done}", change)

        return handler

    for verb, step, done, summary in (
        ("add", _added, "added", f"Add a {word}, or all with {ALL}; zone 0 is the only one."),
        ("del", _removed, "removed", f"Take out a {word}, or the entry for all, {ALL}; zone 0 is the only one."),
    ):
        handler = changing(step, done)
        handler.__doc__ = summary
        method(f"one.vdc.{verb}{word}", object_id=id_name)(handler)  # type: ignore[arg-type]


def _added(one: Vdc, pool: str, zone_id: int, object_id: int) -> Vdc:
    present = getattr(one, pool)
    if (zone_id, object_id) in present or (zone_id, ALL) in present:
        what = "all" if (zone_id, ALL) in present else str(object_id)
        raise Refused(f"VDC {one.name} [{one.id}] already has {what} of its {pool}, zone {zone_id}", one.id)
    kept = () if object_id == ALL else present
    return replace(one, **{pool: tuple(sorted((*kept, (zone_id, object_id))))})


def _removed(one: Vdc, pool: str, zone_id: int, object_id: int) -> Vdc:
    present = getattr(one, pool)
    if (zone_id, object_id) not in present:
        what = f"{object_id} of zone {zone_id}"
        if (zone_id, ALL) in present:
            raise Refused(
                f"VDC {one.name} [{one.id}] has all {pool}: remove {ALL}, then add those it shall have", one.id
            )
        raise Refused(f"VDC {one.name} [{one.id}] does not have {what} among its {pool}", one.id)
    return replace(one, **{pool: tuple(entry for entry in present if entry != (zone_id, object_id))})


for _word, _kind in (("cluster", "CLUSTER"), ("host", "HOST"), ("datastore", "DATASTORE"), ("vnet", "NET")):
    _declare(_word, _kind)
