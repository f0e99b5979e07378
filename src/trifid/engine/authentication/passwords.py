"""Passwords: what is kept of one, and whether another is it.

A check costs tens of milliseconds on purpose.  Whatever is kept, and when nothing is, one check is one scrypt: how
long it takes does not tell what is wrong.

Hashes of another installation, SHA-256 hex and the older SHA-1 hex, are accepted until the user's next login.
Source: reference/xmlrpc.md §3 (what which release stores).
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

SECRET_BYTES_MAX = 4096
"""A longer secret is none, and is not even hashed."""
HASHING_THREADS = 2
_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 1
_MEMORY_BYTES_MAX = 64 << 20
_SALT_BYTES = 16
_OLD = {"sha1": 40, "sha256": 64}
"""Schemes of other installations, and how many digits their hashes have."""
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)

Scrypt = Callable[[str, bytes], bytes]
"""A password and a salt -> the slow hash."""


def scrypt(password: str, salt: bytes) -> bytes:
    """Return the slow hash of a password."""
    return hashlib.scrypt(_bytes(password), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=_MEMORY_BYTES_MAX)


def hash_password(password: str, salt: bytes | None = None, slow: Scrypt = scrypt) -> str:
    """Return `scrypt$salt$hash`, both hex, for keeping."""
    salt = salt if salt is not None else secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${salt.hex()}${slow(password, salt).hex()}"


def password_matches(password: str, kept: str, slow: Scrypt = scrypt) -> bool:
    """Tell whether `password` is the one that `kept` was made from, in constant time; it is one scrypt, always."""
    scheme, _, rest = kept.partition("$")
    salt, _, digest = rest.partition("$")
    is_ours = scheme == "scrypt" and bool(digest) and _HEX.fullmatch(salt) is not None and len(salt) % 2 == 0
    hashed = slow(password, bytes.fromhex(salt) if is_ours else b"nobody's")
    if is_ours:
        return hmac.compare_digest(hashed.hex().encode(), _bytes(digest))
    if is_old(kept):
        return hmac.compare_digest(hashlib.new(scheme, _bytes(password)).hexdigest().encode(), _bytes(rest))
    return False


def old_hash(text: str) -> str | None:
    """Return what is kept of a hash of another installation, 40 or 64 hex digits; None for anything else."""
    digits = text.strip().lower()
    for scheme, length in _OLD.items():
        if len(digits) == length and _HEX.fullmatch(digits):
            return f"{scheme}${digits}"
    return None


def is_old(kept: str) -> bool:
    """Tell whether what is kept is a hash of another installation."""
    scheme, _, digits = kept.partition("$")
    return len(digits) == _OLD.get(scheme, -1) and _HEX.fullmatch(digits) is not None


def is_too_long(secret: str) -> bool:
    """Tell whether a secret is longer than any may be."""
    return len(secret) > SECRET_BYTES_MAX or len(_bytes(secret)) > SECRET_BYTES_MAX


def _bytes(text: str) -> bytes:
    # a lone surrogate cannot come over the wire, but nothing here may fail over what somebody typed
    return text.encode("utf-8", errors="surrogatepass")


class Hasher:
    """Hashes in threads of its own, so that those who guess take no thread that others wait for.

    Args:
        slow: the hash, in tests one that is quick or counts.
    """

    def __init__(self, slow: Scrypt = scrypt) -> None:
        self._slow = slow
        self._threads = ThreadPoolExecutor(HASHING_THREADS, "scrypt")

    async def hashed(self, password: str) -> str:
        """Return what is kept of a password."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: hash_password(password, slow=self._slow)
        )

    async def matches(self, password: str, kept: str) -> bool:
        """Tell whether a password is the one of which `kept` is kept; "" is that of nobody, and as slow."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: password_matches(password, kept, self._slow)
        )
