"""Which VM goes on which host, and into which system datastore: a pure function from a view to a plan.

Hosts are filtered by state, driver, requirement, capacity and room for the VM's files, then ranked; the best one
takes the VM and has less room for the next.  Expressions are evaluated once per host and text, not once per VM, and
VMs that want the same share one queue of candidates, so that a thousand of them cost little more than one.

Source: reference/templates.md §5 and §6.
"""

import heapq
import re
from collections import Counter

import msgspec
from msgspec.structs import replace

from trifid.core.host import HostState
from trifid.core.template.rank import Rank, compile_rank
from trifid.core.template.requirements import Requirement, compile_requirement
from trifid.core.template.validate import shown
from trifid.errors import BadTemplate
from trifid.placement import storage
from trifid.placement.host_load import CHANGING, HostLoad
from trifid.placement.order import ordered, totals_of
from trifid.placement.storage import Storage, StorageWish
from trifid.placement.view import MONITORED, DatastoreView, Expression, HostView, View, WaitingVm

POLICIES = {
    "packing": "RUNNING_VMS",
    "striping": "- RUNNING_VMS",
    "load-aware": "FREE_CPU",
    "fixed": "PRIORITY",
}
"""The rank of a VM without its own, by name of the policy (reference/templates.md §6.2)."""

_NEVER_RISING = frozenset(("- RUNNING_VMS", "FREE_CPU", "FREE_MEMORY"))
"""Ranks of changing attributes that a placement makes lower, never higher."""

_AFFINITY = re.compile(r'"?\bCURRENT_VMS\b"?\s*(!?=)\s*("?)([0-9]+)\2')
_QUEUED_MAX = 2_000_000
"""Candidates kept for later VMs; beyond it the queues are made anew, which only costs time."""


class Plan(msgspec.Struct):
    """What should be done.

    Attributes:
        placements: (VM id, host id, datastore id) in the order to be carried out.
        refusals: VM id to why no host takes it.
        warnings: VM id to what is wrong with it though it was placed or will be.
    """

    placements: list[tuple[int, int, int]] = []
    refusals: dict[int, str] = {}
    warnings: dict[int, str] = {}


class _Wish(msgspec.Struct, frozen=True):
    """All that decides about a VM's host: VMs with the same wish share a queue."""

    requirement: Expression
    rank: Expression
    cpu_percent: int
    memory_mib: int
    host_id: int
    vmm: str
    cluster_ids: frozenset[int] | None
    storage: StorageWish
    banned_host_ids: frozenset[int] = frozenset()


class _Asked(msgspec.Struct, frozen=True):
    """A waiting VM with its expressions compiled."""

    vm: WaitingVm
    wish: _Wish
    requirement: Requirement
    rank: Rank
    storage_requirement: Requirement
    storage_rank: Rank


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


def place(view: View, policy: str = "striping", datastore_policy: str = "striping") -> Plan:
    """Return a host and a datastore for every VM that can have them, and the reason for every other.

    VMs are served by priority, then in the order of their ids; of equally good hosts the one with the
    lowest id is taken.

    Args:
        policy: one of POLICIES.
        datastore_policy: one of storage.POLICIES.
    """
    return _Placing(view, policy, datastore_policy).plan()


