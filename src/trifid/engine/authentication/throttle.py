"""Those who try too often.  Pure but for what it remembers; the time is passed in.

    one user from one address     TRIES_OF_BOTH wrong tries, then a wait that doubles with each further one
    one address, any user         TRIES_OF_ADDRESS, then the same; not for who came in from there before
    one user from anywhere        TRIES_OF_USER, then each answer is late; not for who came in from there before

So nobody keeps a user out by guessing from elsewhere: what is refused is refused to the guesser's own address.  Users
that do not exist count like those that do.  Why: docs/decisions/0028.
"""

import ipaddress
import math
from collections import Counter, OrderedDict
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
        self._tries[key] = Tries(self.count(key, now_s) + 1, now_s)
        self._tries.move_to_end(key)
        if len(self._tries) > self._kept_max:
            self._tries.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Forget all of a key."""
        self._tries.pop(key, None)


class Throttle:
    """Counts tries, and says who has to wait.

    A try begins, and ends as right, as wrong, or as neither.  Those that are under way count as if they were wrong, so
    that many at the same time are no way round; but who has to wait for them only waits until they have ended.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._of_both = Table(kept_max)
        self._of_address = Table(kept_max)
        self._of_user = Table(kept_max)
        self._under_way: Counter[Key] = Counter()
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

    def is_busy(self, name: str, address: str, now_s: float) -> bool:
        """Tell whether tries that are under way must end before this one may begin."""
        both = (name, address)
        if self._is_full(self._of_both, both, TRIES_OF_BOTH, now_s):
            return True
        return both not in self._welcome and self._is_full(self._of_address, (address,), TRIES_OF_ADDRESS, now_s)

    def begin(self, name: str, address: str) -> None:
        """A try begins; it must end."""
        self._under_way.update(((name, address), (address,)))

    def right(self, name: str, address: str) -> None:
        """The try was right: the user is welcome from this address."""
        self.neither(name, address)
        both = (name, address)
        self._of_both.forget(both)
        self._welcome[both] = None
        self._welcome.move_to_end(both)
        if len(self._welcome) > self._kept_max:
            self._welcome.popitem(last=False)

    def wrong(self, name: str, address: str, now_s: float) -> None:
        """The try was wrong."""
        self.neither(name, address)
        self._of_both.add((name, address), now_s)
        self._of_address.add((address,), now_s)
        self._of_user.add((name,), now_s)

    def neither(self, name: str, address: str) -> None:
        """The try has ended, and nobody could tell what it was."""
        for key in ((name, address), (address,)):
            self._under_way[key] -= 1
            if self._under_way[key] <= 0:
                del self._under_way[key]

    def _is_full(self, table: Table, key: Key, free: int, now_s: float) -> bool:
        under_way = self._under_way[key]
        return under_way > 0 and under_way + math.ceil(table.count(key, now_s)) >= free


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
