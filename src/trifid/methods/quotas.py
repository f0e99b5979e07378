"""one.user.quota, one.group.quota, one.userquota.* and one.groupquota.*: what users and groups may have at most.

Source: reference/api-modern.md §4.
"""

from msgspec.structs import replace

from trifid.core.access import ONEADMIN_GID, ONEADMIN_UID, Right
from trifid.core.quota import GROUPS, USERS, DefaultQuotas
from trifid.core.quota_text import with_limits
from trifid.core.user import Group, User
from trifid.engine.transaction import Draft
from trifid.errors import NotAllowed, Refused
from trifid.methods.common import changed, parse_update
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped


@method("one.user.quota")
async def user_quota(call: Call, user_id: int, quota: str) -> int:
    """Set limits of a user; those that the quota template does not name stay."""

    def change(draft: Draft, user: User) -> User:
        if user_id == ONEADMIN_UID:
            raise Refused("Cannot set quotas for oneadmin user", user_id)
        return replace(user, limits=with_limits(user.limits, parse_update(quota), of_all=False))

    return await changed(call, "USER", user_id, Right.ADMIN, "quotas set", change)


@method("one.group.quota")
async def group_quota(call: Call, group_id: int, quota: str) -> int:
    """Set limits of a group; those that the quota template does not name stay."""

    def change(draft: Draft, group: Group) -> Group:
        if group_id == ONEADMIN_GID:
            raise Refused("Cannot set quotas for oneadmin group", group_id)
        return replace(group, limits=with_limits(group.limits, parse_update(quota), of_all=False))

    return await changed(call, "GROUP", group_id, Right.ADMIN, "quotas set", change)


@method("one.userquota.info")
async def user_defaults(call: Call) -> Escaped:
    """Answer the limits of all users that have none of their own."""
    _only_for_administrators(call, "see the default quotas of users")
    return call.engine.documents.default_quotas(USERS)


@method("one.userquota.update")
async def update_user_defaults(call: Call, quota: str) -> Escaped:
    """Set limits of all users that have none of their own; answer them all."""
    return await _update(call, USERS, quota)


@method("one.groupquota.info")
async def group_defaults(call: Call) -> Escaped:
    """Answer the limits of all groups that have none of their own."""
    _only_for_administrators(call, "see the default quotas of groups")
    return call.engine.documents.default_quotas(GROUPS)


@method("one.groupquota.update")
async def update_group_defaults(call: Call, quota: str) -> Escaped:
    """Set limits of all groups that have none of their own; answer them all."""
    return await _update(call, GROUPS, quota)


async def _update(call: Call, of: int, quota: str) -> Escaped:
    whose = "users" if of == USERS else "groups"
    _only_for_administrators(call, f"change the default quotas of {whose}")

    def command(draft: Draft) -> None:
        old = draft.find("default_quotas", of) or DefaultQuotas(of)
        draft.put(replace(old, limits=with_limits(old.limits, parse_update(quota), of_all=True)))
        draft.note("ENGINE", 0, call.caller, "default quotas set", text=whose)

    await call.ask(command)
    return call.engine.documents.default_quotas(of)


def _only_for_administrators(call: Call, what: str) -> None:
    if not call.caller.is_admin:
        raise NotAllowed(f"User [{call.caller.uid}] : Not authorized to {what}: members of group 0 are.")
