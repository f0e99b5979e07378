"""Every situation that a VM can get into, by walking the table from PENDING with all events.

The walk keeps, beside the VM, what an outsider would know: on which hosts a domain may run.  That follows
from what drivers were asked and answered alone, never from the VM's record.
"""

import random
from collections import Counter, deque
from typing import NamedTuple

from msgspec.structs import replace

from tests.core.vm.builders import CLOSED, EVENTS, MAY_BE_CHARGED, ON_TWO_HOSTS, TEMPLATE, WAITING, event_of, marks, vm
from tests.core.vm.builders import moment as at
from trifid.core.ledger import charged_hosts
from trifid.core.vm import events
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState as S
from trifid.core.vm.step import Outcome, step
from trifid.core.vm.table import ROWS, TABLE, TRANSIENT

MOVES_LIVE = {"MIGRATE", "MIGRATECOPY"}
STARTS, ENDS = {"DEPLOY", "RESTORE"}, {"CANCEL", "SHUTDOWN", "SAVE"}
TOUCHES_FILES = {
    "epilog", "delete", "delete_both", "delete_stopped", "migrate", "stop", "resume", "prolog",
    "snap_create", "snap_revert", "snap_delete", "resize", "context", "drop_target",
}  # fmt: skip
"""Transfers of files that a running domain would have open."""


class Situation(NamedTuple):
    """A VM, and on which hosts a domain of it may run, for all that drivers have said."""

    machine: VM
    may_run: frozenset[int] = frozenset()
    asked: str = ""
    asked_host: int = -1

    @property
    def kind(self) -> tuple[object, ...]:
        """All that decides what can happen next."""
        machine = self.machine
        hosts = [r.host_id for r in machine.history[-2:]]
        where = tuple(sorted(hosts.index(host) if host in hosts else -1 for host in self.may_run))
        stays = tuple(not r.etime for r in machine.history[-2:]), len(set(hosts)) == len(hosts)
        parts = Counter(name for name, _ in machine.template)
        return (
            machine.state, stays, where, self.asked, tuple(marks(machine)), machine.saved_seq >= 0,
            min(parts["DISK"], 2), min(parts["NIC"], 2), parts["SNAPSHOT"] > 0,
            any(of.snapshots for of in machine.disk_snapshots),
        )  # fmt: skip

    def happens(self, kind: type[events.Event], now: int = 200) -> tuple["Situation", Outcome]:
        """Return what is after an event; one that moves the VM names a host that it was never on."""
        before = self.machine
        event = event_of(kind, before.step)
        if isinstance(event, events.Deploy):
            event = replace(event, host_id=10 + len(before.history))
        if isinstance(event, events.UpdateConf):
            event = replace(event, template=before.template)
        if isinstance(event, events.ImagesThere):
            event = replace(event, disks=tuple(before.template.vectors("DISK")))
        outcome = step(before, event, at(now))
        after, action = outcome.vm, outcome.action
        may_run = self._may_run(event)
        if action is None:
            return Situation(after, may_run), outcome
        host = (after.previous if action.previous else after.current).host_id
        if action.verb in STARTS:
            may_run |= {host}
        if action.verb in MOVES_LIVE:
            may_run |= {after.current.host_id}
        return Situation(after, may_run, action.verb, host), outcome

    def _may_run(self, event: events.Event) -> frozenset[int]:
        here = frozenset({self.asked_host})
        match event:
            case events.Done() if self.asked in ENDS:
                return self.may_run - here
            case events.Absent() if self.asked in MOVES_LIVE:
                return frozenset()  # it ended while it was on its way
            case events.Absent():
                return self.may_run - here
            case events.Found():
                return here
            case events.Done() if self.asked in STARTS:
                return here
            case events.Done() if self.asked in MOVES_LIVE:
                return frozenset({self.machine.current.host_id})
            case events.HostFenced() | events.HostFencedAnew():
                return self.may_run - {self.machine.current.host_id}
            case events.SourceFenced():
                return self.may_run - {self.machine.previous.host_id}
            case events.SeenRunning():
                return frozenset({self.machine.current.host_id})
            case events.ImportRunning():
                return frozenset({event.host_id})
            case events.SeenAtSource():
                return frozenset({self.machine.previous.host_id})
        return self.may_run


