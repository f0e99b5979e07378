"""The door for events: `GET /events`, as server-sent events (text/event-stream).

    GET /events?after=120&kind=VM&what=state HTTP/1.1
    Authorization: Basic …

    id: 121
    data: {"id":121,"at":1790000000,"kind":"VM","object_id":7, …}

The id is the cursor: a client that was cut goes on after the last one that it saw, told as `after` or, as browsers do
by themselves, as `Last-Event-ID`.  Every event comes at least once.  What was lost, because it is not kept so long, is
told as an event of its own, `gap`.  With `follow=no` the stream ends with what there is.

Source of the format: the HTML standard, section 9.2 (server-sent events).
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from trifid.doors.http import BASIC, Application, Receive, Refused, Scope, Send, basic_session, header, peer, send_text
from trifid.doors.server import ABORT
from trifid.errors import NotAuthenticated, TrifidError
from trifid.methods.event_stream import Feed, Open

PATH = "/events"
SEND_S_MAX = 30.0
"""A client that takes nothing for so long is dropped; it comes again where it was."""
RETRY_MS = 2000
"""After so long clients come again that were cut."""
FIELDS_MAX = 50
FILTERS = ("kind", "id", "uid", "what", "old", "new")
_CURSOR_DIGITS_MAX = 18


class Bounds(msgspec.Struct, frozen=True):
    """How many streams there may be, and how they stay alive.

    Attributes:
        streams_max, streams_user_max: at once, and of one user.
        heartbeat_s: a stream without events says so often that it is there.
        send_s_max: a client that takes nothing for so long is dropped.
    """

    streams_max: int = 100
    streams_user_max: int = 20
    heartbeat_s: float = 15.0
    send_s_max: float = SEND_S_MAX


def with_events(rest: Application, open_feed: Open, bounds: Bounds) -> Application:
    """Return the application that tells events at /events, and leaves all other paths to `rest`."""
    door = _Door(open_feed, bounds)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (door if scope["path"] == PATH else rest)(scope, receive, send)

    return answer


class _Door:
    def __init__(self, open_feed: Open, bounds: Bounds) -> None:
        self._open = open_feed
        self._bounds = bounds
        self._streams: Counter[int] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            asked = _asked(scope)
            feed = await self._admitted(scope, asked.wanted)
        except Refused as refused:
            await send_text(send, refused.status, refused.text, *refused.headers)
            return
        self._streams[feed.uid] += 1
        try:
            stream = _Stream(feed, send, asked, self._bounds)
            await _until_gone(stream, receive)
            if stream.is_stuck:
                await _abort(scope)
        finally:
            self._streams[feed.uid] -= 1
            self._streams += Counter()  # forgets who has none

    async def _admitted(self, scope: Scope, wanted: Mapping[str, Sequence[str]]) -> Feed:
        try:
            feed = await self._open(basic_session(scope), wanted, peer(scope))
        except NotAuthenticated as nobody:
            raise Refused(401, nobody.message, BASIC) from None
        except TrifidError as bad:
            raise Refused(400, bad.message) from None
        wait = (b"retry-after", b"10")
        if self._streams[feed.uid] >= self._bounds.streams_user_max:
            raise Refused(429, f"you have {self._bounds.streams_user_max} event streams: close one", wait)
        if self._streams.total() >= self._bounds.streams_max:
            raise Refused(503, f"there are {self._bounds.streams_max} event streams already: come again later", wait)
        return feed


class _Asked(msgspec.Struct, frozen=True):
    """What a request wants.

    Attributes:
        after: id of the last event that it does not want; negative = of so many before the newest, None = the newest.
        follows: whether it waits for what is still to come.
        wanted: the filter.
    """

    after: int | None
    follows: bool
    wanted: Mapping[str, Sequence[str]]


def _asked(scope: Scope) -> _Asked:
    """Return what a request wants; raises Refused."""
    if scope["method"] != "GET":
        raise Refused(405, "events are read with GET", (b"allow", b"GET"))
    try:
        fields = parse_qs(
            scope["query_string"].decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError:
        raise Refused(400, f"the query cannot be read: UTF-8, at most {FIELDS_MAX} fields") from None
    follow = fields.pop("follow", ["yes"])[-1]
    if follow not in ("yes", "no"):
        raise Refused(400, f"follow must be yes or no, is {follow[:80]!r}")
    cursors = [header(scope, b"last-event-id").decode("latin-1"), *fields.pop("after", [])]
    unknown = [key for key in fields if key not in FILTERS]
    if unknown:
        raise Refused(400, f"{unknown[0][:80]!r} is not known here: after, follow, {', '.join(FILTERS)} are")
    cursor = next(filter(None, cursors), "")
    if not cursor:
        return _Asked(None, follow == "yes", fields)
    digits = cursor.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _CURSOR_DIGITS_MAX):
        raise Refused(400, f"after must be the id of an event, is {cursor[:80]!r}")
    return _Asked(int(cursor), follow == "yes", fields)


async def _until_gone(stream: "_Stream", receive: Receive) -> None:
    """Run a stream until it is over or its client has gone."""
    running = asyncio.ensure_future(stream.run())
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (running, leaving):
            task.cancel()
        outcomes = await asyncio.gather(running, leaving, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _abort(scope: Scope) -> None:
    abort: Callable[[], None] | None = scope.get("extensions", {}).get(ABORT, {}).get("call")
    if abort is not None:
        abort()
        await asyncio.sleep(0)  # the connection hears of it before the answer is found unfinished


class _Stream:
    """One client's events.

    Attributes:
        is_stuck: the client takes nothing any more.
    """

    def __init__(self, feed: Feed, send: Send, asked: _Asked, bounds: Bounds) -> None:
        self.is_stuck = False
        self._feed = feed
        self._send_message = send
        after = feed.newest if asked.after is None else asked.after
        self._after = after if after >= 0 else max(0, feed.newest + after)
        self._until = None if asked.follows else feed.newest
        self._bounds = bounds

    async def run(self) -> None:
        """Tell events until the engine ends, the caller is not let in any more, or the client is stuck."""
        try:
            await self._told()
        except TimeoutError:
            self.is_stuck = True

    async def _told(self) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._write(f"retry: {RETRY_MS}\nid: {self._after}\n\n")
        loop = asyncio.get_running_loop()
        spoken_s = checked_s = loop.time()
        while not self._feed.is_over:
            try:
                if loop.time() - checked_s >= self._bounds.heartbeat_s:
                    await self._feed.still_admitted()
                    checked_s = loop.time()
                page = await self._feed.page(self._after)
            except NotAuthenticated:
                break
            text = "".join(f"id: {event_id}\ndata: {event}\n\n" for event_id, event in page.events)
            if page.first_kept:
                gap = json.dumps({"after": self._after, "first": page.first_kept})
                text = f"event: gap\ndata: {gap}\n\n{text}"
            has_moved, self._after = page.last != self._after, page.last
            if not text and loop.time() - spoken_s >= self._bounds.heartbeat_s:
                text = f": still here\nid: {self._after}\n\n"
            if text:
                await self._write(text)
                spoken_s = loop.time()
            if self._until is not None and self._after >= self._until:
                break
            if has_moved:
                await asyncio.sleep(0)  # a long past must not keep others waiting
            else:
                await self._feed.wait(self._after, self._bounds.heartbeat_s)
        await self._send({"type": "http.response.body", "body": b""})

    async def _write(self, text: str) -> None:
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def _send(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(self._bounds.send_s_max):
            await self._send_message(message)
