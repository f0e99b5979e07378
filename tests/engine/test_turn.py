"""Turns: one durable write for many commands, an answer only after it, nothing when it fails."""

import asyncio

import pytest

from tests.engine.fake_store import FakeStore
from trifid.core.access import ENGINE
from trifid.core.user import Group
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft
from trifid.engine.turn import COMMANDS_PER_TURN_MAX, Turns
from trifid.errors import Internal, Refused
from trifid.store.interface import StoreFault


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
async def turns(store):
    made = Turns(Memory(store.load()), store, lambda: 1000)
    yield made
    store.may_write.set()
    await made.close()


def put(group_id: int, name: str = "g"):
    def command(draft: Draft) -> int:
        draft.put(Group(id=group_id, name=f"{name}{group_id}"))
        draft.note("GROUP", group_id, ENGINE, "allocated")
        return group_id

    return command


def refuse(draft: Draft) -> None:
    draft.put(Group(id=999, name="never"))
    raise Refused("no")


async def writing(store: FakeStore) -> None:
    """Wait until the store is asked to write."""
    assert await asyncio.to_thread(store.writing.wait, 10)
    store.writing.clear()


async def test_what_a_command_returns_is_answered_when_it_is_durable(turns, store):
    assert await turns.ask(put(1)) == 1
    assert store.load().groups == [Group(id=1, name="g1")]
    assert turns.memory.groups == {1: Group(id=1, name="g1")}


async def test_nobody_is_answered_and_nothing_is_seen_before_the_commit(turns, store):
    store.may_write.clear()
    answer = turns.post(put(1))
    await writing(store)
    assert not answer.done()
    assert turns.memory.groups == {}
    store.may_write.set()
    assert await answer == 1


async def test_commands_that_wait_are_written_together(turns, store):
    store.may_write.clear()
    first = turns.post(put(1))
    await writing(store)
    others = [turns.post(put(n)) for n in range(2, 102)]
    store.may_write.set()
    assert await asyncio.gather(first, *others) == list(range(1, 102))
    assert len(store.commits) == 2
    assert len(store.commits[1].groups) == 100


async def test_a_turn_has_a_limit(turns, store):
    await asyncio.gather(*(turns.post(put(n)) for n in range(COMMANDS_PER_TURN_MAX + 1)))
    assert [len(batch.groups) for batch in store.commits] == [COMMANDS_PER_TURN_MAX, 1]


async def test_journal_entries_are_numbered_in_order_across_turns(turns, store):
    await asyncio.gather(turns.post(put(1)), turns.post(put(2)))
    await turns.ask(put(3))
    assert [(e.id, e.object_id) for e in store.journal_after(0, 10)] == [(1, 1), (2, 2), (3, 3)]
    assert turns.memory.journal_id == 3


async def test_a_refusal_leaves_no_trace_and_does_not_touch_the_others(turns, store):
    results = await asyncio.gather(turns.post(put(1)), turns.post(refuse), turns.post(put(2)), return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], Refused)
    assert results[2] == 2
    assert set(turns.memory.groups) == {1, 2}
    assert set(store.commits[0].groups) == {1, 2}


async def test_a_bug_in_a_command_is_answered_as_such_and_undone(turns, caplog):
    def bug(draft: Draft) -> None:
        draft.put(Group(id=5, name="half done"))
        raise KeyError("oops")

    results = await asyncio.gather(turns.post(bug), turns.post(put(1)), return_exceptions=True)
    assert isinstance(results[0], Internal)
    assert "KeyError" in results[0].message
    assert set(turns.memory.groups) == {1}
    assert "bug while deciding" in caplog.text


async def test_later_commands_of_a_turn_see_what_earlier_ones_did(turns):
    seen = []
    await asyncio.gather(turns.post(put(1)), turns.post(lambda draft: seen.append(draft.group(1).name)))
    assert seen == ["g1"]


async def test_a_command_that_changes_nothing_costs_no_write(turns, store):
    assert await turns.ask(lambda draft: "looked") == "looked"
    assert store.commits == []


@pytest.mark.parametrize("trouble", [StoreFault("disk full"), ValueError("not foreseen")], ids=["known", "unknown"])
async def test_when_the_store_fails_nothing_is_adopted_and_everybody_is_told(turns, store, trouble):
    heard = []
    turns.after_commit.append(heard.append)
    store.may_write.clear()
    first = turns.post(put(1))
    await writing(store)
    second = turns.post(put(2))
    store.trouble = trouble
    store.may_write.set()
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(result) for result in results] == [Internal, Internal]
    assert str(trouble) in results[0].message
    assert (turns.memory.groups, heard, store.commits) == ({}, [], [])
    assert str(trouble) in str(turns.failed.result())


async def test_after_a_failure_nothing_is_decided_any_more(turns, store):
    store.trouble = StoreFault("disk full")
    with pytest.raises(Internal, match="disk full"):
        await turns.ask(put(1))
    store.trouble = None
    with pytest.raises(Internal, match="disk full"):
        await turns.ask(put(2))
    assert store.commits == []


async def test_listeners_hear_each_batch_once_it_is_memory_in_order(turns):
    heard = []
    turns.after_commit.append(lambda batch: heard.append((sorted(batch.groups), sorted(turns.memory.groups))))
    await turns.ask(put(1))
    await turns.ask(put(2))
    assert heard == [([1], [1]), ([2], [1, 2])]


async def test_a_listener_with_a_bug_keeps_neither_the_others_nor_the_answer(turns, caplog):
    heard = []

    def broken(batch):
        raise RuntimeError("bug")

    turns.after_commit += [broken, heard.append]
    assert await turns.ask(put(1)) == 1
    assert len(heard) == 1
    assert "bug after a commit" in caplog.text
    assert await turns.ask(put(2)) == 2


async def test_what_a_listener_posts_is_decided_next(turns, store):
    turns.after_commit.append(lambda batch: 1 in batch.groups and turns.post(put(7)))
    await turns.ask(put(1))
    await turns.ask(lambda draft: None)
    assert [sorted(batch.groups) for batch in store.commits] == [[1], [7]]


async def test_closing_writes_what_was_queued(store):
    turns = Turns(Memory(store.load()), store, lambda: 1000)
    turns.post(put(1))
    await turns.close()
    assert [group.id for group in store.load().groups] == [1]


async def test_a_caller_that_is_gone_does_not_stop_the_turn(turns, store):
    store.may_write.clear()
    first = turns.post(put(1))
    await writing(store)
    first.cancel()
    store.may_write.set()
    assert await turns.ask(put(2)) == 2
    assert set(turns.memory.groups) == {1, 2}


async def test_a_bug_after_the_commit_ends_all_decisions_and_leaves_nobody_waiting(turns, store):
    class Broken(dict):
        def __setitem__(self, key, value):
            raise RuntimeError("a bug")

    turns.memory.groups = Broken()
    with pytest.raises(Internal, match="look whether it happened"):
        await turns.ask(put(1))
    assert turns.failed.done()
    with pytest.raises(Internal, match="RuntimeError"):
        await turns.ask(put(2))
