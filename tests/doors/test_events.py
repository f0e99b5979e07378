"""The door for events: the format of server-sent events, cursors, gaps, heartbeats, and bounds."""

import asyncio
import base64
import contextlib
import socket
from pathlib import Path

import pytest

from trifid.doors.events import Bounds, with_events
from trifid.doors.server import ABORT, serve
from trifid.errors import BadRequest, NotAuthenticated
from trifid.methods.event_stream import Page


async def elsewhere(scope, receive, send):
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"the API"})


class Feed:
    """Events 1 to `newest`, of which those below `first` are lost; alice may look at them until she is locked out."""

    uid = 2

    def __init__(self) -> None:
        self.newest, self.first = 3, 1
        self.is_over = self.is_locked_out = self.is_over_time = False
        self.news = asyncio.Event()
        self.wanted = None

    async def open(self, session, wanted, peer):
        assert peer == "10.0.0.9:1234" or peer.startswith("127.0.0.1:")
        if session != "alice:pw":
            raise NotAuthenticated("User couldn't be authenticated, aborting call.")
        if "x" in wanted.get("id", ()):
            raise BadRequest("id must be a number, is 'x'")
        self.wanted = wanted
        return self

    async def page(self, after):
        if self.is_locked_out:
            raise NotAuthenticated("User couldn't be authenticated, aborting call.")
        ids = range(max(after + 1, self.first), self.newest + 1)
        is_gap = after > self.newest or (len(ids) > 0 and ids[0] != after + 1)
        events = tuple((number, f'{{"id":{number}}}') for number in ids)
        return Page(events, self.newest, (ids[0] if ids else self.newest + 1) if is_gap else 0)

    async def wait(self, after, seconds):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()
        self.news.clear()

    async def still_admitted(self):
        if self.is_over_time:
            raise NotAuthenticated("User couldn't be authenticated, aborting call.")

    def happens(self, newest):
        self.newest = newest
        self.news.set()


class Client:
    """A client of the door; `stuck` = it takes nothing more."""

    def __init__(self, app, query="", headers=None, who="alice:pw", method="GET", path="/events") -> None:
        given = {"authorization": f"Basic {base64.b64encode(who.encode()).decode()}"} if who else {}
        self.aborted = False
        self.status, self.headers, self.text, self.is_over = 0, {}, "", False
        self.stuck = False
        self._gone = asyncio.Event()
        self._came = asyncio.Event()
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "client": ("10.0.0.9", 1234),
            "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in {**given, **(headers or {})}.items()],
            "extensions": {ABORT: {"call": self._abort}},
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    def _abort(self):
        self.aborted = True

    async def _receive(self):
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if self.stuck:
            await asyncio.Event().wait()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.text += message.get("body", b"").decode()
            self.is_over = not message.get("more_body", False)
        self._came.set()

    async def until(self, text):
        async with asyncio.timeout(10):
            while text not in self.text:
                self._came.clear()
                await self._came.wait()

    async def over(self):
        async with asyncio.timeout(10):
            await self.task

    async def leave(self):
        self._gone.set()
        await self.over()


@pytest.fixture
def feed():
    return Feed()


def door(feed, **bounds):
    return with_events(elsewhere, feed.open, Bounds(**{"heartbeat_s": 60.0, **bounds}))


async def test_events_come_with_their_ids_then_those_that_happen(feed):
    client = Client(door(feed), "after=1&kind=VM")
    await client.until('id: 2\ndata: {"id":2}\n\nid: 3\ndata: {"id":3}\n\n')
    assert client.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert feed.wanted == {"kind": ["VM"]}
    feed.happens(4)
    await client.until('id: 4\ndata: {"id":4}\n\n')
    assert client.text.count("data: ") == 3
    await client.leave()


@pytest.mark.parametrize(
    ("query", "headers", "first"),
    [
        ("after=0", {"last-event-id": "2"}, 3),  # a browser that comes again asks for the same URL
        ("after=-2", {}, 2),
        ("after=-100", {}, 1),
        ("after=0", {}, 1),
    ],
)
async def test_a_stream_begins_where_its_client_says(feed, query, headers, first):
    client = Client(door(feed), query, headers)
    await client.until(f'data: {{"id":{first}}}')
    assert client.text.count("data: ") == 4 - first
    await client.leave()


