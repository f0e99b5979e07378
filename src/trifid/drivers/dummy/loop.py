"""One thread, one loop: lines in, lines out, and things to do later.

The kit has a thread per action, which is right for drivers that wait for something.  The dummies wait
for nothing and serve thousands of VMs and hosts, so they share this loop.
"""

import heapq
import itertools
import os
import select
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from trifid.errors import DriverFault
from trifid.wire.lines import Lines, LineTooLong, from_driver

READ_BYTES = 1 << 18
HEARD_MAX = 1 << 24
"""While more bytes than this wait to be written, nothing more is read."""


class Loop:
    """Reads lines from the engine, calls for each, writes what was said.

    Attributes:
        before_write: called before what was said goes out, to keep what must be kept first.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.before_write: Callable[[], None] = lambda: None
        self._out = os.dup(1)
        os.dup2(2, 1)  # whatever a library prints must not get among the messages
        os.set_blocking(self._out, False)
        self._said = bytearray()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def say(self, line: bytes) -> None:
        """Write a line to the engine, soon."""
        self._said += line

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Have something called; equal times in the order of the calls."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), what))

    def run(self, take: Callable[[bytes], None]) -> NoReturn:
        """Serve until FINALIZE or the end of standard input.

        Args:
            take: gets every line but INIT and FINALIZE; a DriverFault that it raises goes to stderr.
        """
        lines = Lines()
        while True:
            self._wake()
            self._write()
            readers = [0] if len(self._said) < HEARD_MAX else []
            ready, _, _ = select.select(readers, [self._out] if self._said else [], [], self._seconds_left())
            if ready and not self._read(lines, take):
                self.end()

    def end(self) -> NoReturn:
        """End the process once what was said is written, if anybody reads it."""
        os.set_blocking(self._out, True)
        self._write()
        os._exit(0)

    def _read(self, lines: Lines, take: Callable[[bytes], None]) -> bool:
        data = os.read(0, READ_BYTES)
        try:
            complete = lines.feed(data)
        except LineTooLong as fault:
            self._ignore(fault)
            complete = fault.lines
        for line in complete:
            word = line.strip()
            if word == b"INIT":
                self.say(from_driver("INIT", "SUCCESS", -1))
            elif word == b"FINALIZE":
                return False
            else:
                try:
                    take(line)
                except DriverFault as fault:
                    self._ignore(fault)
        return bool(data)

    def _ignore(self, fault: DriverFault) -> None:
        print(f"{self.name}: ignored: {fault}", file=sys.stderr, flush=True)

    def _wake(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def _seconds_left(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _write(self) -> None:
        if not self._said:
            return
        self.before_write()
        try:
            while self._said:
                del self._said[: os.write(self._out, self._said)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            os._exit(0)
