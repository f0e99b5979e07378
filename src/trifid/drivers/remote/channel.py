"""A session on a machine: a small loop of its shell that carries out commands one by one, about 0.1 ms each.

The loop reads how many lines a command has, then the lines, and evaluates them.  After each command it prints a
word that nobody can foresee, with the exit status, so that output of any kind can stand before it.  A command
may also take the loop's place; then the session's input and output are its own.
"""

import os
import secrets
import select
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from trifid.drivers.kit import Failure
from trifid.drivers.remote.faults import CommandFailed, ConnectionLost, explained

Stop = Callable[[], None]
"""Called several times a second while something is waited for; raises Failure to end the wait."""

LOOK_EVERY_MS = 200
READ_BYTES = 1 << 18
ERROR_TEXT_MAX = 1000
OUTPUT_BYTES_MAX = 64 << 20
"""More than any command prints that is run for its output; what has more is a Stream's."""
GREETING_BYTES_MAX = 1 << 20
"""What a login shell may print before the session is there."""
ENDS_IN_S = 10.0
"""A session that was told to end does so within this time."""
_LOST = 255
"""Exit status of ssh when the connection is the trouble."""
_LAST_LINE_BYTES = 48
"""Not less than the word, a blank and an exit status."""

PROGRAM = (
    'PATH=$PATH:/usr/sbin:/sbin LC_ALL=C; export PATH LC_ALL; nl=$(printf "\\nx"); nl=${nl%x}; '
    'while read -r n; do t=; while [ "$n" -gt 0 ]; do IFS= read -r l || exit 0; t=$t$l$nl; n=$((n - 1)); done; '
    'eval "$t"; done'
)
"""The loop, for `sh -c`."""
# The login shell that reads it may be any: one line, and between single quotes.
LOOP = f"exec sh -c '{PROGRAM}'"
"""The loop, as a command for ssh."""


class Outcome(NamedTuple):
    """What came of a command."""

    status: int
    out: bytes
    err: str


def never() -> None:
    """Stop nothing."""


