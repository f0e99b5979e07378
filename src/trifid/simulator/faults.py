"""What goes wrong, how often, and how often it did.

Every fault has a name, may be switched off, and is counted when it strikes, so that a run which injected
nothing is visible.
"""

import random
from collections import Counter
from collections.abc import Iterable

KINDS: dict[str, str] = {
    "store-refuses": "the database refuses a write, which did not happen",
    "store-lies": "the database refuses a write, which did happen",
    "kill-at-write": "the daemon is killed right before or right after a write",
    "kill-at-line": "the daemon is killed right before or right after a line to a driver",
    "kill": "the daemon is killed at some moment",
    "restart": "the daemon is stopped in good order and started again",
    "driver-dies": "a driver process ends, with what it was doing done or not",
    "dies-mid-line": "a driver process ends in the middle of a line",
    "late": "an answer comes late, perhaps after the time-out",
    "lost": "an answer never comes",
    "twice": "an answer comes twice",
    "wrong-id": "an answer names another machine",
    "garbage": "a driver says what is no message",
    "fails": "an action fails and did nothing",
    "half": "a transfer fails in the middle of its script",
    "fails-done": "an action is reported failed, but it was done",
    "orphaned": "what a dead hypervisor driver began is done after its death",
    "host-lost": "a host cannot be reached for a while; its VMs run on",
    "host-crash": "a host falls and comes back without its VMs",
    "host-dead": "a host loses its power until somebody switches it on, and nobody says so",
    "fence-fails": "a host cannot be fenced",
    "fence-late": "a host that could not be fenced goes off later",
    "guest-off": "a guest switches itself off",
    "guest-on": "somebody starts a machine that is powered off, without the engine",
    "guest-paused": "a guest is paused by its hypervisor",
    "clock-jump": "the calendar jumps",
}
"""Every kind of fault and what it is."""


class UnknownFault(ValueError):
    """There is no fault of that name; the text tells which there are."""


def chosen(text: str) -> frozenset[str]:
    """Return the kinds of a list such as `kill,late`, of `all` or `none`.

    Raises:
        UnknownFault: a name that is none.
    """
    if text == "all":
        return frozenset(KINDS)
    if text in ("none", ""):
        return frozenset()
    names = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise UnknownFault(f"{unknown[0]} is no fault; there are all, none, {', '.join(KINDS)}")
    return frozenset(names)


class Dice:
    """All chance of a simulation comes from here.

    Attributes:
        random: seeded; there is no other.
        struck: how often each kind of fault did.
        trouble: how bad this seed is: 0 = nothing goes wrong, 1 = bad, 2 = worse.
    """

    def __init__(self, seed: int, kinds: Iterable[str]) -> None:
        self.random = random.Random(seed)  # noqa: S311  (a seed must give the same history again)
        self.struck: Counter[str] = Counter()
        self.trouble = self.random.choice((0.3, 1.0, 2.0))
        self._kinds = frozenset(kinds)

    def stop(self) -> None:
        """From now on nothing goes wrong."""
        self.trouble = 0.0

    def strikes(self, kind: str, chance: float) -> bool:
        """Tell whether a fault strikes now, and count it when it does.

        Args:
            chance: of a bad seed.
        """
        hits = self.random.random() < chance * self.trouble
        if hits and kind in self._kinds:
            self.struck[kind] += 1
            return True
        return False

    def between(self, low: float, high: float) -> float:
        """Return a number of seconds between two."""
        return low + (high - low) * self.random.random()

    def about(self, mean_s: float) -> float:
        """Return a waiting time with that mean, as of things that happen independently."""
        return self.random.expovariate(1.0 / mean_s)
