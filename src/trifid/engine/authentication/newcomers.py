"""Users that are made when they come: somebody vouches for them, a driver that is asked about unknown names."""

from msgspec.structs import replace

from trifid.core.access import ENGINE, ONEADMIN_GID, USERS_GID
from trifid.core.user import Group, User
from trifid.engine.authentication.external import Newcomer
from trifid.engine.transaction import Draft
from trifid.errors import NotAuthenticated, NotFound


def newcomers_id(draft: Draft, newcomer: Newcomer) -> int:
    """Return the id of a user that a driver vouches for; it is made when there is none of that name.

    Raises:
        NotAuthenticated: the name is that of a user who comes in another way, or a group does not exist.
    """
    user_id = draft.named("user", newcomer.name)
    if user_id is not None:
        if draft.user(user_id).auth_driver != newcomer.method:
            raise NotAuthenticated(f"there is a user {newcomer.name} that is not of {newcomer.method}", user_id)
        return user_id
    gids = newcomer.gids or (USERS_GID,)
    groups = groups_named(draft, newcomer.method, gids)
    user = User(draft.next_id("user"), newcomer.name, gids, password=newcomer.kept, auth_driver=newcomer.method)
    draft.put(user)
    for group in groups:
        if group.id in newcomer.admin_gids and group.id != ONEADMIN_GID:
            draft.put(replace(group, admins=(*group.admins, user.id)))
    draft.note("USER", user.id, ENGINE, "allocated", text=f"{user.name}, by {newcomer.method}")
    return user.id


def groups_named(draft: Draft, method: str, gids: tuple[int, ...]) -> list[Group]:
    """Return the groups that a driver names; raises NotAuthenticated when there is one that does not exist."""
    try:
        return [draft.group(gid) for gid in gids]
    except NotFound as missing:
        raise NotAuthenticated(f"{method} names group {missing.object_id}, which does not exist") from missing
