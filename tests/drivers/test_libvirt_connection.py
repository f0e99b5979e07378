"""A connection to libvirt that does not come about holds nobody up."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connection import Connection
from trifid.drivers.libvirt.options import Options
from trifid.drivers.remote.way import way_of


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[socket.socket]:
    """A libvirt that takes calls and answers none."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "sock"))
        server.listen()
        yield server


@pytest.fixture
def hanging(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """The connection to it, which is waited for a moment."""
    monkeypatch.setattr("trifid.drivers.libvirt.connection.OPEN_LIMIT_S", 0.3)
    uri = f"qemu+unix:///system?socket={silent.getsockname()}"
    return Connection(uri, Options(uri))


def ask(connection: Connection) -> str:
    with connection.open() as opened:
        return str(opened.getType())


def test_one_that_does_not_answer_is_given_up_and_holds_up_no_other(hanging: Connection) -> None:
    for _ in range(2):
        with pytest.raises(Failure, match=r"libvirt at qemu\+unix.* has not answered for 0\.3 s: look whether"):
            ask(hanging)
    assert ask(Connection("test:///default", Options("test:///default"))) == "TEST"


def test_one_that_went_away_while_it_was_waited_for_is_asked_anew(hanging: Connection, silent: socket.socket) -> None:
    with pytest.raises(Failure, match="has not answered"):
        ask(hanging)
    silent.close()
    said = ""
    while "cannot be reached" not in said:  # as soon as libvirt has noticed
        with pytest.raises(Failure) as caught:
            ask(hanging)
        said = str(caught.value)


def test_a_way_that_cannot_be_made_is_told_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the place of a directory")
    uri = "qemu+ssh://nowhere.invalid/system"
    with pytest.raises(OSError, match="run"):
        ask(Connection(uri, Options(uri), way=way_of(tmp_path), host="nowhere.invalid"))
