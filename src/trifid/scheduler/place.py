"""Which VM goes on which host: a pure function from a view to a plan.

Hosts are filtered by state, driver, requirement and capacity, then ranked; the best one takes the VM
and has less room for the next.  Expressions are evaluated once per host and text, not once per VM, and
VMs that want the same share one queue of candidates, so that a thousand of them cost little more than one.

Source: reference/templates.md §5 and §6.
"""

import heapq
import re
from collections import Counter
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from trifid.core.host import HostState
from trifid.core.template.rank import Rank, compile_rank
from trifid.core.template.requirements import Requirement, compile_requirement
from trifid.core.template.validate import shown
from trifid.errors import BadTemplate
from trifid.scheduler.view import MONITORED, Expression, HostView, View, WaitingVm

POLICIES = {
    "packing": "RUNNING_VMS",
    "striping": "- RUNNING_VMS",
    "load-aware": "FREE_CPU",
    "fixed": "PRIORITY",
}
"""The rank of a VM without its own, by name of the policy (reference/templates.md §6.2)."""

_USAGE = frozenset(("CPU_USAGE", "MEM_USAGE", "FREE_CPU", "FREECPU", "FREE_MEMORY", "FREEMEMORY", "FREE_MEM"))
_CHANGING = _USAGE | {"RUNNING_VMS", "CURRENT_VMS"}
"""Attributes that a placement changes at once, so that the next VM sees it."""

_NEVER_RISING = frozenset(("- RUNNING_VMS", "FREE_CPU", "FREE_MEMORY"))
"""Ranks of changing attributes that a placement makes lower, never higher."""

_AFFINITY = re.compile(r'"?\bCURRENT_VMS\b"?\s*(!?=)\s*("?)([0-9]+)\2')
_QUEUED_MAX = 2_000_000
"""Candidates kept for later VMs; beyond it the queues are made anew, which only costs time."""


class Plan(msgspec.Struct):
    """What should be done.

    Attributes:
        placements: (VM id, host id) in the order to be carried out.
        refusals: VM id to why no host takes it.
        warnings: VM id to what is wrong with it though it was placed or will be.
    """

    placements: list[tuple[int, int]] = []
    refusals: dict[int, str] = {}
    warnings: dict[int, str] = {}


class _Host:
    """A host and what this plan has put on it so far."""

    __slots__ = ("cpu_percent", "id", "memory_kib", "version", "view", "vms")

    def __init__(self, view: HostView) -> None:
        self.view = view
        self.id = view.id
        self.cpu_percent = view.free_cpu_percent
        self.memory_kib = view.free_memory_kib
        self.vms: list[int] = []
        self.version = 0

    def takes(self, vm: WaitingVm) -> bool:
        """Whether it may be considered at all, capacity apart."""
        view = self.view
        return view.state == MONITORED and view.id != vm.host_id and vm.vmm in ("", view.vmm)

    def has_room(self, vm: WaitingVm) -> bool:
        return vm.cpu_percent <= self.cpu_percent and vm.memory_mib * 1024 <= self.memory_kib

    def put(self, vm: WaitingVm) -> None:
        self.cpu_percent -= vm.cpu_percent
        self.memory_kib -= vm.memory_mib * 1024
        self.vms.append(vm.id)
        self.version += 1

    def all_of(self, name: str) -> list[str]:
        """Return every occurrence of an attribute, as changed by this plan."""
        if name not in _CHANGING:
            return self.view.attributes.get(name, [])
        if name == "CURRENT_VMS":
            return [str(vm_id) for vm_id in (*sorted(self.view.vm_ids), *self.vms)]
        if name == "RUNNING_VMS":
            return [str(self.view.running_vms + len(self.vms))]
        values = self.view.attributes.get(name, [])
        if not self.vms or not values:
            return values
        is_cpu = "CPU" in name
        taken = self.view.free_cpu_percent - self.cpu_percent if is_cpu else self.view.free_memory_kib - self.memory_kib
        try:
            return [str(int(values[0]) + (taken if "USAGE" in name else -taken))]
        except ValueError:
            return values

    def first_of(self, name: str) -> str | None:
        values = self.all_of(name)
        return values[0] if values else None


class _Wish(msgspec.Struct, frozen=True):
    """All that decides about a VM's host: VMs with the same wish share a queue."""

    requirement: Expression
    rank: Expression
    cpu_percent: int
    memory_mib: int
    host_id: int
    vmm: str