def possible(here: Situation) -> list[type[events.Event]]:
    """The events that have a row, and that can be: answers only to what was asked, parts only if there are any."""
    machine = here.machine
    kinds = [kind for kind in EVENTS if (machine.state, kind) in TABLE]
    if not here.asked:
        kinds = [kind for kind in kinds if not issubclass(kind, events.Answer)]
    elif here.asked == "POLL":
        kinds = [kind for kind in kinds if kind is not events.Done]
    has = {(name, value.get(f"{name}_ID")) for name, value in machine.template if isinstance(value, dict)}
    snapshots = {one.id for of in machine.disk_snapshots for one in of.snapshots if of.disk_id == 1}
    needs = {
        events.DetachDisk: ("DISK", "1") in has, events.DetachNic: ("NIC", "1") in has,
        events.AttachDisk: ("DISK", "2") not in has, events.AttachNic: ("NIC", "2") not in has,
        events.SnapshotRevert: ("SNAPSHOT", "0") in has, events.SnapshotDelete: ("SNAPSHOT", "0") in has,
        events.DiskSnapshotCreate: ("DISK", "1") in has, events.DiskResize: ("DISK", "1") in has,
        events.DiskSnapshotRevert: 0 in snapshots, events.DiskSnapshotDelete: 0 in snapshots,
        events.DiskSaveas: ("DISK", "1") in has, events.DeleteDb: False,
    }  # fmt: skip
    return [kind for kind in kinds if needs.get(kind, True)]


class Move(NamedTuple):
    """One step of the walk."""

    before: Situation
    kind: type[events.Event]
    outcome: Outcome
    after: Situation

    def __str__(self) -> str:
        return f"{self.before.machine.state.name} {self.kind.__name__} {self.after.machine.state.name} {self.before}"


def beginning(state: S = S.PENDING) -> Situation:
    return Situation(vm(state, disk_snapshots=()))


SITUATIONS_MAX = 16_000
"""More means that something piles up: marks that stay, disks that come back, hosts that are never let go."""


def walk() -> list[Move]:
    """Every move from every situation that can be reached."""
    moves, begins = [], [beginning(), beginning(S.CLONING)]
    seen, queue = {here.kind for here in begins}, deque(begins)
    while queue:
        before = queue.popleft()
        for kind in possible(before):
            after, outcome = before.happens(kind)
            moves.append(Move(before, kind, outcome, after))
            if after.kind not in seen:
                seen.add(after.kind)
                assert len(seen) < SITUATIONS_MAX, f"the walk does not end, something piles up: {after}"
                queue.append(after)
    return moves


MOVES = walk()
REACHED = [beginning(), beginning(S.CLONING), *(move.after for move in MOVES)]


def test_every_state_of_the_table_is_reached_from_pending() -> None:
    assert {state for r in ROWS for state in (r.start, r.end)} == {here.machine.state for here in REACHED}


def test_every_row_is_walked_but_those_that_need_no_proof() -> None:
    walked = {(move.before.machine.state, move.kind) for move in MOVES}
    assert {r.event for r in ROWS if (r.start, r.event) not in walked} == {events.DeleteDb}


SEEN_OFF = {
    S.POWEROFF, S.SHUTDOWN_OFF, S.HOTPLUG_PROLOG_POWEROFF, S.HOTPLUG_DROP_POWEROFF, S.HOTPLUG_EPILOG_POWEROFF_LOOK,
    S.DISK_SNAPSHOT_POWEROFF_LOOK, S.DISK_SNAPSHOT_REVERT_POWEROFF_LOOK, S.DISK_SNAPSHOT_DELETE_POWEROFF_LOOK,
    S.DISK_RESIZE_POWEROFF_LOOK, S.PROLOG_MIGRATE_POWEROFF_LOOK, S.CLEANUP_DELETE, S.CLEANUP_RESUBMIT,
    S.HOTPLUG_NIC_POWEROFF, S.POWEROFF_CONTEXT_LOOK, S.HOTPLUG_SAVEAS_POWEROFF_LOOK,
}  # fmt: skip
"""States of a VM that monitoring saw off, which is believed for the charge and for nothing else."""


