"""one.vmgroup.* and one.vmgrouppool.info.

Source: reference/api-modern.md §2 (texts), §3 (the pool), §4 (VM groups).
"""

from collections.abc import Callable, Collection, Mapping

from msgspec.structs import replace

from trifid.core.access import Right, allowed, check
from trifid.core.template.validate import check_name
from trifid.core.vm_group.define import check as check_group
from trifid.core.vm_group.define import defined, with_role, with_role_changed, without_role
from trifid.core.vm_group.record import Role, VmGroup
from trifid.engine.first_permissions import first_permissions
from trifid.engine.transaction import Draft
from trifid.engine.vm_groups import KIND, called, refuse_broken
from trifid.errors import BadTemplate, Refused
from trifid.methods.common import changed, listed, parse_allocate, read, refuse_taken, updated, usable
from trifid.methods.locks import lock_object, unlock_object
from trifid.methods.ownership import Owned, declare_chmod, declare_chown, declare_rename
from trifid.methods.registry import Call, method
from trifid.methods.vm_requests import the_vector
from trifid.wire.bodies import vm_group as vm_group_body
from trifid.wire.bodies.parts import escaped_pool
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

_SHOWN_MAX = 5


@method("one.vmgroup.allocate")
async def allocate(call: Call, template: str) -> int:
    """Add a VM group: a NAME, a ROLE for each kind of VM, and AFFINED, ANTI_AFFINED and SPREAD rules."""
    check(call.caller, Right.CREATE, KIND)
    parsed = parse_allocate(template)
    name = parsed.single("NAME").strip()
    if not name:
        raise BadTemplate("Invalid NAME, it cannot be empty")
    check_name(name)
    caller = call.caller
    described = defined(VmGroup(-1, caller.uid, caller.gid, name), parsed.without("NAME"))

    def command(draft: Draft) -> int:
        refuse_taken(draft, KIND, name, uid=caller.uid)
        group = replace(described, id=draft.next_id("vmgroup"), permissions=first_permissions(draft, caller))
        draft.put(group)
        draft.note(KIND, group.id, caller, "allocated", text=name)
        return group.id

    return await call.ask(command)


@method("one.vmgroup.delete")
async def delete(call: Call, group_id: int) -> int:
    """Delete a VM group that has no VMs."""

    def command(draft: Draft) -> int:
        group = draft.vm_group(group_id)
        check(call.caller, Right.MANAGE, KIND, group)
        ids = {vm_id for vm_ids in draft.members_of(group_id).vms.values() for vm_id in vm_ids}
        if ids:
            raise Refused(f"Cannot delete VM group. {called(group)} has {_vms(ids)}: take them out first", group_id)
        draft.delete("vm_groups", group_id)
        draft.note(KIND, group_id, call.caller, "deleted", text=group.name)
        return group_id

    return await call.ask(command)


def _vms(ids: set[int]) -> str:
    some = ", ".join(map(str, sorted(ids)[:_SHOWN_MAX]))
    return f"{len(ids)} VMs ({some}{', …' if len(ids) > _SHOWN_MAX else ''})"


@method("one.vmgroup.info")
async def info(call: Call, group_id: int, decrypt: bool = False) -> Escaped:
    """Answer a VM group's document, with the VMs of each role.

    Whoever may not manage the group sees those VMs that he may use.
    """
    group = read(call.engine.turns.memory.vm_groups, "vm_groups", group_id)
    check(call.caller, Right.USE, KIND, group)
    return Escaped.of(_document(call, group))


@method("one.vmgrouppool.info")
async def pool(call: Call, filter_flag: int, start: int, end: int) -> Escaped:
    """Answer the VM groups that the filter selects."""
    records = call.engine.turns.memory.vm_groups.values()
    groups = listed(records, call.caller, KIND, filter_flag, start, end)
    return escaped_pool("VM_GROUP_POOL", [escape(_document(call, group)) for group in groups])