class _Queue:
    """The candidates of one kind of VM, best first.

    An entry is (-rank, host id, version of the host when it was ranked).  One whose host has changed since
    is ranked anew when it comes first, which is enough where ranks only fall; such a queue is shared by
    VMs that differ in capacity only.  Where ranks may rise, every host that changed is entered again
    before the queue is used, and the old entry is void.

    Attributes:
        falls: ranks only fall, and what matches never changes.
        seen: how many placements of the plan are already reflected; of no use when `falls`.
    """

    __slots__ = ("falls", "heap", "seen")

    def __init__(self, heap: list[tuple[int, int, int]], falls: bool, seen: int) -> None:
        heapq.heapify(heap)
        self.heap = heap
        self.falls = falls
        self.seen = seen


def place(view: View, policy: str = "striping") -> Plan:
    """Return a host for every VM that can have one, and the reason for every other.

    VMs are served by priority, then in the order of their ids; of equally good hosts the one with the
    lowest id is taken.

    Args:
        policy: one of POLICIES.
    """
    return _Placing(view, policy).plan()


class _Placing:
    def __init__(self, view: View, policy: str) -> None:
        self.vms = sorted(view.vms, key=lambda vm: (-vm.priority, vm.id))
        self.hosts = {host.id: _Host(host) for host in sorted(view.hosts, key=lambda one: one.id)}
        self.default_rank = Expression(POLICIES[policy], "modern", policy)
        self.done: list[tuple[int, int]] = []
        self.queues: dict[_Wish, _Queue] = {}
        self.queued = 0
        self.hopeless: set[_Wish] = set()
        self.least_cpu_percent = min((vm.cpu_percent for vm in self.vms), default=0)
        self.least_memory_kib = 1024 * min((vm.memory_mib for vm in self.vms), default=0)
        self.matched: dict[Expression, dict[int, tuple[int, bool]]] = {}
        self.ranked: dict[Expression, dict[int, tuple[int, int]]] = {}
        self.reasons: dict[_Wish, tuple[int, str]] = {}

    def plan(self) -> Plan:
        plan = Plan(placements=self.done)
        for vm in self.vms:
            try:
                requirement = _requirement(vm.requirement)
            except BadTemplate as bad:
                plan.refusals[vm.id] = _error_text(vm.requirement, bad)
                continue
            expression = vm.rank if vm.rank.text.strip() else self.default_rank
            try:
                rank = compile_rank(expression.text, expression.dialect)
            except BadTemplate as bad:
                plan.warnings[vm.id] = f"{_error_text(expression, bad)}; all hosts rank 0"
                expression = Expression("", "modern", expression.attribute)
                rank = compile_rank("")
            wish = _Wish(vm.requirement, expression, vm.cpu_percent, vm.memory_mib, vm.host_id, vm.vmm)
            host = self.best(vm, wish, requirement, rank)
            if host is None:
                plan.refusals[vm.id] = self.reason(vm, wish, requirement)
            else:
                host.put(vm)
                self.done.append((vm.id, host.id))
        return plan

    def best(self, vm: WaitingVm, wish: _Wish, requirement: Requirement, rank: Rank) -> _Host | None:
        if wish in self.hopeless:
            return None  # within a plan a host only gets fuller
        falls = not requirement.names & _CHANGING and (
            not rank.names & _CHANGING or wish.rank.text.strip() in _NEVER_RISING
        )
        kind = replace(wish, cpu_percent=0, memory_mib=0) if falls else wish
        queue = self.queues.get(kind)
        if queue is None:
            queue = self.new_queue(vm, kind, requirement, rank, falls)
        if falls:
            host = self.first(queue, vm, wish, rank)
            if host is None:
                self.hopeless.add(wish)
            return host
        for host_id in {host_id for _, host_id in self.done[queue.seen :]}:
            host = self.hosts[host_id]
            if host.takes(vm) and self.matches(wish.requirement, requirement, host):
                heapq.heappush(queue.heap, self.entry(wish, rank, host))
        queue.seen = len(self.done)
        while queue.heap:
            _, host_id, version = queue.heap[0]
            host = self.hosts[host_id]
            if version == host.version and host.has_room(vm):
                return host
            heapq.heappop(queue.heap)
        return None

    def first(self, queue: _Queue, vm: WaitingVm, wish: _Wish, rank: Rank) -> _Host | None:
        """Return the best host of a shared queue that has room; those without stay for smaller VMs."""
        too_full = []
        found = None
        while queue.heap and found is None:
            _, host_id, version = queue.heap[0]
            host = self.hosts[host_id]
            if version != host.version:
                heapq.heapreplace(queue.heap, self.entry(wish, rank, host))
            elif host.has_room(vm):
                found = host
            else:
                entry = heapq.heappop(queue.heap)
                if host.cpu_percent >= self.least_cpu_percent and host.memory_kib >= self.least_memory_kib:
                    too_full.append(entry)
        for entry in too_full:
            heapq.heappush(queue.heap, entry)
        return found

    def new_queue(self, vm: WaitingVm, kind: _Wish, requirement: Requirement, rank: Rank, falls: bool) -> _Queue:
        heap = [
            self.entry(kind, rank, host)
            for host in self.hosts.values()
            if host.takes(vm) and (falls or host.has_room(vm)) and self.matches(kind.requirement, requirement, host)
        ]
        if self.queued > _QUEUED_MAX:
            self.queues.clear()
            self.queued = 0
        self.queued += len(heap)
        self.queues[kind] = queue = _Queue(heap, falls, len(self.done))
        return queue

    def entry(self, wish: _Wish, rank: Rank, host: _Host) -> tuple[int, int, int]:
        known = self.ranked.setdefault(wish.rank, {})
        version = host.version if rank.names & _CHANGING else 0
        found = known.get(host.id)
        if found is None or found[0] != version:
            found = known[host.id] = (version, rank.value(host.first_of))
        return -found[1], host.id, host.version

    def matches(self, expression: Expression, requirement: Requirement, host: _Host) -> bool:
        known = self.matched.setdefault(expression, {})
        version = host.version if requirement.names & _CHANGING else 0
        found = known.get(host.id)
        if found is None or found[0] != version:
            found = known[host.id] = (version, requirement.matches(host.all_of))
        return found[1]

    def reason(self, vm: WaitingVm, wish: _Wish, requirement: Requirement) -> str:
        known = self.reasons.get(wish)
        if known is None or known[0] != len(self.done):
            text = f"No host meets {vm.requirement.attribute}: {'; '.join(self.causes(vm, wish, requirement))}"
            self.reasons[wish] = known = (len(self.done), text)
        return known[1]

    def causes(self, vm: WaitingVm, wish: _Wish, requirement: Requirement) -> Iterator[str]:
        """Yield the parts of a reason; each host is counted once, for the first thing it lacks."""
        if not self.hosts:
            yield 'there is no host, add one with "onehost create"'
            return
        hosts = list(self.hosts.values())
        others = [host for host in hosts if host.id != vm.host_id]
        up = [host for host in others if host.view.state == MONITORED]
        same = [host for host in up if host.takes(vm)]
        fitting = [host for host in same if self.matches(wish.requirement, requirement, host)]
        no_memory = [host for host in fitting if vm.memory_mib * 1024 > host.memory_kib]
        no_cpu = [host for host in fitting if vm.memory_mib * 1024 <= host.memory_kib]
        parts = []
        if no_memory:
            best = max(0, *(host.memory_kib for host in no_memory)) // 1024
            lacks = _count(len(no_memory), "lack")
            parts.append(f"{lacks} memory (needs {vm.memory_mib} MiB, best has {best} free)")
        if no_cpu:
            best_cpu = max(0, *(host.cpu_percent for host in no_cpu)) / 100
            lacks = _count(len(no_cpu), "lack")
            parts.append(f"{lacks} CPU (needs {vm.cpu_percent / 100:g} cores, best has {best_cpu:g} free)")
        if len(fitting) < len(same):
            expression = shown(vm.requirement.text.strip())
            parts.append(f"{_count(len(same) - len(fitting), 'do')} not match the expression {expression}")
        if len(same) < len(up):
            parts.append(f"{_count(len(up) - len(same), 'have')} another driver than {vm.vmm}")
        for why, number in Counter(_why_not(host) for host in others if host.view.state != MONITORED).items():
            parts.append(f"{_count(number, 'are')} {why}")
        if len(others) < len(hosts):
            parts.append("1 is the host it must leave")
        yield f"{len(hosts)} host{'s' if len(hosts) != 1 else ''}, {', '.join(parts)}"


_WHY_NOT = {
    HostState.INIT: "not monitored yet",
    HostState.ERROR: "in error (see onehost show)",
    HostState.DISABLED: "disabled (onehost enable)",
    HostState.OFFLINE: "offline (onehost enable)",
}


def _why_not(host: _Host) -> str:
    return next((why for state, why in _WHY_NOT.items() if state == host.view.state), "not MONITORED")


_SINGULAR = {"lack": "lacks", "do": "does", "have": "has", "are": "is"}


def _count(hosts: int, verb: str) -> str:
    return f"{hosts} {_SINGULAR[verb] if hosts == 1 else verb}"


def _requirement(expression: Expression) -> Requirement:
    """Return the compiled requirement; comparing CURRENT_VMS means any of the VMs (reference/templates.md §2.2)."""
    text = expression.text
    if expression.dialect == "modern" and "CURRENT_VMS" in text:
        text = _AFFINITY.sub(lambda m: f"({'!' if m[1] == '!=' else ''}(CURRENT_VMS @> {m[3]}))", text)
    return compile_requirement(text, expression.dialect)


def _error_text(expression: Expression, bad: BadTemplate) -> str:
    return f"Error in {expression.attribute}: '{expression.text}', error: {bad.message}"
