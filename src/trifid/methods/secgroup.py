"""one.secgroup.* and one.secgrouppool.info.

Source: reference/api-modern.md §2 (texts), §3 (the pool), §4 (security groups).
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from trifid.core.access import Right, allowed, check
from trifid.core.network.rules import check_rules, networks_named
from trifid.core.network.security_group import DEFAULT_ID, SecurityGroup, groups_of
from trifid.core.template.model import Template
from trifid.core.template.validate import check_name
from trifid.engine.first_permissions import first_permissions
from trifid.engine.transaction import Draft
from trifid.errors import BadTemplate, NotAllocated, Refused
from trifid.methods.common import changed, listed, name_checked, parse_allocate, read, refuse_taken, updated, usable
from trifid.methods.ownership import Owned, declare_chmod, declare_chown, declare_rename
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

KIND = "SECGROUP"
_OWNED = Owned("one.secgroup", KIND, "group_id", "a security group")
_SHOWN_MAX = 5


@method("one.secgroup.allocate")
async def allocate(call: Call, template: str) -> int:
    """Add a security group: a NAME, and a RULE for all that may pass."""
    check(call.caller, Right.CREATE, KIND)
    parsed = parse_allocate(template)
    name = _name(parsed)
    attributes = parsed.without("NAME")
    check_rules(attributes)

    def command(draft: Draft) -> int:
        _check_networks(call, draft, networks_named(attributes))
        return _added(call, draft, name, attributes)

    return await call.ask(command)


def _name(template: Template) -> str:
    name = template.single("NAME").strip()
    if not name:
        raise BadTemplate("No NAME in template for Security Group.")
    check_name(name)
    return name


def _check_networks(call: Call, draft: Draft, network_ids: Iterable[int]) -> None:
    """Raise unless the caller may use the networks that rules mean.

    Raises:
        NotAllocated: there is no such network.
        NotAllowed: the caller may not use one.
    """
    for network_id in sorted(network_ids):
        network = draft.find_network(network_id)
        if network is None:
            raise NotAllocated(f"Wrong NETWORK_ID. There is no network {network_id}")
        check(call.caller, Right.USE, "NET", network)


def _added(call: Call, draft: Draft, name: str, attributes: Template) -> int:
    caller = call.caller
    refuse_taken(draft, KIND, name, uid=caller.uid)
    group = SecurityGroup(
        id=draft.next_id("secgroup"),
        uid=caller.uid,
        gid=caller.gid,
        name=name,
        permissions=first_permissions(draft, caller),
        template=attributes,
    )
    draft.put(group)
    draft.note(KIND, group.id, caller, "allocated", text=name)
    return group.id


@method("one.secgroup.delete")
async def delete(call: Call, group_id: int) -> int:
    """Delete a security group that no VM and no network has."""

    def command(draft: Draft) -> int:
        group = draft.security_group(group_id)
        check(call.caller, Right.MANAGE, KIND, group)
        if group_id == DEFAULT_ID:
            raise Refused(
                "Cannot delete security group. The default security group (ID 0) cannot be deleted.", group_id
            )
        networks = {one.id for one in draft.each("networks") if group_id in _groups_of_network(one)}
        for what, ids in (("VMs", draft.vms_in_group(group_id)), ("networks", networks)):
            if ids:
                some = ", ".join(str(one) for one in sorted(ids)[:_SHOWN_MAX])
                raise Refused(
                    f"Cannot delete security group. {group.name} [{group_id}] is used by {len(ids)} {what} ({some}): "
                    "take it from them first",
                    group_id,
                )
        draft.delete("security_groups", group_id)
        draft.note(KIND, group_id, call.caller, "deleted", text=group.name)
        return group_id

    return await call.ask(command)


def _groups_of_network(network: Any) -> frozenset[int]:
    lists = ({"SECURITY_GROUPS": network.template.single("SECURITY_GROUPS")}, *(ar.attributes for ar in network.ranges))
    return frozenset[int]().union(*map(groups_of, lists))


@method("one.secgroup.info")
async def info(call: Call, group_id: int, decrypt: bool = False) -> Escaped:
    """Answer a security group's document, with the VMs whose hosts apply it, and those whose do not yet.

    Whoever may not manage the group sees those VMs that he may use.
    """
    group = read(call.engine.turns.memory.security_groups, "security_groups", group_id)
    check(call.caller, Right.USE, KIND, group)
    return call.engine.documents.security_group(group, _seen(call))


@method("one.secgrouppool.info")
async def pool(call: Call, filter_flag: int, start: int, end: int) -> Escaped:
    """Answer the security groups that the filter selects."""
    records = call.engine.turns.memory.security_groups.values()
    groups = listed(records, call.caller, KIND, filter_flag, start, end)
    return call.engine.documents.security_group_pool(groups, _seen(call))


def _seen(call: Call) -> Callable[[SecurityGroup, int], bool]:
    """Return what tells whether the caller may see that a VM is in a group."""
    may_use = usable(call)
    return lambda group, vm_id: allowed(call.caller, Right.MANAGE, KIND, group) or may_use("VM", vm_id)


@method("one.secgroup.update")
async def update(call: Call, group_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a security group; running VMs get its new rules at once."""

    def change(draft: Draft, group: SecurityGroup) -> SecurityGroup:
        new = updated(group.template, template, append).without("NAME")
        check_rules(new)
        _check_networks(call, draft, networks_named(new) - networks_named(group.template))
        return replace(group, template=new, version=group.version + 1)

    return await changed(call, KIND, group_id, Right.MANAGE, "updated", change)


@method("one.secgroup.commit")
async def commit(call: Call, group_id: int, recovery: bool) -> int:
    """Tell the hosts of a group's VMs its rules once more.

    With `recovery` only those that have not got them, which comes to the same: a host that has them is left as it is.
    """

    def change(draft: Draft, group: SecurityGroup) -> SecurityGroup:
        return replace(group, version=group.version + 1)

    return await changed(call, KIND, group_id, Right.MANAGE, "committed", change)


@method("one.secgroup.clone")
async def clone(call: Call, group_id: int, name: str) -> int:
    """Copy a security group; the copy is the caller's."""
    new = name_checked(name)

    def command(draft: Draft) -> int:
        group = draft.security_group(group_id)
        check(call.caller, Right.USE, KIND, group)
        check(call.caller, Right.CREATE, KIND)
        return _added(call, draft, new, group.template)

    return await call.ask(command)


declare_rename(_OWNED)
declare_chmod(_OWNED)
declare_chown(_OWNED, "Change owner and group of a security group; -1 keeps.", "new_gid")
