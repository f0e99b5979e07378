"""Hosts as far as they have changed."""

from msgspec.structs import replace

from tests.methods.world import ADMIN, HOST_ID, STAY, VM_OF_ALICE
from trifid.core.host import HostObservation
from trifid.wire.elements import one_element, several

SECOND_ID = 30


async def changes(world, read=""):
    return one_element(await world.ask(ADMIN, "trifid.host.changes", read), "HOST_CHANGES")


def ids(answer):
    return [int(host["ID"]) for host in several(answer.get("HOST"))]


async def second(world):
    await world.put(replace(world.memory.hosts[HOST_ID], id=SECOND_ID, name="second"))


async def test_all_are_told_first_and_then_only_what_has_changed(world):
    await second(world)
    first = await changes(world)
    assert sorted(ids(first)) == sorted(map(int, first["IDS"].split())) == [HOST_ID, SECOND_ID]
    assert ids(await changes(world, first["READ"])) == []
    await world.put(VM_OF_ALICE, replace(VM_OF_ALICE, id=77, history=(replace(STAY, host_id=SECOND_ID),)))
    again = await changes(world, first["READ"])
    assert SECOND_ID in ids(again)
    world.engine.monitoring.hosts[HOST_ID] = HostObservation(at=5, free_cpu_percent=7)
    (host,) = several((await changes(world, again["READ"]))["HOST"])
    assert (host["ID"], host["MONITORING"]["CAPACITY"]["FREE_CPU"]) == (str(HOST_ID), "7")


async def test_the_document_is_that_of_the_pool(world):
    told = several((await changes(world))["HOST"])
    assert told == several(one_element(await world.ask(ADMIN, "one.hostpool.info"), "HOST_POOL")["HOST"])


async def test_a_host_that_is_gone_is_not_among_the_ids(world):
    await second(world)
    first = await changes(world)
    await world.ask(ADMIN, "one.host.delete", SECOND_ID)
    assert (await changes(world, first["READ"]))["IDS"] == str(HOST_ID)


async def test_each_who_asks_is_told_what_is_new_since_its_own_last_look(world):
    one = await changes(world)
    world.engine.monitoring.hosts[HOST_ID] = HostObservation(at=5)
    other = await changes(world, one["READ"])
    assert ids(other) == ids(await changes(world, one["READ"])) == [HOST_ID]
    assert ids(await changes(world, other["READ"])) == []


async def test_what_was_read_in_another_life_of_the_engine_or_nowhere_counts_for_nothing(world):
    for read in ("0123456789abcdef.900", "nonsense", ".", "1.", f"{(await changes(world))['READ']}9x"):
        assert ids(await changes(world, read)) == [HOST_ID]


async def test_a_number_that_nobody_was_told_means_that_nothing_is_known(world):
    life = (await changes(world))["READ"].partition(".")[0]
    assert ids(await changes(world, f"{life}.{'9' * 5000}")) == [HOST_ID]
