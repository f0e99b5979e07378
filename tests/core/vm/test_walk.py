"""Every situation that a VM can get into, by walking the table from PENDING with all events."""

from collections import deque

from msgspec.structs import replace

from tests.core.vm.builders import EVENTS, ON_TWO_HOSTS, event_of, moment, vm
from trifid.core.ledger import charged_hosts
from trifid.core.vm import events
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState as S
from trifid.core.vm.step import step
from trifid.core.vm.table import ROWS, TABLE


def situation(machine: VM) -> tuple[object, ...]:
    """All of a VM that decides what can happen to it next: its state and which stays are open."""
    return machine.state, tuple(not r.etime for r in machine.history[-2:]), any(not r.etime for r in machine.history)


def happen(machine: VM, kind: type[events.Event], now: int = 200) -> VM:
    """The VM after an event; one that moves it names a host that it was never on."""
    event = event_of(kind, machine.step)
    if isinstance(event, events.Deploy):
        event = replace(event, host_id=10 + len(machine.history))
    return step(machine, event, moment(now)).vm


def walk() -> list[VM]:
    """One VM for every situation that can be reached."""
    found = {situation(vm(S.PENDING)): vm(S.PENDING)}
    queue = deque(found.values())
    while queue:
        machine = queue.popleft()
        for kind in EVENTS:
            if (machine.state, kind) in TABLE:
                after = happen(machine, kind)
                if situation(after) not in found:
                    found[situation(after)] = after
                    queue.append(after)
    return list(found.values())


REACHED = walk()


def test_every_state_of_the_table_is_reached_from_pending() -> None:
    assert {state for r in ROWS for state in (r.start, r.end)} == {machine.state for machine in REACHED}


def test_a_vm_that_may_run_is_charged_where_it_may_run_whatever_happened_before() -> None:
    resting = {S.PENDING, S.HOLD, S.POWEROFF, S.SHUTDOWN_OFF, S.DONE}
    cleaning = {S.EPILOG, S.EPILOG_FAILURE, S.CLEANUP_DELETE, S.CLEANUP_DELETE_FILES, S.CLEANUP_FAILURE}
    for machine in REACHED:
        expected = 0 if machine.state in resting else 2 if machine.state in ON_TWO_HOSTS else 1
        if machine.state in cleaning:
            assert len(charged_hosts(machine)) <= 1, machine
        else:
            assert len(charged_hosts(machine)) == expected, machine
            assert not expected or not machine.current.etime, machine


def test_no_situation_lets_a_domain_run_on_two_hosts() -> None:
    """A domain is started only where it is the only stay open, or by the move itself."""
    for machine in REACHED:
        for kind in EVENTS:
            row = TABLE.get((machine.state, kind))
            if row is not None and row.ask is not None and row.ask.verb in ("DEPLOY", "RESTORE"):
                after = happen(machine, kind)
                assert charged_hosts(after) == {after.current.host_id}, (machine.state, kind)


def test_times_of_a_stay_are_in_order() -> None:
    def play(machine: VM, now: int, depth: int) -> None:
        for record in machine.history:
            for begin, end in ((record.pstime, record.petime), (record.rstime, record.retime)):
                assert not end or begin <= end, machine
            assert not record.etime or record.stime <= record.etime, machine
        for kind in EVENTS if depth else ():
            if (machine.state, kind) in TABLE and kind is not events.Resched and kind is not events.Unresched:
                play(happen(machine, kind, now), now + 1, depth - 1)

    play(vm(S.PENDING), 200, 8)


def test_a_stay_begins_only_when_the_one_before_is_closed_or_left() -> None:
    for machine in REACHED:
        assert [r.seq for r in machine.history] == list(range(len(machine.history))), machine
        assert sum(not r.etime for r in machine.history) == len(charged_hosts(machine)), machine
