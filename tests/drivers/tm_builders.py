"""A transfer's surroundings: a home, a datastore, a request that remembers what it said, a web server, a tiny disk."""

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from trifid.drivers.kit import Kit, Request
from trifid.drivers.tm.commands import carry_out
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


def do(line: str, of: Request | None = None) -> None:
    """Carry out a line of a script, without its last two numbers when they are 42 and 0."""
    words = line.split()
    numbers = (int(words.pop(-2)), int(words.pop())) if words[-1].isdigit() and words[-2].isdigit() else (VM, 0)
    carry_out(of or request(), Command(words[0], words[1], tuple(words[2:]), *numbers))


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in directory.iterdir())


Reply = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def web(reply: Reply) -> Iterator[str]:
    """A web server on this machine that answers every GET with `reply`; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                reply(self)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
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
