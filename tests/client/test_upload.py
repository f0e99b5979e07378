"""Uploads, against servers that say exactly this; and against the real door."""

import asyncio
import hashlib
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trifid.client.errors import EngineUnreachable
from trifid.client.upload import WAITS_S, Uploader, UploadRefused, upload_name
from trifid.doors.server import serve
from trifid.doors.upload import with_uploads
from trifid.doors.upload_files import Limits, Uploads

SIZE = 3_000_000


class Server:
    """A door whose connections break.

    Attributes:
        breaks_after: bytes of a body after which the connection is closed, one entry for each PUT; then it is not.
        refuses: status and text for PUT, before anything is read.
        spoils: the next so many files are answered with a checksum that is not theirs.
        there: what has come of each name.
        asked: method, path and offset of each request.
    """

    def __init__(self, breaks_after=(), refuses=None, spoils=0, bytes_max=10 * SIZE):
        self.breaks_after = list(breaks_after)
        self.refuses, self.spoils, self.bytes_max = refuses, spoils, bytes_max
        self.there: dict[str, bytes] = {}
        self.complete: set[str] = set()
        self.asked: list[str] = []
        self.who: set[str] = set()
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                name = self.seen()
                self.say(
                    200,
                    "",
                    {
                        "Upload-Offset": len(world.there.get(name, b"")),
                        "Upload-Complete": "?1" if name in world.complete else "?0",
                        "Upload-Limit": f"max-size={world.bytes_max}",
                    },
                )

            def do_DELETE(self):
                name = self.seen()
                world.there.pop(name, None)
                world.complete.discard(name)
                self.say(200, "gone")

            def do_PUT(self):
                name = self.seen()
                if world.refuses:
                    self.close_connection = True
                    self.say(*world.refuses)
                    return
                offset = int(re.search(r"offset=(\d+)", self.path)[1])
                length = int(self.headers["Content-Length"])
                breaks = world.breaks_after.pop(0) if world.breaks_after else length
                data = self.rfile.read(min(breaks, length))
                world.there[name] = world.there.get(name, b"")[:offset] + data
                if len(data) < length:
                    self.close_connection = True
                    return
                world.complete.add(name)
                digest = hashlib.sha256(world.there[name] + b"x" * (world.spoils > 0)).hexdigest()
                world.spoils -= 1
                self.say(201, "done", {"X-Checksum-Sha256": digest})

            def seen(self):
                world.asked.append(f"{self.command} {self.path}")
                world.who.add(self.headers["Authorization"])
                return self.path.rpartition("/")[2].partition("?")[0]

            def say(self, status, text, headers=None):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                for name, value in (headers or {}).items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}/RPC2"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(os.urandom(SIZE))
    return path


def sent(server, file, waited=None, told=None):
    waited = [] if waited is None else waited
    Uploader(server.endpoint, "alice:pass:word", waited.append).send(file, "disk", told or (lambda done, size: None))


def test_a_file_is_sent_with_who_sends_it(file):
    told = []
    with Server() as server:
        sent(server, file, told=lambda done, size: told.append((done, size)))
        assert server.there == {"disk": file.read_bytes()}
        assert server.asked == ["HEAD /upload/disk", "PUT /upload/disk?offset=0"]
        assert server.who == {"Basic YWxpY2U6cGFzczp3b3Jk"}
    assert told[-1] == (SIZE, SIZE)
    assert told == sorted(told)


def test_an_upload_goes_on_after_a_broken_connection(file):
    waited = []
    with Server(breaks_after=[1_000_000, 500_000]) as server:
        sent(server, file, waited)
        assert server.there == {"disk": file.read_bytes()}
        assert [one for one in server.asked if "PUT" in one] == [
            f"PUT /upload/disk?offset={offset}" for offset in (0, 1_000_000, 1_500_000)
        ]
    assert waited == [WAITS_S[0], WAITS_S[0]]


