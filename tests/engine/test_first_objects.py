"""What a new database gets, and one of an engine that had no catalogue."""

import pytest

from tests.core.image.builders import datastore
from tests.core.network.builders import network
from tests.engine.world import World
from trifid.core.access import Permissions
from trifid.core.image.datastore import DatastoreType
from trifid.core.network.rules import group_of
from trifid.core.vdc import ALL
from trifid.engine.config import Config, Drivers, DriverSettings, EngineSettings
from trifid.engine.first_objects import first_access, first_cluster, first_datastores, first_security_group, first_users

DUMMY = {"dummy": DriverSettings("trifid-ds-dummy")}


@pytest.fixture
async def world():
    world = World()
    yield world
    await world.turns.close()


async def begin(world, config=None):
    await world.turns.ask(lambda draft: first_users(draft, "oneadmin:secret"))
    await world.turns.ask(lambda draft: first_datastores(draft, config or Config()))
    return [(one.id, one.name, one.type, one.ds_mad, one.tm_mad) for one in world.memory.datastores.values()]


async def test_a_new_database_has_two_users_two_groups_and_three_datastores(world):
    assert await begin(world) == [
        (0, "system", DatastoreType.SYSTEM, "", "shared"),
        (1, "default", DatastoreType.IMAGE, "fs", "shared"),
        (2, "files", DatastoreType.FILE, "fs", "shared"),
    ]
    assert [user.name for user in world.memory.users.values()] == ["oneadmin", "serveradmin"]
    assert [group.name for group in world.memory.groups.values()] == ["oneadmin", "users"]


async def test_the_first_datastores_use_the_drivers_that_there_are(world):
    config = Config(engine=EngineSettings(transfer="dummy"), drivers=Drivers(ds=DUMMY))
    made = await begin(world, config)
    assert [(ds_mad, tm_mad) for *_, ds_mad, tm_mad in made] == [("", "dummy"), ("dummy", "dummy"), ("dummy", "dummy")]


async def test_with_several_datastore_drivers_it_is_the_one_of_files(world):
    drivers = Drivers(ds={**DUMMY, "fs": DriverSettings("trifid-ds-fs")})
    assert (await begin(world, Config(drivers=drivers)))[1][3] == "fs"


async def test_a_database_of_an_engine_without_catalogue_gets_the_datastores_and_no_second_users(world):
    await world.turns.ask(lambda draft: first_users(draft, "oneadmin:secret"))
    before = dict(world.memory.users)
    assert len(await begin(world)) == 3
    assert world.memory.users == before


async def test_a_database_that_has_a_datastore_is_left_as_it_is(world):
    await world.put(datastore(100))
    assert [number for number, *_ in await begin(world)] == [100]


async def test_the_next_datastore_is_100_or_what_comes_after_those_that_there_were(world):
    await begin(world)
    assert await world.turns.ask(lambda draft: draft.next_id("datastore")) == 100
    for number in (0, 1, 2):
        await world.turns.ask(lambda draft, number=number: draft.delete("datastores", number))
    await begin(world)
    assert await world.turns.ask(lambda draft: draft.next_id("datastore")) == 101


async def test_a_database_without_them_gets_the_default_cluster_and_security_group_once(world):
    for _ in range(2):
        await world.turns.ask(first_cluster)
        await world.turns.ask(first_security_group)
    assert [(one.id, one.name) for one in world.memory.clusters.values()] == [(0, "default")]
    (group,) = world.memory.security_groups.values()
    assert (group.id, group.name, group.uid, group.permissions) == (0, "default", 0, Permissions(0o604))
    everything = group_of(group, lambda network_id: ()).rules
    assert {(rule.is_inbound, rule.protocol, rule.ports, rule.peers) for rule in everything} == {
        (True, "all", (), ()),
        (False, "all", (), ()),
    }
    for kind in ("cluster", "secgroup"):
        assert await world.turns.ask(lambda draft, kind=kind: draft.next_id(kind)) == 100


async def test_a_new_database_has_everything_in_its_first_virtual_data_centre(world):
    await begin(world)
    await world.turns.ask(first_access)
    (first,) = world.memory.vdcs.values()
    assert (first.group_ids, first.clusters, first.networks) == ((1,), ((0, ALL),), ())


@pytest.mark.parametrize(
    "thing", [network(3, VN_MAD="dummy", BRIDGE="br0"), datastore(100)], ids=["network", "datastore"]
)
async def test_what_was_closed_to_users_before_there_were_virtual_data_centres_stays_closed(world, thing):
    await begin(world)
    await world.put(thing)
    await world.turns.ask(first_access)
    (first,) = world.memory.vdcs.values()
    assert (first.clusters, first.networks, first.hosts) == ((), (), ((0, ALL),))
    assert first.datastores == ((0, 0), (0, 1), (0, 2))
