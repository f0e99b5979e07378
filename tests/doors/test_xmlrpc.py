"""The XML-RPC door, driven directly: what it answers, and what it refuses before it becomes a call."""

import asyncio
import xmlrpc.client

import pytest

from tests.doors.asgi import request
from trifid.doors.xmlrpc import BODY_BYTES_MAX, CHUNKS_PER_WRITE, application
from trifid.wire.answers import Answer, Fault
from trifid.wire.xmlrpc import Escaped, XmlRpcFault, decode_answer, encode_call
from trifid.wire.xmltext import escape


class Dispatcher:
    """Answers every call with what the test wants, and remembers it."""

    def __init__(self, answer=None):
        self.answer = answer or Answer("fine")
        self.calls = []

    async def __call__(self, method, arguments, peer):
        self.calls.append((method, arguments, peer))
        return self.answer


def door(answer=None, **bounds):
    dispatch = Dispatcher(answer)
    app = application(dispatch, **bounds)
    app.calls = dispatch.calls
    return app


CALL = encode_call("one.vm.info", ["alice:secret", 42])

# -- answers -----------------------------------------------------------------------------------------


async def test_a_call_reaches_the_dispatcher_with_who_calls():
    app = door()
    response = await request(app, CALL)
    assert app.calls == [("one.vm.info", ["alice:secret", 42], "127.0.0.1:4711")]
    assert (response.status, response.headers[b"content-type"]) == (200, b"text/xml; charset=utf-8")
    assert response.headers[b"content-length"] == b"%d" % len(response.body)


@pytest.mark.parametrize("value", ["text <&>", 7, 2**40, True, "", "é"])
async def test_success_is_an_array_of_three(value):
    response = await request(door(Answer(value)), CALL)
    assert decode_answer(response.body) == [True, value, 0]
    assert xmlrpc.client.loads(response.body)[0][0] == [True, value, 0]


async def test_failure_is_an_array_of_five_whose_last_is_an_i8():
    refused = Answer("[one.vm.info] Error getting virtual machine [42].", success=False, code=0x0400, object_id=42)
    response = await request(door(refused), CALL)
    assert decode_answer(response.body) == [False, refused.value, 0x0400, 42, -1]
    assert b"<value><i8>-1</i8></value>" in response.body
    assert xmlrpc.client.loads(response.body)[0][0][1] == refused.value


async def test_anybody_may_ask_which_methods_there_are():
    app = door(methods=("one.vm.info",))
    response = await request(app, encode_call("system.listMethods", []))
    assert xmlrpc.client.loads(response.body)[0][0] == ["system.listMethods", "one.vm.info"]
    assert app.calls == []


@pytest.mark.parametrize("code", [-501, -506])
async def test_a_fault_of_the_dispatcher_is_a_fault_with_status_200(code):
    response = await request(door(Fault(code, "no such <thing>")), CALL)
    assert response.status == 200
    with pytest.raises(XmlRpcFault, match="no such <thing>") as fault:
        decode_answer(response.body)
    assert fault.value.code == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        CALL[:-20],
        b"<methodResponse/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall/>",
        b"<methodCall>" + b"<value><array><data>" * 100_000,
    ],
    ids=["empty", "no XML", "cut", "no call", "doctype", "deep"],
)
async def test_a_body_that_is_no_call_is_fault_503_and_reaches_nobody(body):
    app = door()
    response = await request(app, body)
    assert response.status == 200
    with pytest.raises(XmlRpcFault, match=r"^cannot read the call: ") as fault:
        decode_answer(response.body)
    assert fault.value.code == -503
    assert app.calls == []


async def test_a_call_may_come_in_pieces():
    app = door()
    await request(app, *(CALL[i : i + 7] for i in range(0, len(CALL), 7)))
    assert app.calls[0][0] == "one.vm.info"


