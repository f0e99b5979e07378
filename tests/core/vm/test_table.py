"""The table itself: every row can fire, every state can end, nothing else moves a VM."""

import itertools

import pytest

from tests.core.vm.builders import EVENTS, event_of, moment, vm
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


def test_only_a_finished_vm_gives_its_addresses_back() -> None:
    for row in ROWS:
        outcome = step(vm(row.start), event_of(row.event), moment())
        assert outcome.releases_leases == (row.end is VmState.DONE)


def test_a_vm_that_is_off_or_done_is_charged_nowhere() -> None:
    for row in ROWS:
        after = step(vm(row.start), event_of(row.event), moment()).vm
        if row.end in (VmState.POWEROFF, VmState.DONE, VmState.PENDING, VmState.HOLD):
            assert charged_hosts(after) == frozenset(), row
        elif row.end is VmState.RUNNING:
            assert len(charged_hosts(after)) == 1, row


def test_files_are_deleted_only_after_the_domain_is_gone() -> None:
    """A row that asks for deletion never starts where the hypervisor may still run the domain."""
    may_run = {"BOOT", "RUNNING", "RUNNING_LOOK", "UNKNOWN", "SHUTDOWN", "SHUTDOWN_POWEROFF", "BOOT_FAILURE",
               "BOOT_UNKNOWN", "BOOT_POWEROFF", "MIGRATE", "MIGRATE_LOCATE", "MIGRATE_LOCATE_SOURCE", "SAVE_MIGRATE",
               "BOOT_MIGRATE", "BOOT_MIGRATE_FAILURE", "UNKNOWN_MIGRATE", "CLEANUP_DELETE_SOURCE",
               "BOOT_POWEROFF_LOOK"}  # fmt: skip
    for row in ROWS:
        if row.ask and row.ask.family == "tm" and row.ask.verb.startswith(("delete", "epilog")):
            off_for_sure = row.event in (events.Done, events.SeenOff) and row.start.name in ("SHUTDOWN",)
            assert row.start.name not in may_run or off_for_sure, row


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
