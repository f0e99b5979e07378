"""A transfer's surroundings: a home, a datastore, a request that remembers what it said, a web server, a tiny disk."""

import contextlib
import http.server
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from trifid.core.vm.outside import is_image_name
from trifid.drivers.kit import Kit, Request
from trifid.drivers.tm import qcow2
from trifid.drivers.tm.commands import COMMANDS, carry_out
from trifid.drivers.tm.script import Command
from trifid.wire.lines import Message, parse_from_driver

VM = 42


class Listening(Kit):
    """A kit that keeps what would go to the engine."""

    def __init__(self) -> None:
        super().__init__("tm-test", {})
        self.heard: list[Message] = []

    def say(self, line: bytes) -> None:
        self.heard.append(parse_from_driver(line))


def request(vm_id: int = VM) -> Request:
    """A TRANSFER of a VM's, under way."""
    return Request(Listening(), Message("TRANSFER", "", vm_id, "script"), 1)


def do(
    line: str, of: Request | None = None, told: str = "", *, is_image: bool | None = None, within: str | Path = ""
) -> None:
    """Carry out a line of a script, without its last two numbers when they are 42 and 0.

    Args:
        told: format of the disk's source, as a line of the script would tell it.
        is_image: whether that is an image of the catalogue; None: when it is called as one.
        within: directory whose files any user may name; "" for none.
    """
    words = line.split()
    numbers = (int(words.pop(-2)), int(words.pop())) if words[-1].isdigit() and words[-2].isdigit() else (VM, 0)
    if is_image is None:
        is_image = names_an_image(words[2:])
    command = Command(words[0], words[1], tuple(words[2:]), *numbers, told, is_image, (str(within),) if within else ())
    carry_out(of or request(), command, {"shared": COMMANDS, "qcow2": qcow2.COMMANDS}[words[1]])


def names_an_image(operands: Sequence[str]) -> bool:
    """Tell whether one of a line's operands is called as images of the catalogue are."""
    return any(is_image_name(operand.rpartition("/")[2]) for operand in operands)


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in directory.iterdir())


Reply = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def web(reply: Reply, at: str = "127.0.0.1") -> Iterator[str]:
    """A web server on this machine that answers every GET with `reply`; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                reply(self)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((at, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://{at}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def body(data: bytes, length: int | None = None) -> Reply:
    """A reply with these bytes, and with this Content-Length (-1 = none)."""

    def reply(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length != -1:
            handler.send_header("Content-Length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data)

    return reply


class Killed(BaseException):
    """The process is gone: nothing catches it, and nothing that it calls happens any more."""


_CHANGES = ("rename", "link", "symlink", "unlink", "mkdir", "rmdir", "fsync", "ftruncate", "chmod", "fchmod")
"""What a command does to a file system, as far as it is seen by name."""


def killed_everywhere(line: str, begin: Callable[[], None], meanwhile: Callable[[], None]) -> int:
    """Carry out a line, killed before its first change of the file system, before its second … until it is done.

    Each time `begin` makes things as they were, `meanwhile` looks at what the kill left, and the line is carried
    out again.  Return how many kills there were.
    """
    for number in itertools.count():
        begin()
        if not _killed_before(number, line):
            return number
        meanwhile()
        do(line)
        meanwhile()
    raise AssertionError


def _killed_before(number: int, line: str) -> bool:
    left = itertools.count(number, -1)

    def dying(change: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            if next(left) <= 0:
                raise Killed
            return change(*args, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in _CHANGES:
            patch.setattr(os, name, dying(getattr(os, name)))
        try:
            do(line)
        except Killed:
            return True
    return False
