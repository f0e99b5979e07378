"""The XML-RPC door: HTTP requests in, calls to the dispatcher, documents out.

The door knows nothing of the engine.  It bounds what a stranger can make it do: size and time of a
request before it is read, depth and number of elements while it is read.

Source: reference/api-modern.md §1 and §2.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from trifid.doors.http import (
    Application,
    Gone,
    Receive,
    Refused,
    Scope,
    Send,
    declared_length,
    drain,
    header,
    next_piece,
    peer,
    send_text,
)
from trifid.wire.answers import Answer, Fault
from trifid.wire.xmlrpc import I8, BadXmlRpc, answer_chunks, decode_call, encode_fault

BODY_BYTES_MAX = 8 * 1024 * 1024
READ_TIMEOUT_S = 30.0
CHUNKS_PER_WRITE = 64

FAULT_PARSE = -503
"""A body that is no XML-RPC call; a method or type that does not fit is the dispatcher's to refuse."""

_PATHS = ("/RPC2", "/")
_CONTENT_TYPES = ("text/xml", "application/xml")
_DRAINED_BODIES = 8
"""How many times the limit is read and thrown away so that the sender comes to read the refusal."""

Dispatch = Callable[[str, list[Any], str], Awaitable[Answer | Fault]]
"""Takes method, arguments and who calls (address and port)."""


LIST_METHODS = "system.listMethods"
"""What clients ask to know what a server can, before they have a session.  Source: xmlrpc introspection."""


def application(
    dispatch: Dispatch,
    *,
    methods: Sequence[str] = (),
    body_bytes_max: int = BODY_BYTES_MAX,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Application:
    """Return the ASGI application that answers XML-RPC calls with what `dispatch` says.

    Args:
        methods: names of all methods, which anybody may ask for.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", f"the door speaks HTTP, not {scope['type']}"
        try:
            _check_request(scope)
            body = await _body(scope, receive, body_bytes_max, read_timeout_s)
        except Refused as refused:
            await send_text(send, refused.status, refused.text, *refused.headers)
            return
        except Gone:
            return
        await _send_chunks(send, await _answered(dispatch, methods, body, peer(scope)))

    return answer


async def _answered(dispatch: Dispatch, methods: Sequence[str], body: bytes, peer: str) -> list[str]:
    try:
        method, arguments = decode_call(body)
    except BadXmlRpc as bad:
        return [encode_fault(FAULT_PARSE, f"cannot read the call: {bad}").decode()]
    if method == LIST_METHODS:
        return answer_chunks([LIST_METHODS, *methods])
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
        raise Refused(404, "nothing here; the API is at /RPC2")
    if scope["method"] != "POST":
        raise Refused(405, "the API is XML-RPC: send calls with POST", (b"allow", b"POST"))
    content_type = header(scope, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    if content_type and content_type not in _CONTENT_TYPES:
        raise Refused(415, f"the API is XML-RPC: Content-Type must be text/xml, is {content_type[:80]}")
    if header(scope, b"content-encoding").strip().lower() not in (b"", b"identity"):
        raise Refused(415, "calls must not be compressed")


async def _body(scope: Scope, receive: Receive, bytes_max: int, timeout_s: float) -> bytes:
    too_large = Refused(413, f"a call must not be larger than {bytes_max} bytes", (b"connection", b"close"))
    try:
        async with asyncio.timeout(timeout_s):
            if declared_length(scope) > bytes_max:
                # a sender that waits for leave to go on is answered at once
                if header(scope, b"expect").lower() != b"100-continue":
                    await drain(receive, bytes_max * _DRAINED_BODIES)
                raise too_large
            pieces: list[bytes] = []
            size = 0
            more = True
            while more:
                piece, more = await next_piece(receive)
                size += len(piece)
                if size > bytes_max:
                    pieces.clear()
                    await drain(receive, bytes_max * _DRAINED_BODIES if more else 0)
                    raise too_large
                pieces.append(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except TimeoutError:
        text = f"the call was not complete after {timeout_s:g} s"
        raise Refused(408, text, (b"connection", b"close")) from None


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
