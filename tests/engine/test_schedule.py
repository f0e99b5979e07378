"""Scheduled actions: carried out when due, once, with their outcome, whatever is killed."""

import datetime

import pytest
from msgspec.structs import replace

from tests.engine.world import World
from trifid.core.access import Caller
from trifid.core.user import User
from trifid.core.vm.record import VM, Needs
from trifid.core.vm.schedule import ScheduledAction
from trifid.core.vm.states import VmState
from trifid.engine.schedule import LocalCalendar, Schedule
from trifid.engine.transaction import Draft
from trifid.errors import Refused

ALICE = User(7, "alice", (1,))


class Scene:
    """A world with a schedule that writes down what it carries out."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.done: list[tuple[int, int, str]] = []
        self.refusal = ""
        self.schedule = Schedule(world.turns, world.clock, LocalCalendar(), world.clock.call_later)
        world.turns.after_commit.append(self.schedule.committed)

    def start(self) -> None:
        self.schedule.start(self.carry_out)

    def carry_out(self, draft: Draft, caller: Caller, vm: VM, one: ScheduledAction) -> None:
        draft.put(replace(vm, name="touched"))
        if self.refusal:
            raise Refused(self.refusal)
        self.done.append((vm.id, caller.uid, one.action))

    async def pass_by(self, seconds: float) -> None:
        """Let time go by a minute at a time, as timers do."""
        left = seconds
        while left > 0:
            self.world.clock.pass_by(min(left, 60))
            left -= 60
            await self.world.settle()

    def vm(self, vm_id: int = 5) -> VM:
        return self.world.memory.vms[vm_id]


@pytest.fixture
async def world():
    made = World()
    await made.put(ALICE)
    yield made
    await made.turns.close()


def machine(*schedule: ScheduledAction, vm_id: int = 5) -> VM:
    return VM(vm_id, 7, 1, "web", VmState.RUNNING, Needs(), 0, schedule=schedule)


def once(action_id: int = 1, time: int = 1100, **more: object) -> ScheduledAction:
    return ScheduledAction(action_id, 7, "suspend", time, **more)


async def test_an_action_is_carried_out_when_it_is_due_and_not_again(world):
    scene = Scene(world)
    scene.start()
    await world.put(machine(once()))
    await scene.pass_by(99)
    assert scene.done == []
    await scene.pass_by(1)
    assert scene.done == [(5, 7, "suspend")]
    assert (scene.vm().name, scene.vm().schedule) == ("touched", (once(done=1100, is_over=True),))
    await scene.pass_by(10_000)
    assert len(scene.done) == 1 and world.clock.waiting() == 0


async def test_a_refusal_leaves_its_text_and_nothing_else(world):
    scene = Scene(world)
    scene.refusal = "not available for state BOOT"
    scene.start()
    await world.put(machine(once()))
    await scene.pass_by(100)
    (one,) = scene.vm().schedule
    assert (one.message, one.done, one.is_over) == ("not available for state BOOT", 1100, True)
    assert scene.vm().name == "web"
    assert world.store.commits[-1].journal[-1].what == "schedule-failed"


async def test_the_action_and_its_outcome_are_one_write(world):
    scene = Scene(world)
    scene.start()
    await world.put(machine(once()))
    before = len(world.store.commits)
    await scene.pass_by(100)
    assert len(world.store.commits) == before + 1


async def test_what_was_missed_while_no_engine_ran_is_done_once(world):
    hourly = once(2, 1100, repeat=3, days=(1,))
    await world.put(machine(once(), hourly))
    world.clock.now += 5 * 3600
    scene = Scene(world)
    scene.start()
    await scene.pass_by(1)
    assert scene.done == [(5, 7, "suspend")] * 2
    assert [one.is_over for one in scene.vm().schedule] == [True, False]
    assert scene.vm().schedule[1].time == 1100 + 5 * 3600


@pytest.mark.parametrize("change", ["deleted", "moved", "vm gone"])
async def test_an_action_that_was_taken_back_is_not_carried_out(world, change):
    scene = Scene(world)
    scene.start()
    await world.put(machine(once()))
    after = {
        "deleted": machine(),
        "moved": machine(once(time=900_000)),
        "vm gone": replace(machine(once()), state=VmState.DONE),
    }
    await world.put(after[change])
    await scene.pass_by(3600)
    assert scene.done == []


async def test_an_action_that_was_moved_is_carried_out_then(world):
    scene = Scene(world)
    scene.start()
    await world.put(machine(once()))
    await world.put(machine(once(time=1060)))
    await scene.pass_by(3600)
    assert scene.done == [(5, 7, "suspend")] and scene.vm().schedule[0].done == 1060


@pytest.mark.parametrize(("user", "said"), [(None, "Error getting user [7]."), (False, "disabled")])
async def test_who_scheduled_it_must_still_be_a_user(world, user, said):
    def change(draft: Draft) -> None:
        if user is None:
            draft.delete("users", 7)
        else:
            draft.put(replace(ALICE, enabled=False))

    await world.turns.ask(change)
    scene = Scene(world)
    scene.start()
    await world.put(machine(once()))
    await scene.pass_by(100)
    assert scene.done == [] and said in scene.vm().schedule[0].message


async def test_only_the_next_of_all_has_a_timer(world):
    scene = Scene(world)
    scene.start()
    await world.put(*[machine(once(n, 2000 + n), vm_id=n) for n in range(50)])
    assert world.clock.waiting() == 1
    await scene.pass_by(2000)
    assert sorted(vm_id for vm_id, _, _ in scene.done) == list(range(50))


def test_the_local_calendar_counts_sunday_as_zero_and_years_from_the_first_day():
    calendar = LocalCalendar()
    first = int(datetime.datetime(2023, 1, 1, 12).timestamp())
    assert calendar.day(first) == (0, 1, 0)
    assert calendar.day(calendar.days_later(first, 364)) == (0, 31, 364)