class _Placing:
    def __init__(self, view: View, policy: str, datastore_policy: str) -> None:
        self.vms = ordered(view.vms, view.usages, totals_of(view.hosts))
        self.hosts = {host.id: HostLoad(host) for host in sorted(view.hosts, key=lambda one: one.id)}
        self.cluster_ids = sorted({host.cluster_id for host in view.hosts})
        self.storage = Storage(view.datastores)
        self.default_rank = Expression(POLICIES[policy], "modern", policy)
        self.default_storage_rank = Expression(storage.POLICIES[datastore_policy], "modern", datastore_policy)
        self.done: list[tuple[int, int, int]] = []
        self.queues: dict[_Wish, _Queue] = {}
        self.queued = 0
        self.hopeless: set[_Wish] = set()
        self.least_cpu_percent = min((vm.cpu_percent for vm in self.vms), default=0)
        self.least_memory_kib = 1024 * min((vm.memory_mib for vm in self.vms), default=0)
        self.matched: dict[Expression, dict[int, tuple[int, bool]]] = {}
        self.ranked: dict[Expression, dict[int, tuple[int, int]]] = {}
        self.reasons: dict[_Wish, tuple[int, str]] = {}
        self.roomless: dict[StorageWish, str] = {}

    def plan(self) -> Plan:
        plan = Plan(placements=self.done)
        for vm in self.vms:
            try:
                asked = self.asked(vm, plan)
            except BadTemplate as bad:
                plan.refusals[vm.id] = bad.message
                continue
            why = self.no_datastore(asked)
            found = self.best(asked) if not why else None
            if found is None:
                plan.refusals[vm.id] = why or self.reason(asked)
                continue
            host, datastore = found
            host.put(vm)
            self.storage.put(vm.files, datastore, host.view)
            self.done.append((vm.id, host.id, datastore.record.id))
        return plan

    def asked(self, vm: WaitingVm, plan: Plan) -> _Asked:
        """Compile a VM's expressions; a wrong rank is noted in the plan and counts as none.

        Raises:
            BadTemplate: a requirement is wrong; the message is the reason to be told.
        """
        try:
            requirement = _requirement(vm.requirement)
        except BadTemplate as bad:
            raise BadTemplate(_error_text(vm.requirement, bad)) from None
        try:
            storage_requirement = compile_requirement(vm.datastore_requirement.text)
        except BadTemplate as bad:
            raise BadTemplate(_error_text(vm.datastore_requirement, bad)) from None
        rank, expression = _rank(vm, vm.rank, self.default_rank, plan)
        storage_rank, storage_expression = _rank(vm, vm.datastore_rank, self.default_storage_rank, plan)
        wanted = StorageWish(vm.files, vm.datastore_requirement, storage_expression)
        wish = _Wish(
            vm.requirement,
            expression,
            vm.cpu_percent,
            vm.memory_mib,
            vm.host_id,
            vm.vmm,
            vm.cluster_ids,
            wanted,
            vm.banned_host_ids,
        )
        return _Asked(vm, wish, requirement, rank, storage_requirement, storage_rank)

    # -- datastores --------------------------------------------------------------------------------

    def no_datastore(self, asked: _Asked) -> str:
        """Return why no host need be looked at: no datastore fits, or none has room; empty when one does."""
        wish, requirement = asked.wish.storage, asked.storage_requirement
        if not self.hosts or wish in self.roomless:
            return self.roomless.get(wish, "")
        views = [host.view for host in self.hosts.values()]
        if not any(self.storage.fitting(wish, requirement, cluster_id) for cluster_id in self.cluster_ids):
            self.roomless[wish] = self.storage.why_none_fits(wish, requirement, views)
        elif self.storage.is_full(wish, requirement, self.cluster_ids):
            self.roomless[wish] = self.storage.why_no_room(wish, requirement, views)
        return self.roomless.get(wish, "")

    def datastore(self, asked: _Asked, host: HostLoad) -> DatastoreView | None:
        """Return the best datastore for a VM on a host; None as well when the host itself has no room."""
        if not host.has_room(asked.vm):
            return None
        return self.storage.choice(asked.wish.storage, asked.storage_requirement, asked.storage_rank, host.view)

    # -- hosts -------------------------------------------------------------------------------------

    def best(self, asked: _Asked) -> tuple[HostLoad, DatastoreView] | None:
        wish = asked.wish
        if wish in self.hopeless:
            return None  # within a plan a host only gets fuller
        changing = asked.rank.names & CHANGING and wish.rank.text.strip() not in _NEVER_RISING
        falls = not asked.requirement.names & CHANGING and not changing
        kind = _kind(wish) if falls else wish
        queue = self.queues.get(kind)
        if queue is None:
            queue = self.new_queue(asked, kind, falls)
        if falls:
            found = self.first(queue, asked)
            if found is None:
                self.hopeless.add(wish)
            return found
        for host_id in {host_id for _, host_id, _ in self.done[queue.seen :]}:
            host = self.hosts[host_id]
            if host.takes(asked.vm) and self.matches(wish.requirement, asked.requirement, host):
                heapq.heappush(queue.heap, self.entry(wish, asked.rank, host))
        queue.seen = len(self.done)
        while queue.heap:
            _, host_id, version = queue.heap[0]
            host = self.hosts[host_id]
            if version == host.version and (datastore := self.datastore(asked, host)):
                return host, datastore
            heapq.heappop(queue.heap)
        return None

    def first(self, queue: _Queue, asked: _Asked) -> tuple[HostLoad, DatastoreView] | None:
        """Return the best host of a shared queue that has room; those without stay for smaller VMs."""
        too_full = []
        found = None
        while queue.heap and found is None:
            _, host_id, version = queue.heap[0]
            host = self.hosts[host_id]
            if version != host.version:
                heapq.heapreplace(queue.heap, self.entry(asked.wish, asked.rank, host))
            elif datastore := self.datastore(asked, host):
                found = host, datastore
            else:
                entry = heapq.heappop(queue.heap)
                if host.cpu_percent >= self.least_cpu_percent and host.memory_kib >= self.least_memory_kib:
                    too_full.append(entry)
        for entry in too_full:
            heapq.heappush(queue.heap, entry)
        return found

    def new_queue(self, asked: _Asked, kind: _Wish, falls: bool) -> _Queue:
        vm = asked.vm
        heap = [
            self.entry(kind, asked.rank, host)
            for host in self.hosts.values()
            if host.takes(vm)
            and (falls or host.has_room(vm))
            and self.matches(kind.requirement, asked.requirement, host)
        ]
        if self.queued > _QUEUED_MAX:
            self.queues.clear()
            self.queued = 0
        self.queued += len(heap)
        self.queues[kind] = queue = _Queue(heap, falls, len(self.done))
        return queue

    def entry(self, wish: _Wish, rank: Rank, host: HostLoad) -> tuple[int, int, int]:
        known = self.ranked.setdefault(wish.rank, {})
        version = host.version if rank.names & CHANGING else 0
        found = known.get(host.id)
        if found is None or found[0] != version:
            found = known[host.id] = (version, rank.value(host.first_of))
        return -found[1], host.id, host.version

    def matches(self, expression: Expression, requirement: Requirement, host: HostLoad) -> bool:
        known = self.matched.setdefault(expression, {})
        version = host.version if requirement.names & CHANGING else 0
        found = known.get(host.id)
        if found is None or found[0] != version:
            found = known[host.id] = (version, requirement.matches(host.all_of))
        return found[1]

    def reason(self, asked: _Asked) -> str:
        known = self.reasons.get(asked.wish)
        if known is None or known[0] != len(self.done):
            self.reasons[asked.wish] = known = (len(self.done), self.cause(asked))
        return known[1]

    def cause(self, asked: _Asked) -> str:
        """Return why no host takes a VM; each host is counted once, for the first thing it lacks.

        Where a host would do, were it not for the VM's files, the datastores are what is told of.
        """
        vm, wish = asked.vm, asked.wish
        begin = f"No host meets {vm.requirement.attribute}"
        if not self.hosts:
            return f'{begin}: there is no host, add one with "onehost create"'
        hosts = list(self.hosts.values())
        others = [host for host in hosts if host.id != vm.host_id]
        up = [host for host in others if host.view.state == MONITORED]
        near = [host for host in up if vm.cluster_ids is None or host.view.cluster_id in vm.cluster_ids]
        same = [host for host in near if host.takes(vm)]
        fitting = [host for host in same if self.matches(wish.requirement, asked.requirement, host)]
        if roomy := [host.view for host in fitting if host.has_room(vm)]:
            return self.no_storage_on(asked, roomy)
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
        if len(same) < len(near):
            parts.append(f"{_count(len(near) - len(same), 'have')} another driver than {vm.vmm}")
        if len(near) < len(up):
            needed = ", ".join(map(str, sorted(vm.cluster_ids or ()))) or "none"
            parts.append(
                f"{_count(len(up) - len(near), 'are')} not in a cluster with its networks and images ({needed})"
            )
        for why, number in Counter(_why_not(host) for host in others if host.view.state != MONITORED).items():
            parts.append(f"{_count(number, 'are')} {why}")
        if len(others) < len(hosts):
            parts.append("1 is the host it must leave")
        return f"{begin}: {len(hosts)} host{'s' if len(hosts) != 1 else ''}, {', '.join(parts)}"

    def no_storage_on(self, asked: _Asked, hosts: list[HostView]) -> str:
        """Return why hosts that would take a VM have no datastore for its files."""
        wish, requirement = asked.wish.storage, asked.storage_requirement
        if any(self.storage.fitting(wish, requirement, cluster_id) for cluster_id in {one.cluster_id for one in hosts}):
            return self.storage.why_no_room(wish, requirement, hosts)
        return self.storage.why_none_fits(wish, requirement, hosts)


