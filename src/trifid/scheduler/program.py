"""One run of a program that decides: the question on its stdin, its answer on stdout, within bounds."""

import contextlib
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_CHUNK = 1 << 16
_TAIL = 2000
"""Bytes of stderr that are told when it fails."""
_END_GRACE_S = 1.0


class ProgramFailed(Exception):
    """A program gave no answer; the text says why, with the end of what it wrote to stderr."""


def run(command: Sequence[str], question: bytes, *, timeout_s: float, answer_bytes_max: int, directory: Path) -> bytes:
    """Return what a program writes to stdout, given a question on stdin.

    It and all it started are ended when this returns.

    Args:
        directory: where it runs.

    Raises:
        ProgramFailed: it cannot be started, takes too long, says too much, or ends with another status than 0.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            start_new_session=True,
        )
    except OSError as fault:
        raise ProgramFailed(f"{command[0]} cannot be started: {fault.strerror}") from fault
    with process:
        talk = _Talk(process, question, answer_bytes_max)
        try:
            why = talk.until_end(timeout_s) or _not_ended(process)
        finally:
            # Not yet waited for: the number is still its own.
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        if why or status:
            raise ProgramFailed(f"{command[0]} {why or f'ended with status {status}'}{talk.said()}")
    return bytes(talk.answer)


def _not_ended(process: subprocess.Popen[bytes]) -> str:
    """Give a program that has closed its stdout a moment to end by itself; return what to tell if it does not."""
    descriptor = os.pidfd_open(process.pid)
    try:
        is_ended, _, _ = select.select([descriptor], [], [], _END_GRACE_S)
    finally:
        os.close(descriptor)
    return "" if is_ended else f"closed its stdout, but did not end within {_END_GRACE_S:g} s"


class _Talk:
    """Writes and reads whatever can be written and read, so that neither side waits for the other."""

    def __init__(self, process: subprocess.Popen[bytes], question: bytes, answer_bytes_max: int) -> None:
        self._in, self._out, self._err = (_there(one) for one in (process.stdin, process.stdout, process.stderr))
        self._left = memoryview(question)
        self._bytes_max = answer_bytes_max
        self._tail = b""
        self.answer = bytearray()

    def until_end(self, timeout_s: float) -> str:
        """Talk until stdout ends; return why that was not waited for, empty when it did."""
        deadline = time.monotonic() + timeout_s
        open_streams = {
            self._in: selectors.EVENT_WRITE,
            self._out: selectors.EVENT_READ,
            self._err: selectors.EVENT_READ,
        }
        with selectors.DefaultSelector() as selector:
            for stream, events in open_streams.items():
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, events, stream)
            while self._out in open_streams:
                if (left_s := deadline - time.monotonic()) <= 0:
                    return f"took longer than {timeout_s:g} s"
                for key, _ in selector.select(left_s):
                    if not self._step(key.data):
                        selector.unregister(key.data)
                        del open_streams[key.data]
                        key.data.close()
                if len(self.answer) > self._bytes_max:
                    return f"answered more than {self._bytes_max} bytes"
        return ""

    def _step(self, stream: IO[bytes]) -> bool:
        """Write or read once; tell whether the stream goes on."""
        if stream is self._in:
            return self._write()
        piece = os.read(stream.fileno(), _CHUNK)
        if stream is self._out:
            self.answer += piece
        else:
            self._tail = (self._tail + piece)[-_TAIL:]
        return bool(piece)

    def _write(self) -> bool:
        try:
            self._left = self._left[os.write(self._in.fileno(), self._left[:_CHUNK]) :]
        except BrokenPipeError:  # it need not read everything
            return False
        return bool(self._left)

    def said(self) -> str:
        """Return the end of what it wrote to stderr, as a part of a message."""
        with contextlib.suppress(BlockingIOError):
            while not self._err.closed and self._step(self._err):
                pass
        text = self._tail.decode(errors="replace").strip()
        return f"; it wrote: {text}" if text else ""


def _there(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("a program is started with three pipes")
    return stream