class Channel:
    """One session.

    Args:
        argv: starts the loop, here or on a host.
        name: of the machine, for messages.

    Raises:
        Failure: the program cannot be run.
    """

    def __init__(self, argv: Sequence[str], name: str) -> None:
        self.name = name
        self._word = secrets.token_hex(16)
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        except OSError as fault:
            raise Failure(f"cannot run {argv[0]}: {fault.strerror}: is it installed on this machine?") from fault
        assert self._process.stdin and self._process.stdout and self._process.stderr  # noqa: S101  (for mypy)
        self._in, self._out, self._err = (
            self._process.stdin.fileno(),
            self._process.stdout.fileno(),
            self._process.stderr.fileno(),
        )
        for pipe_end in (self._in, self._out, self._err):
            os.set_blocking(pipe_end, False)

    @property
    def is_open(self) -> bool:
        """Whether the session still stands, as far as it is known here."""
        return self._process.poll() is None

    def greet(self, stop: Stop = never) -> None:
        """Wait for the session to be there; what is printed before, by a login shell, is dropped.

        Raises:
            ConnectionLost: it does not come about; the text says why.
        """
        self._run_text(":", stop, None, GREETING_BYTES_MAX)

    def run(self, argv: Sequence[str], stop: Stop = never, timeout_s: float | None = None) -> Outcome:
        """Carry out a command, without input.

        Raises:
            ConnectionLost: the session is over; whether the command was carried out is not known.
            Failure: too slow; `stop` raised.  The session is over then, too.
        """
        return self._run_text(f"(exec {_quoted(argv)}) </dev/null", stop, timeout_s)

    def become(self, argv: Sequence[str], stop: Stop = never) -> "Stream":
        """Let a command take the loop's place; this is no channel any more.

        What is written to it may be anything, the contents of a guest's disk: no shell may be left to read the rest.
        """
        stream = Stream(self, self._process, stop)
        stream.write(_framed(f"exec {_quoted(argv)}"))
        return stream

    def close(self) -> None:
        """End the session, at once."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _run_text(self, text: str, stop: Stop, timeout_s: float | None, bytes_max: int = OUTPUT_BYTES_MAX) -> Outcome:
        word = self._word
        framed = _framed(f"{text}\ns=$?; printf '{word} %d\\n' $s; printf '{word}\\n' >&2")
        try:
            return self._exchange(framed, stop, timeout_s, bytes_max)
        except BaseException:
            self.close()
            raise

    def _exchange(self, unsent: bytes, stop: Stop, timeout_s: float | None, bytes_max: int) -> Outcome:
        """Write, and read both outputs up to the word."""
        heard = {self._out: bytearray(), self._err: bytearray()}
        word, until = self._word.encode(), None if timeout_s is None else time.monotonic() + timeout_s
        waiting = {self._out, self._err}
        while waiting:
            ready = _ready([*waiting], [self._in] if unsent else [])
            stop()
            if until is not None and time.monotonic() > until:
                raise Failure(f"{self.name}: not done after {timeout_s:g} s")
            if self._in in ready:
                try:
                    unsent = unsent[os.write(self._in, unsent) :]
                except BrokenPipeError:
                    unsent = b""  # why, its outputs tell
            for pipe_end in ready & waiting:
                data = os.read(pipe_end, READ_BYTES)
                if not data:
                    raise self._lost(bytes(heard[self._err]))
                heard[pipe_end] += data
                if len(heard[pipe_end]) > bytes_max:
                    raise Failure(
                        f"{self.name} prints more than {bytes_max >> 20} MiB without an end: look what its login shell "
                        "does, or what sshd runs in its place"
                    )
                if data.endswith(b"\n") and word in heard[pipe_end][-_LAST_LINE_BYTES:]:
                    waiting.discard(pipe_end)
        out, _, status = bytes(heard[self._out]).rpartition(word)
        return Outcome(int(status), out, bytes(heard[self._err]).rpartition(word)[0].decode(errors="replace"))

    def _lost(self, err: bytes) -> ConnectionLost:
        for data in iter(lambda: _rest(self._err), b""):
            err += data
            if len(err) > OUTPUT_BYTES_MAX:
                break
        return _lost(self.name, err.decode(errors="replace"))


class Stream:
    """A command that runs on a machine, with its input and output.

    Use it as a context: it is killed at the end of the block unless it was finished.

    Args:
        channel: that it has taken over.
        process: of it.
        stop: looked at while something is waited for.
    """

    def __init__(self, channel: Channel, process: "subprocess.Popen[bytes]", stop: Stop) -> None:
        self.stop = stop
        self._channel = channel
        self._process = process
        assert process.stdin and process.stdout and process.stderr  # noqa: S101  (for mypy)
        self._in, self._out = process.stdin, process.stdout
        self._err_end, self._err_is_open = process.stderr.fileno(), True
        self._err = b""

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def write(self, data: bytes | memoryview) -> None:
        """Write to its input, all of it.

        Raises:
            ConnectionLost, CommandFailed: it has ended.
        """
        left = memoryview(data)
        while left:
            ready = self._ready([], [self._in.fileno()])
            if self._in.fileno() in ready:
                try:
                    left = left[os.write(self._in.fileno(), left) :]
                except BrokenPipeError:
                    self.finish()
                    raise ConnectionLost(f"{self._channel.name}: the command ended before it had everything") from None

    def read(self, size: int) -> bytes:
        """Return up to so many bytes of its output, nothing at the end."""
        while True:
            ready = self._ready([self._out.fileno()], [])
            if self._out.fileno() in ready:
                return os.read(self._out.fileno(), size)

    def end_input(self) -> None:
        """Close its input: the command has everything."""
        self._in.close()

    def finish(self) -> bytes:
        """Close its input, wait for its end, return the rest of its output.

        Raises:
            ConnectionLost: the connection was lost before.
            CommandFailed: its exit status is not 0.
        """
        self._in.close()
        out = b"".join(iter(lambda: self.read(READ_BYTES), b""))
        try:
            status = self._process.wait(ENDS_IN_S)
        except subprocess.TimeoutExpired:
            raise ConnectionLost(f"{self._channel.name}: the session does not end") from None
        self._err += _rest(self._err_end)
        check(self._channel.name, Outcome(status, out, self._err.decode(errors="replace")), is_session=True)
        return out

    def _ready(self, readable: list[int], writable: list[int]) -> set[int]:
        """Return what can be read or written, after a while possibly nothing; keep what comes as error text."""
        ready = _ready([*readable, self._err_end] if self._err_is_open else readable, writable)
        self.stop()
        if self._err_end in ready:
            data = os.read(self._err_end, READ_BYTES)
            self._err_is_open = bool(data)
            self._err = (self._err + data)[-4 * ERROR_TEXT_MAX :]
        return ready


def check(name: str, outcome: Outcome, *, is_session: bool = False) -> None:
    """Raise what an exit status means.

    Raises:
        ConnectionLost: it is ssh's own, of a session.
        CommandFailed: it is not 0.
    """
    status = outcome.status if outcome.status >= 0 else 128 - outcome.status
    if not status:
        return
    said = outcome.err.strip() or outcome.out.decode(errors="replace").strip()
    if is_session and status == _LOST:
        raise _lost(name, said)
    raise CommandFailed(f"{name}: {said[-ERROR_TEXT_MAX:] or f'exit status {status}'}", status)


def _lost(name: str, said: str) -> ConnectionLost:
    said = explained(name, said.strip())[-ERROR_TEXT_MAX:]
    return ConnectionLost(f"{name} is not reached: {said or 'the connection was lost'}")


def _quoted(argv: Sequence[str]) -> str:
    if any("\0" in word for word in argv):
        raise Failure("a word with a zero byte cannot be given to a program")
    return shlex.join(argv)


def _framed(text: str) -> bytes:
    """Return a command as the loop reads it."""
    return f"{text.count(chr(10)) + 1}\n{text}\n".encode(errors="surrogateescape")


def _ready(readable: list[int], writable: list[int]) -> set[int]:
    """Return which can be read or written, after a while possibly none."""
    poll = select.poll()
    for pipe_end in readable:
        poll.register(pipe_end, select.POLLIN)
    for pipe_end in writable:
        poll.register(pipe_end, select.POLLOUT)
    return {pipe_end for pipe_end, _ in poll.poll(LOOK_EVERY_MS)}


def _rest(pipe_end: int) -> bytes:
    """Return what can be read without waiting."""
    try:
        return os.read(pipe_end, READ_BYTES)
    except BlockingIOError:
        return b""
