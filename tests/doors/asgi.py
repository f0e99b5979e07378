"""A client that speaks ASGI to an application, without a socket."""

import asyncio
from collections.abc import Callable

import msgspec


class Response(msgspec.Struct):
    """What an application answered.

    Attributes:
        writes: the body as it came, one entry for each message.
    """

    status: int = 0
    headers: dict[bytes, bytes] = {}
    writes: list[bytes] = []
    done: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.writes)


async def request(
    app: Callable,
    *pieces: bytes,
    path: str = "/RPC2",
    query: str = "",
    method: str = "POST",
    headers: dict[str, str] | None = None,
    then: str = "end",
) -> Response:
    """Send a request whose body comes in `pieces`.

    Args:
        then: "end" = the last piece ends it, "disconnect" = the client goes away, "silence" = nothing more comes.
    """
    given = {"content-type": "text/xml", **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "client": ("127.0.0.1", 4711),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }
    last = then == "end"
    messages = [
        {"type": "http.request", "body": piece, "more_body": not last or number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]
    if then == "disconnect":
        messages.append({"type": "http.disconnect"})
    waiting = iter(messages)
    response = Response()

    async def receive():
        found = next(waiting, None)
        if found is None:
            await asyncio.Event().wait()
        return found

    async def send(message):
        assert not response.done, "nothing follows the end of an answer"
        if message["type"] == "http.response.start":
            assert response.status == 0, "an answer begins once"
            response.status, response.headers = message["status"], dict(message["headers"])
        else:
            assert response.status, "an answer begins with its status"
            response.writes.append(message.get("body", b""))
            response.done = not message.get("more_body", False)

    await app(scope, receive, send)
    return response
