"""Actions of dummy drivers: in order per VM, after the delay, with the sorrows that the options ask for."""

import collections
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from trifid.drivers.dummy.faults import Dice, Options
from trifid.drivers.dummy.loop import Loop
from trifid.drivers.dummy.world import World
from trifid.drivers.kit import Failure
from trifid.errors import DriverFault
from trifid.wire.lines import Message, from_driver, parse_to_driver

Act = Callable[[str, int, str], str]
"""(verb, vm id, payload) -> what the engine is told; raises Failure or DriverFault when it cannot be done."""


class _Asked(msgspec.Struct, eq=False):
    message: Message
    is_cancelled: bool = False


class Actions:
    """Takes requests, does them one by one for each VM, answers each once (or loses the answer).

    Args:
        verbs: word to what does it.
        world: brought to its file before any answer goes out.
    """

    def __init__(self, loop: Loop, options: Options, verbs: Mapping[str, Act], world: World) -> None:
        self._loop = loop
        self._delay_s = options.delay_s
        self._dice = Dice(options)
        self._verbs = verbs
        self._world = world
        self._waiting: dict[int, collections.deque[_Asked]] = {}
        loop.before_write = world.flush

    def take(self, line: bytes) -> None:
        """Take one line of the engine's."""
        message = parse_to_driver(line)
        if message.type == "DRIVER_CANCEL":
            for asked in self._waiting.get(message.oid, ()):
                asked.is_cancelled = True
        elif self._delay_s <= 0 and message.oid not in self._waiting:
            self._do(_Asked(message))
        else:
            waiting = self._waiting.setdefault(message.oid, collections.deque())
            waiting.append(_Asked(message))
            if len(waiting) == 1:
                self._loop.later(self._delay_s, lambda: self._next(message.oid))

    def _next(self, oid: int) -> None:
        waiting = self._waiting[oid]
        self._do(waiting.popleft())
        if waiting:
            self._loop.later(self._delay_s, lambda: self._next(oid))
        else:
            del self._waiting[oid]

    def _do(self, asked: _Asked) -> None:
        verb, oid = asked.message.type, asked.message.oid
        death = self._dice.death(verb)
        if death == "before":
            self._die()
        try:
            status, info = "SUCCESS", self._done(asked)
        except (Failure, DriverFault) as failure:
            status, info = "FAILURE", str(failure)
        if death == "after":
            self._die()
        if not self._dice.is_lost(verb):
            self._loop.say(self._dice.garbage() + from_driver(verb, status, oid, info))

    def _done(self, asked: _Asked) -> str:
        message = asked.message
        act = self._verbs.get(message.type)
        if act is None:
            raise Failure(f"{self._loop.name} does not know {message.type}, it knows {', '.join(self._verbs)}")
        if asked.is_cancelled:
            raise Failure("cancelled by the engine before it began")
        if why := self._dice.failure(message.type):
            raise Failure(why)
        return act(message.type, message.oid, message.payload)

    def _die(self) -> None:
        """End at once; what was done stays done, what was to be said is lost."""
        self._world.flush()
        os._exit(3)


def home() -> Path:
    """Return TRIFID_HOME, or the working directory, which is the home when the engine starts a driver."""
    return Path(os.environ.get("TRIFID_HOME") or Path.cwd())
