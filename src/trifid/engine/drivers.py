"""Driver processes: started, greeted, listened to, restarted.

A driver is any executable that speaks lines on stdin and stdout (reference/drivers.md §1–2).  This
module knows processes and lines; what the messages mean is the business of whoever listens.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from trifid.engine.config import DriverSettings
from trifid.engine.driver_command import find_command
from trifid.errors import DriverFault
from trifid.wire.lines import Lines, LineTooLong, Message, parse_from_driver

log = logging.getLogger("trifid.driver")

INIT_TIMEOUT_S = 30.0
STARTS_FAILED_MAX = 2
FINALIZE_GRACE_S = 5.0
RESTART_DELAYS_S = (0.1, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
STEADY_AFTER_S = 60.0
ANSWERS_ALL = b"ANSWERS_ALL"
READ_BYTES = 1 << 16
QUOTED_MAX = 200
GARBAGE_MAX = 1000
"""A driver that says so many lines in a row that are no messages is ended and started again."""
NO_ENVIRONMENT: Mapping[str, str] = {}


class Listener(Protocol):
    """Who is told about a driver."""

    def driver_ready(self, driver: "Driver") -> None:
        """The driver has said INIT SUCCESS; nothing that an earlier process was asked is known to it."""

    def driver_said(self, driver: "Driver", message: Message) -> None:
        """A message came."""

    def driver_down(self, driver: "Driver", why: str) -> None:
        """The process is gone or never came up; it will be tried again."""


class Driver:
    """One driver process, kept running.

    Attributes:
        family, name: as in the configuration.
        settings: its configuration.
        is_ready: whether it takes messages now.
        trouble: why it is not ready, for people; empty while it is.
        answers_all: whether it answers what was cancelled, too; it says so with its greeting, ANSWERS_ALL.
        pid: of the process, 0 while there is none.
        failures: how often in a row it ended soon and without having said anything of use.
        starts_failed: how often in a row it ended before it was ready.
    """

    def __init__(
        self,
        family: str,
        name: str,
        settings: DriverSettings,
        home: Path,
        listener: Listener,
        *,
        init_timeout_s: float = INIT_TIMEOUT_S,
        restart_delays_s: Sequence[float] = RESTART_DELAYS_S,
    ) -> None:
        self.family = family
        self.name = name
        self.settings = settings
        self.is_ready = False
        self.answers_all = False
        self.trouble = "it is being started"
        self.pid = 0
        self.failures = 0
        self.starts_failed = 0
        self._home = home
        self._environment = NO_ENVIRONMENT
        self._listener = listener
        self._init_timeout_s = init_timeout_s
        self._restart_delays_s = restart_delays_s
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._garbage = 0
        self._task: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        return f"{self.family} driver {self.name}"

    @property
    def does_not_start(self) -> bool:
        """Whether it is not worth waiting for: one that merely died is up again soon."""
        return self.starts_failed >= STARTS_FAILED_MAX

    def start(self, environment: Mapping[str, str] = NO_ENVIRONMENT) -> None:
        """Start the process, with more in its environment, and keep it running until `stop`."""
        self._environment = environment
        self._task = asyncio.create_task(self._keep_running(), name=str(self))

    def send(self, line: bytes) -> None:
        """Write one line.  Lost when the process is just dying: the outbox is sent again to the next one."""
        assert self.is_ready and self._process and self._process.stdin
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(line)

    def restart(self) -> None:
        """End the process, which does not answer any more; the next one is started as always."""
        if self._process is not None:
            _end_group(self._process)

    async def stop(self) -> None:
        """Say FINALIZE, wait a little, end the whole process group."""
        self._stopping = True
        self.is_ready = False
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                assert process.stdin
                process.stdin.write(b"FINALIZE\n")
                process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), FINALIZE_GRACE_S)
            _end_group(process)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began = loop.time()
            try:
                why = await self._run_once()
            except (OSError, DriverFault) as fault:
                why = str(fault)
            except Exception as bug:  # a bug of ours must not leave the driver down in silence
                log.exception("bug while running %s", self)
                why = f"internal error ({type(bug).__name__}), see the log"
            was_ready, self.is_ready, self.pid, self.trouble = self.is_ready, False, 0, why
            if self._stopping:
                return
            if was_ready and loop.time() - began > STEADY_AFTER_S:
                self.failures = 0
            delay_s = self._restart_delays_s[min(self.failures, len(self._restart_delays_s) - 1)]
            self.failures += 1
            self.starts_failed = 0 if was_ready else self.starts_failed + 1
            log.error("%s is down: %s; next try in %g s", self, why, delay_s)
            self._listener.driver_down(self, why)
            await asyncio.sleep(delay_s)

    async def _run_once(self) -> str:
        """Run the process to its end; return why it ended."""
        command = find_command(self.family, self.name, self.settings.executable, self._home)
        with (self._home / self._log_name).open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command,
                self.settings.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                cwd=self._home,
                env={**os.environ, "TRIFID_HOME": str(self._home), **self._environment},
                start_new_session=True,
            )
        self._process, self.pid, self._garbage = process, process.pid, 0
        # A child that outlives the driver would hold its stdout open, and its end would never be seen.
        burial = asyncio.create_task(_bury(process), name=f"end of {self}")
        try:
            return await self._converse(process)
        finally:
            _end_group(process)
            await burial

    async def _converse(self, process: asyncio.subprocess.Process) -> str:
        assert process.stdin and process.stdout
        lines = Lines()
        with contextlib.suppress(ConnectionError, RuntimeError):
            process.stdin.write(b"INIT\n")
        try:
            async with asyncio.timeout(self._init_timeout_s):
                waiting = await self._greet(process.stdout, lines)
        except TimeoutError:
            raise DriverFault(f"no INIT SUCCESS within {self._init_timeout_s:g} s") from None
        self.is_ready, self.trouble = True, ""
        log.info("%s is ready, pid %d", self, process.pid)
        self._listener.driver_ready(self)
        for line in waiting:
            self._hear(line)
        while data := await process.stdout.read(READ_BYTES):
            self._hear_all(lines, data)
        try:
            code = await asyncio.wait_for(process.wait(), FINALIZE_GRACE_S)
        except TimeoutError:
            return f"it closed its stdout, see {self._log_name}"
        return f"it ended with exit status {code}, see {self._log_name}"

    @property
    def _log_name(self) -> str:
        return f"log/driver-{self.family}-{self.name}.log"

    async def _greet(self, stdout: asyncio.StreamReader, lines: Lines) -> list[bytes]:
        """Wait for INIT SUCCESS; return the lines that came with it."""
        while data := await stdout.read(READ_BYTES):
            complete = lines.feed(data)
            if complete:
                words = complete[0].split()
                if words[:2] != [b"INIT", b"SUCCESS"]:
                    raise DriverFault(f"expected INIT SUCCESS, it said {complete[0][:QUOTED_MAX]!r}")
                self.answers_all = ANSWERS_ALL in words[2:]
                return complete[1:]
        raise DriverFault(f"it ended before INIT SUCCESS, see {self._log_name}")

    def _hear_all(self, lines: Lines, data: bytes) -> None:
        """Hear what is complete; a line without end is an end of the driver, once the others were heard."""
        try:
            complete = lines.feed(data)
        except LineTooLong as fault:
            for line in fault.lines:
                self._hear(line)
            raise
        for line in complete:
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        try:
            message = parse_from_driver(line, monitor=self.family == "im")
        except DriverFault as fault:
            # what an authentication driver says may repeat what it was asked, which is a secret
            log.warning("%s said garbage, ignored: %s", self, "not quoted" if self.family == "auth" else fault)
            self._garbage += 1
            if self._garbage >= GARBAGE_MAX:
                raise DriverFault(f"it said {GARBAGE_MAX} lines in a row that are no messages") from None
            return
        self.failures = self._garbage = 0
        try:
            self._listener.driver_said(self, message)
        except Exception:  # a bug of ours over one message must not take the driver's other messages away
            log.exception("bug while hearing %s: %s of %d", self, message.type, message.oid)


async def _bury(process: asyncio.subprocess.Process) -> None:
    await _ended(process.pid)
    _end_group(process)
    await process.wait()


async def _ended(pid: int) -> None:
    """Return when a process has ended; asyncio's own wait returns only when its pipes are closed as well."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _end_group(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the driver's process group: half-done children must not outlive it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class DriverSet:
    """All drivers of the configuration.

    Args:
        later: families whose drivers somebody else starts, when they are needed.
    """

    def __init__(self, drivers: dict[tuple[str, str], Driver], later: Collection[str] = ()) -> None:
        self._drivers = drivers
        self._later = later

    def get(self, family: str, name: str) -> Driver | None:
        """Return a driver of the configuration, ready or not."""
        return self._drivers.get((family, name))

    def names(self, family: str) -> list[str]:
        """Return the names configured for a family."""
        return [name for of, name in self._drivers if of == family]

    def each(self) -> list[Driver]:
        """Return all drivers."""
        return list(self._drivers.values())

    def start(self, environment: Mapping[str, str] = NO_ENVIRONMENT) -> None:
        """Start all processes that are not started later, with more in their environment."""
        for driver in self._drivers.values():
            if driver.family not in self._later:
                driver.start(environment)

    async def stop(self) -> None:
        """Stop all processes, at the same time."""
        await asyncio.gather(*(driver.stop() for driver in self._drivers.values()))
