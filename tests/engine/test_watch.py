"""The newest entries, and waiting for more."""

import asyncio

import pytest

from trifid.core.journal import Entry
from trifid.engine import watch as watch_module
from trifid.engine.watch import Watch
from trifid.store.interface import Batch


def batch(*ids: int) -> Batch:
    return Batch(journal=[Entry(n, 1000, "VM", 1, 0, "state") for n in ids])


def ids(entries: list[Entry] | None) -> list[int] | None:
    return None if entries is None else [entry.id for entry in entries]


def test_entries_are_given_oldest_first_from_where_one_left_off():
    watch = Watch(10)
    watch.committed(batch(11, 12))
    watch.committed(batch(13))
    assert ids(watch.recent(10)) == [11, 12, 13]
    assert ids(watch.recent(12)) == [13]
    assert ids(watch.recent(13)) == []
    assert ids(watch.recent(99)) == []


def test_what_is_older_than_memory_is_not_known():
    watch = Watch(10)
    assert watch.recent(9) is None
    assert watch.recent(10) == []
    watch.committed(batch(11))
    assert watch.recent(9) is None


def test_only_the_newest_are_kept(monkeypatch):
    monkeypatch.setattr(watch_module, "KEPT_MAX", 3)
    watch = Watch(0)
    watch.committed(batch(1, 2, 3, 4, 5))
    assert watch.recent(1) is None
    assert ids(watch.recent(2)) == [3, 4, 5]


async def test_all_who_wait_are_woken_by_news():
    watch = Watch(10)
    waiting = [asyncio.create_task(watch.later_than(10, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    watch.committed(batch(11))
    await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_what_came_already_is_not_waited_for():
    watch = Watch(10)
    watch.committed(batch(11))
    await asyncio.wait_for(watch.later_than(10, 60), 5)


async def test_a_batch_without_entries_wakes_nobody():
    watch = Watch(10)
    waiting = asyncio.create_task(watch.later_than(10, 60))
    await asyncio.sleep(0)
    watch.committed(Batch(counters={"vm": 1}))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize("wait_s", [0, 0.01])
async def test_without_news_the_wait_ends_with_its_time(wait_s):
    watch = Watch(10)
    await asyncio.wait_for(watch.later_than(10, wait_s), 5)
    assert watch.recent(10) == []