def _document(call: Call, group: VmGroup) -> str:
    """Return the document of a group with the VMs that the caller may see in it."""
    vms: Mapping[str, Collection[int]] = call.engine.turns.memory.members.of(group.id).vms
    if not allowed(call.caller, Right.MANAGE, KIND, group):
        may_use = usable(call)
        vms = {role: [vm_id for vm_id in vm_ids if may_use("VM", vm_id)] for role, vm_ids in vms.items()}
    return vm_group_body.vm_group(group, call.engine.documents, vms)


@method("one.vmgroup.update")
async def update(call: Call, group_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a VM group, its rules among them; roles have methods of their own.

    VMs of the group that are on hosts must keep the new rules.
    """

    def change(draft: Draft, group: VmGroup) -> VmGroup:
        return replace(group, template=updated(group.template, template, append).without("NAME", "ROLE"))

    return await _changed(call, group_id, "updated", change)


@method("one.vmgroup.roleadd")
async def role_add(call: Call, group_id: int, role: str) -> int:
    """Add a role to a VM group: `ROLE = [ NAME = … ]`."""
    vector = the_vector(role, "ROLE")
    return await _changed(call, group_id, "role added", lambda draft, group: with_role(group, vector))


@method("one.vmgroup.roledelete")
async def role_delete(call: Call, group_id: int, role_id: int) -> int:
    """Remove a role that has no VMs and that no rule is about."""

    def change(draft: Draft, group: VmGroup) -> VmGroup:
        role = _role(group, role_id)
        _refuse_with_vms(draft, group, role, "delete")
        return without_role(group, role)

    return await _changed(call, group_id, "role deleted", change)


@method("one.vmgroup.roleupdate")
async def role_update(call: Call, group_id: int, role_id: int, role: str) -> int:
    """Change attributes of a role: `ROLE = [ POLICY = … ]`; an empty one is removed.

    VMs of the group that are on hosts must keep the new rules.  A role that has VMs keeps its name.
    """
    vector = the_vector(role, "ROLE")

    def change(draft: Draft, group: VmGroup) -> VmGroup:
        old = _role(group, role_id)
        new = with_role_changed(group, old, vector)
        if new.role(old.name) is None:
            _refuse_with_vms(draft, group, old, "rename")
        return new

    return await _changed(call, group_id, "role updated", change)


def _role(group: VmGroup, role_id: int) -> Role:
    for role in group.roles:
        if role.id == role_id:
            return role
    known = ", ".join(f"{role.id} {role.name}" for role in group.roles)
    raise Refused(f"{called(group)} has no role {role_id}, it has {known}", group.id)


def _refuse_with_vms(draft: Draft, group: VmGroup, role: Role, word: str) -> None:
    ids = draft.members_of(group.id).vms.get(role.name)
    if ids:
        raise Refused(
            f"Unable to {word} role {role.id}: {role.name} of {called(group)} has {_vms(ids)}: take them out first",
            group.id,
        )


async def _changed(call: Call, group_id: int, what: str, change: Callable[[Draft, VmGroup], VmGroup]) -> int:
    """Change the roles or rules of a group; raises what is wrong with them, or who does not keep them."""

    def checked(draft: Draft, group: VmGroup) -> VmGroup:
        new = change(draft, group)
        check_group(new)
        refuse_broken(draft, group, new)
        return new

    return await changed(call, KIND, group_id, Right.MANAGE, what, checked)


@method("one.vmgroup.lock")
async def lock(call: Call, group_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change a VM group: level 1 use, 2 manage, 3 admin, 4 all."""
    return await lock_object(call, KIND, group_id, level, test)


@method("one.vmgroup.unlock")
async def unlock(call: Call, group_id: int) -> int:
    """Take the lock of a VM group away."""
    return await unlock_object(call, KIND, group_id)


_OWNED = Owned("one.vmgroup", KIND, "group_id", "a VM group")
declare_rename(_OWNED)
declare_chmod(_OWNED)
declare_chown(_OWNED, "Change owner and group of a VM group; -1 keeps.", "new_gid")
