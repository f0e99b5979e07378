"""Who is calling: from the session string `user:secret` to a Caller.

The secret is the password, a login token, or what another way of authentication wants.  A success is remembered for a
while, keyed by a digest of the session and valid only as long as the user's record is the very same: a new password,
a cleared token, a disabled or deleted user hold from the next call on.  Sessions that come at the same time are
checked once.

Whatever is wrong, the text is the same, and so is the work: one slow hash.
Source: reference/xmlrpc.md §3, reference/api-modern.md §1.
"""

import asyncio
import functools
import hashlib
import hmac
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from trifid.core.access import ENGINE, Caller
from trifid.core.user import (
    BUILT_IN_METHODS,
    CORE,
    USER_NAME_LENGTH_MAX,
    LoginToken,
    User,
    is_user_name,
    token_digest,
)
from trifid.engine.authentication.external import Denied, External, Newcomer, Unheard
from trifid.engine.authentication.newcomers import groups_named, newcomers_id
from trifid.engine.authentication.passwords import Hasher, hash_password, is_old, is_too_long, password_matches
from trifid.engine.authentication.throttle import Throttle, address_of
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft
from trifid.errors import NotAuthenticated, TrifidError

__all__ = ["REMEMBER_S", "Authenticator", "hash_password", "password_matches", "token_digest"]

log = logging.getLogger("trifid.auth")

REMEMBER_S = 900
REMEMBERED_MAX = 10_000
_REFUSED = "User couldn't be authenticated, aborting call."
_CHANGES_MAX = 5
"""How often a user may change while it is being checked."""
_NOBODY = ""

Ask = Callable[[Callable[[Draft], Any]], Awaitable[Any]]
"""Has a command decided and made durable."""


class _Known(NamedTuple):
    """A session that was right, while its user is the one that it was checked for."""

    user: User
    caller: Caller
    until: int


