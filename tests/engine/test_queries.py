"""Questions to drivers: each has an answer, a refusal that says why, or an end."""

import asyncio

import pytest

from tests.engine.world import World, answer
from trifid.engine.queries import OID_MAX, TIMEOUT_S, Queries, is_query
from trifid.errors import Refused
from trifid.wire.image_action import ImageActionData, parse
from trifid.wire.lines import parse_from_driver, parse_to_driver

DATA = ImageActionData(path="/srv/etch.img")


class Play:
    def __init__(self, world: World) -> None:
        self.world, self.ds = world, world.ds
        self.queries = Queries(world.drivers, call_later=world.clock.call_later)

    async def asks(self, family="ds", name="dummy", verb="STAT"):
        task = asyncio.create_task(self.queries.ask(family, name, verb, DATA))
        await asyncio.sleep(0)
        return task

    def says(self, status, payload, oid=OID_MAX, verb="STAT", driver=None):
        self.queries.said(driver or self.ds, answer(verb, oid, status, payload))

    async def refusal(self, task):
        with pytest.raises(Refused) as caught:
            await task
        assert self.queries.is_idle
        assert self.world.clock.waiting() == 0
        return caught.value.message


@pytest.fixture
async def play():
    play = Play(World())
    yield play
    await play.world.turns.close()


async def test_an_answer_reaches_who_asked(play):
    task = await play.asks()
    message = parse_to_driver(play.ds.sent[0])
    assert (message.type, message.oid, parse(message.payload).path) == ("STAT", OID_MAX, "/srv/etch.img")
    play.says("SUCCESS", "64 raw")
    assert await task == "64 raw"
    assert play.queries.is_idle
    assert play.world.clock.waiting() == 0


async def test_of_two_questions_each_gets_its_own_answer(play):
    one, other = await play.asks(), await play.asks()
    play.says("SUCCESS", "2 raw", oid=OID_MAX - 1)
    play.says("SUCCESS", "1 raw")
    assert (await one, await other) == ("1 raw", "2 raw")


async def test_the_number_of_a_question_goes_over_the_line_and_is_told_from_an_images(play):
    line = f"STAT SUCCESS {OID_MAX} 64 raw".encode()
    assert is_query(parse_from_driver(line).oid)
    assert not is_query(4_000_000_000)


async def test_a_failure_is_a_refusal_with_the_drivers_words(play):
    task = await play.asks()
    play.says("FAILURE", "/srv/etch.img does not exist")
    assert await play.refusal(task) == "/srv/etch.img does not exist"
    task = await play.asks()
    play.says("FAILURE", "-", oid=OID_MAX - 1)
    assert await play.refusal(task) == "ds driver dummy gave no reason"


async def test_a_driver_that_is_not_configured_is_named_with_those_that_are(play):
    why = await play.refusal(await play.asks(name="ceph"))
    assert why == "ds driver ceph is not configured (configured: dummy), see trifid.toml"


async def test_a_driver_that_does_not_start_is_not_asked(play):
    play.ds.is_ready, play.ds.starts_failed, play.ds.trouble = False, 2, "not found"
    assert await play.refusal(await play.asks()) == "ds driver dummy is down: not found"


async def test_a_driver_that_is_being_started_is_waited_for(play):
    play.ds.is_ready = False
    task = await play.asks()
    play.queries.down(play.ds, "it ended")
    assert (play.ds.sent, task.done()) == ([], False)
    play.ds.is_ready = True
    play.queries.ready(play.ds)
    play.queries.ready(play.ds)
    assert play.ds.take() == [f"STAT {OID_MAX}"]
    play.says("SUCCESS", "1 raw")
    assert await task == "1 raw"


async def test_a_driver_that_never_comes_up_is_not_waited_for_for_ever(play):
    play.ds.is_ready, play.ds.trouble = False, "it is being started"
    task = await play.asks()
    play.world.clock.pass_by(TIMEOUT_S)
    assert await play.refusal(task) == "ds driver dummy is down: it is being started"


async def test_a_driver_that_dies_over_a_question_ends_it(play):
    task = await play.asks()
    play.ds.is_ready = False
    play.queries.down(play.ds, "it ended with exit status 1")
    assert await play.refusal(task) == "ds driver dummy is down: it ended with exit status 1"


async def test_the_death_of_another_driver_does_not_concern_it(play):
    task = await play.asks()
    play.queries.down(play.world.tm, "it ended")
    play.says("SUCCESS", "1 raw")
    assert await task == "1 raw"


async def test_a_silent_driver_is_told_to_stop_and_its_late_answer_is_nobodys(play):
    task = await play.asks()
    play.world.clock.pass_by(TIMEOUT_S)
    assert await play.refusal(task) == "ds driver dummy did not answer STAT within 60 s"
    assert play.ds.take() == [f"STAT {OID_MAX}", f"DRIVER_CANCEL {OID_MAX}"]
    play.says("SUCCESS", "1 raw")
    assert play.queries.is_idle


async def test_when_nobody_waits_any_more_the_driver_is_told_to_stop(play):
    task = await play.asks()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert play.ds.take() == [f"STAT {OID_MAX}", f"DRIVER_CANCEL {OID_MAX}"]
    assert play.queries.is_idle


async def test_what_another_driver_or_another_word_says_is_no_answer(play):
    task = await play.asks()
    play.says("SUCCESS", "9 raw", driver=play.world.tm)
    play.says("SUCCESS", "9 raw", verb="MONITOR")
    play.says("I", "half of it", verb="LOG")
    play.says("SUCCESS", "1 raw")
    assert await task == "1 raw"
