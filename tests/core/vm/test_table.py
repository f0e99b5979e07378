"""The table itself: every row can fire, every state can end, nothing else moves a VM."""

import itertools

import pytest

from tests.core.vm.builders import CLOSED, EVENTS, WAITING, event_of, moment, vm
from trifid.core.ledger import charged_hosts
from trifid.core.vm import events
from trifid.core.vm.states import VmState
from trifid.core.vm.step import step
from trifid.core.vm.table import ROWS, TABLE, TRANSIENT, Row
from trifid.errors import Refused


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.start.name}-{r.event.__name__}")
def test_each_row_fires_and_leads_where_it_says(row: Row) -> None:
    outcome = step(vm(row.start), event_of(row.event), moment())
    assert outcome.vm.state is row.end
    assert outcome.vm.step == 8
    assert outcome.vm.prev is row.start
    if row.ask is None:
        assert outcome.action is None
    else:
        assert outcome.action is not None
        assert (outcome.action.family, outcome.action.verb, outcome.action.step) == (row.ask.family, row.ask.verb, 8)


@pytest.mark.parametrize("state", VmState, ids=lambda s: s.name)
def test_what_is_not_a_row_changes_nothing(state: VmState) -> None:
    for kind in EVENTS:
        if (state, kind) in TABLE:
            continue
        before = vm(state)
        if issubclass(kind, events.Request):
            with pytest.raises(Refused, match=state.printable):
                step(before, event_of(kind), moment())
        else:
            outcome = step(before, event_of(kind), moment())
            assert outcome.vm is before
            assert outcome.action is None
            assert outcome.ignored


def test_every_state_with_rows_can_reach_done() -> None:
    ends = {VmState.DONE}
    while True:
        more = {r.start for r in ROWS if r.end in ends} - ends
        if not more:
            break
        ends |= more
    assert {r.start for r in ROWS} <= ends


def test_a_transient_state_can_be_left_by_success_by_failure_and_by_an_operator() -> None:
    for state in TRANSIENT:
        fired_by = {r.event for r in ROWS if r.start is state}
        assert events.Failed in fired_by
        assert fired_by & {events.Done, events.Found}
    stuck_for_ever = {
        state
        for state in {r.start for r in ROWS} - TRANSIENT
        if not any(issubclass(r.event, events.Request) for r in ROWS if r.start is state)
    }
    assert not stuck_for_ever


def test_addresses_go_back_with_their_nic_or_with_the_vm() -> None:
    for row in ROWS:
        before = vm(row.start)
        outcome = step(before, event_of(row.event), moment())
        nic_goes = len(outcome.vm.template.vectors("NIC")) < len(before.template.vectors("NIC"))
        assert outcome.releases_leases == (row.end is VmState.DONE or nic_goes), row


def test_a_vm_at_rest_is_charged_nowhere_and_one_that_runs_once() -> None:
    for row in ROWS:
        after = step(vm(row.start), event_of(row.event), moment()).vm
        if row.end in WAITING | CLOSED:
            assert charged_hosts(after) == frozenset(), row
        elif row.end is VmState.RUNNING:
            assert len(charged_hosts(after)) == 1, row


def test_a_look_is_answered_by_found_absent_or_failed() -> None:
    asks = {row.end: set() for row in ROWS}
    for row in ROWS:
        if row.ask and row.end is not VmState.RUNNING:
            asks[row.end].add(row.ask.verb)
    for state, verbs in asks.items():
        answers = {row.event for row in ROWS if row.start is state and issubclass(row.event, events.Answer)}
        if "POLL" in verbs:
            assert verbs == {"POLL"}, f"{state.name} waits for a look and for something else"
        wanted = {events.Found, events.Absent} if "POLL" in verbs else {events.Done} if verbs else set()
        assert wanted <= answers, state.name


def test_who_deletes_or_recreates_or_forgets_is_never_refused() -> None:
    for state in {row.start for row in ROWS}:
        recreating = state.name.startswith(("CLEANUP_RESUBMIT", "CLONING"))
        for kind in (events.Delete, events.DeleteDb, *(() if recreating else (events.DeleteRecreate,))):
            assert (state, kind) in TABLE, f"{state.name} {kind.__name__}"


def test_wire_numbers_are_unique_but_for_phases() -> None:
    numbers = [(s.state, s.lcm_state) for s in VmState if s < 1000]
    assert len(numbers) == len(set(numbers))
    for phase in (s for s in VmState if s > 1000):
        assert (phase.state, phase.lcm_state) in numbers
    assert {s.lcm_state for s in VmState}.isdisjoint({13, 14, 55, 58})
    assert 7 not in {s.state for s in VmState}


@pytest.mark.parametrize(
    ("state", "numbers", "short"),
    [
        (VmState.PENDING, (1, 0), "pend"),
        (VmState.PROLOG, (3, 1), "prol"),
        (VmState.RUNNING, (3, 3), "runn"),
        (VmState.CLEANUP_DELETE_FILES, (3, 23), "clea"),
        (VmState.BOOT_FAILURE, (3, 36), "fail"),
        (VmState.HOTPLUG_SNAPSHOT, (3, 24), "snap"),
        (VmState.HOTPLUG_RESIZE, (3, 66), "hotp"),
        (VmState.RESTORE, (3, 71), "rest"),
        (VmState.DONE, (6, 0), "done"),
    ],
)
def test_numbers_and_letters_are_the_published_ones(state: VmState, numbers: tuple[int, int], short: str) -> None:
    assert (state.state, state.lcm_state) == numbers
    assert state.short == short


def test_every_state_has_four_letters() -> None:
    assert all(len(state.short) == 4 for state in VmState)


def test_rows_are_grouped_so_that_no_pair_appears_twice() -> None:
    pairs = [(r.start, r.event) for r in ROWS]
    assert not [a for a, b in itertools.pairwise(sorted(map(str, pairs))) if a == b]