def test_a_vm_that_may_run_is_charged_where_it_may_run_whatever_happened_before() -> None:
    for move in MOVES:
        here = move.after
        charged = charged_hosts(here.machine)
        assert here.may_run <= charged or here.machine.state in SEEN_OFF, str(move)
        if here.machine.state in MAY_BE_CHARGED:
            assert len(charged) <= 1, str(move)
        else:
            expected = 0 if here.machine.state in WAITING | CLOSED else 2 if here.machine.state in ON_TWO_HOSTS else 1
            assert len(charged) == expected, str(move)
            assert not expected or not here.machine.current.etime, str(move)


def test_a_domain_is_started_only_where_no_other_host_may_run_it() -> None:
    for move in MOVES:
        if move.after.asked in STARTS:
            assert move.after.may_run == {move.after.asked_host}, str(move)
            assert charged_hosts(move.after.machine) == move.after.may_run, str(move)


def test_files_are_touched_only_when_no_host_may_run_the_domain() -> None:
    """But for a context image, which gets its name when it is whole: a domain keeps the one that it has open."""
    touched = [move for move in MOVES if move.after.asked in TOUCHES_FILES]
    beside = [move for move in touched if move.after.machine.state is S.HOTPLUG_CONTEXT]
    assert beside
    for move in beside:
        assert move.after.asked == "context"
        assert move.after.may_run <= {move.after.machine.current.host_id}, str(move)
    touched = [move for move in touched if move not in beside]
    assert touched
    for move in touched:
        assert move.after.may_run == frozenset(), str(move)


def test_what_a_move_left_is_removed_only_when_the_vm_is_on_the_target_alone() -> None:
    for move in MOVES:
        if move.after.asked in ("clean_source", "postmigrate"):
            machine = move.after.machine
            assert move.after.may_run <= {machine.current.host_id}, str(move)
            assert machine.previous.host_id != machine.current.host_id, str(move)


def test_what_was_to_arrive_is_removed_only_when_the_vm_can_be_nowhere_but_at_its_source() -> None:
    for move in MOVES:
        if move.after.asked == "failmigrate":
            machine = move.after.machine
            assert move.after.may_run <= {machine.current.host_id}, str(move)
            assert machine.previous.host_id != machine.current.host_id, str(move)


def test_of_two_sets_of_disks_one_goes_only_when_a_host_has_told_which_or_people_have() -> None:
    """That no host has the domain tells nothing: it may have run on the target and have ended since."""
    for move in MOVES:
        if move.before.asked == "POLL" and move.after.asked in ("failmigrate", "postmigrate"):
            assert move.kind is events.Found, str(move)
        if move.before.machine.state is S.MIGRATE_COPY_FAILURE and move.kind not in (events.Abandon, events.Accept):
            is_ended = issubclass(move.kind, events.TerminateHard | events.Delete | events.DeleteRecreate)
            assert is_ended or move.after.asked == "POLL", str(move)


def test_a_target_is_prepared_only_while_the_vm_is_at_its_source() -> None:
    for move in MOVES:
        if move.after.asked == "premigrate":
            machine = move.after.machine
            assert move.after.may_run == {machine.previous.host_id} != {machine.current.host_id}, str(move)


def test_a_vm_ends_or_waits_again_only_when_no_host_may_run_it() -> None:
    for move in MOVES:
        if move.after.machine.state in {S.DONE, S.STOPPED, S.UNDEPLOYED} | WAITING:
            assert move.after.may_run == frozenset(), str(move)


def test_memory_is_restored_only_where_it_was_saved_and_the_domain_did_not_run_since() -> None:
    for move in MOVES:
        if move.after.asked == "RESTORE":
            assert 0 <= move.after.machine.saved_seq <= move.after.machine.current.seq, str(move)
            since = move.after.machine.history[move.after.machine.saved_seq + 1 : -1]
            assert all(stay.etime for stay in since), str(move)


def test_nothing_is_marked_in_a_state_that_waits_for_no_driver() -> None:
    for move in MOVES:
        if move.after.machine.state not in TRANSIENT:
            assert marks(move.after.machine) == [], str(move)


