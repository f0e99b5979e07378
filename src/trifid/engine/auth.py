"""Who is calling: from the session string `user:secret` to a Caller.

The secret is the password or a login token.  Passwords are kept as scrypt hashes; a check costs tens
of milliseconds on purpose, so it runs in one of two threads of its own, which keeps those who guess
from taking the threads that others wait for.  A success is remembered for a while, keyed by a digest of
the session and valid only as long as the user's record is the very same.
Source: reference/xmlrpc.md §3, reference/api-modern.md §1.
"""

import asyncio
import functools
import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.user import LoginToken, User
from trifid.engine.memory import Memory
from trifid.errors import NotAuthenticated

REMEMBER_S = 900
REMEMBERED_MAX = 10_000
HASHING_THREADS = 2
_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 1


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return `scrypt$salt$hash`, both hex, for keeping."""
    salt = salt if salt is not None else secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=64 << 20)


def password_matches(password: str, kept: str) -> bool:
    """Tell whether `password` is the one that `kept` was made from, in constant time."""
    scheme, _, rest = kept.partition("$")
    salt, _, digest = rest.partition("$")
    if scheme != "scrypt" or not digest:
        return False
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


@functools.cache
def _nobody() -> str:
    """Return what no password matches; made once, since that costs as much as a check."""
    return hash_password(secrets.token_hex(8))


def token_digest(token: str) -> str:
    """Return what is kept of a login token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Authenticator:
    """Checks sessions against the users in memory."""

    def __init__(self, memory: Memory, now: Callable[[], int]) -> None:
        self._memory = memory
        self._now = now
        self._remembered: dict[bytes, tuple[User, Caller, int]] = {}
        self._salt = secrets.token_bytes(16)
        self._hashing = ThreadPoolExecutor(HASHING_THREADS, "scrypt")
        self._nobody = _nobody()

    def remembered(self, session: str) -> Caller | None:
        """Return the caller of a session that was checked a short while ago, or None."""
        known = self._remembered.get(self._key(session))
        if known is None:
            return None
        user, caller, until = known
        if self._memory.users.get(user.id) is not user or self._now() >= until:
            return None
        return self._with_rules(caller)

    async def hashed(self, password: str) -> str:
        """Return what is kept of a password."""
        return await asyncio.get_running_loop().run_in_executor(self._hashing, hash_password, password)

    async def caller(self, session: str) -> Caller:
        """Return who is calling.

        Raises:
            NotAuthenticated: unknown user, wrong secret, disabled user, malformed session; the text
                does not say which.
        """
        caller = self.remembered(session)
        if caller is not None:
            return caller
        name, colon, secret = session.partition(":")
        user_id = self._memory.names.get(("user", name))
        user = self._memory.users.get(user_id) if user_id is not None else None
        token = self._token(user, secret) if user else None
        if user is None or token is None:
            # An unknown user, or one without a password, costs as much as a wrong password.
            kept = user.password if user else ""
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._hashing, password_matches, secret, kept or self._nobody)
            if user is None or not kept or not right:
                raise NotAuthenticated("User couldn't be authenticated, aborting call.")
        if not user.enabled or not colon:
            raise NotAuthenticated("User couldn't be authenticated, aborting call.")
        egid = token.egid if token is not None else -1
        if egid >= 0 and egid not in user.gids:  # no member any more
            raise NotAuthenticated("User couldn't be authenticated, aborting call.")
        caller = Caller(user.id, user.name, user.gids if egid < 0 else (egid,), egid)
        until = self._now() + REMEMBER_S
        if token is not None and token.expires_at >= 0:
            until = min(until, token.expires_at)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[self._key(session)] = (user, caller, until)
        return self._with_rules(caller)

    def _with_rules(self, caller: Caller) -> Caller:
        """Return a caller with the access rules of now: one that is taken back counts for no later call."""
        return replace(caller, rules=self._memory.rules.of(caller.uid, caller.gids))

    def _key(self, session: str) -> bytes:
        return hashlib.blake2b(session.encode(), key=self._salt, digest_size=16).digest()

    def _token(self, user: User, secret: str) -> LoginToken | None:
        digest = token_digest(secret)
        now = self._now()
        for token in user.tokens:
            if (token.expires_at < 0 or token.expires_at > now) and hmac.compare_digest(token.digest, digest):
                return token
        return None