async def test_a_big_pool_goes_out_in_several_writes_and_lets_others_in_between():
    entries = [escape(f"<VM><ID>{i}</ID><NAME>é</NAME></VM>") for i in range(CHUNKS_PER_WRITE * 10)]
    app = door(Answer(Escaped([escape("<VM_POOL>"), *entries, escape("</VM_POOL>")])))
    turns_of_others = 0

    async def another():
        nonlocal turns_of_others
        while True:
            turns_of_others += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(another())
    response = await request(app, CALL)
    other.cancel()
    assert response.done and len([piece for piece in response.writes if piece]) == 11
    assert turns_of_others >= 10
    assert b"content-length" not in response.headers
    success, document, _ = decode_answer(response.body)
    assert success and document.count("<VM>") == len(entries) and document.endswith("</VM_POOL>")


# -- refusals as HTTP --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/RPC2", "/"])
async def test_the_api_is_at_both_paths(path):
    assert (await request(door(), CALL, path=path)).status == 200


@pytest.mark.parametrize(
    ("what", "status", "text"),
    [
        ({"path": "/RPC3"}, 404, "nothing here; the API is at /RPC2\n"),
        ({"path": "/RPC2/"}, 404, "nothing here; the API is at /RPC2\n"),
        ({"method": "GET"}, 405, "the API is XML-RPC: send calls with POST\n"),
        ({"method": "PUT"}, 405, "the API is XML-RPC: send calls with POST\n"),
        (
            {"headers": {"content-type": "application/json"}},
            415,
            "the API is XML-RPC: Content-Type must be text/xml, is application/json\n",
        ),
        ({"headers": {"content-encoding": "gzip"}}, 415, "calls must not be compressed\n"),
    ],
)
async def test_what_is_no_request_to_the_api_is_refused(what, status, text):
    app = door()
    response = await request(app, CALL, **what)
    assert (response.status, response.body.decode()) == (status, text)
    assert response.headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert (response.headers.get(b"allow") == b"POST") == (status == 405)
    assert app.calls == []


@pytest.mark.parametrize("content_type", ["text/xml", "TEXT/XML; charset=utf-8", "application/xml", ""])
async def test_usual_content_types_are_taken(content_type):
    assert (await request(door(), CALL, headers={"content-type": content_type})).status == 200


# -- bounds ------------------------------------------------------------------------------------------

TEN_MB = 10_000_000


async def test_ten_megabytes_declared_are_refused():
    app = door()
    pieces = [b"x" * 1_000_000] * 10
    response = await request(app, *pieces, headers={"content-length": str(TEN_MB)})
    assert response.status == 413
    assert response.body.decode() == f"a call must not be larger than {BODY_BYTES_MAX} bytes\n"
    assert response.headers[b"connection"] == b"close"
    assert app.calls == []


async def test_ten_megabytes_in_chunks_are_refused():
    app = door()
    response = await request(app, *[b"x" * 1_000_000] * 10)
    assert (response.status, app.calls) == (413, [])


@pytest.mark.parametrize("length", ["9" * 18, "9" * 5000])
async def test_a_sender_that_waits_for_leave_is_refused_at_once(length):
    response = await request(door(), headers={"content-length": length, "expect": "100-continue"}, then="silence")
    assert response.status == 413


async def test_a_body_of_exactly_the_limit_is_read():
    assert (await request(door(body_bytes_max=len(CALL)), CALL)).status == 200
    assert (await request(door(body_bytes_max=len(CALL) - 1), CALL)).status == 413


async def test_an_endless_body_is_not_read_for_ever():
    taken = 0

    async def receive():
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await door(body_bytes_max=1000)(scope, receive, send)
    assert sent[0]["status"] == 413
    assert taken < 200


@pytest.mark.parametrize("pieces", [[], [CALL[:20]]], ids=["nothing", "a part"])
async def test_a_sender_that_falls_silent_is_refused(pieces):
    app = door(read_timeout_s=0.01)
    response = await request(app, *pieces, then="silence")
    assert (response.status, response.body.decode()) == (408, "the call was not complete after 0.01 s\n")
    assert response.headers[b"connection"] == b"close"
    assert app.calls == []


async def test_a_client_that_goes_away_is_answered_nothing():
    app = door()
    response = await request(app, CALL[:20], then="disconnect")
    assert (response.status, app.calls) == (0, [])


async def test_a_caller_without_address_is_unknown():
    app = door()
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}

    async def receive():
        return {"type": "http.request", "body": CALL}

    async def send(message):
        pass

    await app(scope, receive, send)
    assert app.calls[0][2] == "unknown"
