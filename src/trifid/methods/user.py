"""one.user.* and one.userpool.info."""

import secrets
from collections.abc import Callable

from msgspec.structs import replace

from trifid.core.access import ONEADMIN_UID, USERS_GID, Right, allowed, check
from trifid.core.umask import check_umask
from trifid.core.user import (
    CORE,
    PUBLIC,
    USER_NAME_FORBIDDEN,
    LoginToken,
    User,
    check_weight,
    is_one_word,
    token_digest,
    token_id,
)
from trifid.engine.authentication.external import NOTHING_KEPT
from trifid.engine.authentication.passwords import SECRET_BYTES_MAX, is_too_long, old_hash
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, NotAllocated, NotAllowed, NotFound, Refused
from trifid.methods.common import changed, listed, name_checked, read, refuse_taken, updated
from trifid.methods.ownership import owned_by
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

SERVERADMIN_UID = 1
TOKENS_MAX = 32
TOKEN_S_MAX = 10 * 366 * 86400
FOR_EVER = -1
SSH = "ssh"
"""The one driver for which users set themselves what is kept: their own public keys."""


def _target(call: Call, user_id: int) -> int:
    """Return the user id meant: -1 is the caller."""
    return call.caller.uid if user_id == -1 else user_id


@method("one.user.allocate")
async def allocate(call: Call, name: str, password: str, driver: str, groups: list) -> int:  # type: ignore[type-arg]
    """Add a user; the first group is its primary one."""
    if not all(type(gid) is int for gid in groups):
        raise NotAllocated("groups must be an array of group ids")
    gids = tuple(dict.fromkeys(groups)) or (USERS_GID if call.caller.is_admin else call.caller.gid,)
    for gid in gids:
        check(call.caller, Right.CREATE, "USER", gid=gid)
    driver = driver or CORE
    try:
        name = name_checked(name, USER_NAME_FORBIDDEN)
        kept = await _kept(call, driver, password)
    except Refused as bad:
        raise NotAllocated(f"{bad.message}.") from bad

    def command(draft: Draft) -> int:
        refuse_taken(draft, "USER", name)
        for gid in gids:
            draft.group(gid)
        user = User(id=draft.next_id("user"), name=name, gids=gids, password=kept, auth_driver=driver)
        draft.put(user)
        draft.note("USER", user.id, call.caller, "allocated", text=name)
        return user.id

    return await call.ask(command)


async def _kept(call: Call, driver: str, password: str) -> str:
    """Return what is kept of a password: of core its hash, of another way of authentication the text itself.

    Raises:
        Refused: no such way, or nothing that can be kept; the text does not quote it.
    """
    auth = call.engine.auth
    if driver not in auth.methods:
        known = ", ".join(auth.methods)
        raise Refused(f"authentication driver {driver[:40]} is not configured; there are {known}")
    if driver == PUBLIC:
        return NOTHING_KEPT
    if not password:
        raise Refused("Invalid password, it cannot be empty")
    if is_too_long(password):
        raise Refused(f"Invalid password, it is longer than {SECRET_BYTES_MAX} bytes")
    if driver == CORE:
        return await auth.hashed(password)
    if not is_one_word(password):
        what = "a public key as oneuser key prints it" if driver == SSH else "one word, - for nothing"
        raise Refused(f"Invalid password, what is kept of a user for {driver} is {what}")
    return password


@method("one.user.delete")
async def delete(call: Call, user_id: int) -> int:
    """Delete a user that owns nothing."""

    def command(draft: Draft) -> int:
        user = draft.user(user_id)
        check(call.caller, Right.ADMIN, "USER", user)
        if user_id in (ONEADMIN_UID, SERVERADMIN_UID):
            raise Refused(f"Cannot delete user. {user.name} cannot be deleted.", user_id)
        owned = owned_by(draft, user_id)
        if owned:
            more = ", …" if len(owned) > 5 else ""
            raise Refused(f"Cannot delete user. {user.name} still owns {', '.join(owned[:5])}{more}", user_id)
        draft.delete("users", user_id)
        draft.note("USER", user_id, call.caller, "deleted", text=user.name)
        return user_id

    return await call.ask(command)


@method("one.user.info")
async def info(call: Call, user_id: int, decrypt: bool = False) -> Escaped:
    """Answer a user's document; -1 is the caller."""
    user = read(call.engine.turns.memory.users, "users", _target(call, user_id))
    check(call.caller, Right.USE, "USER", user)
    return call.engine.documents.user_document(user)


