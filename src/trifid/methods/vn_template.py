"""one.vntemplate.* and one.vntemplatepool.info: descriptions of networks that are kept, to make networks of.

Source: reference/api-modern.md §2 (texts), §3 (the pool), §4 (network templates).
"""

from msgspec.structs import replace

from trifid.core import kept_network_template as kept
from trifid.core.access import Right, check
from trifid.core.cluster import DEFAULT_ID
from trifid.core.kept_template import name_of
from trifid.core.network import define
from trifid.core.network.kept import VnTemplate
from trifid.core.template.model import Template
from trifid.core.template.validate import NAME_LENGTH_MAX
from trifid.engine.first_permissions import first_permissions
from trifid.engine.networks import random_mac_suffix
from trifid.engine.new_networks import add_network, defaults
from trifid.engine.transaction import Draft
from trifid.errors import Locked
from trifid.methods.common import changed, listed, name_checked, parse_allocate, read, refuse_taken, updated
from trifid.methods.locks import lock_object, unlock_object
from trifid.methods.network import refuse_in_network
from trifid.methods.ownership import Owned, declare_ownership
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

KIND = "VNTEMPLATE"
_TRIAL = "trial"


@method("one.vntemplate.allocate")
async def allocate(call: Call, template: str) -> int:
    """Keep a description of networks under a NAME; for administrators."""
    check(call.caller, Right.CREATE, KIND)
    parsed = parse_allocate(template)
    name, attributes = name_of(parsed), kept.kept(parsed)
    refuse_in_network(call, attributes)
    _try(call, attributes)
    return await call.ask(lambda draft: _added(call, draft, name, attributes))


def _try(call: Call, attributes: Template) -> None:
    """Raise BadTemplate unless a network could be made of the attributes."""
    define.define(
        attributes.without(kept.CLUSTERS).replacing("NAME", _TRIAL),
        network_id=0,
        uid=call.caller.uid,
        gid=call.caller.gid,
        defaults=defaults(call.engine.config.network),
        random_mac_suffix=random_mac_suffix,
    )


def _added(call: Call, draft: Draft, name: str, attributes: Template) -> int:
    caller = call.caller
    for cluster_id in kept.cluster_ids(attributes) or ():
        draft.cluster(cluster_id)
    refuse_taken(draft, KIND, name, uid=caller.uid)
    record = VnTemplate(
        id=draft.next_id("vntemplate"),
        uid=caller.uid,
        gid=caller.gid,
        name=name,
        permissions=first_permissions(draft, caller),
        regtime=draft.now,
        template=attributes,
    )
    draft.put(record)
    draft.note(KIND, record.id, caller, "allocated", text=name)
    return record.id


@method("one.vntemplate.instantiate")
async def instantiate(call: Call, template_id: int, name: str, extra: str) -> int:
    """Make a network of a template and what `extra` puts in place of its attributes; the network's id is answered.

    USE of the template is all that is needed: the network is the caller's.  BRIDGE, PHYDEV, VN_MAD, VLAN_ID and the
    like come from the template, but for administrators.  Without a name it is called `TEMPLATE-ID`.
    """
    given = parse_allocate(extra) if extra.strip() else Template()
    name = name.strip() or given.single("NAME").strip()
    restricted = call.engine.config.restricted.of_networks

    def command(draft: Draft) -> int:
        caller, record = call.caller, _usable(call, draft, template_id)
        merged = record.template.merged(given.without("NAME"))
        if not caller.is_admin:
            kept.refuse_brought(record.template, merged, caller.uid, restricted)
        clusters = tuple(draft.cluster(one).id for one in kept.cluster_ids(merged) or (DEFAULT_ID,))
        network_id = draft.next_id("net")
        own_name = name or f"{record.name[: NAME_LENGTH_MAX - len(str(network_id)) - 1]}-{network_id}"
        whole = kept.network_template(record, given, own_name)
        network = add_network(draft, call.engine.config.network, whole, caller, network_id, clusters)
        draft.put(replace(network, template_id=record.id))
        draft.note("NET", network_id, caller, "allocated", new=network.state.name, text=network.name)
        return network_id

    return await call.ask(command)


def _usable(call: Call, draft: Draft, template_id: int) -> VnTemplate:
    """Return a template that the caller may make something of; a lock of the first level forbids that too."""
    record = draft.vn_template(template_id)
    check(call.caller, Right.USE, KIND, record)
    if record.lock is not None and record.lock.forbids(Right.USE):
        raise Locked(f"User [{call.caller.uid}] : {KIND} is locked. [{template_id}].", template_id)
    return record


@method("one.vntemplate.clone")
async def clone(call: Call, template_id: int, name: str) -> int:
    """Copy a template of networks; the copy is the caller's."""
    new = name_checked(name)

    def command(draft: Draft) -> int:
        record = _usable(call, draft, template_id)
        check(call.caller, Right.CREATE, KIND)
        return _added(call, draft, new, record.template)

    return await call.ask(command)


@method("one.vntemplate.delete")
async def delete(call: Call, template_id: int) -> int:
    """Delete a template of networks; networks made of it stay."""

    def command(draft: Draft) -> int:
        record = draft.vn_template(template_id)
        check(call.caller, Right.MANAGE, KIND, record)
        draft.delete("vn_templates", template_id)
        draft.note(KIND, template_id, call.caller, "deleted", text=record.name)
        return template_id

    return await call.ask(command)


@method("one.vntemplate.info")
async def info(call: Call, template_id: int, decrypt: bool = False) -> Escaped:
    """Answer the document of a template of networks."""
    record = read(call.engine.turns.memory.vn_templates, "vn_templates", template_id)
    check(call.caller, Right.USE, KIND, record)
    return call.engine.documents.vn_template(record)


@method("one.vntemplatepool.info")
async def pool(call: Call, filter_flag: int, start: int, end: int) -> Escaped:
    """Answer the templates of networks that the filter selects."""
    records = call.engine.turns.memory.vn_templates.values()
    return call.engine.documents.vn_template_pool(listed(records, call.caller, KIND, filter_flag, start, end))


@method("one.vntemplate.update")
async def update(call: Call, template_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a template of networks.

    What means something to hosts only administrators change; others must send it as it is.
    """
    restricted = call.engine.config.restricted.of_networks

    def change(draft: Draft, record: VnTemplate) -> VnTemplate:
        new = kept.kept(updated(record.template, template, append))
        if not call.caller.is_admin:
            kept.refuse_brought(record.template, new, call.caller.uid, restricted)
        for cluster_id in kept.cluster_ids(new) or ():
            draft.cluster(cluster_id)
        _try(call, new)
        return replace(record, template=new)

    return await changed(call, KIND, template_id, Right.MANAGE, "updated", change)


declare_ownership(Owned("one.vntemplate", KIND, "template_id", "a template of networks"))


@method("one.vntemplate.lock")
async def lock(call: Call, template_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change a template of networks, administrators too: 1 use, 2 manage, 3 admin, 4 all.

    With `test` one that is locked already is refused.
    """
    return await lock_object(call, KIND, template_id, level, test)


@method("one.vntemplate.unlock")
async def unlock(call: Call, template_id: int) -> int:
    """Take the lock of a template of networks away; for whoever locked it, and administrators."""
    return await unlock_object(call, KIND, template_id)
