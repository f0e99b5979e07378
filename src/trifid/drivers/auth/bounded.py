"""A program whose output is bounded, and that is not waited for when what it started holds its output open."""

import os
import selectors
import subprocess
import time
from collections.abc import Sequence

from trifid.drivers.kit import Failure, Request

_READ_BYTES = 1 << 14
_LOOK_EVERY_S = 0.2
_REASON_MAX = 1000


def run_bounded(request: Request, argv: Sequence[str], text: str, *, timeout_s: float, output_bytes_max: int) -> str:
    """Return what a program printed; `text` goes to its standard input.

    Raises:
        Failure: it cannot be run, exit status other than 0 (with the last of what it said), too much output, too slow,
            cancelled.
    """
    name = argv[0]
    with request.started(argv) as child:
        out, err = _heard(request, child, text.encode(errors="replace"), timeout_s, output_bytes_max, name)
    if request.is_cancelled:
        raise Failure("cancelled by the engine")
    if child.returncode:
        said = (err or out).decode(errors="replace").strip()
        raise Failure(f"{name}: {said[-_REASON_MAX:] or f'exit status {child.returncode}'}")
    return out.decode(errors="replace")


def _heard(
    request: Request, child: "subprocess.Popen[bytes]", data: bytes, timeout_s: float, most: int, name: str
) -> tuple[bytes, bytes]:
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise Failure(f"{name} has no pipes")
    heard = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    out, err = heard.values()
    stdin = child.stdin.fileno()
    os.set_blocking(stdin, False)
    deadline_s, late = time.monotonic() + timeout_s, f"{name}: not done in {timeout_s:g} s"
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE)
        for descriptor in heard:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(_LOOK_EVERY_S)
            for key, _ in ready:
                if key.fd == stdin:
                    data = _written(stdin, data)
                    if not data:
                        selector.unregister(stdin)
                        child.stdin.close()
                    continue
                piece = os.read(key.fd, _READ_BYTES)
                heard[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
            if sum(map(len, heard.values())) > most:
                raise Failure(f"{name} printed more than {most} bytes")
            if request.is_cancelled or time.monotonic() > deadline_s:
                raise Failure(
                    "cancelled by the engine" if request.is_cancelled else f"{name}: not done in {timeout_s:g} s"
                )
            if not ready and child.poll() is not None:
                break  # what it started holds its output open
    try:
        child.wait(max(_LOOK_EVERY_S, deadline_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Failure(late) from None
    return bytes(out), bytes(err)


def _written(descriptor: int, data: bytes) -> bytes:
    """Write some; return what is left, nothing when the program does not read."""
    try:
        return data[os.write(descriptor, data) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return b""
