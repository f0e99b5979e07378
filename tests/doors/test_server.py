"""The door over a real socket, on the loopback only."""

import asyncio
import contextlib
import socket
import xmlrpc.client

import pytest

from trifid.doors import server
from trifid.doors.server import CannotListen, serve
from trifid.doors.xmlrpc import BODY_BYTES_MAX, application
from trifid.wire.answers import Answer, Fault
from trifid.wire.xmlrpc import Escaped, decode_answer, encode_call
from trifid.wire.xmltext import escape

POOL_ENTRIES = 2000


async def answer(method, arguments, peer):
    """Answer a few methods as the engine does."""
    if method == "one.peer":
        return Answer(peer)
    if method == "one.echo":
        return Answer(arguments[0])
    if method == "one.fail":
        return Answer("[one.fail] no", success=False, code=0x0800, object_id=3)
    if method == "one.pool":
        entry = escape("<VM><NAME>é &amp; co</NAME></VM>")
        return Answer(Escaped([escape("<VM_POOL>"), *[entry] * POOL_ENTRIES, escape("</VM_POOL>")]))
    return Fault(-506, f"method {method} is not known")


@contextlib.asynccontextmanager
async def served(head_timeout_s=30.0, **bounds):
    async with serve(application(answer, **bounds), "127.0.0.1", 0, head_timeout_s=head_timeout_s) as port:
        yield port


def post(body, *headers):
    lines = ["POST /RPC2 HTTP/1.1", "Host: x", "Content-Type: text/xml", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def read_response(reader):
    """Return status line, headers and body of one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    if "content-length" in headers:
        return head[0], headers, await reader.readexactly(int(headers["content-length"]))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return head[0], headers, body


@pytest.mark.parametrize(
    ("proxies", "said", "peer"),
    [
        (["127.0.0.0/8"], "203.0.113.7", "203.0.113.7:0"),
        (["127.0.0.1"], "10.9.9.9, 203.0.113.7", "203.0.113.7:0"),
        ([], "203.0.113.7", "127.0.0.1"),
        (["192.0.2.1"], "203.0.113.7", "127.0.0.1"),
    ],
    ids=["a proxy", "what the client claimed counts not", "no proxies", "another proxy"],
)
async def test_who_calls_is_what_a_known_proxy_says(proxies, said, peer):
    async with serve(application(answer), "127.0.0.1", 0, proxies=proxies) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(encode_call("one.peer", []), f"X-Forwarded-For: {said}"))
        _, _, body = await read_response(reader)
        writer.close()
    assert decode_answer(body)[1].startswith(peer)


async def test_the_standard_library_calls_over_a_socket():
    def calls(port):
        with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}/RPC2") as server:
            with pytest.raises(xmlrpc.client.Fault) as fault:
                server.one.nosuch()
            return server.one.echo("<é>"), server.one.fail(), server.one.pool()[1], fault.value

    async with served() as port:
        echo, refused, pool, fault = await asyncio.to_thread(calls, port)
    assert echo == [True, "<é>", 0]
    assert refused == [False, "[one.fail] no", 0x0800, 3, -1]
    assert pool.count("<VM>") == POOL_ENTRIES
    assert (fault.faultCode, fault.faultString) == (-506, "method one.nosuch is not known")


async def test_a_connection_is_kept_for_further_calls_even_after_a_big_answer():
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for method, expected in (("one.echo", "a"), ("one.pool", None), ("one.echo", "a")):
            writer.write(post(encode_call(method, ["a"])))
            status, headers, body = await read_response(reader)
            assert status == "HTTP/1.1 200 OK"
            assert ("transfer-encoding" in headers) == (method == "one.pool")
            assert "server" not in headers and "date" not in headers
            assert expected in (None, decode_answer(body)[1])
        writer.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_ten_megabytes_are_refused_so_that_the_sender_reads_why(chunked):
    body = b"x" * 10_000_000
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if chunked:
            head = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            writer.write(head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        else:
            writer.write(post(body))
        await writer.drain()
        status, headers, text = await read_response(reader)
        assert status.startswith("HTTP/1.1 413 ")
        assert headers["connection"] == "close"
        assert text.decode() == f"a call must not be larger than {BODY_BYTES_MAX} bytes\n"
        assert await reader.read() == b""
        writer.close()


async def test_a_body_that_stops_half_way_is_refused_and_others_are_served_meanwhile():
    async with served(read_timeout_s=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(encode_call("one.echo", ["a"]))[:-10])
        others, other = await asyncio.open_connection("127.0.0.1", port)
        other.write(post(encode_call("one.echo", ["b"])))
        assert (await read_response(others))[0] == "HTTP/1.1 200 OK"
        assert (await read_response(reader))[0].startswith("HTTP/1.1 408 ")
        assert await reader.read() == b""
        other.close()
        writer.close()


@pytest.mark.parametrize("said", [b"", b"POST /RPC2 HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half its headers"])
async def test_a_connection_that_does_not_come_to_its_request_is_closed(said):
    async with served(head_timeout_s=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_a_connection_that_stops_in_its_second_request_is_closed_too():
    async with served(head_timeout_s=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(encode_call("one.echo", ["a"])))
        assert (await read_response(reader))[0] == "HTTP/1.1 200 OK"
        writer.write(b"POST /RPC2")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


@pytest.mark.parametrize("said", [b"X: " + b"y" * 9_000_000, b"X: y\r\n" * 1_000_000], ids=["one header", "many"])
async def test_a_head_that_is_too_large_is_refused_and_not_kept(said):
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            writer.write(b"POST /RPC2 HTTP/1.1\r\nHost: x\r\n" + said)
            await writer.drain()
        with contextlib.suppress(ConnectionError):
            told = await asyncio.wait_for(reader.readline(), 20)
            assert told in (b"HTTP/1.1 431 Request Header Fields Too Large\r\n", b"")
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(encode_call("one.echo", ["s"]), f"X: {'y' * 30_000}"))
        assert (await read_response(reader))[0] == "HTTP/1.1 200 OK"
        writer.close()


async def test_idle_connections_make_room_for_those_who_call(monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 5)
    async with served(head_timeout_s=0.2) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for reader, writer in idle:
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(encode_call("one.echo", ["a"])))
        assert (await read_response(reader))[0] == "HTTP/1.1 200 OK"
        writer.close()


async def test_a_call_may_take_longer_than_its_headers():
    later = asyncio.Event()

    async def slow(method, arguments, peer):
        await later.wait()
        return Answer("done")

    async with serve(application(slow), "127.0.0.1", 0, head_timeout_s=0.1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(encode_call("one.echo", ["a"])))
        idle, other = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(idle.read(), 10) == b""  # the time for headers is over
        later.set()
        assert (await read_response(reader))[0] == "HTTP/1.1 200 OK"
        other.close()
        writer.close()


async def test_what_is_no_http_is_refused():
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_the_port_is_free_again_afterwards():
    async with served() as port:
        pass
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_an_error_inside_the_block_comes_out_and_stops_the_server():
    with pytest.raises(ZeroDivisionError):
        async with served() as port:
            raise ZeroDivisionError
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_that_is_taken_is_named_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"cannot listen at 127.0.0.1:{port}: another program listens there"):
            async with serve(application(answer), "127.0.0.1", port):
                pass


@pytest.mark.parametrize("listen", ["192.0.2.1", "2001:db8::1", "not a host"])
async def test_an_address_of_another_machine_is_named(listen):
    with pytest.raises(CannotListen, match=r"cannot listen at .*: set listen and port in \[api\] of trifid.toml"):
        async with serve(application(answer), listen, 4711):
            pass
