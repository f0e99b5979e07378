"""Bytes that no client sends, over a real socket: an answer or a closed connection, and an engine as it was."""

import asyncio
import contextlib
import gzip
import random
import re

import pytest

from tests.methods.world import ADMIN, ALICE, VM_ID
from trifid.doors.server import serve
from trifid.doors.xmlrpc import application
from trifid.wire.xmlrpc import XmlRpcFault, decode_answer, encode_call

READ_TIMEOUT_S = 1.0
"""How long the door waits for a body, and for a head, in these tests."""
ANSWER_WITHIN_S = 30.0
STATUSES = {200, 400, 404, 405, 408, 411, 413, 414, 415, 431, 501, 505}
FAULTS = {-501, -503, -506}
DONE = b"<boolean>1</boolean>"

GOOD = encode_call("one.vm.info", [ALICE, VM_ID])
RENAME = encode_call("one.vm.rename", [ADMIN, VM_ID, "other"])
ALLOCATE = encode_call("one.vm.allocate", [ADMIN, "CPU=1\nMEMORY=64", True])


def call(*values: str, method: str = "one.vm.rename") -> bytes:
    """Return a call whose values are written by hand."""
    params = "".join(f"<param>{value}</param>" for value in (f"<value>{ADMIN}</value>", *values))
    return f"<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>".encode()


def post(body: bytes, *headers: str, length: object = None, first: str = "POST /RPC2 HTTP/1.1") -> bytes:
    """Return a request as it goes over the wire."""
    size = (
        []
        if "Transfer-Encoding: chunked" in headers
        else [f"Content-Length: {len(body) if length is None else length}"]
    )
    given = [] if any(header.startswith("Content-Type") for header in headers) else ["Content-Type: text/xml"]
    head = "\r\n".join([first, "Host: x", *given, *size, *headers])
    return head.encode("latin-1") + b"\r\n\r\n" + body


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + GOOD[39:].replace(
    b"alice", b"&b;"
)
EXTERNAL = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + GOOD[39:].replace(b"alice", b"&a;")
NAMED = "<value><i4>5</i4></value>"

