"""The door for uploads, driven directly; and once over a real socket."""

import asyncio
import base64
import hashlib
import os

import pytest

from tests.doors.asgi import Response, request
from trifid.doors import upload_files
from trifid.doors.server import serve
from trifid.doors.upload import AT_ONCE_PER_USER_MAX, with_uploads
from trifid.doors.upload_files import FILES_PER_USER_MAX, Limits, Uploads
from trifid.errors import NotAllowed, NotAuthenticated

DATA = b"0123456789" * 10
SHA = hashlib.sha256(DATA).hexdigest()
USERS = {"alice:secret": 2, "bob:pass:word": 3}


async def admit(session: str, peer: str) -> int:
    if session == "guest:guest":
        raise NotAllowed("User [9] : Not authorized to perform CREATE IMAGE.")
    if session not in USERS:
        raise NotAuthenticated("User couldn't be authenticated, aborting call.")
    return USERS[session]


async def elsewhere(scope, receive, send):
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"the API"})


class World:
    """A door and its directory; a full disk is one attribute away."""

    def __init__(self, directory, limits: Limits = Limits(1000, 2000), silence_s: float = 5.0) -> None:
        self.directory = directory
        self.free = 10_000
        self.now = 1_000_000.0
        self.uploads = Uploads(directory, limits, free=lambda path: (10_000, self.free), now=lambda: self.now)
        self.app = with_uploads(elsewhere, self.uploads, admit, silence_s)

    async def ask(self, method: str, name: str, *pieces: bytes, who="alice:secret", **more) -> Response:
        headers = {"authorization": f"Basic {base64.b64encode(who.encode()).decode()}", **more.pop("headers", {})}
        return await request(
            self.app, *(pieces or (b"",)), path=f"/upload/{name}", method=method, headers=headers, **more
        )

    async def put(self, name: str, *pieces: bytes, **more) -> Response:
        return await self.ask("PUT", name, *pieces, **more)

    async def offset(self, name: str) -> tuple[bytes, bytes]:
        found = await self.ask("HEAD", name)
        return found.headers[b"upload-offset"], found.headers[b"upload-complete"]

    def held(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in sorted(self.directory.glob("*/*"))}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "uploads")


# -- whole files -----------------------------------------------------------------------------------


async def test_a_file_comes_in_pieces_and_gets_its_name(world):
    answer = await world.put("disk.img", DATA[:30], DATA[30:])
    assert (answer.status, answer.headers[b"x-checksum-sha256"]) == (201, SHA.encode())
    assert b'PATH="upload:disk.img"' in answer.body
    assert world.held() == {"2/disk.img": DATA}
    assert await world.offset("disk.img") == (b"100", b"?1")


async def test_others_cannot_read_what_was_uploaded(world):
    await world.put("disk.img", DATA)
    modes = [os.stat(path).st_mode & 0o777 for path in (world.directory, world.directory / "2")]
    assert [*modes, os.stat(world.directory / "2" / "disk.img").st_mode & 0o777] == [0o700, 0o700, 0o600]


async def test_everybody_has_names_of_their_own(world):
    await world.put("disk.img", DATA)
    await world.put("disk.img", b"bob's", who="bob:pass:word")
    assert world.held() == {"2/disk.img": DATA, "3/disk.img": b"bob's"}


async def test_a_new_file_takes_the_place_of_an_old_one_only_when_it_is_whole(world):
    await world.put("disk.img", DATA)
    await world.put("disk.img", b"half", then="disconnect")
    assert world.held() == {"2/disk.img": DATA, "2/disk.img.part": b"half"}
    await world.put("disk.img", b"new")
    assert world.held() == {"2/disk.img": b"new"}


@pytest.mark.parametrize(
    "headers",
    [{"x-checksum-sha256": SHA.upper()}, {"digest": f"sha-256={base64.b64encode(bytes.fromhex(SHA)).decode()}"}],
)
async def test_what_did_not_arrive_as_it_was_sent_is_not_kept(world, headers):
    broken = await world.put("disk.img", DATA[:-1] + b"x", headers=headers)
    assert (broken.status, world.held()) == (422, {})
    assert (await world.put("disk.img", DATA, headers=headers)).status == 201


async def test_all_other_paths_are_left_to_the_api(world):
    assert (await request(world.app, b"", path="/RPC2")).status == 299


# -- going on --------------------------------------------------------------------------------------


async def test_an_upload_goes_on_where_it_broke_off(world):
    await world.put("disk.img", DATA[:40], then="disconnect")
    assert await world.offset("disk.img") == (b"40", b"?0")
    answer = await world.put("disk.img", DATA[40:], query="offset=40", headers={"x-checksum-sha256": SHA})
    assert (answer.status, answer.headers[b"x-checksum-sha256"]) == (201, SHA.encode())
    assert world.held() == {"2/disk.img": DATA}


