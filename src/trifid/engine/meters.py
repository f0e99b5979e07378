"""What the engine counts of its own work: calls, turns, driver actions.  Plain numbers, read when somebody asks."""

import time
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

CALL_BOUNDS_S = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ACTION_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Histogram:
    """How many durations were within which bounds.

    Attributes:
        bounds_s: upper bounds, seconds, the last one left out: it is infinite.
        sum_s: of all durations.
    """

    __slots__ = ("_counts", "bounds_s", "sum_s")

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self.bounds_s = bounds_s
        self.sum_s = 0.0
        self._counts = [0] * (len(bounds_s) + 1)

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds

    def cumulated(self) -> list[tuple[float, int]]:
        """Return how many durations were within each bound, the last one infinite."""
        return list(zip((*self.bounds_s, float("inf")), accumulate(self._counts), strict=True))


class Meters:
    """All counts since the engine was started.

    Args:
        clock: seconds of a clock that does not jump.

    Attributes:
        calls: (method, outcome) to how many; outcomes are ok, refused and failed.
        call_s: method to how long its calls took.
        turns, commands: how often was written, and how many commands that served.
        commit_s: how long writing took.
        actions: (family, driver, verb, outcome) to how long they took; outcomes are done, failed, late (not answered
            in time), dropped (no longer wanted) and lost (the driver died).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.calls: dict[tuple[str, str], int] = {}
        self.call_s: dict[str, Histogram] = {}
        self.turns = 0
        self.commands = 0
        self.commit_s = Histogram(CALL_BOUNDS_S)
        self.actions: dict[tuple[str, str, str, str], Histogram] = {}

    def call(self, method: str, outcome: str, seconds: float) -> None:
        """Count a call that was answered."""
        key = (method, outcome)
        self.calls[key] = self.calls.get(key, 0) + 1
        histogram = self.call_s.get(method)
        if histogram is None:
            histogram = self.call_s[method] = Histogram(CALL_BOUNDS_S)
        histogram.add(seconds)

    def turn(self, commands: int, seconds: float) -> None:
        """Count a turn that was written."""
        self.turns += 1
        self.commands += commands
        self.commit_s.add(seconds)

    def action(self, family: str, driver: str, verb: str, outcome: str, seconds: float) -> None:
        """Count an action of a driver that is over."""
        key = (family, driver, verb, outcome)
        histogram = self.actions.get(key)
        if histogram is None:
            histogram = self.actions[key] = Histogram(ACTION_BOUNDS_S)
        histogram.add(seconds)
