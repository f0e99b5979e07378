"""Following VMs, with a clock of our own."""

import json

import click
import pytest

from tests.cli.fake_engine import vm_xml
from trifid.cli.follow import Follower, Goal, is_state, why
from trifid.cli.shell import Shell
from trifid.client import ApiError, EngineUnreachable


class World:
    """Answers the calls of a follower from scripts; time goes by only when it waits.

    Attributes:
        news: answers of trifid.event.list after the first; exceptions are raised.
        states: (STATE, LCM_STATE) that the VM is seen in, one look after the other, the last for ever.
    """

    def __init__(self, *news, states=((3, 3),), has_journal=True) -> None:
        self.news = list(news)
        self.states = list(states)
        self.has_journal = has_journal
        self.now = 0.0

    def call(self, method, *args):
        if method == "one.vm.info":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return vm_xml(args[0], state=state[0], lcm=state[1])
        if not self.has_journal:
            raise ApiError("not for you", 0x0200)
        if args[0] < 0:
            return json.dumps({"last": 0, "events": []})
        if not self.news:
            self.now += args[1]
            return json.dumps({"last": args[0], "events": []})
        answer = self.news.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        events = [{"kind": "VM", "object_id": 1, "new": state} for state in answer]
        return json.dumps({"last": args[0] + len(events), "events": events})


class StillShell(Shell):
    """A shell whose clock is the world's."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.world = world

    def clock(self) -> float:
        return self.world.now

    def sleep(self, seconds: float) -> None:
        self.world.now += seconds


def followed(world, goal, timeout_s=60.0):
    shell = StillShell(world)
    Follower(shell).until([1], goal, timeout_s)
    return not shell.is_failed


@pytest.mark.parametrize(
    ("goal", "states", "is_there"),
    [
        (Goal("RUNNING"), ["PENDING", "PROLOG", "BOOT", "RUNNING"], True),
        (Goal("RUNNING"), ["PROLOG", "PROLOG_FAILURE"], False),
        (Goal("RUNNING"), ["CLEANUP_DELETE", "DONE"], False),
        (Goal("RUNNING"), ["BOOT_POWEROFF", "POWEROFF"], False),
        (Goal("DONE"), ["SHUTDOWN", "RUNNING_LOOK", "RUNNING"], False),
        (Goal("DONE"), ["CLEANUP_DELETE", "CLEANUP_DELETE_FILES", "DONE"], True),
        (Goal("PROLOG_FAILURE", is_strict=False), ["PROLOG", "PROLOG_FAILURE"], True),
        (Goal("POWEROFF", is_strict=False), ["RUNNING", "SHUTDOWN_POWEROFF", "POWEROFF"], True),
    ],
)
def test_where_a_vm_comes_to_rest(goal, states, is_there):
    assert followed(World(*[[state] for state in states]), goal) is is_there


def test_without_a_journal_the_vm_is_looked_at_until_it_is_there():
    world = World(states=[(1, 0), (3, 1), (3, 2), (3, 3)], has_journal=False)
    assert followed(world, Goal("RUNNING"))
    assert world.now > 0


def test_time_runs_out():
    world = World()
    assert not followed(world, Goal("RUNNING"), timeout_s=45.0)
    assert world.now == pytest.approx(45.0, abs=1.0)


def test_an_engine_that_is_restarted_meanwhile_does_not_end_the_wait():
    assert followed(World(["PROLOG"], EngineUnreachable("gone"), ["RUNNING"]), Goal("RUNNING"))


def test_who_stops_waiting_hears_that_the_vm_goes_on(capsys):
    with pytest.raises(click.exceptions.Exit) as left:
        followed(World(["PROLOG"], KeyboardInterrupt()), Goal("RUNNING"))
    assert left.value.exit_code == 130
    assert 'VM 1 goes on; see "onevm show 1"' in capsys.readouterr().err


def test_what_the_scheduler_said_counts_only_while_a_vm_waits():
    told = {"SCHED_MESSAGE": "No host has room"}
    assert why({"STATE": "1", "USER_TEMPLATE": told}) == "No host has room"
    assert why({"STATE": "3", "USER_TEMPLATE": told}) == ""
    assert why({"STATE": "3", "USER_TEMPLATE": told | {"ERROR": "no bridge"}}) == "no bridge"


def test_names_of_states():
    assert is_state("running")
    assert is_state("CLEANUP_DELETE")
    assert not is_state("CLEANUP_DELETE_FILES")  # a phase that users do not see
    assert not is_state("web.vm")
