"""The table of samples on either database."""

from collections.abc import Iterator

import pytest

from tests.store.conftest import Database
from trifid.core.samples import FIVE_MINUTES_S, HOUR_S, RAW_S, Kind, Sample
from trifid.store.interface import StoreFault
from trifid.store.sample_codec import Note, packed
from trifid.store.samples import FIRST, Key, Samples, open_samples


@pytest.fixture
def table(database: Database) -> Iterator[Samples]:
    made = open_samples(database.url, database.home)
    yield made
    made.close()


def put(table: Samples, resolution_s: int, kind: Kind, *taken: tuple[int, Sample]) -> None:
    with table.transaction():
        table.put(resolution_s, kind, [packed(*one) for one in taken])


def cpu(at: int, value: float = 1, count: int = 1) -> Sample:
    return Sample(at, {"CPU": value}, count)


def test_samples_are_read_by_object_oldest_first(table: Samples) -> None:
    put(table, RAW_S, Kind.VM, (7, cpu(60)), (3, cpu(60)), (7, cpu(30)), (9, cpu(30)))
    assert list(table.read(RAW_S, Kind.VM, [7, 3], 0)) == [(3, cpu(60)), (7, cpu(30)), (7, cpu(60))]


def test_hosts_and_vms_and_resolutions_are_apart(table: Samples) -> None:
    put(table, RAW_S, Kind.VM, (1, cpu(0, 1)))
    put(table, RAW_S, Kind.HOST, (1, cpu(0, 2)))
    put(table, HOUR_S, Kind.VM, (1, cpu(0, 3, 100)))
    assert list(table.read(RAW_S, Kind.VM, [1], 0)) == [(1, cpu(0, 1))]
    assert list(table.read(RAW_S, Kind.HOST, [1], 0)) == [(1, cpu(0, 2))]
    assert list(table.read(HOUR_S, Kind.VM, [1], 0)) == [(1, cpu(0, 3, 100))]


def test_a_span_holds_its_beginning_and_not_its_end(table: Samples) -> None:
    put(table, RAW_S, Kind.VM, *[(1, cpu(at)) for at in (299, 300, 599, 600)])
    assert [one.at for _, one in table.read(RAW_S, Kind.VM, [1], 300, 600)] == [300, 599]


def test_figures_come_back_as_they_were(table: Samples) -> None:
    figures = {"CPU": 12.5, "NETRX": 2**63 - 1, "FREE_MEMORY": -5, "TEMPERATURE": 41.25, "X": 1e40}
    put(table, RAW_S, Kind.HOST, (1, Sample(0, figures)))
    assert list(table.read(RAW_S, Kind.HOST, [1], 0)) == [(1, Sample(0, figures))]


def test_a_sample_of_the_same_moment_is_replaced(table: Samples) -> None:
    put(table, RAW_S, Kind.VM, (1, cpu(0, 1)))
    put(table, RAW_S, Kind.VM, (1, cpu(0, 2)))
    assert list(table.read(RAW_S, Kind.VM, [1], 0)) == [(1, cpu(0, 2))]


def test_thousands_of_objects_are_read_at_once(table: Samples) -> None:
    put(table, RAW_S, Kind.VM, *[(vm_id, cpu(0)) for vm_id in range(2100)])
    assert len(list(table.read(RAW_S, Kind.VM, range(2100), 0))) == 2100
    assert len(table.newest_before(Kind.VM, range(2100), 1)) == 2100


def test_the_newest_measurement_before_a_moment_is_found(table: Samples) -> None:
    put(table, RAW_S, Kind.VM, (1, cpu(10)), (1, cpu(20)), (1, cpu(30)), (2, cpu(30)))
    assert table.newest_before(Kind.VM, [1, 2, 3], 30) == {1: 20}


def test_all_objects_are_passed_once_with_their_oldest_sample(table: Samples) -> None:
    put(table, RAW_S, Kind.VM, (5, cpu(20)), (5, cpu(10)), (6, cpu(30)))
    put(table, RAW_S, Kind.HOST, (9, cpu(40)))
    put(table, FIVE_MINUTES_S, Kind.HOST, (1, cpu(0)))
    passed, key = [], FIRST
    while (found := table.oldest_after(key)) is not None:
        passed.append(found)
        key = found[0]
    expected = [(Key(0, 0, 9), 40), (Key(0, 1, 5), 10), (Key(0, 1, 6), 30), (Key(300, 0, 1), 0)]
    assert passed == expected


