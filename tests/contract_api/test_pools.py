"""Pools: whose objects, which range or page, in which order; the same for every kind that is filtered."""

import re

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, ALICE, ALICE_ID, BOB, BOB_ID, EVE, STAFF_GID, VM_OF_ALICE, World
from trifid.core.access import Permissions
from trifid.core.template.model import template
from trifid.core.vm.states import VmState
from trifid.engine.config import Api, Config
from trifid.methods.registry import METHODS

ALL, MINE, MINE_AND_GROUPS, PRIMARY = -2, -3, -1, -4
SHARED, PRIVATE, OPEN = Permissions(0o640), Permissions(0o600), Permissions(0o604)

OWNERS = {
    # id: (owner, group, permissions)
    1010: (ALICE_ID, 1, PRIVATE),
    1011: (BOB_ID, STAFF_GID, SHARED),
    1012: (BOB_ID, STAFF_GID, PRIVATE),
    1013: (ALICE_ID, STAFF_GID, SHARED),
    1014: (BOB_ID, 1, SHARED),
    1015: (0, 0, OPEN),
    1016: (0, 0, PRIVATE),
}

SEEN = {
    (ADMIN, ALL): {*OWNERS},
    (ADMIN, MINE): {1015, 1016},
    (ADMIN, MINE_AND_GROUPS): {1015, 1016},
    (ADMIN, PRIMARY): {1015, 1016},
    (ADMIN, BOB_ID): {1011, 1012, 1014},
    (ALICE, ALL): {1010, 1011, 1013, 1014, 1015},
    (ALICE, MINE): {1010, 1013},
    (ALICE, MINE_AND_GROUPS): {1010, 1011, 1013, 1014},
    (ALICE, PRIMARY): {1010, 1014},
    (ALICE, BOB_ID): {1011, 1014},
    (ALICE, 0): {1015},
    (ALICE, 999): set(),
    (EVE, ALL): {1015},
    (EVE, MINE): set(),
    (EVE, MINE_AND_GROUPS): set(),
    (EVE, ALICE_ID): set(),
}

KINDS = {
    # method of the pool: (where the objects are, element, further arguments)
    "one.vmpool.info": ("vms", "VM", (-1,)),
    "one.vmpool.infoextended": ("vms", "VM", (-2,)),
    "one.vnpool.info": ("networks", "VNET", ()),
    "one.imagepool.info": ("images", "IMAGE", ()),
    "one.templatepool.info": ("vm_templates", "VMTEMPLATE", ()),
    "one.secgrouppool.info": ("security_groups", "SECURITY_GROUP", ()),
    "one.vmgrouppool.info": ("vm_groups", "VM_GROUP", ()),
    "one.vntemplatepool.info": ("vn_templates", "VNTEMPLATE", ()),
    "one.documentpool.info": ("documents", "DOCUMENT", (100,)),
}
NONE_THERE = {"one.vrouterpool.info", "one.marketapppool.info", "one.backupjobpool.info"}
OTHERWISE = {"one.vmpool.monitoring", "one.vmpool.accounting", "one.vmpool.showback"}
"""Methods with a filter that are no lists of objects."""


@pytest.fixture(params=KINDS)
async def listed(request, tmp_path):
    """A function that asks for a pool and returns the ids of the answer, in order."""
    world = await World(tmp_path).start()
    name = request.param
    pool, element, more = KINDS[name]
    await world.ask(ADMIN, "one.vdc.delgroup", 0, 1)  # which lets users see all networks
    await world.ask(ALICE, "one.vmgroup.allocate", "NAME=app\nROLE=[NAME=front]")
    await world.ask(ALICE, "one.document.allocate", "NAME=paper", 100)
    one = next(iter(getattr(world.memory, pool).values()))
    owned = {"history": ()} if pool == "vms" else {}
    for object_id, (uid, gid, permissions) in OWNERS.items():
        named = f"x{object_id}"
        await world.put(replace(one, id=object_id, name=named, uid=uid, gid=gid, permissions=permissions, **owned))

    async def ask(session, flag, start=-1, end=-1):
        document = await world.ask(session, name, flag, start, end, *more)
        found = [int(number) for number in re.findall(rf"<{element}><ID>(\d+)</ID>", document)]
        return [number for number in found if number in OWNERS or (start, end) != (-1, -1)]

    ask.world, ask.name, ask.more = world, name, more
    yield ask
    await world.engine.stop()


def test_every_pool_with_a_filter_is_here() -> None:
    filtered = {name for name, method in METHODS.items() if method.is_supported and _filter(method)}
    assert filtered - OTHERWISE == {*KINDS, *NONE_THERE}


def _filter(method) -> bool:
    return bool(method.parameters) and method.parameters[0].name == "filter_flag"


async def test_a_filter_says_whose_objects_are_listed(listed):
    for (session, flag), expected in SEEN.items():
        assert await listed(session, flag) == sorted(expected, reverse=True), (session, flag)


