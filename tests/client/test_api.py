"""The client, against a small engine."""

import pytest

from tests.cli.fake_engine import SESSION, FakeEngine, Refusal
from trifid.client import ApiError, ApiFault, Client, ClientError, EngineUnreachable


@pytest.fixture
def fake():
    with FakeEngine() as running:
        yield running


@pytest.fixture
def client(fake):
    with Client(fake.endpoint, SESSION, timeout_s=5.0) as connected:
        yield connected


def test_arguments_go_there_and_results_come_back(fake, client):
    fake.methods["one.echo"] = lambda *args: list(args)
    assert client.call("one.echo", 1, "zwei & <drei>", True, [4]) == [1, "zwei & <drei>", True, [4]]
    assert fake.calls == [("one.echo", 1, "zwei & <drei>", True, [4])]


def test_a_refusal_has_its_text_code_and_object(fake, client):
    fake.answers("one.vm.info", Refusal("[one.vm.info] Error getting virtual machine [7].", 0x0400, 7))
    with pytest.raises(ApiError) as refused:
        client.call("one.vm.info", 7)
    assert str(refused.value) == "[one.vm.info] Error getting virtual machine [7]."
    assert (refused.value.code, refused.value.object_id) == (0x0400, 7)


def test_refusals_of_earlier_releases_have_no_object(fake, client):
    fake.answers("one.vm.info", Refusal("no"))
    with pytest.raises(ApiError) as refused:
        client.call("one.vm.info", 7)
    assert (refused.value.code, refused.value.object_id) == (0, -1)


def test_a_call_that_is_not_known_is_a_fault(client):
    with pytest.raises(ApiFault, match=r"one.nonsense: method one.nonsense is not known") as fault:
        client.call("one.nonsense")
    assert fault.value.code == -506


def test_nobody_there(fake):
    with pytest.raises(EngineUnreachable, match="no engine answers at") as gone:
        Client("http://127.0.0.1:1/RPC2", SESSION).call("one.system.version")
    assert not gone.value.sent


def test_tls_where_there_is_none_does_not_advise_to_start_the_engine(fake):
    with pytest.raises(EngineUnreachable, match="engines speak HTTP without TLS") as gone:
        Client(fake.endpoint.replace("http:", "https:"), SESSION, timeout_s=5.0).call("one.system.version")
    assert "trifid start" not in str(gone.value)


def test_who_answers_but_is_no_engine(fake, client):
    fake.methods["one.system.version"] = dict
    fake._answer = lambda body: b"<html>hello</html>"
    with pytest.raises(EngineUnreachable, match="not with XML-RPC"):
        client.call("one.system.version")


def test_a_call_that_is_lost_says_that_it_may_have_been_done(fake, client):
    def broken(body: bytes) -> bytes:
        raise ConnectionAbortedError

    fake._answer = broken
    fake._server.handle_error = lambda *_: None
    with pytest.raises(EngineUnreachable, match="may have happened") as lost:
        client.call("one.vm.allocate", "")
    assert lost.value.sent


def test_secrets_are_in_no_message(fake):
    with pytest.raises(ApiError) as refused:
        Client(fake.endpoint, "oneadmin:wrong-word").call("one.system.version")
    assert "wrong-word" not in str(refused.value)


@pytest.mark.parametrize("endpoint", ["", "localhost:2633", "ftp://localhost/RPC2", "http://:2633", "http://h:x/RPC2"])
def test_an_endpoint_that_is_none_is_told_before_any_call(endpoint):
    with pytest.raises(ClientError, match="is not an endpoint"):
        Client(endpoint, SESSION)