def test_what_is_there_of_an_earlier_command_is_not_sent_again(file):
    with Server() as server:
        server.there["disk"] = file.read_bytes()[:2_000_000]
        sent(server, file)
        assert server.asked[1] == "PUT /upload/disk?offset=2000000"
        assert server.there == {"disk": file.read_bytes()}
        sent(server, file)
        assert server.asked[2:] == ["HEAD /upload/disk"]


def test_it_is_given_up_when_nothing_gets_through(file):
    waited = []
    with Server(breaks_after=[1_000_000, *[0] * 20]) as server, pytest.raises(EngineUnreachable, match="1000000 bytes"):
        sent(server, file, waited)
    assert waited == [WAITS_S[0], *WAITS_S]


def test_what_did_not_arrive_as_it_was_sent_is_sent_again(file):
    with Server(spoils=1) as server:
        sent(server, file)
        assert [one.partition(" ")[0] for one in server.asked] == ["HEAD", "PUT", "DELETE", "HEAD", "PUT"]
        assert server.there == {"disk": file.read_bytes()}


@pytest.mark.parametrize(("status", "text"), [(413, "too many uploads"), (507, "no room"), (401, "who are you")])
def test_a_refusal_is_told_as_the_engine_says_it(file, status, text):
    with Server(refuses=(status, text)) as server, pytest.raises(UploadRefused, match=text) as refused:
        sent(server, file)
    assert refused.value.status == status


def test_a_file_that_is_too_large_is_not_sent(file):
    with Server(bytes_max=SIZE - 1) as server:
        with pytest.raises(UploadRefused, match=f"at most {SIZE - 1}"):
            sent(server, file)
        assert server.there == {}


def test_nobody_there_is_told_at_once(file):
    waited = []
    with Server() as server:
        endpoint = server.endpoint
    with pytest.raises(EngineUnreachable, match="no engine takes uploads"):
        Uploader(endpoint, "alice:secret", waited.append).send(file, "disk")
    assert waited == []


def test_the_path_of_a_proxy_is_kept(file):
    with Server() as server:
        endpoint = server.endpoint.replace("/RPC2", "/cloud/RPC2")
        Uploader(endpoint, "alice:secret", lambda seconds: None).send(file, "disk")
        assert server.asked[0] == "HEAD /cloud/upload/disk"


def test_a_name_stands_for_a_file_with_its_contents(tmp_path):
    path = tmp_path / "..Debian 12 (é).img.part"
    path.write_bytes(b"one")
    name = upload_name(path)
    assert re.fullmatch(r"[0-9a-f]{16}-Debian_12_.img", name), name
    assert upload_name(path) == name
    path.write_bytes(b"other")
    assert upload_name(path) != name
    assert len(upload_name(_touched(tmp_path / ("x" * 200)))) <= 128


def _touched(path):
    path.touch()
    return path


def test_the_real_door_takes_it_and_goes_on(tmp_path, file):
    uploads = Uploads(tmp_path / "uploads", Limits(1 << 30, 1 << 30), free=lambda path: (1 << 40, 1 << 39))

    async def admit(session, peer):
        assert session == "alice:secret"
        return 2

    async def sent_to_it():
        async with serve(with_uploads(lambda *_: None, uploads, admit), "127.0.0.1", 0) as port:
            part = tmp_path / "uploads" / "2" / "disk.part"
            part.parent.mkdir(parents=True)
            part.write_bytes(file.read_bytes()[:1_234_567])
            uploader = Uploader(f"http://127.0.0.1:{port}/RPC2", "alice:secret", lambda seconds: None)
            await asyncio.to_thread(uploader.send, file, "disk")
            assert (tmp_path / "uploads" / "2" / "disk").read_bytes() == file.read_bytes()
            await asyncio.to_thread(uploader.forget, "disk")
            assert list(part.parent.iterdir()) == []

    asyncio.run(sent_to_it())
