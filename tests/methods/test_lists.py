"""Lists of VMs, of which those that are done are read from the database."""

import re

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, STAFF_GID, VM_OF_ALICE
from trifid.core.access import Permissions
from trifid.core.vm.states import VmState
from trifid.methods import vm as vm_methods

ALL, MINE, MINE_AND_GROUPS, PRIMARY = -2, -3, -1, -4
ANY, NOT_DONE, DONE = -2, -1, 6
SHARED = Permissions(0o640)

OWNERS = {
    # id: (owner, group, permissions)
    10: (ALICE_ID, 1, Permissions()),
    11: (BOB_ID, STAFF_GID, SHARED),
    12: (BOB_ID, STAFF_GID, Permissions()),
    13: (ALICE_ID, STAFF_GID, SHARED),
    14: (BOB_ID, 1, SHARED),
    15: (ALICE_ID, 1, Permissions()),
}
"""VMs that are done; VM 5 of Alice runs."""


@pytest.fixture(params=[1, 2, 500], ids=lambda count: f"{count} at once")
async def ids(world, request, monkeypatch):
    """A function that asks for VMs and returns the ids of the answer."""
    monkeypatch.setattr(vm_methods, "DONE_AT_ONCE", request.param)
    for vm_id, (uid, gid, permissions) in OWNERS.items():
        ended = replace(VM_OF_ALICE, id=vm_id, uid=uid, gid=gid, permissions=permissions, state=VmState.DONE)
        await world.put(ended)

    async def ask(session, *arguments):
        document = await world.ask(session, "one.vmpool.info", *arguments)
        return [int(vm_id) for vm_id in re.findall(r"<VM><ID>(\d+)</ID>", document)]

    return ask


async def test_vms_that_are_done_are_listed_when_asked_for(ids):
    assert await ids(ADMIN, ALL, -1, -1, ANY) == [15, 14, 13, 12, 11, 10, 5]
    assert await ids(ADMIN, ALL, -1, -1, DONE) == [15, 14, 13, 12, 11, 10]
    assert await ids(ADMIN, ALL, -1, -1, NOT_DONE) == [5]


@pytest.mark.parametrize(
    ("session", "flag", "expected"),
    [
        (ALICE, ALL, [15, 14, 13, 11, 10, 5]),
        (ALICE, MINE, [15, 13, 10, 5]),
        (ALICE, MINE_AND_GROUPS, [15, 14, 13, 11, 10, 5]),
        (ALICE, PRIMARY, [15, 14, 10, 5]),
        (ALICE, BOB_ID, [14, 11]),
        (BOB, ALICE_ID, [13]),
        (BOB, MINE, [14, 12, 11]),
        (ADMIN, MINE, []),
        (ADMIN, BOB_ID, [14, 12, 11]),
    ],
)
async def test_a_filter_is_the_same_for_vms_that_are_done(ids, session, flag, expected):
    assert await ids(session, flag, -1, -1, ANY) == expected


@pytest.mark.parametrize("session", [ADMIN, ALICE])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (11, 14),
        (14, -1),
        (0, 10),
        (12, 12),
        (20, 30),
        (14, 11),
        (-1, 12),
        (0, -2),
        (2, -2),
        (1, -100),
        (6, -2),
        (-5, -3),
    ],
)
async def test_a_range_or_page_is_cut_out_of_the_whole_list(ids, session, start, end):
    whole = await ids(session, ALL, -1, -1, ANY)
    if end < -1:
        expected = whole[max(start, 0) :][:-end]
    else:
        expected = [n for n in whole if n >= start and (end == -1 or n <= end)]
    assert await ids(session, ALL, start, end, ANY) == expected


async def test_a_page_reads_no_more_of_the_database_than_it_needs(world, monkeypatch):
    monkeypatch.setattr(vm_methods, "DONE_AT_ONCE", 10)
    await world.put(*(replace(VM_OF_ALICE, id=n, state=VmState.DONE) for n in range(100, 200)))
    read = []
    original = world.store.done_vms

    def counted(**asked):
        found = original(**asked)
        read.extend(found)
        return found

    monkeypatch.setattr(world.store, "done_vms", counted)
    document = await world.ask(ADMIN, "one.vmpool.info", ALL, 5, -10, DONE)
    assert (document.count("<VM>"), len(read)) == (10, 20)


async def test_filters_and_states_that_there_are_not_are_refused(world):
    assert await world.code(ADMIN, "one.vmpool.info", -5, -1, -1, ANY) == 0x1000
    assert await world.code(ADMIN, "one.vmpool.info", -5, -1, -1, NOT_DONE) == 0x1000
    for state in (-3, 12):
        assert await world.code(ADMIN, "one.vmpool.info", ALL, -1, -1, state) == 0x1000


@pytest.mark.parametrize("limit", [-7, 0, 1])
async def test_of_the_journal_at_least_one_entry_is_told(world, limit, monkeypatch):
    monkeypatch.setattr(world.engine.watch, "recent", lambda after: None)  # as if it were too long ago
    told = await world.ask(ADMIN, "trifid.event.list", 0, 0, limit)
    assert told.count('"what"') == 1