async def test_a_wrong_offset_is_told_the_right_one(world):
    await world.put("disk.img", DATA[:40], then="disconnect")
    answer = await world.put("disk.img", DATA[50:], query="offset=50")
    assert (answer.status, answer.headers[b"upload-offset"]) == (409, b"40")
    assert world.held() == {"2/disk.img.part": DATA[:40]}


async def test_without_an_offset_it_begins_anew(world):
    await world.put("disk.img", b"something longer than that", then="disconnect")
    await world.put("disk.img", b"short")
    assert world.held() == {"2/disk.img": b"short"}


async def test_a_range_that_is_not_the_last_leaves_the_file_open(world):
    first = await world.put("disk.img", DATA[:60], headers={"content-range": "bytes 0-59/100"})
    assert (first.status, first.headers[b"upload-offset"]) == (202, b"60")
    last = await world.put("disk.img", DATA[60:], headers={"content-range": "bytes 60-99/100"})
    assert (last.status, world.held()) == (201, {"2/disk.img": DATA})


async def test_a_sender_that_falls_silent_is_told_how_far_it_was(tmp_path):
    world = World(tmp_path / "uploads", silence_s=0.01)
    answer = await asyncio.wait_for(world.put("disk.img", DATA[:40], then="silence", headers={"expect": "x"}), 20)
    assert answer.status == 408
    assert world.held() == {"2/disk.img.part": DATA[:40]}


async def test_nothing_is_there_before_anything_came(world):
    answer = await world.ask("HEAD", "disk.img")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers[b"upload-offset"] == b"0"
    assert answer.headers[b"upload-limit"] == b"max-size=1000"


async def test_an_upload_can_be_forgotten(world):
    await world.put("disk.img", DATA)
    await world.put("disk.img", b"half", then="disconnect")
    assert (await world.ask("DELETE", "disk.img")).status == 200
    assert world.held() == {}
    assert (await world.ask("DELETE", "disk.img")).status == 404


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "status"), [("alice:wrong", 401), ("nobody:x", 401), ("no colon", 401), ("guest:guest", 403)]
)
async def test_who_may_not_make_images_may_not_upload(world, who, status):
    answer = await world.put("disk.img", DATA, who=who)
    assert (answer.status, world.held()) == (status, {})


@pytest.mark.parametrize(
    "header", ["", "Bearer abc", "Basic ???", f"Basic {base64.b64encode(b'a:' + bytes([255])).decode()}"]
)
async def test_who_does_not_say_who_it_is(world, header):
    answer = await request(world.app, DATA, path="/upload/disk.img", method="PUT", headers={"authorization": header})
    assert answer.status in (400, 401)
    assert world.held() == {}


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "a\n", "ü", "x" * 129, "a.part", "a\0"]
)
async def test_a_name_that_is_none(world, name):
    for method in ("PUT", "HEAD", "DELETE"):
        assert (await world.ask(method, name, DATA)).status == 400
    assert world.held() == {}


@pytest.mark.parametrize("name", ["a", "x" * 128, "A.b-c_9.qcow2", "-rf", "_"])
async def test_a_name_that_is_one(world, name):
    assert (await world.put(name, DATA)).status == 201
    assert world.held() == {f"2/{name}": DATA}


@pytest.mark.parametrize(
    "wrong",
    [
        {"query": "offset=-1"},
        {"query": "offset=ten"},
        {"query": "offset=" + "9" * 19},
        {"headers": {"content-range": "bytes 0-9/5"}},
        {"headers": {"content-range": "bytes 0-9/10", "content-length": "100"}},
        {"headers": {"content-range": "all of it"}},
        {"headers": {"x-checksum-sha256": "abc"}},
        {"headers": {"digest": "sha-256=?"}},
    ],
)
async def test_a_request_that_makes_no_sense(world, wrong):
    assert (await world.put("disk.img", DATA, **wrong)).status == 400
    assert world.held() == {}


async def test_other_words_of_http_are_refused(world):
    assert (await world.ask("POST", "disk.img", DATA)).status == 405
    assert (await world.put("disk.img", DATA, headers={"content-encoding": "gzip"})).status == 415


async def test_a_file_that_says_it_is_too_large_is_not_begun(world):
    answer = await world.put("disk.img", DATA, headers={"content-length": "1001"})
    assert (answer.status, world.held()) == (413, {})


