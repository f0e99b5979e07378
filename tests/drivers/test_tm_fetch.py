"""Files from the web, from servers that behave and servers that do not."""

import http.server
import os
from pathlib import Path

import pytest

from tests.drivers.ds_builders import redirect
from tests.drivers.tm_builders import body, names, web
from trifid.drivers.kit import Failure
from trifid.drivers.tm.fetch import fetch, shown


def nothing(done: int, size: int) -> None:
    """No progress is told."""


def get(url: str, target: Path) -> None:
    fetch(url, target, nothing, 0o600)


@pytest.fixture
def target(home: Path) -> Path:
    return home / "images" / "fetched"


def test_what_comes_is_kept_with_its_holes(target: Path) -> None:
    data = os.urandom(100_000) + bytes(4 << 20) + b"the end" + bytes(1 << 20)
    with web(body(data)) as address:
        get(address, target)
    assert target.read_bytes() == data
    assert target.stat().st_blocks * 512 < 1 << 20


def test_an_empty_file_is_a_file(target: Path) -> None:
    with web(body(b"")) as address:
        get(address, target)
    assert target.read_bytes() == b""


def test_a_file_that_is_cut_short_is_not_kept(target: Path) -> None:
    with web(body(b"x" * 1000, length=2000)) as address, pytest.raises(Failure, match="cut short after 1000 of 2000"):
        get(address, target)
    assert names(target.parent) == []


def test_a_file_that_is_missing_is_told_with_the_servers_words(target: Path) -> None:
    with (
        web(lambda handler: handler.send_error(404, "no such image")) as address,
        pytest.raises(Failure, match=r"http://127.0.0.1:[0-9]+/etch.img: HTTP Error 404: no such image"),
    ):
        get(f"{address}/etch.img", target)
    assert names(target.parent) == []


def test_a_redirection_on_the_same_server_is_followed(target: Path) -> None:
    def reply(handler: http.server.BaseHTTPRequestHandler) -> None:
        (body(b"here") if handler.path == "/there" else redirect("/there"))(handler)

    with web(reply) as address:
        get(address, target)
    assert target.read_bytes() == b"here"


def test_a_redirection_to_a_server_that_only_the_front_end_reaches_is_refused(target: Path) -> None:
    with (
        web(body(b"secret")) as there,
        web(redirect(f"{there}/x")) as address,
        pytest.raises(Failure, match=r"127.0.0.1 has the address 127.0.0.1, which is not public"),
    ):
        get(address, target)
    assert names(target.parent) == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"])
def test_a_redirection_to_another_scheme_is_refused(target: Path, location: str) -> None:
    with web(redirect(location)) as address, pytest.raises(Failure):
        get(address, target)
    assert names(target.parent) == []


def test_a_circle_of_redirections_ends(target: Path) -> None:
    with web(redirect("/again")) as address, pytest.raises(Failure, match="redirect"):
        get(address, target)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "rbd://pool/x"])
def test_only_the_web_is_fetched_from(target: Path, url: str) -> None:
    with pytest.raises(Failure, match="only http and https are fetched"):
        get(url, target)


def test_a_server_that_is_not_there_is_named(target: Path) -> None:
    with web(body(b"")) as address:
        pass
    with pytest.raises(Failure, match=f"{address}/x: .*refused"):
        get(f"{address}/x", target)


def test_a_server_that_hangs_up_is_told(target: Path) -> None:
    with web(lambda handler: handler.connection.close()) as address, pytest.raises(Failure, match=address):
        get(address, target)


def test_messages_do_not_show_secrets_of_a_url() -> None:
    assert shown("https://user:password@example.org/a/b?token=secret#x") == "https://example.org/a/b"
