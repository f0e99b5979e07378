"""The plays of plays.txt: what must happen, written down without looking at the table."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.core.vm.builders import CLOSED, MAY_BE_CHARGED, ON_TWO_HOSTS, WAITING, event_of, moment, vm
from trifid.core.ledger import charged_hosts
from trifid.core.vm import events
from trifid.core.vm.states import VmState as S
from trifid.core.vm.step import step
from trifid.core.vm.table import CHAPTERS, ROWS


class Play(NamedTuple):
    title: str
    start: S
    beats: list[tuple[type[events.Event], S, str]]


def _read() -> list[Play]:
    plays = []
    for line in (Path(__file__).parent / "plays.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            title, start, script = re.fullmatch(r"(.*?)  +([\w|]+): (.*)", line).groups()
            beats = [re.fullmatch(r"(\w+) > (\w+|(?==))=? ?(\S*)", beat.strip()).groups() for beat in script.split(";")]
            for one in start.split("|"):
                name = f"{title}, {one}" if "|" in start else title
                plays.append(Play(name, S[one], [(getattr(events, e), S[end or one], ask) for e, end, ask in beats]))
    return plays


PLAYS = _read()


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.title.replace(" ", "-"))
def test_a_play_goes_as_written(play: Play) -> None:
    machine = vm(play.start)
    for n, (kind, end, asked) in enumerate(play.beats):
        outcome = step(machine, event_of(kind, machine.step), moment(200 + n))
        action = outcome.action
        told = f"{action.family}.{action.verb}{'@' if action.previous else ''}" if action else ""
        assert (outcome.vm.state, told) == (end, asked), f"beat {n + 1}, {kind.__name__}"
        machine = outcome.vm


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.title.replace(" ", "-"))
def test_hosts_are_charged_exactly_while_they_may_carry_the_vm(play: Play) -> None:
    machine = vm(play.start)
    for kind, end, _ in play.beats:
        machine = step(machine, event_of(kind, machine.step), moment()).vm
        charged = len(charged_hosts(machine))
        if end in MAY_BE_CHARGED:
            assert charged <= 1
        else:
            assert charged == (0 if end in WAITING | CLOSED else 2 if end in ON_TWO_HOSTS else 1), end.name


def test_an_administrator_can_forget_a_vm_whatever_it_is_doing() -> None:
    for state in {row.start for row in ROWS}:
        outcome = step(vm(state), events.DeleteDb(), moment(300))
        assert outcome.vm.state is S.DONE and outcome.releases_leases and outcome.action is None, state.name
        assert charged_hosts(outcome.vm) == frozenset() and outcome.vm.etime == 300


def test_every_row_that_is_written_by_hand_is_fired_by_a_play() -> None:
    fired = set()
    for play in PLAYS:
        state = play.start
        for kind, end, _ in play.beats:
            fired.add((state, kind))
            state = end
    assert sorted(f"{r.start.name} {r.event.__name__}" for r in CHAPTERS if (r.start, r.event) not in fired) == []
