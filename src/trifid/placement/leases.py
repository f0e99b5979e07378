"""Leases in time: which reservation is accepted and where, who makes room for it, who goes on, who is over.

A reservation that was accepted is marked on its VM (view.LeaseMark) and stays accepted: requests are decided in
the order of their ids, and nobody may start who would still be in its room when it begins.  All that is decided
here follows from the view, so that whoever looks again comes to the same.

Source: reference/services.md §3.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from trifid.core.template.lease import Kind, Terms, moment_text
from trifid.core.vm.record import Needs
from trifid.errors import BadTemplate
from trifid.placement import lease_rules as rules
from trifid.placement.lease_end import ACTIVE, CUT_OFF, RUNNING, SUSPENDED, TERMINATE, Ending, next_of
from trifid.placement.lease_rules import DEFAULT_PACE, LATE_S_MAX, Pace
from trifid.placement.resting import why_it_rests
from trifid.placement.timeline import FOREVER, Timeline, Use, fits, lesser
from trifid.placement.view import MONITORED, HostView, Kept, LeaseMark, PlacedVm, Promise, View, WaitingVm

STARTS_MAX = 100
"""Most best-effort leases that are started at one look, so that reservations are never late for them."""
HOSTS_NAMED_MAX = 20
"""Most hosts that are tried one by one for the reason of a refusal."""
_PLENTY = 1 << 40


class Choice(msgspec.Struct, frozen=True):
    """Where a VM can go: a host and a datastore, or why there is none."""

    host_id: int = -1
    datastore_id: int = -1
    why: str = ""


Chooser = Callable[[WaitingVm, Sequence[HostView]], Choice]
"""Chooses among hosts whose free capacity is what may be used; it applies every other rule of placement."""


class Decisions(msgspec.Struct):
    """What shall be done now.

    Attributes:
        marks: what is to be written to VMs, before anything else is done.
        rejected: VM id to why its lease cannot be had.
        starts: (VM id, host id, datastore id).
        suspend, resume: VM ids.
        over, overdue: VM ids to be shut down, and those that did not shut down.
        ended: VM ids of all whose time is over, whether or not there is something to do.
        late: VM id to why one that is over is not shut down yet.
        waiting: VM id to why it is not started yet.
        resting: VM id of one that was suspended to why it does not go on yet.
        held_back: host id to what VMs without an end must leave free there, of what is free now, and for whom.
        others: the waiting VMs that ordinary placement decides about.
        wake_at: when there will be something to do, epoch seconds; FOREVER when nothing is known.
    """

    marks: dict[int, LeaseMark] = {}
    rejected: dict[int, str] = {}
    starts: list[tuple[int, int, int]] = []
    suspend: list[int] = []
    resume: list[int] = []
    over: list[int] = []
    overdue: list[int] = []
    ended: list[int] = []
    late: dict[int, str] = {}
    waiting: dict[int, str] = {}
    resting: dict[int, str] = {}
    held_back: dict[int, Kept] = {}
    others: list[WaitingVm] = []
    wake_at: int = FOREVER


_NONE_KNOWN: Mapping[int, Ending] = {}


def decide(
    view: View, choose: Chooser, pace: Pace = DEFAULT_PACE, endings: Mapping[int, Ending] = _NONE_KNOWN
) -> Decisions:
    """Return what to do at `view.now`; pure.

    Args:
        view: its `placed` must have every lease that was started; other VMs there are of no account.
        endings: what is remembered of leases that are over, by VM id.
    """
    return _Deciding(view, choose, pace, endings).decisions()


def timelines(view: View, choose: Chooser, pace: Pace = DEFAULT_PACE) -> dict[int, Timeline]:
    """Return what each host has promised once everything is done that is decided now; arguments as of `decide`."""
    deciding = _Deciding(view, choose, pace, _NONE_KNOWN)
    deciding.decisions()
    return deciding.lines


class _Asked(msgspec.Struct, frozen=True):
    """A waiting lease and what it asks for."""

    vm: WaitingVm
    terms: Terms
    mark: LeaseMark

    @property
    def needs(self) -> Needs:
        return rules.needs(self.vm)


class _Deciding:
    def __init__(self, view: View, choose: Chooser, pace: Pace, endings: Mapping[int, Ending]) -> None:
        self.view = view
        self.endings = endings
        self.now = view.now
        self.choose = choose
        self.pace = pace
        self.done = Decisions()
        self.lines = {host.id: Timeline(host) for host in view.hosts}
        self.reserved: list[tuple[_Asked, int, Use]] = []
        """Accepted and not started yet: who, on which host, and the use that is in its timeline."""

    def decisions(self) -> Decisions:
        for vm in self.view.placed:
            self.count_placed(vm)
        asked = sorted(self.asked(), key=lambda one: one.vm.id)
        timed = [one for one in asked if one.terms.kind is not Kind.BEST_EFFORT]
        for one in timed:
            if rules.is_accepted(one.terms, one.mark):
                self.keep(one)
        for one in timed:
            if not rules.is_accepted(one.terms, one.mark):
                self.request(one)
        self.preempt()
        self.start_reserved()
        self.resume()
        self.best_effort([one for one in asked if one.terms.kind is Kind.BEST_EFFORT])
        self.hold_back()
        return self.done

    def wake(self, at: int) -> None:
        if at > self.now:
            self.done.wake_at = min(self.done.wake_at, at)

    def hosts(self, look: Callable[[Timeline], Needs]) -> list[HostView]:
        """Return the hosts with what `look` says is free; nobody need look where there is no lease."""
        return [
            with_free(line.host, look(line)) if line.fixed or line.movable else line.host
            for line in self.lines.values()
        ]

    # -- what is there -----------------------------------------------------------------------------

    def count_placed(self, vm: PlacedVm) -> None:
        """Enter a lease that was started into its host's timeline, unless it is over."""
        if vm.lease is None:
            return
        try:
            terms = rules.terms(vm.lease, vm.submitted_at)
        except BadTemplate:
            return  # it was made before its attribute was checked, and is a VM like any other
        end = rules.end_of(vm, terms, vm.lease.mark, self.now)
        self.wake(end)
        if end <= self.now:
            self.end(vm, end)
        line = self.lines.get(vm.host_id)
        is_suspended = vm.state == SUSPENDED and vm.lease.mark.state == rules.SUSPENDED
        if line is None or not (vm.state == ACTIVE or is_suspended):
            return
        # Of the host's charge only its own document knows: the VM's was read a moment before or after.
        is_charged = vm.id in line.host.vm_ids
        is_movable = (is_suspended or terms.is_preemptible) and end > self.now
        until = FOREVER if is_movable else end
        line.add(Use(vm.id, rules.needs(vm), self.now, until, is_charged, began=vm.here_since), is_movable=is_movable)

    def end(self, vm: PlacedVm, end: int) -> None:
        """Shut a lease down that is over, the hard way when it was asked and has not done so for long."""
        self.done.ended.append(vm.id)
        then = next_of(vm, end, self.now, self.pace, self.endings.get(vm.id))
        self.wake(then.look_at)
        if then.word == TERMINATE:
            self.done.over.append(vm.id)
        elif then.word == CUT_OFF:
            self.done.overdue.append(vm.id)
        if then.why:
            self.done.late[vm.id] = then.why

    def asked(self) -> Iterable[_Asked]:
        """Yield the waiting leases; all other VMs, and leases that only move, are left to ordinary placement."""
        for vm in self.view.vms:
            if vm.lease is None or vm.host_id >= 0:
                self.done.others.append(vm)
                continue
            try:
                yield _Asked(vm, rules.terms(vm.lease, vm.since), vm.lease.mark)
            except BadTemplate as bad:
                self.done.rejected[vm.id] = bad.message

    # -- reservations ------------------------------------------------------------------------------

    def keep(self, one: _Asked) -> None:
        """Keep an accepted reservation, on another host if its own cannot have it any more."""
        mark = one.mark
        end = mark.end or FOREVER
        if end <= self.now:
            self.done.rejected[one.vm.id] = f"Its time {rules.window_text(mark.start, end)} is over"
            return
        start = max(mark.start, self.now)
        line = self.lines.get(mark.host_id)
        is_good = line is not None and line.host.state == MONITORED
        if line is None or not is_good or not fits(one.needs, line.free_for_reserved(start, end)):
            host_id = self.host_for(one, start, end)
            if host_id >= 0:
                self.accept(one, host_id, mark.start, end)
                return
            name = line.host.name if line else f"host {mark.host_id}"
            self.done.waiting[one.vm.id] = f"Reserved {rules.window_text(mark.start, end)}, but {name} cannot have it"
            if line is None:
                return
        self.reserve(one, line, mark.start, end)

    def request(self, one: _Asked) -> None:
        """Accept or reject a lease that wants its time."""
        now, terms = self.now, one.terms
        if terms.kind is Kind.RESERVED and terms.start + LATE_S_MAX < now:
            when = moment_text(terms.start)
            self.done.rejected[one.vm.id] = f"Its start {when} (UTC) has passed: give HAIZEA another START"
            return
        begin = terms.start or now
        end = begin + terms.duration_s if terms.duration_s is not None else FOREVER
        if end <= now:
            self.done.rejected[one.vm.id] = f"Its time {rules.window_text(begin, end)} is over"
            return
        host_id = self.host_for(one, max(begin, now), end)
        if host_id >= 0:
            self.accept(one, host_id, begin, end)
        elif any(line.host.state == MONITORED for line in self.lines.values()):
            self.done.rejected[one.vm.id] = self.why_rejected(one, max(begin, now), end)
        else:
            self.done.waiting[one.vm.id] = "Its lease is decided about when there is a host that is monitored"

    def host_for(self, one: _Asked, start: int, end: int) -> int:
        """Return a host that has room all the time, best one where nobody must be suspended; -1 for none."""
        looks: list[Callable[[Timeline], Needs]] = [lambda line: line.free_for_others(start, end)]
        if not one.terms.is_preemptible:
            looks.append(lambda line: line.free_for_reserved(start, end))
        for look in looks:
            choice = self.choose(one.vm, self.hosts(look))
            if choice.host_id >= 0:
                return choice.host_id
        return -1

    def accept(self, one: _Asked, host_id: int, start: int, end: int) -> None:
        """Note that a lease has its time on a host."""
        self.done.marks[one.vm.id] = LeaseMark(rules.ACCEPTED, host_id, start, end if end < FOREVER else 0)
        self.reserve(one, self.lines[host_id], start, end)

    def reserve(self, one: _Asked, line: Timeline, start: int, end: int) -> None:
        use = Use(one.vm.id, one.needs, start, end, is_charged=one.vm.id in line.host.vm_ids)
        line.add(use)
        self.reserved.append((one, line.host.id, use))
        text = f"Accepted: host {line.host.name} is reserved for it {rules.window_text(start, end)}"
        self.done.waiting.setdefault(one.vm.id, text)
        self.wake(start)

    def why_rejected(self, one: _Asked, start: int, end: int) -> str:
        begin = f"Rejected, {rules.window_text(start, end)}: "
        plenty = Needs(_PLENTY, _PLENTY)
        choice = self.choose(one.vm, [with_free(line.host, plenty) for line in self.lines.values()])
        if choice.host_id < 0:
            return begin + choice.why
        free = {host_id: line.free_for_reserved(start, end) for host_id, line in self.lines.items()}
        by_need = sorted(free, key=lambda host_id: (_lacking(one.needs, free[host_id]), host_id))
        for host_id in by_need[:HOSTS_NAMED_MAX]:
            line = self.lines[host_id]
            if self.choose(one.vm, [with_free(line.host, plenty)]).host_id >= 0:
                return begin + rules.needs_text(one.needs, free[host_id], f"free on the best host, {line.host.name}")
        return begin + "no host that would do has room all the time"

    def preempt(self) -> None:
        """Suspend those who are in the room of a reservation that begins soon, or of one that came before them."""
        ended = frozenset(self.done.ended)
        running = {
            vm.id: vm.lease.mark
            for vm in self.view.placed
            if vm.lease is not None and (vm.state, vm.lcm_state) == (ACTIVE, RUNNING) and vm.id not in ended
        }
        for _, host_id, use in self.reserved:
            start = max(use.start, self.now)
            leaving = self.lines[host_id].leaving(start)
            begin = start - self.pace.lead_s(sum(one.needs.memory_mib for one in leaving))
            if leaving and begin > self.now:
                self.wake(begin)
                continue
            self.suspend(one.vm_id for one in leaving if one.vm_id in running)
        for line in self.lines.values():
            if any(self.may_go_on(line, use) for use in line.resting()):
                self.suspend(one.vm_id for one in line.leaving(self.now) if one.vm_id in running)
        for vm_id, mark in running.items():
            state = rules.SUSPENDED if vm_id in self.done.suspend else rules.RESUMED
            if (mark.state == rules.SUSPENDED) != (state == rules.SUSPENDED):
                self.done.marks[vm_id] = LeaseMark(state)

    def suspend(self, vm_ids: Iterable[int]) -> None:
        self.done.suspend += [vm_id for vm_id in vm_ids if vm_id not in self.done.suspend]

    def start_reserved(self) -> None:
        """Start those whose time has come and whose room is free."""
        for one, host_id, use in self.reserved:
            if use.start > self.now or use.is_charged:
                continue
            line = self.lines[host_id]
            choice = self.choose(one.vm, [with_free(line.host, line.free)])
            if choice.host_id < 0:
                self.done.waiting[one.vm.id] = f"Its time has come, it waits for its room on {line.host.name}"
                continue
            line.begin(one.needs)
            self.done.starts.append((one.vm.id, host_id, choice.datastore_id))
            self.done.waiting.pop(one.vm.id, None)

    # -- best effort -------------------------------------------------------------------------------

    def resume(self) -> None:
        """Let those go on that were suspended for others, where they have room for a while."""
        for line in self.lines.values():
            for use in line.resting():
                if self.may_go_on(line, use) and fits(use.needs, line.free):
                    line.begin(use.needs)
                    self.done.resume.append(use.vm_id)
                else:
                    stays_s = self.pace.stays_s(use.needs.memory_mib)
                    self.done.resting[use.vm_id] = why_it_rests(use, line, self.now, stays_s)

    def may_go_on(self, line: Timeline, use: Use) -> bool:
        """Tell whether one that was suspended has room for a while, once all have left who are to leave."""
        until = self.now + self.pace.stays_s(use.needs.memory_mib)
        return line.host.state == MONITORED and line.can_stay(use.vm_id, self.now, until)

    def best_effort(self, queue: list[_Asked]) -> None:
        """Start those that end, or can be suspended, before the next reservation; the others are ordinary VMs."""
        is_quiet = all(line.is_quiet for line in self.lines.values())
        hopeless: set[tuple[object, ...]] = set()
        for one in sorted(queue, key=lambda one: (-one.vm.priority, one.vm.id)):
            duration_s = FOREVER if one.terms.duration_s is None else one.terms.duration_s
            if is_quiet or (duration_s == FOREVER and not one.terms.is_preemptible):
                self.done.others.append(one.vm)
                continue
            stays_s = (
                min(duration_s, self.pace.stays_s(one.needs.memory_mib)) if one.terms.is_preemptible else duration_s
            )
            kind = (replace(one.vm, id=0, name="", message="", since=0, lease=None), stays_s)
            if len(self.done.starts) >= STARTS_MAX:
                self.wake(self.now + 1)
            elif kind in hopeless or not self.start_best_effort(one, stays_s):
                hopeless.add(kind)
                self.done.waiting[one.vm.id] = "It waits for room that no reservation needs (trifid sched leases)"

    def start_best_effort(self, one: _Asked, stays_s: int) -> bool:
        end = min(FOREVER, self.now + stays_s)
        choice = self.choose(one.vm, self.hosts(lambda line: lesser(line.free, line.free_for_others(self.now, end))))
        if choice.host_id < 0:
            return False
        line = self.lines[choice.host_id]
        line.begin(one.needs)
        is_movable = one.terms.is_preemptible
        until = FOREVER if is_movable else end
        line.add(Use(one.vm.id, one.needs, self.now, until, began=self.now), is_movable=is_movable)
        self.done.starts.append((one.vm.id, choice.host_id, choice.datastore_id))
        return True

    def hold_back(self) -> None:
        for host_id, line in self.lines.items():
            if line.is_quiet:
                continue
            kept = kept_beside(line.host, line.free_for_endless(self.now), line.promises())
            if kept is not None:
                self.done.held_back[host_id] = kept


def with_free(host: HostView, free: Needs) -> HostView:
    """Return a host of which only so much may be used."""
    return replace(host, free_cpu_percent=free.cpu_percent, free_memory_kib=free.memory_mib * 1024)


def kept_beside(host: HostView, allowed: Needs, promises: tuple[Promise, ...]) -> Kept | None:
    """Return what must be left free on a host of which so much may be used; None when that is all."""
    cpu_percent = host.free_cpu_percent - max(0, allowed.cpu_percent)
    memory_mib = host.free_memory_kib // 1024 - max(0, allowed.memory_mib)
    if cpu_percent <= 0 and memory_mib <= 0:
        return None
    return Kept(max(0, cpu_percent), max(0, memory_mib), promises)


def _lacking(wanted: Needs, free: Needs) -> float:
    """Return how far a host is from taking a need, in shares of it."""
    cpu = max(0, wanted.cpu_percent - free.cpu_percent) / max(1, wanted.cpu_percent)
    memory = max(0, wanted.memory_mib - free.memory_mib) / max(1, wanted.memory_mib)
    return cpu + memory