BODIES = {
    "nothing": b"",
    "blanks": b" \r\n" * 1000,
    "a NUL": b"\0",
    "NULs": b"\0" * 100_000,
    "no XML": b"{}",
    "HTML": b"<html><body></body></html>",
    "an answer": b"<methodResponse><params></params></methodResponse>",
    "no name": b"<methodCall><params/></methodCall>",
    "a bad name": call(method="one.vm..rename; DROP"),
    "a name of methods": call(method="__class__.__init__"),
    "a long name": call(method="one." + "x" * 100_000),
    "an entity bomb": BOMB,
    "an external entity": EXTERNAL,
    "a depth of 100000": call("<value><array><data>" * 100_000),
    "a depth of 200": call(NAMED, "<value><array><data>" * 60 + "</data></array></value>" * 60),
    "structs in structs": call("<value><struct><member><name>a</name>" * 5000),
    "a million values": call("<value><i4>1</i4></value>" * 1_000_000)[:7_000_000],
    "a huge int": call(f"<value><i4>{'9' * 100_000}</i4></value>", "<value>x</value>"),
    "an int beyond i8": call(f"<value><i8>{2**63}</i8></value>", "<value>x</value>"),
    "an i8 that fits no id": call(f"<value><i8>{2**63 - 1}</i8></value>", "<value>x</value>"),
    "an int in hex": call("<value><i4>0x5</i4></value>", "<value>x</value>"),
    "an int in Arabic": call("<value><i4>٥</i4></value>", "<value>x</value>"),
    "an int of underscores": call("<value><i4>1_0</i4></value>", "<value>x</value>"),
    "a double of 10 million digits": call(f"<value><double>{'1' * 5_000_000}</double></value>"),
    "a boolean of words": call("<value><boolean>true</boolean></value>"),
    "a date": call("<value><dateTime.iso8601>20200101T00:00:00</dateTime.iso8601></value>"),
    "base64": call(NAMED, "<value><base64>eA==</base64></value>"),
    "nil": call(NAMED, "<value><nil/></value>"),
    "two values in one": call("<value><i4>5</i4><i4>6</i4></value>", "<value>x</value>"),
    "a control character": call(NAMED, "<value>\x01</value>"),
    "a reference to NUL": call(NAMED, "<value>&#0;</value>"),
    "a lone surrogate": call(NAMED, "<value>&#xD800;</value>"),
    "a lone surrogate as bytes": call(NAMED, "<value>x</value>").replace(b">x<", b">\xed\xa0\x80<"),
    "no UTF-8": call(NAMED, "<value>x</value>").replace(b">x<", b">\xff\xfe<"),
    "UTF-16": '<?xml version="1.0" encoding="UTF-16"?>'.encode("utf-16") + call(NAMED).decode().encode("utf-16")[2:],
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>' + call(NAMED),
    "an encoding of Python's": b'<?xml version="1.0" encoding="unicode_escape"?>' + call(NAMED),
    "an encoding of nobody's": b'<?xml version="1.0" encoding="../../etc/passwd"?>' + call(NAMED),
    "a namespace": GOOD.replace(b"<methodCall>", b'<x:methodCall xmlns:x="u">'),
    "a processing instruction": b'<?xml-stylesheet href="http://127.0.0.1:1/"?>' + b"<methodCall/>",
    "two calls": GOOD + GOOD[39:],
    "gzip": gzip.compress(GOOD),
}
SENT = {
    "gzip that says so": post(gzip.compress(GOOD), "Content-Encoding: gzip"),
    "JSON": post(b'{"method": "one.vm.info"}', "Content-Type: application/json"),
    "a form": post(b"a=1", "Content-Type: application/x-www-form-urlencoded"),
    "a type of 50 kB": post(GOOD, f"Content-Type: {'x' * 50_000}"),
    "a header of 1 MB": post(GOOD, f"X: {'y' * 1_000_000}"),
    "10000 headers": post(GOOD, *(f"X{n}: y" for n in range(10_000))),
    "a length that is no number": post(GOOD, length="ten"),
    "a negative length": post(GOOD, length=-1),
    "a length beyond all": post(GOOD, length="9" * 40),
    "a length that is too short": post(RENAME, length=len(RENAME) // 2),
    "a length that is too long": post(RENAME, length=len(RENAME) + 10),
    "two lengths": post(GOOD, "Content-Length: 3"),
    "a length and chunks": post(RENAME, "Transfer-Encoding: chunked ", length=4),
    "chunks that are none": post(RENAME, "Transfer-Encoding: chunked"),
    "a chunk of a negative size": post(b"-5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "a chunk of a huge size": post(b"FFFFFFFFFFFFFFFF\r\nhello\r\n", "Transfer-Encoding: chunked"),
    "a chunk that does not end": post(b"5\r\nhello", "Transfer-Encoding: chunked"),
    "another method": post(b"", first="DELETE /RPC2 HTTP/1.1"),
    "a method of nobody's": post(b"", first="EXPLODE /RPC2 HTTP/1.1"),
    "another path": post(GOOD, first="POST /RPC2/../../etc/passwd HTTP/1.1"),
    "a path of 100 kB": post(GOOD, first=f"POST /{'x' * 100_000} HTTP/1.1"),
    "a path that is no ASCII": post(GOOD, first="POST /\xff\xfe%00 HTTP/1.1"),
    "another version": post(GOOD, first="POST /RPC2 HTTP/9.9"),
    "an upgrade": post(GOOD, "Connection: Upgrade", "Upgrade: websocket"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "noise": random.Random(1).randbytes(5000),
    "half a head": b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Le",
    "a head that breaks": b"POST /RPC2 HTTP/1.1\r\nHost x\r\n: y\r\n\r\n",
}


@contextlib.asynccontextmanager
async def served(world):
    """The port at which a world answers."""
    door = application(world.dispatch, read_timeout_s=READ_TIMEOUT_S)
    async with serve(door, "127.0.0.1", 0, head_timeout_s=READ_TIMEOUT_S) as port:
        yield port


async def exchanged(port: int, sent: bytes) -> bytes:
    """Return what comes back until the connection is closed, or until an answer is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    with contextlib.suppress(ConnectionError):
        writer.write(sent)
        await writer.drain()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while not is_whole(got) and (piece := await reader.read(65536)):
                got += piece
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return got


def is_whole(got: bytes) -> bool:
    """Tell whether an answer has come whole."""
    head, separator, body = got.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


def checked(got: bytes) -> None:
    """Check that what came back is an answer that tells nothing of the inside; nothing at all is one, too."""
    assert b"Traceback" not in got and b"nternal" not in got and b"root:" not in got and b".py" not in got
    if not got:
        return
    found = re.match(rb"HTTP/1\.[01] (\d+) ", got)
    assert found and int(found[1]) in STATUSES, got[:200]
    if int(found[1]) != 200:
        return
    body = got.partition(b"\r\n\r\n")[2]
    document = body[body.index(b"<?xml") : body.index(b"</methodResponse>") + len(b"</methodResponse>")]
    try:
        answer = decode_answer(re.sub(rb"\r\n[0-9a-fA-F]+\r\n", b"", document))
    except XmlRpcFault as fault:
        assert fault.code in FAULTS and len(fault.text) < 500, fault
    else:
        assert type(answer) is list and len(answer) in (3, 5)


@pytest.mark.parametrize("kind", ["a body", "a request"])
async def test_odd_bytes_are_answered_or_not_and_change_nothing(make, kind):
    sent = SENT if kind == "a request" else {what: post(body) for what, body in BODIES.items()}
    world = await make()
    async with served(world) as port:
        before = world.state()
        for what, request in sent.items():
            try:
                checked(await exchanged(port, request))
            except AssertionError as wrong:
                raise AssertionError(f"{what}: {wrong}") from None
            assert world.state() == before, what
            assert DONE in await exchanged(port, post(GOOD)), what


async def test_a_call_that_is_cut_off_anywhere_is_no_call(make):
    world = await make()
    async with served(world) as port:
        before = world.state()
        for end in range(0, len(RENAME) - len(b"</methodCall>\n"), 17):
            checked(got := await exchanged(port, post(RENAME[:end])))
            assert b"faultCode" in got
        assert world.state() == before


async def test_a_call_in_which_bytes_have_changed_is_one_or_none(make):
    world, chance = await make(), random.Random(8)
    async with served(world) as port:
        for _ in range(150):
            body = bytearray(chance.choice((GOOD, ALLOCATE)))
            for _ in range(chance.choice((1, 1, 2, 8))):
                body[chance.randrange(len(body))] = chance.randrange(256)
            checked(await exchanged(port, post(bytes(body))))
        assert DONE in await exchanged(port, post(GOOD))
    assert world.differences() == []


async def test_many_that_say_a_little_and_wait_keep_nobody_from_being_answered(make):
    world = await make()
    async with served(world) as port:
        waiting = [asyncio.create_task(exchanged(port, post(RENAME, length=10_000)[:-n])) for n in range(1, 60)]
        assert DONE in await exchanged(port, post(GOOD))
        for got in await asyncio.gather(*waiting):
            checked(got)
        assert world.memory.vms[VM_ID].name == "web"