@method("one.userpool.info")
async def pool(call: Call) -> Escaped:
    """Answer all users that the caller may see."""
    users = listed(call.engine.turns.memory.users.values(), call.caller, "USER", -2, -1, -1)
    return call.engine.documents.user_pool(users)


@method("one.user.passwd")
async def passwd(call: Call, user_id: int, password: str) -> int:
    """Set a password, of ssh the public key; login tokens stop working.

    A session that is limited to one group may not.  What is kept for other drivers administrators set.
    """
    _refuse_limited(call, "set a password")
    target = _target(call, user_id)
    # before the work of hashing; who may is asked again of the user as it is then
    before = read(call.engine.turns.memory.users, "users", target)
    check(call.caller, Right.MANAGE, "USER", before)
    driver = before.auth_driver
    if driver not in (CORE, SSH) and not allowed(call.caller, Right.ADMIN, "USER", before):
        raise Refused(f"the password of user {before.name} is where {driver} looks for it, and not kept here", target)
    kept = await _kept(call, driver, password)

    def change(draft: Draft, user: User) -> User:
        if user.auth_driver != driver:
            raise Refused(f"user {user.name} has got another authentication driver meanwhile: try again", target)
        return replace(user, password=kept, tokens=())

    return await changed(call, "USER", target, Right.MANAGE, "password set", change)


@method("one.user.chauth")
async def chauth(call: Call, user_id: int, driver: str, password: str) -> int:
    """Change what checks a user's logins, and what is kept for that; login tokens stop working.

    Without a password what is kept stays, if the driver does, and else is nothing: the way to core needs one.
    """
    _refuse_limited(call, "change how users log in")
    driver = driver or CORE
    before = read(call.engine.turns.memory.users, "users", user_id)
    check(call.caller, Right.ADMIN, "USER", before)
    if user_id == ONEADMIN_UID and driver == PUBLIC:
        raise Refused("oneadmin must be able to log in: public lets nobody in but by tokens", user_id)
    keeps = not password and driver == before.auth_driver
    kept = before.password if keeps else await _kept(call, driver, password or (NOTHING_KEPT if driver != CORE else ""))

    def change(draft: Draft, user: User) -> User:
        if keeps and user.auth_driver != driver:
            raise Refused(f"user {user.name} has got another authentication driver meanwhile: try again", user_id)
        return replace(user, auth_driver=driver, password=user.password if keeps else kept, tokens=())

    return await changed(call, "USER", user_id, Right.ADMIN, "authentication changed", change)


@method("trifid.user.import_hash")
async def import_hash(call: Call, user_id: int, password_hash: str) -> int:
    """Take over the hash of a password from another installation: SHA-256, or SHA-1, as hex digits.

    It is replaced by a better one when the user logs in next.
    """
    _refuse_limited(call, "set a password")
    kept = old_hash(password_hash)
    if kept is None:
        raise Refused("a hash of a password is 64 hex digits (SHA-256) or 40 (SHA-1), nothing before or after", user_id)

    def change(draft: Draft, user: User) -> User:
        if user.auth_driver != CORE:
            raise Refused(f"user {user.name} has the authentication driver {user.auth_driver}, not {CORE}", user_id)
        return replace(user, password=kept, tokens=())

    return await changed(call, "USER", user_id, Right.ADMIN, "password hash imported", change)


def _refuse_limited(call: Call, what: str) -> None:
    if call.caller.is_limited:
        raise NotAllowed(
            f"User [{call.caller.uid}] : Not authorized to {what} with a token that is limited to group "
            f"{call.caller.egid}: use the password."
        )


