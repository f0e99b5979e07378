"""Pools of what there is none of, and the one zone, against the schemas of today's API."""

import pytest

from tests.methods.world import ADMIN, ALICE, EVE
from tests.wire.schemas import valid
from trifid.methods.empty_pools import EMPTY_FILTERED_POOLS, EMPTY_POOLS

PAGES = [(-2, -1, -1), (-3, 0, -200), (-2, -1, -1, -2, "")]


@pytest.mark.parametrize(
    ("name", "root", "arguments"),
    [
        *((name, root, ()) for name, root, _ in EMPTY_POOLS),
        *((name, root, arguments) for name, root, _ in EMPTY_FILTERED_POOLS for arguments in PAGES),
    ],
)
async def test_there_are_none(world, name, root, arguments):
    document = await world.ask(ALICE, name, *arguments)
    assert document == f"<{root}></{root}>"
    valid(document, root.lower())


@pytest.mark.parametrize(("name", "root", "what"), EMPTY_FILTERED_POOLS)
async def test_a_filter_that_there_is_not_is_refused_of_them_too(world, name, root, what):
    assert await world.code(ALICE, name, -5, -1, -1) == 0x1000


async def test_access_rules_are_for_administrators(world):
    valid(await world.ask(ADMIN, "one.acl.info"), "acl_pool")
    assert await world.code(ALICE, "one.acl.info") == 0x0200


async def test_there_is_one_zone_which_says_where_it_is(world):
    zone = valid(await world.ask(EVE, "one.zone.info", 0, False), "zone")
    assert zone.findtext("TEMPLATE/ENDPOINT") == "http://127.0.0.1:2633/RPC2"
    (same,) = valid(await world.ask(EVE, "one.zonepool.info"), "zone_pool")
    assert same.findtext("TEMPLATE/ENDPOINT") == zone.findtext("TEMPLATE/ENDPOINT")
    assert await world.code(EVE, "one.zone.info", 1) == 0x0400
