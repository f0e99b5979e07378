"""one.group.* and one.grouppool.info: the groups that users belong to."""

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.user import Group
from trifid.core.vdc import DEFAULT_ID
from trifid.engine.transaction import Draft
from trifid.errors import Refused
from trifid.methods.common import changed, listed, name_checked, read, refuse_taken, updated
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

KIND = "GROUP"


@method("one.group.allocate")
async def allocate(call: Call, name: str) -> int:
    """Add a group; it is in the default virtual data centre, and no rule lets it create anything."""
    check(call.caller, Right.CREATE, KIND)
    new = name_checked(name)

    def command(draft: Draft) -> int:
        refuse_taken(draft, KIND, new)
        group = Group(id=draft.next_id("group"), name=new)
        draft.put(group)
        for default in [one for one in draft.each("vdcs") if one.id == DEFAULT_ID]:
            draft.put(replace(default, group_ids=(*default.group_ids, group.id)))
        draft.note(KIND, group.id, call.caller, "allocated", text=new)
        return group.id

    return await call.ask(command)


@method("one.group.delete")
async def delete(call: Call, group_id: int) -> int:
    """Delete a group without members."""

    def command(draft: Draft) -> int:
        group = draft.group(group_id)
        check(call.caller, Right.ADMIN, KIND, group)
        if group_id < 100:
            raise Refused("Cannot delete group. System Groups (ID < 100) cannot be deleted.", group_id)
        members = [user.name for user in draft.each("users") if group_id in user.gids]
        if members:
            some = ", ".join(sorted(members)[:5])
            raise Refused(f"Cannot delete group. Group {group_id} is not empty: {some}.", group_id)
        draft.delete("groups", group_id)
        draft.note(KIND, group_id, call.caller, "deleted", text=group.name)
        return group_id

    return await call.ask(command)


@method("one.group.update")
async def update(call: Call, group_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a group; restricted ones only administrators change."""

    def change(draft: Draft, group: Group) -> Group:
        new = updated(group.template, template, append)
        if not call.caller.is_admin:
            restricted = call.engine.config.restricted.of_groups
            new = restricted.checked(group.template, new, uid=call.caller.uid, what="Group")
        return replace(group, template=new)

    return await changed(call, KIND, group_id, Right.MANAGE, "updated", change)


@method("one.group.addadmin")
async def add_admin(call: Call, group_id: int, user_id: int) -> int:
    """Let a member administer the group: make users in it, and manage them and what belongs to the group."""

    def change(draft: Draft, group: Group) -> Group:
        user = draft.user(user_id)
        check(call.caller, Right.MANAGE, "USER", user)
        if group_id not in user.gids:
            raise Refused(f"User {user.name} [{user_id}] is not a member of group {group.name} [{group_id}]", group_id)
        if user_id in group.admins:
            raise Refused(f"User {user.name} [{user_id}] already administers group {group.name} [{group_id}]", group_id)
        return replace(group, admins=(*group.admins, user_id))

    return await changed(call, KIND, group_id, Right.MANAGE, f"administrator {user_id} added", change)


@method("one.group.deladmin")
async def remove_admin(call: Call, group_id: int, user_id: int) -> int:
    """Let a member administer the group no more; it stays a member."""

    def change(draft: Draft, group: Group) -> Group:
        user = draft.user(user_id)
        check(call.caller, Right.MANAGE, "USER", user)
        if user_id not in group.admins:
            raise Refused(f"User {user.name} [{user_id}] does not administer group {group.name} [{group_id}]", group_id)
        return replace(group, admins=tuple(one for one in group.admins if one != user_id))

    return await changed(call, KIND, group_id, Right.MANAGE, f"administrator {user_id} removed", change)


@method("one.group.info")
async def info(call: Call, group_id: int, decrypt: bool = False) -> Escaped:
    """Answer a group's document; -1 is the caller's primary group."""
    group = read(call.engine.turns.memory.groups, "groups", call.caller.gid if group_id == -1 else group_id)
    check(call.caller, Right.USE, KIND, group)
    return call.engine.documents.group_document(group)


@method("one.grouppool.info")
async def pool(call: Call) -> Escaped:
    """Answer all groups that the caller may see."""
    groups = listed(call.engine.turns.memory.groups.values(), call.caller, KIND, -2, -1, -1)
    return call.engine.documents.group_pool(groups)