async def test_a_filter_that_there_is_not_is_refused(listed):
    for flag in (-5, -(2**31), -(2**63)):
        assert await listed.world.code(ALICE, listed.name, flag, -1, -1, *listed.more) == 0x1000


async def test_a_range_is_of_ids_and_both_ends_belong_to_it(listed):
    assert await listed(ADMIN, ALL, 1011, 1013) == [1013, 1012, 1011]
    assert await listed(ADMIN, ALL, 1014, -1) == [1016, 1015, 1014]
    assert await listed(ADMIN, ALL, 1012, 1012) == [1012]
    assert await listed(ADMIN, ALL, 1014, 1011) == []
    assert await listed(ALICE, ALL, 1011, 1013) == [1013, 1011]


async def test_a_page_is_cut_out_of_what_is_visible_newest_first(listed):
    whole = await listed(ALICE, ALL, 0, -1)
    assert whole[:5] == [1015, 1014, 1013, 1011, 1010]
    for start, size in ((0, 2), (2, 2), (4, 200), (1, 3), (200, 200)):
        assert await listed(ALICE, ALL, start, -size) == whole[start : start + size]


async def test_the_order_may_be_set_for_a_user_for_a_group_or_for_all(listed):
    world, memory = listed.world, listed.world.memory
    whole = await listed(ALICE, ALL, 0, -1)
    await world.change("groups", 1, template=template(API_LIST_ORDER="asc"))
    assert await listed(ALICE, ALL, 0, -1) == whole[::-1]
    assert await listed(ALICE, ALL, 1, -2) == whole[::-1][1:3]
    assert await listed(ADMIN, ALL) == sorted(OWNERS, reverse=True)
    await world.change("users", ALICE_ID, template=template({"OPENNEBULA": {"API_LIST_ORDER": "DESC"}}))
    assert await listed(ALICE, ALL, 0, -1) == whole
    await world.change("users", ALICE_ID, template=template(API_LIST_ORDER="upwards"))
    assert await listed(ALICE, ALL, 0, -1) == whole[::-1]
    world.engine.config = Config(api=Api(list_order="ASC"), drivers=world.engine.config.drivers)
    assert await listed(ADMIN, ALL) == sorted(OWNERS)
    assert memory.users[BOB_ID].gids[0] == 1 and (await listed(BOB, MINE)) == [1011, 1012, 1014]


@pytest.mark.parametrize("name", ["one.vmpool.info", "one.vmpool.infoextended"])
async def test_vms_are_listed_by_state(tmp_path, name):
    world = await World(tmp_path).start()
    states = {100 + n: state for n, state in enumerate((VmState.PENDING, VmState.HOLD, VmState.POWEROFF, VmState.DONE))}
    await world.put(*(replace(VM_OF_ALICE, id=n, state=state, history=()) for n, state in states.items()))

    async def ids(state):
        document = await world.ask(ADMIN, name, ALL, -1, -1, state)
        return [int(number) for number in re.findall(r"<VM><ID>(\d+)</ID>", document)]

    assert await ids(-2) == [103, 102, 101, 100, 5]
    assert await ids(-1) == [102, 101, 100, 5]
    assert [await ids(state) for state in range(12)] == [
        *([], [100], [101], [5], [], [], [103], [], [102], [], [], []),
    ]
    for state in (-3, 12, 2**31):
        assert await world.code(ADMIN, name, ALL, -1, -1, state) == 0x1000
    await world.engine.stop()


async def test_a_page_of_vms_that_are_done_follows_the_order(world):
    await world.put(*(replace(VM_OF_ALICE, id=100 + n, state=VmState.DONE, history=()) for n in range(9)))
    await world.change("users", ALICE_ID, template=template(API_LIST_ORDER="ASC"))
    document = await world.ask(ALICE, "one.vmpool.info", ALL, 2, -3, 6)
    assert re.findall(r"<VM><ID>(\d+)</ID>", document) == ["102", "103", "104"]


@pytest.mark.parametrize("name", ["one.vmpool.info", "one.vmpool.infoextended"])
async def test_a_search_by_attributes_is_refused(world, name):
    assert await world.code(ALICE, name, ALL, -1, -1, -1, "") == 0
    for query in ("VM.NAME=web", " ", "%", "'; DROP TABLE vms"):
        assert await world.code(ALICE, name, ALL, -1, -1, -1, query) == 0x2000
    assert not any(outcome == "failed" for _, outcome in world.engine.meters.calls), "that is no fault of ours"


@pytest.mark.parametrize("name", KINDS)
async def test_more_arguments_than_there_are_do_no_harm(world, name):
    await world.ask(ALICE, name, ALL, -1, -1, *KINDS[name][2], *([""] if "vmpool" in name else []), -1, "", "beyond")
