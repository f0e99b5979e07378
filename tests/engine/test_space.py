"""The room of datastores: asked of whom, when, and what is known when a driver cannot tell."""

import asyncio
import logging
from pathlib import Path

import pytest

from tests.core.image.builders import datastore, image
from tests.engine.world import World
from trifid.core.image.datastore import DatastoreType, Space
from trifid.core.image.record import ImageState
from trifid.engine.queries import Queries
from trifid.engine.space import Spaces
from trifid.wire.image_action import parse
from trifid.wire.lines import Message, parse_to_driver

INTERVAL_S = 30
ROOM = "USED_MB=100 TOTAL_MB=1000 FREE_MB=900"


class Play:
    """A system datastore 0 of the tm driver, an image datastore 1 of the ds driver."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queries = Queries(world.drivers, call_later=world.clock.call_later)
        self.spaces = Spaces(
            world.memory,
            self.queries,
            Path("/ds"),
            world.clock,
            INTERVAL_S,
            call_later=world.clock.call_later,
        )
        world.turns.after_commit.append(self.spaces.committed)

    async def begins(self):
        self.spaces.start()
        await self.settles()

    async def settles(self):
        for _ in range(6):
            await asyncio.sleep(0)

    def asked(self):
        """Who has been asked for what since the last time: (family, directory)."""
        found = []
        for driver in (self.world.tm, self.world.ds):
            for line in driver.sent:
                message = parse_to_driver(line)
                if message.type == "MONITOR":
                    found.append((driver.family, parse(message.payload).base_path, message.oid))
            driver.sent = []
        return found

    async def told(self, told=ROOM, status="SUCCESS"):
        """Have every driver answer what it was asked; return who was."""
        asked = self.asked()
        for family, _, oid in asked:
            driver = self.world.tm if family == "tm" else self.world.ds
            self.queries.said(driver, Message("MONITOR", status, oid, told))
        await self.settles()
        return [(family, directory) for family, directory, _ in asked]


@pytest.fixture
async def play():
    play = Play(World())
    await play.world.put(datastore(0, DatastoreType.SYSTEM), datastore(1))
    yield play
    play.spaces.close()
    await play.world.turns.close()


async def test_each_datastore_is_asked_for_of_its_driver_at_once_and_every_interval(play):
    await play.begins()
    assert await play.told() == [("tm", "/ds/0"), ("ds", "/ds/1")]
    assert play.spaces.of(0) == play.spaces.of(1) == Space(1000, 100, 900, 1000)
    assert await play.told() == []
    play.world.clock.pass_by(INTERVAL_S)
    await play.settles()
    assert await play.told("USED_MB=200 TOTAL_MB=1000 FREE_MB=800") == [("tm", "/ds/0"), ("ds", "/ds/1")]
    assert play.spaces.of(1) == Space(1000, 200, 800, 1000 + INTERVAL_S)


async def test_nothing_is_known_of_a_datastore_before_its_driver_told(play):
    assert play.spaces.of(1) == Space()
    assert play.spaces.of(1) is play.spaces.of(2)


async def test_a_datastore_is_asked_for_when_an_image_in_it_is_there(play):
    await play.begins()
    await play.told()
    await play.world.put(image(ImageState.LOCKED))
    await play.settles()
    assert play.asked() == []
    await play.world.put(image(ImageState.READY))
    await play.settles()
    assert await play.told() == [("ds", "/ds/1")]


async def test_room_is_asked_for_when_an_image_is_gone(play):
    await play.world.put(image())
    await play.begins()
    await play.told()
    await play.world.turns.ask(lambda draft: draft.delete("images", 5))
    await play.settles()
    assert ("ds", "/ds/1") in await play.told()


async def test_a_new_datastore_is_asked_for_at_once_in_its_own_place(play):
    await play.begins()
    await play.told()
    await play.world.put(datastore(100, base_path="/srv/images"))
    await play.settles()
    assert await play.told() == [("ds", "/srv/images")]


async def test_what_changes_while_a_driver_is_asked_is_asked_for_once_more(play):
    await play.begins()
    await play.world.put(image(), image(id=6, name="other"))
    await play.settles()
    assert len(await play.told()) == 2
    assert await play.told() == [("ds", "/ds/1")]
    assert await play.told() == []


async def test_a_driver_that_comes_up_is_asked_for_its_datastores(play):
    play.world.ds.is_ready, play.world.ds.starts_failed = False, 2
    await play.begins()
    await play.told()
    assert play.spaces.troubles == {1: "ds driver dummy is down: "}
    play.world.ds.is_ready = True
    play.spaces.ready(play.world.ds)
    await play.settles()
    assert await play.told() == [("ds", "/ds/1")]
    assert (play.spaces.troubles, play.spaces.of(1).free_mib) == ({}, 900)


async def test_what_is_known_stays_known_when_a_driver_cannot_tell_and_the_log_says_so_once(play, caplog):
    await play.begins()
    await play.told()
    with caplog.at_level(logging.INFO, "trifid.space"):
        for _ in range(3):
            play.world.clock.pass_by(INTERVAL_S)
            await play.settles()
            await play.told("statvfs: gone", "FAILURE")
    assert play.spaces.of(1).free_mib == 900
    assert play.spaces.troubles == {0: "statvfs: gone", 1: "statvfs: gone"}
    assert len(caplog.records) == 2
    play.world.clock.pass_by(INTERVAL_S)
    await play.settles()
    await play.told()
    assert play.spaces.troubles == {}


@pytest.mark.parametrize(
    "told", ["-", "USED_MB=1", "USED_MB=1 TOTAL_MB=x FREE_MB=2", "USED_MB=-1 TOTAL_MB=1 FREE_MB=1"]
)
async def test_an_answer_without_figures_is_a_trouble_that_quotes_it(play, told):
    await play.begins()
    await play.told(told)
    assert play.spaces.of(1) == Space()
    assert "told no room: expected USED_MB, TOTAL_MB and FREE_MB" in play.spaces.troubles[1]


async def test_figures_may_have_fractions_and_others_beside_them(play):
    await play.begins()
    await play.told("TYPE=fs USED_MB=1.9 TOTAL_MB=10 FREE_MB=8.0")
    assert play.spaces.of(1) == Space(10, 1, 8, 1000)


async def test_a_datastore_that_is_gone_is_forgotten_and_its_late_answer_too(play):
    await play.begins()
    await play.world.turns.ask(lambda draft: draft.delete("datastores", 1))
    await play.told()
    assert play.spaces.of(1) == Space()
    assert await play.told() == []


async def test_a_driver_that_is_not_configured_hinders_no_other(play):
    await play.world.put(datastore(100, ds_mad="ceph"))
    await play.begins()
    await play.told()
    assert "ds driver ceph is not configured" in play.spaces.troubles[100]
    assert play.spaces.of(1).free_mib == 900
