"""What a request to a driver comes to."""

from collections.abc import Callable
from typing import NoReturn

import msgspec


class Undone(Exception):
    """It cannot be done; the text is what the engine is told."""


class Plan(msgspec.Struct, frozen=True):
    """What a request comes to.

    Attributes:
        step: the step number that it carries.
        host: name of the host that it is done on, empty for none.
        act: does it, at once, and returns what the engine is told; raises Undone.
    """

    step: int
    act: Callable[[], str]
    host: str = ""


def impossible(why: str) -> Plan:
    """Return the plan for a request that is not understood."""
    return Plan(0, lambda: _fail(why))


def _fail(why: str) -> NoReturn:
    raise Undone(why)