@method("one.user.login")
async def login(call: Call, name: str, token: str, valid_s: int, egid: int = -1) -> str:
    """Make (valid_s > 0, or -1 for ever) or clear (0) a login token; answer it, this one time only.

    What is cleared is told by the token itself, or by what lists call it; all of them without.

    A session that is limited to one group makes tokens for that group only.
    """
    if valid_s != FOR_EVER and not 0 <= valid_s <= TOKEN_S_MAX:
        raise BadRequest(f"Wrong validity {valid_s}: seconds up to {TOKEN_S_MAX}, 0 clears, -1 is for ever")
    if is_too_long(token):
        raise BadRequest(f"Wrong token, it is longer than {SECRET_BYTES_MAX} bytes")
    clears_one = valid_s == 0 and token
    if egid != call.caller.egid and not clears_one:
        _refuse_limited(call, "manage tokens of all groups")

    def command(draft: Draft) -> str:
        user_id = draft.named("user", name)
        if user_id is None:
            raise NotFound("user", -1)
        user = draft.user(user_id)
        check(call.caller, Right.MANAGE, "USER", user)
        if egid == -1 and valid_s != 0 and set(call.caller.gids) != set(user.gids):
            who = f"User [{call.caller.uid}]"
            raise NotAllowed(f"{who} : Not authorized to make a token of another user's groups.", user_id)
        if egid != -1 and egid not in user.gids:
            raise Refused(f"user {name} is not a member of group {egid}", user_id)
        digest = token_digest(token)
        live = tuple(t for t in user.tokens if t.expires_at < 0 or t.expires_at > draft.now)
        if valid_s == 0:
            kept = tuple(t for t in live if t.digest != digest and token_id(t.digest) != token) if token else ()
            if token and len(kept) == len(live):
                raise Refused(f"user {name} has no such token", user_id)
            draft.put(replace(user, tokens=kept))
            draft.note("USER", user_id, call.caller, "token cleared")
            return token or " "
        if len(live) >= TOKENS_MAX:
            many = f"user {name} has {len(live)} login tokens, {TOKENS_MAX} at most"
            raise Refused(f"{many}: clear some with validity 0", user_id)
        new = token or secrets.token_hex(32)
        expires_at = -1 if valid_s < 0 else draft.now + valid_s
        draft.put(replace(user, tokens=(*live, LoginToken(token_digest(new), expires_at, egid))))
        draft.note("USER", user_id, call.caller, "token made")
        return new

    return await call.ask(command)


@method("one.user.update")
async def update(call: Call, user_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a user; restricted ones, as SCHED_WEIGHT, administrators change."""
    caller = call.caller

    def change(draft: Draft, user: User) -> User:
        new = updated(user.template, template, append)
        if not caller.is_admin:
            restricted = call.engine.config.restricted.of_users
            new = restricted.checked(user.template, new, uid=caller.uid, what="User")
        check_weight(user.template, new)
        check_umask(user.template, new)
        return replace(user, template=new)

    return await changed(call, "USER", _target(call, user_id), Right.MANAGE, "updated", change)


@method("one.user.enable")
async def enable(call: Call, user_id: int, enabled: bool) -> int:
    """Let a user in, or keep it out; what it owns stays."""

    def change(draft: Draft, user: User) -> User:
        if user_id == ONEADMIN_UID and not enabled:
            raise Refused("Cannot disable user. oneadmin cannot be disabled.", user_id)
        return replace(user, enabled=enabled)

    return await changed(call, "USER", user_id, Right.ADMIN, "enabled" if enabled else "disabled", change)


@method("one.user.chgrp")
async def chgrp(call: Call, user_id: int, group_id: int) -> int:
    """Change a user's primary group."""

    def change(user: User) -> tuple[int, ...]:
        return tuple(dict.fromkeys((group_id, *user.gids[1:])))

    return await _regroup(call, user_id, group_id, change)


@method("one.user.addgroup")
async def addgroup(call: Call, user_id: int, group_id: int) -> int:
    """Add a user to a further group."""

    def change(user: User) -> tuple[int, ...]:
        if group_id in user.gids:
            raise Refused(f"User is already in group {group_id}", user_id)
        return (*user.gids, group_id)

    return await _regroup(call, user_id, group_id, change)


@method("one.user.delgroup")
async def delgroup(call: Call, user_id: int, group_id: int) -> int:
    """Take a user out of a further group."""

    def change(user: User) -> tuple[int, ...]:
        if group_id == user.gids[0]:
            raise Refused(f"Cannot remove user from its primary group {group_id}: use chgrp", user_id)
        if group_id not in user.gids:
            raise Refused(f"User is not part of group {group_id}", user_id)
        return tuple(gid for gid in user.gids if gid != group_id)

    return await _regroup(call, user_id, group_id, change)


async def _regroup(call: Call, user_id: int, group_id: int, groups: Callable[[User], tuple[int, ...]]) -> int:
    _refuse_limited(call, "change who is in which group")

    def change(draft: Draft, user: User) -> User:
        check(call.caller, Right.MANAGE, "GROUP", draft.group(group_id))
        return replace(user, gids=groups(user))

    return await changed(call, "USER", user_id, Right.MANAGE, "groups changed", change)
