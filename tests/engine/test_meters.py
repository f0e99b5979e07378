"""Counting: durations fall into their bounds, and every action of a driver is counted once, however it ended."""

import pytest

from tests.engine.test_outbox import TIMEOUT_S, Play
from tests.engine.world import World
from trifid.core.vm import events
from trifid.core.vm.states import VmState as S
from trifid.engine.delivery import CANCEL_GRACE_S
from trifid.engine.meters import Histogram, Meters


def test_a_duration_counts_in_every_bound_that_holds_it() -> None:
    histogram = Histogram((1.0, 10.0))
    for seconds in (0.5, 1.0, 5.0, 99.0):
        histogram.add(seconds)
    assert histogram.cumulated() == [(1.0, 2), (10.0, 3), (float("inf"), 4)]
    assert histogram.sum_s == 105.5


@pytest.fixture
async def play():
    world = World(timeout_s=TIMEOUT_S)
    made = Play(world)
    made.outbox.meters = Meters(lambda: made.clock.now)
    yield made
    await world.turns.close()


def counted(play) -> dict[tuple[str, str, str], tuple[int, float]]:
    """Return (family, verb, outcome) to how many there were, and their seconds."""
    return {
        (family, verb, outcome): (histogram.cumulated()[-1][1], histogram.sum_s)
        for (family, _, verb, outcome), histogram in play.outbox.meters.actions.items()
    }


async def begin(play) -> None:
    await play.begin()
    await play.happens(events.Deploy)


async def test_what_is_done_and_what_fails_is_counted_with_its_time(play):
    await begin(play)
    play.clock.now += 3
    await play.says(play.tm, "TRANSFER")
    play.clock.now += 2
    await play.says(play.vmm, "DEPLOY", "FAILURE", "no bridge")
    assert counted(play) == {("tm", "TRANSFER", "done"): (1, 3), ("vmm", "DEPLOY", "failed"): (1, 2)}


async def test_what_is_answered_too_late_is_counted_once(play):
    await begin(play)
    await play.pass_by(TIMEOUT_S)
    await play.says(play.tm, "TRANSFER")
    assert counted(play) == {("tm", "TRANSFER", "late"): (1, TIMEOUT_S)}


async def test_what_a_driver_dies_over_is_counted_as_lost(play):
    await begin(play)
    await play.dies(play.tm)
    await play.says(play.tm, "TRANSFER")
    assert counted(play) == {("tm", "TRANSFER", "lost"): (1, 0), ("tm", "TRANSFER", "done"): (1, 0)}


async def test_what_is_no_longer_wanted_is_counted_as_dropped(play):
    play.vmm.answers_all = False
    await play.begin(S.RUNNING)
    await play.happens(events.Terminate)
    await play.happens(events.TerminateHard)
    await play.pass_by(CANCEL_GRACE_S)
    assert counted(play) == {("vmm", "SHUTDOWN", "dropped"): (1, CANCEL_GRACE_S)}
    assert play.outbox.under_way == 1
