"""What a simulation puts into the engine's modules while it runs: counters, names in order, an ear for bugs."""

import contextlib
import itertools
import logging
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

from trifid.core.vm.effects import Moment
from trifid.core.vm.events import Event
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.vm.step import Outcome
from trifid.engine import images as engine_images
from trifid.engine import life as engine_life
from trifid.simulator.broken import Broken

RowKey = tuple[VmState, type[Event]]


@contextlib.contextmanager
def counting(fired: Counter[RowKey]) -> Iterator[None]:
    """Count the rows of the table that fire; `happen` is the only code that calls `step`."""
    module: Any = engine_life
    real = module.step

    def step(vm: VM, event: Event, moment: Moment) -> Outcome:
        outcome: Outcome = real(vm, event, moment)
        if not outcome.ignored:
            fired[(vm.state, type(event))] += 1
        return outcome

    module.step = step
    try:
        yield
    finally:
        module.step = real


class _Numbers:
    """Stands for the module `secrets` where images get their names, so that the same seed gives them again."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def token_hex(self, size: int) -> str:
        """Return the next name."""
        return f"{next(self._numbers):0{2 * size}x}"


@contextlib.contextmanager
def numbered_sources() -> Iterator[None]:
    """Name the files of images one after the other."""
    module: Any = engine_images
    real, module.secrets = module.secrets, _Numbers()
    try:
        yield
    finally:
        module.secrets = real


class _Bugs(logging.Handler):
    """What the engine logs as a bug of its own ends the simulation."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        if record.exc_info is not None and record.exc_info[0] is not None:
            raise Broken(f"bug: {record.getMessage()}\n{''.join(traceback.format_exception(*record.exc_info))}")


@contextlib.contextmanager
def bugs_are_broken() -> Iterator[None]:
    """Keep the engine's log quiet, bugs aside."""
    log, handler = logging.getLogger("trifid"), _Bugs(logging.ERROR)
    level, propagates, handlers = log.level, log.propagate, log.handlers[:]
    log.setLevel(logging.ERROR)
    log.propagate = False
    log.handlers[:] = [handler]
    try:
        yield
    finally:
        log.setLevel(level)
        log.propagate = propagates
        log.handlers[:] = handlers
