"""Pools of what there is none of, and the one zone, against the schemas of today's API."""

import pytest

from tests.methods.world import ADMIN, ALICE, EVE
from tests.wire.schemas import valid
from trifid.methods.empty_pools import EMPTY_POOLS

SCHEMAS = {root: root.lower() for _, root, _ in EMPTY_POOLS}


@pytest.mark.parametrize(("name", "root", "what"), EMPTY_POOLS)
@pytest.mark.parametrize("arguments", [(), (-2, -1, -1), (-3, 0, -200, 5)], ids=len)
async def test_there_are_none(world, name, root, what, arguments):
    document = await world.ask(ALICE, name, *arguments)
    assert document == f"<{root}></{root}>"
    valid(document, SCHEMAS[root])


async def test_access_rules_are_for_administrators(world):
    valid(await world.ask(ADMIN, "one.acl.info"), "acl_pool")
    assert await world.code(ALICE, "one.acl.info") == 0x0200


async def test_there_is_one_zone_which_says_where_it_is(world):
    zone = valid(await world.ask(EVE, "one.zone.info", 0, False), "zone")
    assert zone.findtext("TEMPLATE/ENDPOINT") == "http://127.0.0.1:2633/RPC2"
    (same,) = valid(await world.ask(EVE, "one.zonepool.info"), "zone_pool")
    assert same.findtext("TEMPLATE/ENDPOINT") == zone.findtext("TEMPLATE/ENDPOINT")
    assert await world.code(EVE, "one.zone.info", 1) == 0x0400
