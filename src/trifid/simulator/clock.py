"""Virtual time: nothing waits, the clock is moved to whatever happens next."""

import heapq
import itertools
from collections.abc import Callable

import msgspec

BEGIN_EPOCH_S = 1_700_000_000
"""What the engine's calendar says when a simulation begins."""


class Event(msgspec.Struct, eq=False):
    """Something that will happen in the world, outside of the engine.

    Attributes:
        at_s: when, on the clock that does not jump.
        number: equal times in the order in which they were asked for.
    """

    at_s: float
    number: int
    what: Callable[[], None]

    def __lt__(self, other: "Event") -> bool:
        return (self.at_s, self.number) < (other.at_s, other.number)


class Clock:
    """The time, and what is to come in the world.

    Attributes:
        now_s: seconds since the simulation began; never goes back.
        jump_s: how far the calendar is off; it may jump in both directions.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.jump_s = 0
        self._events: list[Event] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        """Return seconds of the clock that does not jump."""
        return self.now_s

    def epoch(self) -> int:
        """Return what the calendar says, epoch seconds."""
        return BEGIN_EPOCH_S + int(self.now_s) + self.jump_s

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Have something happen in the world."""
        heapq.heappush(self._events, Event(self.now_s + seconds, next(self._numbers), what))

    @property
    def next_s(self) -> float:
        """When the next event is due, infinity when there is none."""
        return self._events[0].at_s if self._events else float("inf")

    def take(self) -> Callable[[], None]:
        """Take the next event out, and be there."""
        event = heapq.heappop(self._events)
        self.now_s = max(self.now_s, event.at_s)
        return event.what
