"""The queue before the table: it holds nobody up, loses the oldest, and says so."""

import asyncio
import threading

import pytest

from trifid.core.samples import Kind
from trifid.engine import samples
from trifid.engine.sample_keeper import Kept
from trifid.engine.samples import SampleSeries
from trifid.errors import Refused
from trifid.store.interface import StoreFault
from trifid.store.samples import Samples, open_samples

NOW = 1_000_000_000


class Table:
    """A table that can be slow or full, over a real one."""

    def __init__(self, home) -> None:
        self.real: Samples = open_samples("sqlite:///t.db", home)
        self.trouble: StoreFault | None = None
        self.may_write = threading.Event()
        self.may_write.set()

    def transaction(self):
        assert self.may_write.wait(10)
        if self.trouble is not None:
            raise self.trouble
        return self.real.transaction()

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


@pytest.fixture
async def series(table):
    made = SampleSeries(table, Kept(), lambda: NOW)
    yield made
    table.may_write.set()
    await made.close()


def take(series: SampleSeries, *moments: int, vm_id: int = 1) -> None:
    for at in moments:
        series.take(Kind.VM, vm_id, NOW + at, {"CPU": str(at)})


async def loads(series: SampleSeries, vm_id: int = 1) -> list[float]:
    return [one.figures["CPU"] for _, one in await series.read(Kind.VM, [vm_id])]


async def test_what_was_just_measured_is_read(series):
    take(series, 0, 30)
    assert await loads(series) == [0, 30]
    assert (series.written, series.waiting, series.lost) == (2, 0, 0)


async def test_what_waits_is_written_when_the_engine_ends(tmp_path):
    first = SampleSeries(open_samples("sqlite:///t.db", tmp_path), Kept(), lambda: NOW)
    take(first, 0)
    await first.close()
    second = SampleSeries(open_samples("sqlite:///t.db", tmp_path), Kept(), lambda: NOW)
    assert await loads(second) == [0]
    await second.close()


async def test_it_writes_by_itself_every_few_seconds(series, monkeypatch):
    monkeypatch.setattr(samples, "WRITE_EVERY_S", 0.0)
    take(series, 0)
    series.start()
    async with asyncio.timeout(10):
        while not series.written:
            await asyncio.sleep(0)
    assert series.waiting == 0


async def test_a_database_that_is_slow_holds_nobody_up(series, table):
    table.may_write.clear()
    take(series, 0)
    reading = asyncio.create_task(loads(series))
    await asyncio.sleep(0)
    take(series, 30)
    assert series.waiting >= 1
    table.may_write.set()
    assert (await reading)[0] == 0


async def test_when_the_database_cannot_follow_the_oldest_are_lost_and_counted(table, monkeypatch, caplog):
    monkeypatch.setattr(samples, "QUEUE_MAX", 3)
    series = SampleSeries(table, Kept(), lambda: NOW)
    take(series, 0, 1, 2, 3, 4)
    assert (series.waiting, series.lost) == (3, 2)
    assert await loads(series) == [2, 3, 4]
    assert caplog.text.count("the oldest 2 were lost") == 1
    await series.close()
    assert caplog.text.count("were lost") == 1


async def test_a_fault_of_the_database_is_told_once_and_its_end_too(series, table, caplog):
    caplog.set_level("INFO")
    assert await loads(series) == []
    table.trouble = StoreFault("the disk is full: make room")
    for at in (0, 30):
        take(series, at)
        await loads(series)
    assert series.lost == 2
    assert caplog.text.count("the disk is full") == 1
    table.trouble = None
    take(series, 60)
    assert await loads(series) == [60]
    assert "written again; 2 were lost" in caplog.text


async def test_more_than_one_answer_takes_is_refused(series, monkeypatch):
    monkeypatch.setattr(samples, "SAMPLES_PER_ANSWER_MAX", 2)
    take(series, 0, 1, 2)
    with pytest.raises(Refused, match="ask for fewer seconds"):
        await series.read(Kind.VM, [1])


async def test_without_a_table_there_is_no_history_and_that_is_told():
    series = SampleSeries(None, Kept(), lambda: NOW)
    series.start()
    take(series, 0)
    assert series.waiting == 0
    with pytest.raises(Refused, match="samples are not kept"):
        await series.read(Kind.VM, [1])
    await series.close()
