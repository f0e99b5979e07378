"""one.group.* and one.grouppool.info: the groups that users belong to."""

from trifid.core.access import Right, check
from trifid.core.user import Group
from trifid.engine.transaction import Draft
from trifid.errors import Refused
from trifid.methods.common import listed, name_checked, read, refuse_taken
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped


@method("one.group.allocate")
async def allocate(call: Call, name: str) -> int:
    """Add a group."""
    check(call.caller, Right.CREATE, "GROUP")
    new = name_checked(name)

    def command(draft: Draft) -> int:
        refuse_taken(draft, "GROUP", new)
        group = Group(id=draft.next_id("group"), name=new)
        draft.put(group)
        draft.note("GROUP", group.id, call.caller, "allocated", text=new)
        return group.id

    return await call.engine.turns.ask(command)


@method("one.group.delete")
async def delete(call: Call, group_id: int) -> int:
    """Delete a group without members."""

    def command(draft: Draft) -> int:
        group = draft.group(group_id)
        check(call.caller, Right.ADMIN, "GROUP", group)
        if group_id < 100:
            raise Refused("Cannot delete group. System Groups (ID < 100) cannot be deleted.", group_id)
        members = [user.name for user in draft.each("users") if group_id in user.gids]
        if members:
            some = ", ".join(sorted(members)[:5])
            raise Refused(f"Cannot delete group. Group {group_id} is not empty: {some}.", group_id)
        draft.delete("groups", group_id)
        draft.note("GROUP", group_id, call.caller, "deleted", text=group.name)
        return group_id

    return await call.engine.turns.ask(command)


@method("one.group.info")
async def info(call: Call, group_id: int, decrypt: bool = False) -> Escaped:
    """Answer a group's document; -1 is the caller's primary group."""
    group = read(call.engine.turns.memory.groups, "groups", call.caller.gid if group_id == -1 else group_id)
    check(call.caller, Right.USE, "GROUP", group)
    return call.engine.documents.group_document(group)


@method("one.grouppool.info")
async def pool(call: Call) -> Escaped:
    """Answer all groups that the caller may see."""
    groups = listed(call.engine.turns.memory.groups.values(), call.caller, "GROUP", -2, -1, -1)
    return call.engine.documents.group_pool(groups)