async def test_without_a_cursor_it_begins_now_and_tells_where_that_is(feed):
    client = Client(door(feed))
    await client.until("retry: 2000\nid: 3\n\n")
    assert "data" not in client.text
    await client.leave()


async def test_what_is_lost_is_told(feed):
    feed.first = 3
    client = Client(door(feed), "after=1")
    await client.until('event: gap\ndata: {"after": 1, "first": 3}\n\nid: 3\n')
    await client.leave()


async def test_one_that_does_not_follow_ends_with_what_there_is(feed):
    client = Client(door(feed), "after=0&follow=no")
    await client.over()
    assert (client.is_over, client.text.count("data: ")) == (True, 3)


async def test_a_silent_stream_says_that_it_is_there_and_how_far_it_is(feed):
    client = Client(door(feed, heartbeat_s=0.01), "after=3")
    await client.until(": still here\nid: 3\n\n")
    await client.leave()


async def test_who_may_not_come_any_more_is_let_go(feed):
    client = Client(door(feed), "after=3")
    await client.until("id: 3")
    feed.is_locked_out = True
    feed.happens(4)
    await client.over()
    assert client.is_over
    assert '{"id":4}' not in client.text


async def test_whose_time_is_over_is_let_go_though_nothing_happens(feed):
    client = Client(door(feed, heartbeat_s=0.01), "after=3")
    await client.until("still here")
    feed.is_over_time = True
    await client.over()
    assert client.is_over


async def test_streams_end_with_the_engine(feed):
    client = Client(door(feed), "after=3")
    await client.until("id: 3")
    feed.is_over = True
    feed.happens(3)
    await client.over()
    assert client.is_over


async def test_a_client_that_takes_nothing_is_dropped(feed):
    app = door(feed, send_s_max=0.01, streams_max=1)
    client = Client(app, "after=3")
    await client.until("id: 3")
    client.stuck = True
    feed.happens(4)
    await client.over()
    assert client.aborted
    another = Client(app, "after=3")
    await another.until("data: ")  # its place is free again
    await another.leave()


@pytest.mark.parametrize(("bounds", "status"), [({"streams_user_max": 2}, 429), ({"streams_max": 2}, 503)])
async def test_there_are_no_more_streams_than_configured(feed, bounds, status):
    app = door(feed, **bounds)
    clients = [Client(app, "after=0") for _ in range(2)]
    for client in clients:
        await client.until("data: ")
    refused = Client(app, "after=0")
    await refused.over()
    assert refused.status == status
    await clients[0].leave()
    again = Client(app, "after=0")
    await again.until("data: ")
    for client in (clients[1], again):
        await client.leave()


@pytest.mark.parametrize(
    ("query", "more", "status"),
    [
        ("", {"who": "alice:wrong"}, 401),
        ("", {"who": ""}, 401),
        ("", {"method": "POST"}, 405),
        ("after=x", {}, 400),
        ("after=" + "9" * 30, {}, 400),
        ("after=%D9%A3", {}, 400),
        ("colour=red", {}, 400),
        ("id=x", {}, 400),
        ("follow=perhaps", {}, 400),
        ("&".join(f"id={n}" for n in range(60)), {}, 400),
        ("kind=%ff", {}, 400),
        ("", {"path": "/RPC2"}, 299),
    ],
)
async def test_what_is_no_stream_is_refused(feed, query, more, status):
    client = Client(door(feed), query, **more)
    await client.over()
    assert client.status == status


class Endless(Feed):
    """More events than any client takes."""

    async def page(self, after):
        return Page(((after + 1, "x" * 65536),), after + 1)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_real_client_that_reads_nothing_loses_its_connection(caplog):
    app = with_events(elsewhere, Endless().open, Bounds(send_s_max=0.2))
    basic = base64.b64encode(b"alice:pw")
    async with serve(app, "127.0.0.1", 0) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            before = open_files()
            client.sendall(b"GET /events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + basic + b"\r\n\r\n")
            async with asyncio.timeout(30):
                while open_files() <= before:  # until the other end is there
                    await asyncio.sleep(0)
                while open_files() > before:  # until it is gone
                    await asyncio.sleep(0)
    assert "without completing response" not in caplog.text
