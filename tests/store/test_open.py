"""What cannot be opened is refused with the reason and what to do, and no password is ever shown."""

import socket
import sqlite3 as driver
import traceback
from pathlib import Path

import pytest

from tests.postgres import PASSWORD, QUOTED, Cluster
from tests.store.conftest import Database
from trifid.store import postgresql, sqlite
from trifid.store.interface import StoreFault
from trifid.store.sql import open_store


def refusal(url: str, home: Path) -> str:
    """Return the text of the fault that opening ends with."""
    with pytest.raises(StoreFault) as caught:
        open_store(url, home)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://root:hunter2@server/one", "kind mysql"),
        ("sqlite+aiosqlite:///trifid.db", "kind sqlite.aiosqlite"),
        ("nonsense hunter2", "no URL"),
        ("", "no URL"),
        ("postgresql+psycopg://trifid:hunter2@server:port/trifid", "no URL"),
        ("postgresql+psycopg://trifid:hunter2@more@server/trifid", "%40"),
        ("postgresql+psycopg://trifid:more@hunter2@server/trifid", "%40"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:///trifid.db?mode=ro", "no options"),
    ],
)
def test_a_url_that_cannot_be_used(tmp_path: Path, url: str, says: str) -> None:
    text = refusal(url, tmp_path)
    assert says in text.replace("+", ".")
    assert "[database] url" in text
    assert "hunter2" not in text
    assert list(tmp_path.iterdir()) == []


def test_a_relative_sqlite_path_is_in_the_home_and_an_absolute_one_is_not(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    open_store("sqlite:///trifid.db", home).close()
    open_store(f"sqlite:///{elsewhere}/other.db", home).close()
    assert (home / "trifid.db").exists()
    assert (elsewhere / "other.db").exists()


def test_a_second_engine_is_kept_out_until_the_first_has_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "LOCK_WAIT_S", 0.05)
    first = database.open()
    with pytest.raises(StoreFault, match=r"another engine uses it \((server )?process \d+.*stop that one"):
        database.open()
    first.close()
    database.open()


# -- SQLite ----------------------------------------------------------------------------------------


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    text = refusal("sqlite:///missing/trifid.db", tmp_path)
    assert "missing/trifid.db" in text
    assert "directory exists and is writable" in text


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "trifid.db").write_text("Dear diary, " * 100)
    assert "is no SQLite database: name another one" in refusal("sqlite:///trifid.db", tmp_path)
    assert (tmp_path / "trifid.db").read_text() == "Dear diary, " * 100


def test_a_file_that_another_program_has_locked(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.05)
    sqlite_database.open().close()
    other = driver.connect(sqlite_database.home / "trifid.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFault, match="locked: another program holds it"):
        sqlite_database.open()
    other.close()
    sqlite_database.open()


def test_only_its_owner_may_read_the_file(sqlite_database: Database) -> None:
    sqlite_database.open()
    modes = {path.name: path.stat().st_mode & 0o077 for path in sqlite_database.home.glob("trifid.db*")}
    assert "trifid.db-wal" in modes
    del modes["trifid.db.lock"]
    assert set(modes.values()) == {0}


# -- PostgreSQL ------------------------------------------------------------------------------------


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as bound:  # bound but not listening: nobody answers there, nor can anybody begin to
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        text = refusal(f"postgresql+psycopg://trifid:hunter2@127.0.0.1:{port}/trifid", tmp_path)
    assert f"PostgreSQL database trifid at 127.0.0.1:{port}" in text
    assert "see that the server runs and is reachable" in text
    assert "hunter2" not in text


def test_a_wrong_password_is_refused_and_not_shown(cluster: Cluster, tmp_path: Path) -> None:
    wrong = "sesame"[::-1]  # not in this file, whose lines a traceback shows
    with pytest.raises(StoreFault) as caught:
        open_store(cluster.url("postgres", password=wrong), tmp_path)
    assert "password authentication failed" in str(caught.value)
    assert "user and password in [database] url" in str(caught.value)
    assert wrong not in "".join(traceback.format_exception(caught.value))


def test_the_right_password_is_not_shown_when_something_else_is_wrong(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(StoreFault) as caught:
        open_store(cluster.url("nowhere"), tmp_path)
    assert 'database "nowhere" does not exist' in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in shown
    assert QUOTED not in shown


def test_a_database_in_another_encoding(cluster: Cluster, tmp_path: Path) -> None:
    assert "its encoding is LATIN1: make one with createdb -E UTF8" in refusal(cluster.new_database("LATIN1"), tmp_path)


def test_the_name_of_the_driver_may_be_left_out(postgresql_database: Database) -> None:
    postgresql_database.url = postgresql_database.url.replace("+psycopg", "")
    postgresql_database.open()
