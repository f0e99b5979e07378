"""What of the journal a caller may see, and from where."""

import json

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, EVE, NETWORK_ID, VM_ID, VM_OF_ALICE
from trifid.core.access import Caller
from trifid.core.vm.states import VmState
from trifid.engine import watch
from trifid.errors import BadRequest, NotAuthenticated
from trifid.methods.event_stream import opener

PEER = "10.0.0.9:1234"


async def page(world, session, after, **wanted):
    feed = await opener(world.engine)(session, {key: [value] for key, value in wanted.items()}, PEER)
    return await feed.page(after)


async def happens(world, kind, object_id, uid=-1, what="state"):
    caller = Caller(uid, "x", (1,))
    await world.engine.turns.ask(lambda draft: draft.note(kind, object_id, caller, what))
    return world.memory.journal_id


def ids(found):
    return [event_id for event_id, _ in found.events]


async def test_users_see_what_happens_to_objects_that_they_may_use(world):
    before = world.memory.journal_id
    vm = await happens(world, "VM", VM_ID)
    host = await happens(world, "HOST", 3)
    network = await happens(world, "NET", NETWORK_ID)
    engine = await happens(world, "ENGINE", 0)
    assert ids(await page(world, ADMIN, before)) == [vm, host, network, engine]
    assert vm in ids(await page(world, ALICE, before))
    assert vm not in ids(await page(world, BOB, before))
    assert ids(await page(world, EVE, before)) == []
    await world.open_network()
    assert ids(await page(world, EVE, before)) == [network]
    assert engine not in ids(await page(world, ALICE, before))


async def test_an_event_is_told_as_the_journal_has_it(world):
    before = world.memory.journal_id
    vm = await happens(world, "VM", VM_ID, ALICE_ID, "renamed")
    ((event_id, event),) = (await page(world, ALICE, before)).events
    assert event_id == vm
    assert json.loads(event) == {
        "id": vm, "at": 1000, "kind": "VM", "object_id": VM_ID, "uid": ALICE_ID, "what": "renamed", "old": "",
        "new": "", "text": "",
    }  # fmt: skip


async def test_what_is_gone_is_seen_by_administrators_and_by_who_did_it(world):
    before = world.memory.journal_id
    mine = await happens(world, "IMAGE", 999, ALICE_ID, "deleted")
    other = await happens(world, "IMAGE", 998, 0, "deleted")
    assert ids(await page(world, ALICE, before)) == [mine]
    assert ids(await page(world, ADMIN, before)) == [mine, other]


async def test_a_vm_that_is_done_is_still_its_owner_s(world):
    before = world.memory.journal_id
    await world.put(replace(VM_OF_ALICE, state=VmState.DONE, etime=1000))
    done = await happens(world, "VM", VM_ID)
    assert VM_ID not in world.memory.vms
    assert ids(await page(world, ALICE, before)) == [done]
    assert ids(await page(world, BOB, before)) == []


async def test_a_filter_takes_what_it_names_and_the_cursor_goes_on_all_the_same(world):
    before = world.memory.journal_id
    vm = await happens(world, "VM", VM_ID)
    host = await happens(world, "HOST", 3)
    found = await page(world, ADMIN, before, kind="VM")
    assert (ids(found), found.last) == ([vm], host)
    with pytest.raises(BadRequest):
        await page(world, ADMIN, before, id="x")


async def test_what_is_not_in_memory_any_more_comes_from_the_database(world, monkeypatch):
    monkeypatch.setattr(watch, "KEPT_MAX", 2)
    world.engine.watch.__init__(world.memory.journal_id)
    before = world.memory.journal_id
    all_of_them = [await happens(world, "VM", VM_ID) for _ in range(5)]
    assert world.engine.watch.recent(before) is None
    assert ids(await page(world, ADMIN, before)) == all_of_them


async def test_a_cursor_of_another_database_is_a_gap(world):
    newest = world.memory.journal_id
    found = await page(world, ADMIN, newest + 100)
    assert (found.last, found.first_kept) == (newest, newest + 1)
    assert (await page(world, ADMIN, newest)).first_kept == 0


async def test_what_the_database_no_longer_has_is_a_gap(world):
    await happens(world, "VM", VM_ID)
    world.store._journal[:] = world.store._journal[-1:]
    world.engine.watch.__init__(world.memory.journal_id)
    found = await page(world, ADMIN, 0)
    assert found.first_kept == world.memory.journal_id
    assert ids(found) == [world.memory.journal_id]


async def test_a_session_is_looked_at_again_and_so_are_its_groups(world):
    feed = await opener(world.engine)(ALICE, {}, PEER)
    before = world.memory.journal_id
    vm = await happens(world, "VM", VM_ID)
    await world.change("users", ALICE_ID, gids=(0,))
    host = await happens(world, "HOST", 3)
    assert {vm, host} <= set(ids(await feed.page(before)))
    await world.change("users", ALICE_ID, enabled=False)
    with pytest.raises(NotAuthenticated):
        await feed.page(before)
    with pytest.raises(NotAuthenticated):
        await opener(world.engine)("alice:wrong", {}, PEER)


async def test_a_rule_that_is_taken_back_shows_nothing_of_what_happens_then(world):
    feed = await opener(world.engine)(BOB, {}, PEER)
    rule = await world.ask(ADMIN, "one.acl.addrule", f"1{BOB_ID:08x}", "1400000000", "1")
    before = world.memory.journal_id
    vm = await happens(world, "VM", VM_ID)
    assert vm in ids(await feed.page(before))
    await world.ask(ADMIN, "one.acl.delrule", rule)
    before = world.memory.journal_id
    await happens(world, "VM", VM_ID)
    assert ids(await feed.page(before)) == []