class Authenticator:
    """Checks sessions against the users in memory.

    Args:
        now: epoch seconds.
        ask: has commands carried out; without it no old hash is replaced and no user is made.
        external: asks the authentication driver.
        default: the way of authentication that is asked about users who do not exist, "" for none.
        remember_s: a success is not checked again for so long.
        monotonic: seconds of a clock that does not jump.
        sleep: waits.
    """

    def __init__(
        self,
        memory: Memory,
        now: Callable[[], int],
        *,
        ask: Ask | None = None,
        external: External | None = None,
        default: str = "",
        remember_s: int = REMEMBER_S,
        hasher: Hasher | None = None,
        throttle: Throttle | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._memory = memory
        self._now = now
        self._ask = ask
        self._external = external
        self._default = default
        self._remember_s = remember_s
        self._hasher = hasher or Hasher()
        self._throttle = throttle or Throttle()
        self._monotonic = monotonic
        self._sleep = sleep
        self._remembered: dict[bytes, _Known] = {}
        self._checking: dict[tuple[bytes, str], asyncio.Task[_Known]] = {}
        self._ended = asyncio.Event()
        self._salt = secrets.token_bytes(16)

    @property
    def methods(self) -> tuple[str, ...]:
        """The ways of authentication that users may have."""
        return (*BUILT_IN_METHODS, *(self._external.methods if self._external is not None else ()))

    def remembered(self, session: str) -> Caller | None:
        """Return the caller of a session that was checked a short while ago, or None."""
        known = self._remembered.get(self._key(session))
        return self._with_rules(known.caller) if known is not None and self._holds(known) else None

    async def hashed(self, password: str) -> str:
        """Return what is kept of a password."""
        return await self._hasher.hashed(password)

    async def caller(self, session: str, peer: str = "") -> Caller:
        """Return who is calling.

        Args:
            peer: address and port of the client; those who try too often from one have to wait.

        Raises:
            NotAuthenticated: unknown user, wrong secret, disabled user, malformed session; the text
                does not say which.  Or there were too many wrong tries.
        """
        key, address = self._key(session), address_of(peer)
        for _ in range(_CHANGES_MAX):
            if (caller := self.remembered(session)) is not None:
                return caller
            task = self._checking.get((key, address))
            if task is None:
                task = asyncio.create_task(self._checked(session, address), name="check of a session")
                self._checking[key, address] = task
                task.add_done_callback(functools.partial(self._is_checked, (key, address)))
            # a caller that goes away must not take the others' answer along
            known = await asyncio.shield(task)
            if self._memory.users.get(known.user.id) is known.user:
                return self._with_rules(known.caller)
        raise NotAuthenticated(_REFUSED)

    def _is_checked(self, which: tuple[bytes, str], task: "asyncio.Task[_Known]") -> None:
        self._checking.pop(which, None)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone: do not report it as never retrieved

    def _holds(self, known: _Known) -> bool:
        return self._memory.users.get(known.user.id) is known.user and self._now() < known.until

    def _with_rules(self, caller: Caller) -> Caller:
        """Return a caller with the access rules of now: one that is taken back counts for no later call."""
        return replace(caller, rules=self._memory.rules.of(caller.uid, caller.gids, caller.egid))

    def _key(self, session: str) -> bytes:
        data = session.encode(errors="surrogatepass")
        return hashlib.blake2b(data, key=self._salt, digest_size=16).digest()

    async def _checked(self, session: str, address: str) -> _Known:
        """Check a session, unless its user or its address has to wait; remember it when it is right."""
        # One that was right and whose time is over is no guess: guesses of others must not keep its owner out.
        known = await (self._told(session) if self._was_right(session) else self._tried(session, address))
        if known is None:
            raise NotAuthenticated(_REFUSED)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[self._key(session)] = known
        return known

    def _was_right(self, session: str) -> bool:
        """Tell whether a session was right with all that its user can log in with now."""
        known = self._remembered.get(self._key(session))
        now = self._memory.users.get(known.user.id) if known is not None else None
        return known is not None and now is not None and _ways_in(known.user) == _ways_in(now)

    async def _tried(self, session: str, address: str) -> _Known | None:
        """Return what `_told` does, of a session that may be a guess."""
        name = session.partition(":")[0]
        who = (name if len(name) <= USER_NAME_LENGTH_MAX else _NOBODY, address)
        await self._admitted(who)
        try:
            known = await self._told(session)
        except BaseException:
            self._throttle.neither(*who)
            raise
        finally:
            self._ended.set()
            self._ended = asyncio.Event()
        if known is None:
            self._throttle.wrong(*who, self._monotonic())
        else:
            self._throttle.right(*who)
        return known

    async def _told(self, session: str) -> _Known | None:
        """Return whom a session is of, None when it is wrong; raises NotAuthenticated when nobody can tell."""
        try:
            return await self._known(session)
        except Unheard as why:
            log.warning("whether a login is right could not be told: %s", why)
            raise NotAuthenticated(_REFUSED) from None

    async def _admitted(self, who: tuple[str, str]) -> None:
        """Return when a user may be tried from an address, and a try has begun; raises NotAuthenticated."""
        throttle = self._throttle
        self._refuse_hasty(who)
        if late_s := throttle.late_s(*who, self._monotonic()):
            await self._sleep(late_s)
        while throttle.is_busy(*who, self._monotonic()):
            await self._ended.wait()
        self._refuse_hasty(who)
        throttle.begin(*who)

    def _refuse_hasty(self, who: tuple[str, str]) -> None:
        if wait_s := self._throttle.wait_s(*who, self._monotonic()):
            raise NotAuthenticated(f"{_REFUSED} There were too many wrong tries: wait {math.ceil(wait_s)} s.")

    async def _known(self, session: str) -> _Known | None:
        """Return whom a session is of; None when it is wrong, which always costs one slow hash.

        Raises:
            Unheard: the driver does not tell.
        """
        name, colon, secret = session.partition(":")
        if not colon or is_too_long(secret):
            secret = ""
        user_id = self._memory.names.get(("user", name))
        user = self._memory.users.get(user_id) if user_id is not None else None
        token = self._token(user, secret) if user is not None else None
        if user is not None and token is not None:
            return self._right(user, token)
        is_of_core = user is not None and user.auth_driver == CORE
        kept = user.password if user is not None and is_of_core else ""
        is_right = await self._hasher.matches(secret, kept)
        if not secret or (user is not None and not user.enabled):
            return None
        if user is not None and is_of_core:
            return self._right(await self._with_new_hash(user, secret)) if is_right else None
        return await self._by_driver(user, name, secret)

    def _token(self, user: User, secret: str) -> LoginToken | None:
        """Return the token that a secret is, if it lets the user in."""
        digest = token_digest(secret)
        now = self._now()
        for token in user.tokens:
            is_current = token.expires_at < 0 or token.expires_at > now
            is_usable = is_current and user.enabled and (token.egid < 0 or token.egid in user.gids)
            if hmac.compare_digest(token.digest, digest) and is_usable:
                return token
        return None

    def _right(self, user: User, token: LoginToken | None = None, until: int | None = None) -> _Known:
        egid = token.egid if token is not None else -1
        caller = Caller(user.id, user.name, user.gids if egid < 0 else (egid,), egid)
        ends = [self._now() + self._remember_s]
        if token is not None and token.expires_at >= 0:
            ends.append(token.expires_at)
        if until is not None:
            ends.append(until)
        return _Known(user, caller, min(ends))

    async def _with_new_hash(self, user: User, password: str) -> User:
        """Return the user with a hash of ours instead of one of another installation; when that fails, as it was."""
        if self._ask is None or not is_old(user.password):
            return user
        new, old = await self._hasher.hashed(password), user.password

        def command(draft: Draft) -> None:
            now = draft.user(user.id)
            if now.password == old:
                draft.put(replace(now, password=new))
                draft.note("USER", user.id, ENGINE, "password hashed anew")

        try:
            await self._ask(command)
        except TrifidError as fault:
            log.warning("the old password hash of user %d stays: %s", user.id, fault.message)
        changed = self._memory.users.get(user.id)
        # if more than the hash has changed, what was checked is out of date: `caller` looks again
        return changed if changed == replace(user, password=new) else user

    # -- other ways of authentication ---------------------------------------------------------------

    async def _by_driver(self, user: User | None, name: str, secret: str) -> _Known | None:
        method = user.auth_driver if user is not None else self._default
        if self._external is None or not self._external.knows(method) or not is_user_name(name):
            return None
        try:
            if user is not None:
                passed = await self._external.known(user, secret)
                return self._right(await self._in_groups(user, passed.gids), until=passed.until)
            newcomer = await self._external.unknown(name, secret)
        except Denied as why:
            log.info("%s denies %s: %s", method, name, why)
            return None
        made = await self._made(newcomer)
        return self._right(made) if made is not None and made.enabled else None

    async def _in_groups(self, user: User, gids: tuple[int, ...]) -> User:
        """Return a user that is in the groups which its driver names; as it was when it is, or they are not there."""
        if self._ask is None or not gids or set(gids) == set(user.gids):
            return user
        kept = tuple(gid for gid in (user.gid,) if gid in gids)
        wanted = replace(user, gids=tuple(dict.fromkeys((*kept, *gids))))

        def command(draft: Draft) -> None:
            groups_named(draft, user.auth_driver, gids)
            if draft.user(user.id) == user:
                draft.put(wanted)
                draft.note("USER", user.id, ENGINE, "groups changed", text=f"by {user.auth_driver}")

        try:
            await self._ask(command)
        except TrifidError as fault:
            log.warning("the groups of user %s stay: %s", user.name, fault.message)
        changed = self._memory.users.get(user.id)
        return changed if changed == wanted else user

    async def _made(self, newcomer: Newcomer) -> User | None:
        """Return the user of somebody that a driver vouches for, made if need be; None when it cannot be made."""
        if self._ask is None:
            return None
        try:
            user_id: int = await self._ask(lambda draft: newcomers_id(draft, newcomer))
        except TrifidError as fault:
            log.warning("user %s of %s cannot be made: %s", newcomer.name, newcomer.method, fault.message)
            return None
        return self._memory.users.get(user_id)


def _ways_in(user: User) -> tuple[str, str, tuple[LoginToken, ...]]:
    return user.auth_driver, user.password, user.tokens
