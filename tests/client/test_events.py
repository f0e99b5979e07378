"""The reader of the event stream: what was cut goes on where it was."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from trifid.client.errors import EngineUnreachable
from trifid.client.events import Event, Events, StreamRefused

FIRST = "retry: 2000\nid: 4\n\nid: 5\ndata: five\n\n: still here\nid: 7\n\n"
CUT = "id: 8\nevent: gap\ndata: lo"


class Server:
    """Answers with streams, one after the other."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.who: list[str] = []
        left, server = list(answers), self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                assert parts.path == "/events"
                server.asked.append(parse_qs(parts.query))
                server.who.append(self.headers["authorization"])
                status, text = left.pop(0) if left else (503, "no more")
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}/RPC2"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def test_events_are_read_and_a_stream_that_was_cut_goes_on_after_what_was_looked_at():
    slept = []
    with Server((200, FIRST + CUT), (503, "full"), (200, "id: 9\ndata: nine\n\n")) as server:
        events = Events(server.endpoint, "alice:pw", slept.append)
        read = events.read("4", {"kind": "VM"}, follow=True)
        assert [next(read), next(read)] == [Event("", "five"), Event("", "nine")]
        assert [asked["after"] for asked in server.asked] == [["4"], ["7"], ["7"]]
        assert server.asked[0]["kind"] == ["VM"]
        assert slept == [2.0, 2.0]
        assert server.who[0] == "Basic YWxpY2U6cHc="


def test_a_gap_is_told_by_its_name():
    with Server((200, "event: gap\ndata: lost\n\n")) as server:
        assert list(Events(server.endpoint, "a:b", lambda s: None).read("", {}, follow=False)) == [Event("gap", "lost")]
        assert server.asked == [{"follow": ["no"]}]


def test_a_stream_that_is_refused_says_why():
    with Server((401, "who are you\n")) as server, pytest.raises(StreamRefused, match=r"^who are you$") as refused:
        list(Events(server.endpoint, "a:b", lambda s: None).read("", {}, follow=True))
    assert refused.value.status == 401


def test_nobody_there_is_told_at_once_also_when_it_would_follow():
    with Server() as server:
        endpoint = server.endpoint
    with pytest.raises(EngineUnreachable, match="no engine tells events"):
        list(Events(endpoint, "a:b", lambda s: None).read("", {}, follow=True))
