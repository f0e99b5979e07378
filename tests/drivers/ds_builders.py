"""A datastore's surroundings: requests to the driver fs, images to bring, a web server that knows ranges."""

import contextlib
import http.server
import re
import subprocess
from pathlib import Path

from tests.drivers.tm_builders import Listening, Reply
from trifid.drivers.ds.commands import COMMANDS, carry_out
from trifid.drivers.kit import Kit, Request
from trifid.wire.image_action import ImageActionData, render
from trifid.wire.lines import Message

IMAGE = 7
NAME = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
HERE = "127.0.0.0/8"
"""What must be in download_from for a test's own web server."""


class Store:
    """A datastore of plain files.

    Attributes:
        base: its directory.
        kit: what hears the driver's log.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.kit = Listening()
        self.source = base / NAME

    def data(self, **fields: object) -> ImageActionData:
        """What a request says; what is not given is as for image 7."""
        plain = {"image_id": IMAGE, "source": str(self.source), "base_path": str(self.base), **fields}
        return ImageActionData(**plain)  # type: ignore[arg-type]

    def request(self, verb: str, **fields: object) -> Request:
        """A request under way."""
        return Request(self.kit, Message(verb, "", IMAGE, render(self.data(**fields))), 1)

    def do(self, verb: str, **fields: object) -> str:
        """Have it done; return the answer."""
        assert verb in COMMANDS
        return carry_out(self.request(verb, **fields))

    def bring(self, path: Path | str, **fields: object) -> list[str]:
        """Import an image; return the words of the answer after SOURCE."""
        source, *words = self.do("CP", path=str(path), **fields).split()
        assert source == str(self.source)
        return words

    def names(self) -> list[str]:
        """What is in its directory."""
        return sorted(path.name for path in self.base.iterdir()) if self.base.is_dir() else []


def cancelled(kit: Kit, data: ImageActionData) -> Request:
    """A request that the engine does not want any more."""
    request = Request(kit, Message("CP", "", IMAGE, render(data)), 1)
    request.cancel()
    return request


def qemu_img(*words: object) -> str:
    """What qemu-img prints."""
    return subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True, text=True).stdout


def qcow2(path: Path, size: str = "3M", *options: object) -> Path:
    """An empty qcow2 image."""
    qemu_img("create", "-q", "-f", "qcow2", *options, path, size)
    return path


def patched(path: Path, at: int, data: bytes) -> Path:
    """A file with other bytes in one place."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    return path


def ranges(data: bytes, *, break_at: int = 0, tag: str = '"1"', changes: bool = False) -> Reply:
    """A reply that knows ranges; a whole answer, and each later one, breaks off after `break_at` bytes.

    `changes`: from the second answer on it is another file.
    """
    asked: list[str] = []

    def reply(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        now = data if not (changes and len(asked) > 1) else data[::-1]
        tag_now = tag if not (changes and len(asked) > 1) else '"2"'
        found = re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", handler.headers.get("Range", ""))
        if handler.headers.get("If-Range", tag_now) != tag_now:
            found = None
        begin, end = (int(found[1]), min(int(found[2] or len(now)) + 1, len(now))) if found else (0, len(now))
        handler.send_response(206 if found else 200)
        handler.send_header("Content-Length", str(end - begin))
        handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("ETag", tag_now)
        if found:
            handler.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(now)}")
        handler.end_headers()
        handler.wfile.write(now[begin : min(end, begin + break_at) if break_at else end])

    return reply


def redirect(location: str) -> Reply:
    """A reply that sends elsewhere."""

    def reply(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", location)
        handler.end_headers()

    return reply


def endless(piece: bytes) -> Reply:
    """A reply without a length that does not end until the client goes."""

    def reply(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(piece)

    return reply
