"""The XML-RPC door: HTTP requests in, calls to the dispatcher, documents out.

The door knows nothing of the engine.  It bounds what a stranger can make it do: size and time of a
request before it is read, depth and number of elements while it is read.

Source: reference/api-modern.md §1 and §2.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from itertools import islice
from typing import Any

from trifid.wire.answers import Answer, Fault
from trifid.wire.xmlrpc import I8, BadXmlRpc, answer_chunks, decode_call, encode_fault

BODY_BYTES_MAX = 8 * 1024 * 1024
READ_TIMEOUT_S = 30.0
CHUNKS_PER_WRITE = 64

FAULT_PARSE = -503
"""A body that is no XML-RPC call; a method or type that does not fit is the dispatcher's to refuse."""

_PATHS = ("/RPC2", "/")
_CONTENT_TYPES = ("text/xml", "application/xml")
_LENGTH_DIGITS_MAX = 18
"""A longer length is too large either way, and converting thousands of digits is refused by Python."""
_DRAINED_BODIES = 8
"""How many times the limit is read and thrown away so that the sender comes to read the refusal."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Dispatch = Callable[[str, list[Any], str], Awaitable[Answer | Fault]]
"""Takes method, arguments and who calls (address and port)."""


class _Refused(Exception):
    """The request is refused as HTTP, before it becomes a call."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class _Gone(Exception):
    """The client went away before it had said everything."""


def application(
    dispatch: Dispatch, *, body_bytes_max: int = BODY_BYTES_MAX, read_timeout_s: float = READ_TIMEOUT_S
) -> Application:
    """Return the ASGI application that answers XML-RPC calls with what `dispatch` says."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", f"the door speaks HTTP, not {scope['type']}"
        try:
            _check_request(scope)
            body = await _body(scope, receive, body_bytes_max, read_timeout_s)
        except _Refused as refused:
            await _send_text(send, refused)
            return
        except _Gone:
            return
        await _send_chunks(send, await _answered(dispatch, body, _peer(scope)))

    return answer


async def _answered(dispatch: Dispatch, body: bytes, peer: str) -> list[str]:
    try:
        method, arguments = decode_call(body)
    except BadXmlRpc as bad:
        return [encode_fault(FAULT_PARSE, f"cannot read the call: {bad}").decode()]
    outcome = await dispatch(method, arguments, peer)
    if isinstance(outcome, Fault):
        return [encode_fault(outcome.code, outcome.text).decode()]
    return answer_chunks(answer_values(outcome))


def answer_values(answer: Answer) -> list[Any]:
    """Return the array that stands for an answer: three elements on success, else five."""
    if answer.success:
        return [True, answer.value, 0]
    return [False, answer.value, answer.code, answer.object_id, I8(-1)]


# -- reading the request ---------------------------------------------------------------------------


def _check_request(scope: Scope) -> None:
    if scope["path"] not in _PATHS:
        raise _Refused(404, "nothing here; the API is at /RPC2")
    if scope["method"] != "POST":
        raise _Refused(405, "the API is XML-RPC: send calls with POST", (b"allow", b"POST"))
    content_type = _header(scope, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    if content_type and content_type not in _CONTENT_TYPES:
        raise _Refused(415, f"the API is XML-RPC: Content-Type must be text/xml, is {content_type[:80]}")
    if _header(scope, b"content-encoding").strip().lower() not in (b"", b"identity"):
        raise _Refused(415, "calls must not be compressed")


async def _body(scope: Scope, receive: Receive, bytes_max: int, timeout_s: float) -> bytes:
    too_large = _Refused(413, f"a call must not be larger than {bytes_max} bytes", (b"connection", b"close"))
    try:
        async with asyncio.timeout(timeout_s):
            if _declared_length(scope) > bytes_max:
                # a sender that waits for leave to go on is answered at once
                if _header(scope, b"expect").lower() != b"100-continue":
                    await _drain(receive, bytes_max * _DRAINED_BODIES)
                raise too_large
            pieces: list[bytes] = []
            size = 0
            more = True
            while more:
                piece, more = await _piece(receive)
                size += len(piece)
                if size > bytes_max:
                    pieces.clear()
                    await _drain(receive, bytes_max * _DRAINED_BODIES if more else 0)
                    raise too_large
                pieces.append(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except TimeoutError:
        text = f"the call was not complete after {timeout_s:g} s"
        raise _Refused(408, text, (b"connection", b"close")) from None


async def _piece(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _Gone
    return message.get("body", b""), message.get("more_body", False)


async def _drain(receive: Receive, bytes_max: int) -> None:
    """Throw away what is still coming, up to a limit.

    A connection closed with unread data is reset, and most clients then never see the answer.
    """
    more = bytes_max > 0
    while more and bytes_max > 0:
        piece, more = await _piece(receive)
        bytes_max -= len(piece)


def _declared_length(scope: Scope) -> int:
    length = _header(scope, b"content-length")
    return int(length[:_LENGTH_DIGITS_MAX]) if length.isdigit() else 0


def _header(scope: Scope, name: bytes) -> bytes:
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return b""


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else "unknown"


# -- sending the answer ----------------------------------------------------------------------------


async def _send_chunks(send: Send, chunks: list[str]) -> None:
    """Send a document; one of many chunks goes out in several writes, so that others get their turn."""
    headers = [(b"content-type", b"text/xml; charset=utf-8")]
    if len(chunks) <= CHUNKS_PER_WRITE:
        data = "".join(chunks).encode()
        headers.append((b"content-length", b"%d" % len(data)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data})
        return
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for group in _grouped(chunks):
        await send({"type": "http.response.body", "body": "".join(group).encode(), "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


def _grouped(chunks: Iterable[str]) -> Iterator[list[str]]:
    left = iter(chunks)
    while group := list(islice(left, CHUNKS_PER_WRITE)):
        yield group


async def _send_text(send: Send, refused: _Refused) -> None:
    data = f"{refused.text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(data)),
        *refused.headers,
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
