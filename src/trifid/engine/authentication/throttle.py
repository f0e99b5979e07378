"""Those who try too often.  Pure but for what it remembers; the time is passed in.

    one user from one address     TRIES_OF_BOTH wrong tries, then a wait that doubles with each further one
    one address, any user         TRIES_OF_ADDRESS, then the same; not for who came in from there before
    one user from anywhere        TRIES_OF_USER, then each answer is late; not for who came in from there before

So nobody keeps a user out by guessing from elsewhere: what is refused is refused to the guesser's own address.  Users
that do not exist count like those that do.  Why: docs/decisions/0028.
"""

import ipaddress
import math
from collections import OrderedDict
from typing import NamedTuple

TRIES_OF_BOTH = 5
TRIES_OF_ADDRESS = 30
TRIES_OF_USER = 10
WAIT_S_MAX = 60.0
LATE_S_MAX = 4.0
_FIRST_LATE_S = 0.25
FORGIVEN_EVERY_S = 60.0
"""One try is forgotten after so long."""
KEPT_MAX = 20_000
"""Of each table; the one that was not used for longest goes first."""
_DOUBLINGS_MAX = 16
_IPV6_PREFIX = 64
"""Of one site: whoever has one address has all of them."""

Key = tuple[str, ...]


class Tries(NamedTuple):
    """Wrong tries of late.

    Attributes:
        wrong: how many, less those that were forgotten since.
        at_s: when it was counted.
    """

    wrong: float
    at_s: float


class Table:
    """Wrong tries by key, bounded."""

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._tries: OrderedDict[Key, Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def count(self, key: Key, now_s: float) -> float:
        """Return how many there were, less those that are forgotten."""
        tries = self._tries.get(key)
        return 0.0 if tries is None else max(0.0, tries.wrong - (now_s - tries.at_s) / FORGIVEN_EVERY_S)

    def since_s(self, key: Key, now_s: float) -> float:
        """Return how long ago the last one was."""
        tries = self._tries.get(key)
        return float("inf") if tries is None else now_s - tries.at_s

    def add(self, key: Key, now_s: float) -> None:
        """Count one more."""
        count = self.count(key, now_s) + 1
        self._put(key, Tries(count, now_s))

    def take_back(self, key: Key, now_s: float) -> None:
        """Count one less: it was no wrong try."""
        count, tries = self.count(key, now_s) - 1, self._tries.get(key)
        if tries is None or count <= 0:
            self._tries.pop(key, None)
        else:
            self._put(key, Tries(count, now_s))

    def forget(self, key: Key) -> None:
        """Forget all of a key."""
        self._tries.pop(key, None)

    def _put(self, key: Key, tries: Tries) -> None:
        self._tries[key] = tries
        self._tries.move_to_end(key)
        if len(self._tries) > self._kept_max:
            self._tries.popitem(last=False)


class Throttle:
    """Counts tries, and says who has to wait.

    A try counts from its beginning, so that many at the same time are no way round; `right` and `unheard` take it
    back.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._of_both = Table(kept_max)
        self._of_address = Table(kept_max)
        self._of_user = Table(kept_max)
        self._welcome: OrderedDict[Key, None] = OrderedDict()
        self._kept_max = kept_max

    def wait_s(self, name: str, address: str, now_s: float) -> float:
        """Return how long this user must not try from this address, 0 when it may now."""
        both = (name, address)
        wait_s = _wait_s(self._of_both, both, TRIES_OF_BOTH, now_s)
        if both in self._welcome:
            return wait_s
        return max(wait_s, _wait_s(self._of_address, (address,), TRIES_OF_ADDRESS, now_s))

    def late_s(self, name: str, address: str, now_s: float) -> float:
        """Return how long an answer to this user is held back."""
        if (name, address) in self._welcome:
            return 0.0
        beyond = math.ceil(self._of_user.count((name,), now_s)) - TRIES_OF_USER
        return min(LATE_S_MAX, _FIRST_LATE_S * 2 ** min(beyond, _DOUBLINGS_MAX)) if beyond >= 0 else 0.0

    def begin(self, name: str, address: str, now_s: float) -> None:
        """Count a try as a wrong one."""
        for table, key in self._counted(name, address):
            table.add(key, now_s)

    def right(self, name: str, address: str, now_s: float) -> None:
        """The try was right: the user is welcome from this address."""
        self.unheard(name, address, now_s)
        both = (name, address)
        self._of_both.forget(both)
        self._welcome[both] = None
        self._welcome.move_to_end(both)
        if len(self._welcome) > self._kept_max:
            self._welcome.popitem(last=False)

    def unheard(self, name: str, address: str, now_s: float) -> None:
        """Nobody could tell whether the try was right."""
        for table, key in self._counted(name, address):
            table.take_back(key, now_s)

    def _counted(self, name: str, address: str) -> tuple[tuple[Table, Key], ...]:
        return (
            (self._of_both, (name, address)),
            (self._of_address, (address,)),
            (self._of_user, (name,)),
        )


def _wait_s(table: Table, key: Key, free: int, now_s: float) -> float:
    beyond = math.ceil(table.count(key, now_s)) - free
    if beyond < 0:
        return 0.0
    wait_s = min(WAIT_S_MAX, 2.0 ** min(beyond, _DOUBLINGS_MAX))
    return max(0.0, wait_s - table.since_s(key, now_s))


def address_of(peer: str) -> str:
    """Return whom a peer, `ADDRESS:PORT`, counts as: an address, for IPv6 the network that one site has."""
    text = peer.rpartition(":")[0].strip("[]") or peer
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)
