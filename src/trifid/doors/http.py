"""What the doors share of HTTP: a refusal, pieces of a body, headers.  ASGI, and nothing of the server under it."""

import base64
import binascii
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

BASIC: Header = (b"www-authenticate", b'Basic realm="trifid", charset="UTF-8"')
"""Tells who is refused with 401 how to say who it is."""

_LENGTH_DIGITS_MAX = 18
"""A longer length is too large either way, and converting thousands of digits is refused by Python."""


class Refused(Exception):
    """The request is refused as HTTP: a status, a text for people, headers."""

    def __init__(self, status: int, text: str, *headers: Header) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class Gone(Exception):
    """The client went away before it had said everything."""


def header(scope: Scope, name: bytes) -> bytes:
    """Return the first header of a name (lower case), empty when there is none."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return b""


def basic_session(scope: Scope) -> str:
    """Return the session string of `Authorization: Basic`; raises Refused (401, 400)."""
    scheme, _, encoded = header(scope, b"authorization").partition(b" ")
    if scheme.lower() != b"basic":
        raise Refused(401, "say who you are: Authorization: Basic with user and password", BASIC)
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(400, "Authorization: Basic must be followed by base64 of user:password, UTF-8") from None


def declared_length(scope: Scope) -> int:
    """Return the length that a request declares for its body, bytes; 0 when it declares none."""
    length = header(scope, b"content-length")
    return int(length[:_LENGTH_DIGITS_MAX]) if length.isdigit() else 0


def peer(scope: Scope) -> str:
    """Return address and port of the client."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "unknown"


async def next_piece(receive: Receive) -> tuple[bytes, bool]:
    """Return the next piece of a body, and whether more follows; raises Gone."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    return message.get("body", b""), message.get("more_body", False)


async def drain(receive: Receive, bytes_max: int) -> None:
    """Throw away what is still coming, up to a limit; raises Gone.

    A connection closed with unread data is reset, and most clients then never see the answer.
    """
    more = bytes_max > 0
    while more and bytes_max > 0:
        piece, more = await next_piece(receive)
        bytes_max -= len(piece)


async def send_text(send: Send, status: int, text: str, *headers: Header, has_body: bool = True) -> None:
    """Answer with one line of text; only its headers for HEAD (`has_body` false)."""
    data = f"{text}\n".encode() if text else b""
    all_headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(data)),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": data if has_body else b""})