_WHY_NOT = {
    HostState.INIT: "not monitored yet",
    HostState.ERROR: "in error (see onehost show)",
    HostState.DISABLED: "disabled (onehost enable)",
    HostState.OFFLINE: "offline (onehost enable)",
}


def _why_not(host: HostLoad) -> str:
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


def _kind(wish: _Wish) -> _Wish:
    """Return a wish without the sizes in it: VMs that differ in these only can share a queue."""
    files = replace(wish.storage.files, volatile_mib=0, cloned_mib=0, linked_mib=0)
    return replace(wish, cpu_percent=0, memory_mib=0, storage=replace(wish.storage, files=files))


def _rank(vm: WaitingVm, own: Expression, otherwise: Expression, plan: Plan) -> tuple[Rank, Expression]:
    """Return the compiled rank and its expression; a wrong one ranks everything 0, with a warning in the plan."""
    expression = own if own.text.strip() else otherwise
    try:
        return compile_rank(expression.text, expression.dialect), expression
    except BadTemplate as bad:
        ranked = "datastores" if own is vm.datastore_rank else "hosts"
        warning = f"{_error_text(expression, bad)}; all {ranked} rank 0"
        plan.warnings[vm.id] = "; ".join(filter(None, (plan.warnings.get(vm.id), warning)))
        return compile_rank(""), Expression("", "modern", expression.attribute)


def _error_text(expression: Expression, bad: BadTemplate) -> str:
    return f"Error in {expression.attribute}: '{expression.text}', error: {bad.message}"
