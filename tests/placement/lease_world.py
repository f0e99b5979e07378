"""Leases and hosts for tests, and a small world in which what was decided happens."""

from msgspec.structs import replace

from trifid.core.vm.record import Needs
from trifid.placement.lease_rules import Pace
from trifid.placement.leases import Choice, Decisions, decide
from trifid.placement.view import MONITORED, Expression, HostView, Lease, LeaseMark, PlacedVm, View, WaitingVm

NOW = 1_800_000_000
"""2027-01-15 08:00:00 UTC."""
PACE = Pace(suspend_lead_s=10, save_mib_per_s=100, run_s_min=30, overtime_s=60)
NONE = Expression("", "modern", "")


def host(host_id=0, *, cores=4, free=None, memory_mib=8192, vm_ids=(), state=MONITORED):
    """A host with so many cores free."""
    cpu = (cores if free is None else free) * 100
    return HostView(host_id, f"host-{host_id}", state, "kvm", cpu, memory_mib * 1024, 0, vm_ids=frozenset(vm_ids))


def waiting(
    vm_id, start=None, duration="", preemptible="", *, cores=1, memory_mib=100, mark=None, since=NOW, priority=0
):
    """A waiting VM; an ordinary one without a start."""
    lease = Lease(start, duration, preemptible, mark or LeaseMark()) if start is not None else None
    return WaitingVm(
        vm_id, cores * 100, memory_mib, NONE, NONE, lease=lease, since=since, priority=priority, name=f"vm-{vm_id}"
    )


def placed(
    vm_id, start="best_effort", duration="", preemptible="", *, cores=1, host_id=0, mark=None, memory_mib=100, **more
):
    """A lease that was started."""
    lease = Lease(start, duration, preemptible, mark or LeaseMark())
    fields = {"state": 3, "lcm_state": 3, "submitted_at": NOW, "runs_since": NOW, **more}
    return PlacedVm(vm_id, host_id, cores * 100, memory_mib, lease=lease, **fields)


def accepted(start, end=0, host_id=0):
    return LeaseMark("accepted", host_id, start, end)


def most_free(vm, hosts):
    """Choose as ordinary placement would, by room alone."""
    roomy = [
        one
        for one in hosts
        if one.state == MONITORED
        and vm.cpu_percent <= one.free_cpu_percent
        and vm.memory_mib * 1024 <= one.free_memory_kib
    ]
    if not roomy:
        return Choice(why="no host has room")
    return Choice(min(roomy, key=lambda one: (-one.free_cpu_percent, one.id)).id, 0)


def look(waiting=(), placed=(), hosts=(), *, now=NOW, choose=most_free, endings=None) -> Decisions:
    """Return what is decided."""
    return decide(View(tuple(waiting), tuple(hosts), placed=tuple(placed), now=now), choose, PACE, endings or {})


class World:
    """Hosts of four cores, on which what is decided happens: saving takes its time, shutting down a while.

    Attributes:
        now: seconds since 1970.
        pending, placed: VMs by id.
        leaving: VM id to when it will be off its host, and whether it was suspended.
        ran: VM id to (start, end) of a reservation that ran.
    """

    def __init__(self, hosts: int, shutdown_s: int) -> None:
        self.now = NOW
        self.pending: dict[int, WaitingVm] = {}
        self.placed: dict[int, PlacedVm] = {}
        self.leaving: dict[int, tuple[int, bool]] = {}
        self.rejected: set[int] = set()
        self.accepted_at: dict[int, int] = {}
        self.started_at: dict[int, int] = {}
        self._hosts = hosts
        self._shutdown_s = shutdown_s

    def charged(self, host_id: int) -> list[PlacedVm]:
        return [vm for vm in self.placed.values() if vm.host_id == host_id and vm.state == 3]

    def hosts(self) -> list[HostView]:
        found = []
        for host_id in range(self._hosts):
            there = self.charged(host_id)
            cpu = 400 - sum(vm.cpu_percent for vm in there)
            memory_mib = 8192 - sum(vm.memory_mib for vm in there)
            assert cpu >= 0 and memory_mib >= 0, f"{self.now - NOW}: host {host_id} is over its capacity"
            found.append(host(host_id, free=cpu / 100, memory_mib=memory_mib, vm_ids=[vm.id for vm in there]))
            found[-1] = replace(found[-1], free_cpu_percent=cpu)
        return found

    def step(self, seconds: int) -> Decisions:
        """Let time go by, decide, and carry it out."""
        self.now += seconds
        for vm_id, (at, is_suspended) in list(self.leaving.items()):
            if at <= self.now:
                del self.leaving[vm_id]
                self._left(vm_id, is_suspended)
        done = look(self.pending.values(), self.placed.values(), self.hosts(), now=self.now)
        self._mark(done)
        for vm_id in done.suspend:
            vm = self.placed[vm_id] = replace(self.placed[vm_id], lcm_state=6)
            self.leaving[vm_id] = (self.now + PACE.lead_s(vm.memory_mib), True)
        for vm_id in (*done.over, *done.overdue):
            self.placed[vm_id] = replace(self.placed[vm_id], lcm_state=12)
            self.leaving.setdefault(vm_id, (self.now + self._shutdown_s, False))
        for vm_id in done.resume:
            self.placed[vm_id] = replace(self.placed[vm_id], state=3, lcm_state=3, runs_since=self.now)
        for vm_id, host_id, _ in done.starts:
            self._start(vm_id, host_id)
        self._place_others(done)
        self.hosts()
        return done

    def _mark(self, done: Decisions) -> None:
        for vm_id, mark in done.marks.items():
            pool = self.pending if vm_id in self.pending else self.placed
            pool[vm_id] = replace(pool[vm_id], lease=replace(pool[vm_id].lease, mark=mark))
            if mark.state == "accepted":
                self.accepted_at.setdefault(vm_id, self.now)
        for vm_id in done.rejected:
            assert vm_id not in self.accepted_at, f"{self.now - NOW}: VM {vm_id} was accepted and is rejected now"
            del self.pending[vm_id]
            self.rejected.add(vm_id)

    def _place_others(self, done: Decisions) -> None:
        for vm in sorted(done.others, key=lambda vm: vm.id):
            free = []
            for one in self.hosts():
                held = done.held_back.get(one.id, Needs())
                started = sum(
                    self.placed[vm_id].cpu_percent for vm_id, host_id, _ in done.starts if host_id == one.id
                ) + sum(self.placed[vm_id].cpu_percent for vm_id in done.resume if self.placed[vm_id].host_id == one.id)
                # What was started just now is held back too, as the view that was planned from does not have it.
                cpu = one.free_cpu_percent + started - held.cpu_percent
                free.append(replace(one, free_cpu_percent=cpu))
            choice = most_free(vm, free)
            if choice.host_id >= 0:
                self._start(vm.id, choice.host_id)

    def _start(self, vm_id: int, host_id: int) -> None:
        vm = self.pending.pop(vm_id)
        self.started_at[vm_id] = self.now
        self.placed[vm_id] = PlacedVm(
            vm_id,
            host_id,
            vm.cpu_percent,
            vm.memory_mib,
            3,
            3,
            submitted_at=vm.since,
            runs_since=self.now,
            here_since=self.now,
            lease=vm.lease,
        )

    def _left(self, vm_id: int, is_suspended: bool) -> None:
        vm = self.placed.pop(vm_id)
        if is_suspended:
            ran_s = vm.ran_s + self.now - vm.runs_since
            self.placed[vm_id] = replace(vm, state=5, lcm_state=0, runs_since=0, ran_s=ran_s)
