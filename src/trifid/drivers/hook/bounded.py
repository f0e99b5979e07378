"""Running a program of the administrator's: for a limited time, with as much of its output kept as is worth reading."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import Stop

OUTPUT_BYTES_MAX = 16 << 10
"""Kept of each output; what follows is read and thrown away, so that the program is not held up."""
TOO_LATE = 124
"""Exit status of what was ended because its time was over, as `timeout` has it."""
_READ_BYTES = 1 << 16
_LOOK_EVERY_S = 0.1


class Ran(NamedTuple):
    """What came of a program."""

    code: int
    out: str
    err: str


class Kept:
    """The beginning of an output."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Take in what was read."""
        room = OUTPUT_BYTES_MAX - len(self._data)
        self._data += data[:room]
        self._left_out += max(0, len(data) - room)

    @property
    def text(self) -> str:
        """What was kept, and how much was not."""
        told = f"\n[{self._left_out} more bytes]" if self._left_out else ""
        return self._data.decode(errors="replace") + told


def run(
    argv: Sequence[str],
    stdin: bytes,
    timeout_s: float,
    stop: Stop,
    *,
    directory: Path,
    environment: Mapping[str, str],
) -> Ran:
    """Return what came of a program; everything that it started is ended when its time is over.

    Raises:
        Failure: it cannot be started; `stop` raised.
    """
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd=directory, env=dict(environment), bufsize=0
        )
    except OSError as fault:
        raise Failure(_why_not(argv, fault)) from fault
    with child:
        try:
            return _watched(child, stdin, time.monotonic() + timeout_s, stop, timeout_s)
        finally:
            if child.poll() is None:
                _end(child.pid)


def _why_not(argv: Sequence[str], fault: OSError) -> str:
    if isinstance(fault, PermissionError):
        return f"{argv[0]} cannot be run: make it executable"
    if fault.errno == 7:  # E2BIG
        return f"the arguments of {argv[0]} are too long for a command line: set ARGUMENTS_STDIN = YES"
    return f"{argv[0]} cannot be run: {fault.strerror}"


def _watched(child: "subprocess.Popen[bytes]", stdin: bytes, until_s: float, stop: Stop, timeout_s: float) -> Ran:
    assert child.stdin and child.stdout and child.stderr  # noqa: S101  (for mypy)
    kept = {child.stdout: Kept(), child.stderr: Kept()}
    unsent = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        for output in kept:
            os.set_blocking(output.fileno(), False)
            selector.register(output, selectors.EVENT_READ)
        os.set_blocking(child.stdin.fileno(), False)
        selector.register(child.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(_LOOK_EVERY_S)
            stop()
            if time.monotonic() > until_s:
                _end(child.pid)
                told = f"{kept[child.stderr].text}\nnot done after {timeout_s:g} s: ended".lstrip()
                return Ran(TOO_LATE, kept[child.stdout].text, told)
            for key, _ in ready:
                if key.fileobj is child.stdin:
                    unsent = _written(child.stdin.fileno(), unsent)
                    if not unsent:
                        selector.unregister(child.stdin)
                        child.stdin.close()
                elif data := os.read(key.fd, _READ_BYTES):
                    kept[key.fileobj].add(data)  # type: ignore[index]
                else:
                    selector.unregister(key.fileobj)
            if not ready and child.poll() is not None:
                break  # something that it left behind holds its outputs
    status = child.wait()
    return Ran(status if status >= 0 else 128 - status, kept[child.stdout].text, kept[child.stderr].text)


def _written(descriptor: int, unsent: memoryview) -> memoryview:
    try:
        return unsent[os.write(descriptor, unsent) :]
    except BrokenPipeError:
        return unsent[len(unsent) :]  # it does not want to know


def _end(pid: int) -> None:
    """Kill a process and what descends from it; in the driver's own process group, so that it ends with the driver."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGSTOP)  # it starts nothing more
        for child in _children(pid):
            _end(child)
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