def test_a_disk_vanishes_only_when_it_was_marked_and_a_driver_was_asked_to_remove_it() -> None:
    vanished = 0
    for move in MOVES:
        before, after = (side.machine.template.vectors("DISK") for side in (move.before, move.after))
        for disk in before:
            if all(disk["DISK_ID"] != other["DISK_ID"] for other in after):
                vanished += 1
                assert disk.get("ATTACH") == "YES", str(move)
                assert move.before.asked in ("detach", "drop"), str(move)
                assert move.kind is events.Done or move.before.asked == "drop", str(move)
    assert vanished


def test_addresses_are_given_back_when_a_nic_is_gone_and_at_the_end_and_never_else() -> None:
    for move in MOVES:
        lost = len(move.before.machine.template.vectors("NIC")) > len(move.after.machine.template.vectors("NIC"))
        assert move.outcome.releases_leases == (lost or move.after.machine.state is S.DONE), str(move)


def test_what_a_vm_asks_of_its_host_is_what_its_template_says() -> None:
    for move in MOVES:
        machine = move.after.machine
        assert machine.needs.memory_mib == int(machine.template.single("MEMORY")), str(move)
        assert machine.needs.cpu_percent == 100 * int(machine.template.single("CPU")), str(move)


def test_nothing_leads_out_of_done() -> None:
    assert not [move for move in MOVES if move.before.machine.state is S.DONE]


def test_a_stay_begins_only_when_the_one_before_is_closed_or_left() -> None:
    for move in MOVES:
        history = move.after.machine.history
        assert [r.seq for r in history] == list(range(len(history))), str(move)
        assert sum(not r.etime for r in history) == len(charged_hosts(move.after.machine)), str(move)


def test_a_stay_that_ended_keeps_its_times() -> None:
    for move in MOVES:
        for old, new in zip(move.before.machine.history, move.after.machine.history, strict=False):
            assert not old.etime or (old.stime, old.etime, old.host_id) == (new.stime, new.etime, new.host_id), str(
                move
            )


def test_a_mark_to_move_goes_with_the_move() -> None:
    """A VM that has been placed anew must not be placed again and again."""
    marked = {S.RUNNING, S.POWEROFF, S.UNKNOWN}
    for move in MOVES:
        if len(move.after.machine.history) > len(move.before.machine.history):
            was, now = move.before.machine, move.after.machine
            if issubclass(move.kind, events.Deploy):
                assert not now.resched, str(move)
            assert was.state in marked or now.resched <= was.resched, str(move)


def test_long_lives_keep_their_times_in_order_and_their_parts_whole() -> None:
    """Random lives of a hundred events, one second apart, the same ones in every run."""
    chance = random.Random(3)
    for _ in range(400):
        here = beginning()
        for now in range(200, 300):
            kinds = possible(here)
            gentle = [kind for kind in kinds if here.machine.state is not S.PENDING or kind is events.Deploy]
            gentle = [k for k in gentle if k not in (events.Delete, events.Terminate, events.TerminateHard)] or kinds
            if not gentle:
                break
            here, _ = here.happens(chance.choice(gentle if chance.random() < 0.95 else kinds), now)
            _check_times(here.machine)
            assert {disk["DISK_ID"] for disk in here.machine.template.vectors("DISK")} >= {"0"}


def _check_times(machine: VM) -> None:
    for record in machine.history:
        for begin, end in (
            (record.pstime, record.petime),
            (record.rstime, record.retime),
            (record.estime, record.eetime),
            (record.stime, record.etime),
        ):
            assert not end or begin <= end, machine
    stays = [r for r in machine.history if r.etime]
    assert all(r.stime <= r.etime for r in stays), machine
    assert sum(not r.etime for r in machine.history[:-2]) == 0, machine


def test_a_disk_or_a_nic_that_comes_and_goes_leaves_nothing_behind() -> None:
    disk, nic = {"disk_id": 2}, {"nic_id": 2}
    for state in (S.RUNNING, S.POWEROFF):
        for attach, detach in (
            (event_of(events.AttachDisk), events.DetachDisk(**disk)),
            (event_of(events.AttachNic), events.DetachNic(**nic)),
        ):
            machine = vm(state)
            for request in (attach, detach):
                outcome = step(machine, request, at())
                while outcome.action:
                    kind = events.Absent if outcome.action.verb == "POLL" else events.Done
                    outcome = step(outcome.vm, event_of(kind, outcome.vm.step), at())
                machine = outcome.vm
            assert machine.state is state
            assert machine.template == TEMPLATE
