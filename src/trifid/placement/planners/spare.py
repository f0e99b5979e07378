"""N+1: can the cluster lose any one host?  Whether its VMs could be started again on the others."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from trifid.placement.planners.columns import columns
from trifid.placement.planners.model import Allows, Places, Room, RunningVm, Usage, usages
from trifid.placement.planners.search import Wish, search

_FULLEST_FIRST = -1e-7


class Stranded(msgspec.Struct, frozen=True):
    """A VM that no host could take.

    Attributes:
        nearest_host_id: the host that lacks least for it, -1 when it may be on none.
        cpu_percent, memory_mib: what that host lacks; both 0 when a rule of affinity keeps it from all that have room.
    """

    vm_id: int
    nearest_host_id: int
    cpu_percent: int = 0
    memory_mib: int = 0


class Loss(msgspec.Struct, frozen=True):
    """What the loss of a host would mean.

    Attributes:
        vms: how many VMs it carries.
        stranded: those that could not be started again.
    """

    host_id: int
    vms: int
    stranded: tuple[Stranded, ...] = ()

    @property
    def is_survived(self) -> bool:
        """Whether every VM could be started again."""
        return not self.stranded


def losses(vms: Sequence[RunningVm], rooms: Sequence[Room], *, allows: Allows | None = None) -> list[Loss]:
    """Return for each host that carries VMs what its loss would mean, lowest id first.

    The VMs of the other hosts stay where they are.  Whether the lost ones fit beside them is searched for, not
    proved: rarely there is a way that is not found, and then the answer is on the safe side.
    """
    by_host: dict[int, list[RunningVm]] = {}
    for vm in vms:
        by_host.setdefault(vm.host_id, []).append(vm)
    used = usages(vms, rooms)
    full = [replace(room, taken=used[room.host_id]) for room in sorted(rooms, key=lambda room: room.host_id)]
    return [_loss(room, by_host[room.host_id], full, vms, allows) for room in full if room.host_id in by_host]


def _loss(
    lost: Room, orphans: list[RunningVm], rooms: list[Room], vms: Sequence[RunningVm], allows: Allows | None
) -> Loss:
    """Return what a loss means; rooms have all that is charged as taken."""
    others = [room for room in rooms if room.is_open and room.host_id != lost.host_id]
    # Only rules of affinity ask where the VMs are that stay.
    staying = [vm for vm in vms if vm.host_id != lost.host_id] if allows else []
    allows = _without(lost.host_id, allows) if allows else None
    if _all_start(lost, orphans, others, staying, allows):
        return Loss(lost.host_id, len(orphans))
    left, used = _started_one_by_one(orphans, others, staying, allows)
    return Loss(lost.host_id, len(orphans), tuple(_stranded(vm, others, used) for vm in left))


def _without(lost_id: int, allows: Allows) -> Allows:
    """Return the rules as they are when a host is lost: the VMs that were there are nowhere."""
    return lambda vm_id, host_id, places: allows(vm_id, host_id, _Without(lost_id, places))


class _Without(Mapping[int, tuple[int, ...]]):
    """Where VMs are, but for one host."""

    def __init__(self, lost_id: int, places: Places) -> None:
        self._lost_id, self._places = lost_id, places

    def __getitem__(self, vm_id: int) -> tuple[int, ...]:
        return tuple(host_id for host_id in self._places[vm_id] if host_id != self._lost_id)

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _all_start(
    lost: Room, orphans: list[RunningVm], others: list[Room], staying: list[RunningVm], allows: Allows | None
) -> bool:
    """Tell whether a way was found to start the VMs of the lost host on others, whose VMs stay as they are."""
    # The lost host stays in the columns: its VMs begin there, and it takes none.
    gone = Room(lost.host_id, max(lost.cpu_percent, 1), max(lost.memory_mib, 1))
    hosts = columns(orphans, [*others, gone], staying)
    # What is overcommitted already is none of the lost VMs' business.
    ceilings = np.maximum(hosts.capacities, hosts.fixed)
    ceilings[hosts.host_ids.index(lost.host_id)] = 0.0
    return search(hosts, hosts.homes, Wish(ceilings, fullness_weight=_FULLEST_FIRST), allows).over <= 0.0


def _started_one_by_one(
    orphans: list[RunningVm], others: list[Room], staying: list[RunningVm], allows: Allows | None
) -> tuple[list[RunningVm], dict[int, Usage]]:
    """Return the VMs that find no host, the largest choosing first, and what the hosts carry then."""
    used = {room.host_id: room.taken for room in others}
    places = {vm.id: (vm.host_id,) for vm in staying}
    left = []
    for vm in sorted(orphans, key=lambda vm: (-vm.memory_mib, -vm.cpu_percent, vm.id)):
        fitting = [
            room
            for room in others
            if vm.may_be_on(room.host_id)
            and not any(_lack(vm, room, used[room.host_id]))
            and (allows is None or allows(vm.id, room.host_id, places))
        ]
        if not fitting:
            left.append(vm)
            continue
        best = max(fitting, key=lambda room: (used[room.host_id].plus(vm).share_of(room), -room.host_id))
        used[best.host_id] = used[best.host_id].plus(vm)
        places[vm.id] = (best.host_id,)
    return sorted(left, key=lambda vm: vm.id), used


def _lack(vm: RunningVm, room: Room, used: Usage) -> tuple[int, int]:
    """Return CPU percent and memory MiB that a host lacks for a VM."""
    return (
        max(0, used.cpu_percent + vm.cpu_percent - room.cpu_percent),
        max(0, used.memory_mib + vm.memory_mib - room.memory_mib),
    )


def _stranded(vm: RunningVm, others: list[Room], used: dict[int, Usage]) -> Stranded:
    """Return what a VM lacks on the host that lacks least of its own capacity."""
    lacks = [(Usage(*_lack(vm, room, used[room.host_id])), room) for room in others if vm.may_be_on(room.host_id)]
    if not lacks:
        return Stranded(vm.id, -1)
    lack, room = min(lacks, key=lambda pair: (pair[0].share_of(pair[1]), pair[1].host_id))
    return Stranded(vm.id, room.host_id, lack.cpu_percent, lack.memory_mib)
