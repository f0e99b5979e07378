"""Images from the web: from which machines, and from servers that do not behave."""

import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest

from tests.drivers.ds_builders import HERE, Store, endless, ranges, redirect
from tests.drivers.tm_builders import body, web
from trifid.drivers import download
from trifid.drivers.ds.commands import carry_out
from trifid.drivers.kit import Failure
from trifid.drivers.reach import Reach

DATA = os.urandom(200_000) + bytes(1 << 20) + os.urandom(100_000)

INWARD = (
    "127.0.0.1",
    "localhost",
    "[::1]",
    "[::]",
    "0.0.0.0",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "169.254.169.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::1]",
    "[fec0::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
)


def refused(store: Store, url: str, words: str, **fields: str) -> None:
    for verb in ("CP", "STAT"):
        with pytest.raises(Failure, match=words):
            store.do(verb, path=url, **fields)
        assert store.names() == []


@pytest.mark.parametrize("host", INWARD)
def test_machines_that_only_the_front_end_reaches_are_not_fetched_from(store: Store, host: str) -> None:
    refused(store, f"http://{host}:9/x", "which is not public: .* download_from in trifid.toml")


@pytest.mark.parametrize("host", INWARD)
def test_no_redirection_leads_there(store: Store, host: str) -> None:
    with web(redirect(f"http://{host}:9/x"), at="127.0.0.2") as address:
        refused(store, f"{address}/x", "which is not public", download_from="127.0.0.2/32")


@pytest.mark.parametrize("scheme", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "data://x/,x"])
def test_only_http_and_https_are_fetched(store: Store, scheme: str) -> None:
    refused(store, scheme, "only http and https are fetched")
    with web(redirect(scheme)) as address:
        refused(store, f"{address}/x", "only http and https are fetched", download_from=HERE)


def test_a_name_with_one_inward_address_among_others_is_not_fetched_from(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver("93.184.216.34", "127.0.0.1"))
    refused(store, "http://images.example.org/x", "images.example.org has the address 127.0.0.1, which is not public")


