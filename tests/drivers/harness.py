"""A driver as the engine sees it: a process with lines on stdin and stdout.

Nothing here sleeps: whoever waits, waits for a line or for the end of the process, up to a limit.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trifid.wire.lines import Lines, Message, monitor_to_driver, parse_from_driver, to_driver

ANSWER_TIMEOUT_S = 20.0
READ_BYTES = 1 << 16


def python_driver(module: str) -> list[str]:
    """Return the command that runs `main` of a module, as its console script does."""
    return [sys.executable, "-c", f"from {module} import main; main()"]


class DriverProcess:
    """A running driver.

    Attributes:
        home: its TRIFID_HOME.
        logs: LOG messages heard so far, in order.
        stderr: file with what it wrote there.
    """

    def __init__(self, command: list[str], arguments: str, home: Path, env: dict[str, str], monitor: bool) -> None:
        self.home = home
        self.logs: list[Message] = []
        self.stderr = home / f"stderr.{time.monotonic_ns()}"
        self._monitor = monitor
        self._lines = Lines()
        self._heard: list[Message] = []
        self._is_over = False
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                cwd=home,
                env={**os.environ, "TRIFID_HOME": str(home), **env},
                process_group=0,
            )
        assert self.process.stdin and self.process.stdout
        self._stdin, self._stdout = self.process.stdin.fileno(), self.process.stdout.fileno()

    # -- to the driver -------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Write bytes to its stdin, all of them."""
        while data:
            data = data[os.write(self._stdin, data) :]

    def ask(self, word: str, oid: int, payload: str = "-") -> None:
        """Send one request."""
        self.send(to_driver(word, oid, payload))

    def ask_monitor(self, word: str, oid: int, text: str = "", timestamp: int = 0) -> None:
        """Send one request to a driver of the monitor family."""
        self.send(monitor_to_driver(word, oid, timestamp or int(time.time()), text))

    def close_stdin(self) -> None:
        """The engine is gone: end of file."""
        assert self.process.stdin
        self.process.stdin.close()

    # -- from the driver -----------------------------------------------------------------------

    def init(self, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Greet it; fails unless it says INIT SUCCESS in one piece before anything else."""
        self.send(b"INIT\n")
        data = self._read(time.monotonic() + timeout_s)
        assert data.startswith(b"INIT SUCCESS") and b"\n" in data, f"expected INIT SUCCESS in one write, got {data!r}"
        greeting, _, rest = data.partition(b"\n")
        assert parse_from_driver(greeting).type == "INIT"
        self._take(rest)

    def answer(self, word: str | None = None, oid: int | None = None, timeout_s: float = ANSWER_TIMEOUT_S) -> Message:
        """Return the first message with this word and id that was not returned yet, waiting for it.

        Other messages stay for later; LOG messages go to `logs`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            for message in self._heard:
                if word in (None, message.type) and oid in (None, message.oid):
                    self._heard.remove(message)
                    return message
            data = self._read(deadline)
            if not data:
                pytest.fail(f"it ended; expected {word} of {oid}; {self._story()}")
            self._take(data)

    def heard_within(self, seconds: float) -> Message | None:
        """Return the next message that was not returned yet, None when there is none for so long."""
        end = time.monotonic() + seconds
        while not self._heard:
            if not select.select([self._stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            data = self._read(end)
            if not data:
                pytest.fail(f"it ended; {self._story()}")
            self._take(data)
        return self._heard.pop(0)

    def wait_for_log(self, part: str, timeout_s: float = ANSWER_TIMEOUT_S) -> Message:
        """Return the first LOG message whose text has this part, waiting for it."""
        deadline = time.monotonic() + timeout_s
        while True:
            for message in self.logs:
                if part in message.payload:
                    return message
            data = self._read(deadline)
            if not data:
                pytest.fail(f"it ended without a LOG {part!r}; {self._story()}")
            self._take(data)

    def forget(self) -> None:
        """Drop what was heard and not returned."""
        self._heard.clear()

    def rest(self, timeout_s: float = ANSWER_TIMEOUT_S) -> list[Message]:
        """Tell it to end (FINALIZE); return what was not returned yet once it has ended."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.send(b"FINALIZE\n")
        self.wait(timeout_s)
        heard, self._heard = self._heard, []
        return heard

    def wait(self, timeout_s: float = ANSWER_TIMEOUT_S) -> int:
        """Hear it out to its end; return its exit status, negative = a signal."""
        deadline = time.monotonic() + timeout_s
        while data := self._read(deadline):
            self._take(data)
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def kill(self) -> None:
        """End it and its children at once (kill -9); harmless when it has ended."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def _read(self, deadline: float) -> bytes:
        """Return the next bytes of its stdout, nothing at its end; fails at the deadline."""
        if self._is_over:
            return b""
        ready, _, _ = select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            pytest.fail(f"it said nothing in time; {self._story()}")
        data = os.read(self._stdout, READ_BYTES)
        self._is_over = not data
        return data

    def _take(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            message = parse_from_driver(line, monitor=self._monitor)
            (self.logs if message.type == "LOG" else self._heard).append(message)

    def _story(self) -> str:
        said = self.stderr.read_text(errors="replace")[-4000:]
        return f"not yet returned: {self._heard}; stderr:\n{said}"


@contextlib.contextmanager
def running(
    command: list[str],
    arguments: str = "",
    *,
    home: Path,
    env: dict[str, str] | None = None,
    monitor: bool = False,
    init: bool = True,
) -> Iterator[DriverProcess]:
    """Start a driver with its arguments as one string, greet it, and end it at the end of the block."""
    driver = DriverProcess(command, arguments, home, env or {}, monitor)
    try:
        if init:
            driver.init()
        yield driver
    finally:
        driver.kill()
