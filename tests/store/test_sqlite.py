"""What is true of SQLite only: the log, its checkpoints, and a disk that is full."""

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tests.store.conftest import Database
from tests.store.records import turn
from trifid.store import sqlite as backend
from trifid.store.interface import StoreFault

PAGE_BYTES = 4096


@contextlib.contextmanager
def small_disk(pages: int) -> Iterator[None]:
    """Let databases opened inside grow to so many pages, then answer as on a full disk."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(Pool, "connect", limit)
    try:
        yield
    finally:
        event.remove(Pool, "connect", limit)


def test_a_full_disk_is_told_and_nothing_is_half_written(sqlite_database: Database) -> None:
    with small_disk(pages=100):
        store = sqlite_database.open()
        last = -1
        with pytest.raises(StoreFault, match="the disk is full: make room"):
            for number in range(1000):
                store.commit(turn(number, template_bytes=3000))
                last = number
        assert last > 10
        store.close()
    found = sqlite_database.open().load()
    assert [vm.id for vm in found.vms] == list(range(last + 1))
    assert [action.vm_id for action in found.actions] == list(range(last + 1))
    assert found.counters == {"vm": last + 1}
    assert found.journal_id == last + 1


def test_a_database_that_has_no_room_for_its_tables_can_be_opened_later(sqlite_database: Database) -> None:
    with small_disk(pages=6), pytest.raises(StoreFault, match="the disk is full"):
        sqlite_database.open()
    store = sqlite_database.open()
    store.commit(turn(0))
    assert len(store.load().vms) == 1


def test_the_log_stays_short_under_steady_writing(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "ROWS_PER_CHECKPOINT", 50)
    monkeypatch.setattr(backend, "LOG_PAGES_MAX", 200)
    store = sqlite_database.open()
    for number in range(1500):
        store.commit(turn(number, template_bytes=3000))
    log_pages = (sqlite_database.home / "trifid.db-wal").stat().st_size / PAGE_BYTES
    assert log_pages < 1500, "each commit writes five pages or more: 7,500 without checkpoints"
    store.close()
    assert len(sqlite_database.open().load().vms) == 1500


def test_closing_moves_the_log_into_the_file(sqlite_database: Database) -> None:
    store = sqlite_database.open()
    store.commit(turn(0))
    store.close()
    assert sorted(path.name for path in sqlite_database.home.iterdir()) == ["trifid.db", "trifid.db.lock"]


def test_every_commit_waits_for_the_disk(sqlite_database: Database) -> None:
    found = backend.SQLite(sqlite_database.home / "trifid.db")
    try:
        writer = found.hold()
        assert writer.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert writer.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert writer.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 0
        assert writer.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    finally:
        found.close()


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("SELECT id, body FROM vms WHERE state <> 6 ORDER BY id", "vms_alive"),
        ("SELECT id, body FROM vms WHERE state = 6 AND uid IN (2, 3)", "vms_done"),
        ("SELECT * FROM journal WHERE kind = 'VM' AND object_id = 7 ORDER BY id DESC LIMIT 5", "journal_object"),
    ],
)
def test_what_the_store_asks_is_answered_from_an_index(sqlite_database: Database, question: str, index: str) -> None:
    sqlite_database.open()
    plan = sqlite_database.sql(f"EXPLAIN QUERY PLAN {question}")
    assert f"INDEX {index}" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
