"""In which order waiting VMs are served: by priority, and within it so that every user gets a fair share.

One that failed on a host a short time ago comes after all that did not, so that it takes nobody's turn again and again.

A user's share is the larger of the parts of all CPU and of all memory that the user has (dominant resource), divided
by the user's weight.  Whoever has least is served next; what that gives is counted at once.  With one user, or none
that is known, the order is that of the ids.

Source: Ghodsi and others, Dominant Resource Fairness, NSDI 2011 (progressive filling); USER_PRIORITY:
reference/templates.md §6.3.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator

import msgspec

from trifid.placement.view import MONITORED, HostView, Usage, WaitingVm

WEIGHT_MIN = 1e-6


class Totals(msgspec.Struct, frozen=True):
    """What there is in all for VMs."""

    cpu_percent: int
    memory_mib: int


def totals_of(hosts: Iterable[HostView]) -> Totals:
    """Return what hosts that take VMs can carry together."""
    up = [host for host in hosts if host.state == MONITORED]
    return Totals(sum(host.max_cpu_percent for host in up), sum(host.max_memory_kib for host in up) // 1024)


def ordered(vms: Collection[WaitingVm], usages: Iterable[Usage], totals: Totals) -> list[WaitingVm]:
    """Return VMs in the order of service, each counted as if it were placed."""
    return list(FairOrder(vms, usages, totals))


class FairOrder:
    """Yields VMs in the order of service; one pass only.

    Args:
        usages: what users have; one that is not here has nothing and weighs 1.
        is_fair: users take turns; else VMs of a priority come by their ids.
    """

    def __init__(
        self, vms: Collection[WaitingVm], usages: Iterable[Usage], totals: Totals, *, is_fair: bool = True
    ) -> None:
        self._is_fair = is_fair
        self._vms = vms
        self._cpu_percent, self._memory_mib = max(1, totals.cpu_percent), max(1, totals.memory_mib)
        known = list(usages)
        self._weights = {usage.uid: max(usage.weight, WEIGHT_MIN) for usage in known}
        self._has = {usage.uid: (usage.cpu_percent, usage.memory_mib) for usage in known}
        self._was_placed = True

    def refused(self) -> None:
        """Take back what the VM that came last was counted with: it was not placed."""
        self._was_placed = False

    def __iter__(self) -> Iterator[WaitingVm]:
        ranks: dict[tuple[float, bool], list[WaitingVm]] = {}
        for vm in sorted(self._vms, key=lambda vm: vm.id):
            ranks.setdefault((-vm.priority, bool(vm.banned_host_ids)), []).append(vm)
        for rank in sorted(ranks):
            yield from self._shared(ranks[rank])

    def _shared(self, vms: list[WaitingVm]) -> Iterator[WaitingVm]:
        queues: dict[int, list[WaitingVm]] = {}
        for vm in reversed(vms):
            queues.setdefault(vm.uid, []).append(vm)
        if len(queues) == 1 or not self._is_fair:
            for vm in vms:
                yield from self._served(vm)
            return
        heap = [(self._share(uid), queue[-1].id, uid) for uid, queue in queues.items()]
        heapq.heapify(heap)
        while heap:
            uid = heap[0][2]
            queue = queues[uid]
            yield from self._served(queue.pop())
            if queue:
                heapq.heapreplace(heap, (self._share(uid), queue[-1].id, uid))
            else:
                heapq.heappop(heap)

    def _served(self, vm: WaitingVm) -> Iterator[WaitingVm]:
        self._was_placed = True
        yield vm
        # A VM that only moves gives its user nothing more.
        if self._was_placed and vm.host_id < 0:
            cpu_percent, memory_mib = self._has.get(vm.uid, (0, 0))
            self._has[vm.uid] = (cpu_percent + vm.cpu_percent, memory_mib + vm.memory_mib)

    def _share(self, uid: int) -> float:
        cpu_percent, memory_mib = self._has.get(uid, (0, 0))
        share = max(cpu_percent / self._cpu_percent, memory_mib / self._memory_mib)
        return share / self._weights.get(uid, 1.0)
