"""What planners are told and what they answer, in their own plain terms."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

Places = Mapping[int, tuple[int, ...]]
"""VM id to the hosts it is charged on: two while it moves."""

Allows = Callable[[int, int, Places], bool]
"""Whether a VM may come to a host while the others are where they are: the rules of affinity."""


class RunningVm(msgspec.Struct, frozen=True):
    """A VM that is charged on a host.

    Attributes:
        cpu_percent: promised to it, 100 = one core.
        allowed: the hosts where it may be, None = everywhere; one that cannot move has its own host only.
    """

    id: int
    host_id: int
    cpu_percent: int
    memory_mib: int
    allowed: frozenset[int] | None = None

    def may_be_on(self, host_id: int) -> bool:
        """Whether its own rules allow a host, or it is there already."""
        return host_id == self.host_id or self.allowed is None or host_id in self.allowed


class Usage(msgspec.Struct, frozen=True):
    """How much of something: of a host, or asked for."""

    cpu_percent: int = 0
    memory_mib: int = 0

    def plus(self, vm: RunningVm) -> "Usage":
        return Usage(self.cpu_percent + vm.cpu_percent, self.memory_mib + vm.memory_mib)

    def minus(self, vm: RunningVm) -> "Usage":
        return Usage(self.cpu_percent - vm.cpu_percent, self.memory_mib - vm.memory_mib)

    def share_of(self, room: "Room") -> float:
        """Return the larger one of the two fractions of a host; of nothing everything is infinitely much."""
        return max(_fraction(self.cpu_percent, room.cpu_percent), _fraction(self.memory_mib, room.memory_mib))


class Room(msgspec.Struct, frozen=True):
    """What a host may promise in all.

    Attributes:
        taken: what it has promised beside the VMs that are told: to VMs that come or leave.
        is_open: it takes VMs; planners neither fill nor empty one that does not.
    """

    host_id: int
    cpu_percent: int
    memory_mib: int
    is_open: bool = True
    taken: Usage = Usage()


def _fraction(used: int, there_is: int) -> float:
    return used / there_is if there_is > 0 else float("inf") if used else 0.0


def usages(vms: Sequence[RunningVm], rooms: Sequence[Room]) -> dict[int, Usage]:
    """Return what each host carries; VMs on hosts that are not among the rooms count nowhere."""
    used = {room.host_id: room.taken for room in rooms}
    for vm in vms:
        if vm.host_id in used:
            used[vm.host_id] = used[vm.host_id].plus(vm)
    return used


def moved(vms: Sequence[RunningVm], targets: Mapping[int, int]) -> list[RunningVm]:
    """Return the VMs as they are when those in `targets` (VM id to host id) have moved."""
    return [replace(vm, host_id=targets[vm.id]) if targets.get(vm.id, vm.host_id) != vm.host_id else vm for vm in vms]