def test_old_samples_of_one_object_are_deleted(table: Samples) -> None:
    put(table, RAW_S, Kind.VM, (1, cpu(10)), (1, cpu(20)), (2, cpu(10)))
    with table.transaction():
        assert table.delete_before(Key(RAW_S, Kind.VM, 1), 20) == 1
    assert list(table.read(RAW_S, Kind.VM, [1, 2], 0)) == [(1, cpu(20)), (2, cpu(10))]


def test_a_transaction_that_fails_leaves_nothing(table: Samples) -> None:
    def half() -> None:
        with table.transaction():
            table.put(RAW_S, Kind.VM, [packed(1, cpu(0))])
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert list(table.read(RAW_S, Kind.VM, [1], 0)) == []


def test_samples_are_there_after_reopening(database: Database) -> None:
    first = open_samples(database.url, database.home)
    put(first, RAW_S, Kind.VM, (1, cpu(0)))
    first.close()
    second = open_samples(database.url, database.home)
    assert list(second.read(RAW_S, Kind.VM, [1], 0)) == [(1, cpu(0))]
    second.close()


def test_they_live_beside_the_records(database: Database) -> None:
    store, table = database.open(), open_samples(database.url, database.home)
    put(table, RAW_S, Kind.VM, (1, cpu(0)))
    assert store.load().vms == []
    table.close()
    store.close()
    assert database.open().load().vms == []


def test_postgresql_finds_some_objects_without_reading_all(postgresql_database: Database) -> None:
    table = open_samples(postgresql_database.url, postgresql_database.home)
    for round in range(4):
        put(table, RAW_S, Kind.VM, *[(vm_id, cpu(30 * round)) for vm_id in range(1000)])
    table.close()
    some = "resolution_s = 0 AND kind = 1 AND id IN (1, 2, 3) AND at >= 0 AND at < 300"
    plan = postgresql_database.sql(f"EXPLAIN SELECT * FROM samples WHERE {some}")
    (condition,) = [line for (line,) in plan if "Index Cond" in line]
    assert "id = ANY" in condition


def test_notes_are_there_in_their_order_until_they_are_forgotten(table: Samples) -> None:
    first, second = [Note(Kind.VM, packed(1, cpu(0))), Note(Kind.HOST, packed(2, cpu(5)))], [Note(0, packed(3, cpu(9)))]
    with table.transaction():
        table.note(8, second)
        table.note(7, first)
    assert list(table.noted()) == [(7, first), (8, second)]
    with table.transaction():
        table.forget_notes_before(8)
    assert [seq for seq, _ in table.noted()] == [8]


def test_a_note_that_cannot_be_read_is_told_and_passed_over(
    database: Database, table: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    with table.transaction():
        table.note(1, [Note(Kind.VM, packed(1, cpu(0)))])
        table.note(2, [Note(Kind.VM, packed(1, cpu(30)))])
    url = database.url.replace("sqlite:///trifid.db", "sqlite:///trifid-samples.db")
    Database(url, database.home).sql("UPDATE samples_notes SET taken = 'x' WHERE seq = 1")
    assert [seq for seq, _ in table.noted()] == [2]
    assert "note 1 of samples cannot be read" in caplog.text


def test_samples_change_in_transactions_only(table: Samples) -> None:
    with pytest.raises(RuntimeError, match="in a transaction only"):
        table.put(RAW_S, Kind.VM, [packed(1, cpu(0))])


def test_a_row_that_cannot_be_read_is_told_and_passed_over(
    database: Database, table: Samples, caplog: pytest.LogCaptureFixture
) -> None:
    put(table, RAW_S, Kind.VM, (1, cpu(0)), (1, cpu(30)))
    url = database.url.replace("sqlite:///trifid.db", "sqlite:///trifid-samples.db")
    Database(url, database.home).sql("UPDATE samples SET figures = 'x' WHERE at = 0")
    assert list(table.read(RAW_S, Kind.VM, [1], 0)) == [(1, cpu(30))]
    assert "VM 1 at 0 cannot be read" in caplog.text


def test_a_file_of_samples_that_is_none_is_told(sqlite_database: Database) -> None:
    (sqlite_database.home / "trifid-samples.db").write_text("something else entirely, and not short" * 100)
    with pytest.raises(StoreFault, match=r"trifid-samples\.db"):
        open_samples(sqlite_database.url, sqlite_database.home)


def test_writing_samples_does_not_keep_records_waiting(sqlite_database: Database) -> None:
    from tests.store.records import user
    from trifid.store.interface import Batch

    store = sqlite_database.open()
    table = open_samples(sqlite_database.url, sqlite_database.home)
    with table.transaction():
        table.put(RAW_S, Kind.VM, [packed(1, cpu(0))])
        store.commit(Batch(users={2: user(2)}))  # a lock in common would let it fail after five seconds
    assert len(store.load().users) == 1
    table.close()