async def test_a_file_that_becomes_too_large_is_stopped(world):
    answer = await world.put("disk.img", *[DATA] * 11)
    assert answer.status == 413
    assert all(len(data) <= 1000 for data in world.held().values())


async def test_the_uploads_of_one_user_are_bounded_together(world):
    for name in ("a", "b"):
        assert (await world.put(name, b"x" * 900, headers={"content-length": "900"})).status == 201
    assert (await world.put("c", b"x" * 900, headers={"content-length": "900"})).status == 413
    assert (await world.put("c", b"x" * 900, headers={"content-length": "900"}, who="bob:pass:word")).status == 201
    await world.ask("DELETE", "a")
    assert (await world.put("c", b"x" * 900, headers={"content-length": "900"})).status == 201


async def test_so_is_their_number(world):
    for number in range(FILES_PER_USER_MAX):
        assert (await world.put(f"f{number}", b"")).status == 201
    assert (await world.put("one-more", b"")).status == 413


async def test_the_disk_is_never_filled(world):
    world.free = 590
    answer = await world.put("disk.img", DATA, headers={"content-length": "100"})
    assert (answer.status, world.held()) == (507, {})
    world.free = 600
    assert (await world.put("disk.img", DATA, headers={"content-length": "100"})).status == 201


async def test_a_file_of_unknown_length_does_not_fill_the_disk_either(world, monkeypatch):
    monkeypatch.setattr(upload_files, "_LOOK_EVERY_BYTES", 50)
    world.free = 501

    def pieces():
        yield DATA
        world.free = 499
        yield DATA

    answer = await world.put("disk.img", *pieces())
    assert answer.status == 507


async def test_an_upload_has_one_sender_and_a_user_has_few(world):
    under_way = []
    for number in range(AT_ONCE_PER_USER_MAX):
        under_way.append(asyncio.create_task(world.put(f"f{number}", DATA, then="silence")))
    while len(world.held()) < AT_ONCE_PER_USER_MAX:
        await asyncio.sleep(0)
    assert (await world.put("f0", DATA)).status == 409
    assert (await world.ask("DELETE", "f0")).status == 409
    assert (await world.put("another", DATA)).status == 429
    assert (await world.put("another", DATA, who="bob:pass:word")).status == 201
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    assert (await world.put("f0", DATA)).status == 201


async def test_a_link_in_the_directory_is_not_followed(world, tmp_path):
    await world.put("disk.img", b"x", then="disconnect")
    secret = tmp_path / "secret"
    secret.write_bytes(b"one")
    part = world.directory / "2" / "disk.img.part"
    part.unlink()
    part.symlink_to(secret)
    assert (await world.put("disk.img", DATA)).status == 500
    assert secret.read_bytes() == b"one"


# -- what is left ----------------------------------------------------------------------------------


async def test_what_was_left_alone_is_removed(world):
    await world.put("old", DATA)
    await world.put("old-part", DATA, then="disconnect")
    await world.put("part", DATA, then="disconnect")
    for name, age_s in (("old", 8 * 86400), ("old-part.part", 2 * 86400), ("part.part", 3600)):
        os.utime(world.directory / "2" / name, (world.now - age_s, world.now - age_s))
    assert sorted(world.uploads.sweep()) == ["2/old", "2/old-part.part"]
    assert list(world.held()) == ["2/part.part"]


def test_nothing_is_swept_where_nothing_ever_came(world):
    assert world.uploads.sweep() == []


async def test_over_a_socket_a_sender_that_waits_for_leave_hears_no_at_once(world):
    async with serve(world.app, "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PUT /upload/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n")
        said = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert said.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nwww-authenticate: Basic" in said


async def test_over_a_socket_an_upload_goes_on_after_its_connection_broke(tmp_path):
    world = World(tmp_path / "uploads", Limits(4 << 20, 8 << 20))
    world.free = 100 << 30
    data = os.urandom(2 << 20)
    who = base64.b64encode(b"alice:secret")

    def head(query, length):
        words = b"PUT /upload/x%b HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %b\r\nContent-Length: %d\r\n\r\n"
        return words % (query, who, length)

    def there():
        return len(world.held().get("2/x.part", b""))

    async with serve(world.app, "127.0.0.1", 0) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head(b"", len(data)) + data[: 3 << 19])
        await writer.drain()
        while there() < 1 << 20:
            await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()
        status = b"409"
        while status == b"409":  # until the door has noticed
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            offset = there()
            writer.write(head(b"?offset=%d" % offset, len(data) - offset) + data[offset:])
            status = (await reader.readline()).split()[1]
            writer.close()
    assert (status, world.held()) == (b"201", {"2/x": data})
