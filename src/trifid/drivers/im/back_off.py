"""How long to wait before a host that was not reached is tried again."""

from collections.abc import Callable

FIRST_S, LONGEST_S = 1.0, 60.0


class BackOff:
    """Twice as long each time, up to a minute; hosts that failed together do not come back together.

    Args:
        chance: a number from 0 up to 1, another one each time.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._next_s = FIRST_S

    def after_failure(self) -> float:
        """Return how many seconds to wait: up to a quarter more or less than 1, 2, 4 … 60."""
        wait_s = self._next_s
        self._next_s = min(LONGEST_S, wait_s * 2)
        return wait_s * (0.75 + self._chance() / 2)

    def reset(self) -> None:
        """It was reached: begin anew."""
        self._next_s = FIRST_S