def test_a_name_that_resolves_otherwise_a_moment_later_leads_nowhere(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []

    def connect(place: object, timeout_s: float) -> socket.socket:
        called.append(place)
        raise ConnectionRefusedError("nobody is there")

    monkeypatch.setattr(socket, "getaddrinfo", resolver("93.184.216.34"))
    monkeypatch.setattr(socket, "create_connection", connect)
    refused(store, "http://images.example.org/x", "nobody is there")
    assert called == [("93.184.216.34", 80)] * 2


def resolver(*addresses: str):  # type: ignore[no-untyped-def]
    """A name service that knows one answer."""

    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve


def test_a_network_that_the_administrator_names_is_fetched_from(store: Store) -> None:
    with web(ranges(DATA)) as address:
        assert store.bring(f"{address}/x", download_from=f"10.0.0.0/8 {HERE}") == ["raw", "2"]
    assert store.source.read_bytes() == DATA


def test_a_redirection_is_followed_to_where_it_may(store: Store) -> None:
    with web(ranges(DATA)) as there, web(redirect(f"{there}/x")) as address:
        store.bring(f"{address}/x", download_from=HERE)
    assert store.source.read_bytes() == DATA


def test_a_circle_of_redirections_ends(store: Store) -> None:
    with web(redirect("/again")) as address:
        refused(store, f"{address}/x", "more than 5 redirections", download_from=HERE)


def test_a_setting_that_is_no_network_is_told(store: Store) -> None:
    refused(store, "http://127.0.0.1/x", "download_from: .*expected networks such as", download_from="mirror")


def test_secrets_of_a_url_are_not_in_messages(store: Store) -> None:
    with web(lambda handler: handler.send_error(403, "no")) as address, pytest.raises(Failure) as told:
        store.bring(f"{address.replace('//', '//me:secret@')}/x?token=secret", download_from=HERE)
    assert str(told.value) == f"{address}/x: HTTP Error 403: no"


def test_user_and_password_of_a_url_are_sent(store: Store) -> None:
    asked: list[str] = []

    def reply(handler):  # type: ignore[no-untyped-def]
        asked.append(handler.headers.get("Authorization", ""))
        body(b"x")(handler)

    with web(reply) as address:
        store.bring(f"{address.replace('//', '//me:my%20word@')}/x", download_from=HERE)
    assert asked == ["Basic bWU6bXkgd29yZA=="]


def test_a_proxy_is_used_and_the_machine_behind_it_is_looked_at_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def reply(handler):  # type: ignore[no-untyped-def]
        asked.append(handler.path)
        body(b"x")(handler)

    with web(reply) as address:
        monkeypatch.delenv("no_proxy")
        monkeypatch.setenv("http_proxy", address)
        store.bring("http://93.184.216.34/etch.img?x=1")
        store.source.unlink()
        refused(store, "http://169.254.169.254/latest", "which is not public")
    assert asked == ["http://93.184.216.34/etch.img?x=1"]


def test_a_download_that_breaks_off_is_taken_up_where_it_was(store: Store) -> None:
    with web(ranges(DATA, break_at=400_000)) as address:
        store.bring(f"{address}/x", download_from=HERE)
    assert store.source.read_bytes() == DATA


def test_a_download_that_breaks_off_too_often_has_failed(store: Store) -> None:
    with web(ranges(DATA, break_at=50_000)) as address, pytest.raises(Failure, match="cut short after 300000 of"):
        store.bring(f"{address}/x", download_from=HERE)
    assert store.names() == []


@pytest.mark.parametrize(
    "reply",
    [
        body(DATA[:1000], length=2000),
        ranges(DATA, break_at=70_000, changes=True),
        ranges(DATA, break_at=70_000, tag=""),
    ],
)
def test_a_download_that_breaks_off_and_cannot_be_taken_up_has_failed(store: Store, reply) -> None:  # type: ignore[no-untyped-def]
    with web(reply) as address, pytest.raises(Failure, match=r"cut short after [0-9]+ of"):
        store.bring(f"{address}/x", download_from=HERE)
    assert store.names() == []


@pytest.mark.parametrize("piece", [bytes(1 << 16), b"x" * (1 << 16)])
def test_a_response_that_does_not_end_is_ended(store: Store, piece: bytes) -> None:
    with web(endless(piece)) as address, pytest.raises(Failure, match="no more than 4 MiB are taken"):
        store.bring(f"{address}/x", download_from=HERE, size_mib_max=4)
    assert store.names() == []


@pytest.mark.parametrize("piece", [bytes(1 << 16), b"x" * (1 << 16)])
def test_a_response_that_does_not_end_does_not_fill_the_disk(tiny: Path, piece: bytes) -> None:
    store = Store(tiny / "1")
    with web(endless(piece)) as address, pytest.raises(Failure, match=r"were free|no space left"):
        store.bring(f"{address}/x", download_from=HERE)
    assert store.names() == []


def test_a_file_that_is_too_large_by_its_length_is_not_begun(store: Store) -> None:
    with web(body(b"x", length=5 << 20)) as address, pytest.raises(Failure, match="no more than 4 MiB are taken"):
        store.bring(f"{address}/x", download_from=HERE, size_mib_max=4)
    assert store.names() == []


def test_a_server_that_falls_silent_has_failed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SILENCE_MAX_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(store, f"http://127.0.0.1:{silent.getsockname()[1]}/x", "nothing came for", download_from=HERE)


def test_a_first_machine_that_is_free_does_not_make_others_so() -> None:
    reach = Reach(is_first_free=True)
    with web(body(DATA)) as there, web(redirect(f"{there}/x")) as address:
        with download.Remote(f"{there}/x", reach) as remote:
            assert b"".join(remote.blocks()) == DATA
        with pytest.raises(Failure, match="which is not public"):
            download.Remote(f"{address}/x", reach)


# -- servers that keep a worker busy -------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["CP", "STAT"])
def test_a_server_that_sends_byte_by_byte_does_not_keep_what_is_cancelled(store: Store, verb: str) -> None:
    over = threading.Event()

    def reply(handler):  # type: ignore[no-untyped-def]
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"x")
        request.cancel()
        handler.wfile.write(b"y")
        over.wait()

    with web(reply) as address:
        request = store.request(verb, path=f"{address}/x", download_from=HERE)
        try:
            with pytest.raises(Failure, match="cancelled by the engine"):
                carry_out(request)
        finally:
            over.set()
    assert store.names() == []


def test_a_server_whose_answer_does_not_begin_in_time_has_failed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SILENCE_MAX_S", 0.2)
    over = threading.Event()

    def reply(handler):  # type: ignore[no-untyped-def]
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.02):
                handler.wfile.write(b"x")

    with web(reply) as address:
        try:
            refused(store, f"{address}/x", "nothing came for 0.2 s", download_from=HERE)
        finally:
            over.set()
