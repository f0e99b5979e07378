"""The migrations of a plan in an order in which each can be done.

They go in waves: those of one wave run at the same time, and the next begins when they are done.  While a VM moves
it is charged on both hosts, so a target must have room for it before anything of its own wave has left.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from trifid.placement.planners.model import Allows, Room, RunningVm, Usage, usages


class Limits(msgspec.Struct, frozen=True):
    """How many migrations may run at the same time, in all and from or to one host."""

    at_once: int = 2
    per_host: int = 1


class Step(msgspec.Struct, frozen=True):
    """One migration.

    Attributes:
        wave: counts from 0.
        is_stopover: the VM only waits there until there is room for it where it shall go.
    """

    vm_id: int
    source_id: int
    target_id: int
    wave: int = 0
    is_stopover: bool = False


class Ordered(msgspec.Struct, frozen=True):
    """Migrations in order.

    Attributes:
        left_out: VM id to why it cannot move.
    """

    steps: tuple[Step, ...]
    left_out: dict[int, str] = {}


def ordered(
    vms: Sequence[RunningVm],
    rooms: Sequence[Room],
    targets: Mapping[int, int],
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    allows: Allows | None = None,
) -> Ordered:
    """Return the migrations that bring VMs to their targets (VM id to host id), wave by wave.

    Where VMs wait for each other's room, one of them stops over on a third host.  What cannot be done even so is
    left out, with the reason.
    """
    state = _State(vms, rooms, targets, limits, allows)
    while state.waiting:
        if not state.wave() and not state.stopover():
            break
    return Ordered(tuple(state.steps), {vm.id: state.reason(vm) for vm in state.waiting})


class _State:
    """Where the VMs are after the waves so far."""

    def __init__(
        self,
        vms: Sequence[RunningVm],
        rooms: Sequence[Room],
        targets: Mapping[int, int],
        limits: Limits,
        allows: Allows | None,
    ) -> None:
        self._rooms = {room.host_id: room for room in sorted(rooms, key=lambda room: room.host_id)}
        self._used = usages(vms, rooms)
        self._places: dict[int, tuple[int, ...]] = {vm.id: (vm.host_id,) for vm in vms}
        self._targets = targets
        self._limits, self._allows = limits, allows
        self._stopped_over: set[int] = set()
        self._wave = 0
        self.steps: list[Step] = []
        moving = [vm for vm in vms if targets.get(vm.id, vm.host_id) != vm.host_id and vm.host_id in self._rooms]
        # Large ones first: they are the hardest to find room for later.
        self.waiting = sorted(moving, key=lambda vm: (-vm.memory_mib, -vm.cpu_percent, vm.id))

    def wave(self) -> bool:
        """Let as many VMs as may move at once; tell whether any could."""
        begun: list[tuple[RunningVm, Step]] = []
        busy: Counter[int] = Counter()
        for vm in self.waiting:
            if len(begun) >= self._limits.at_once:
                break
            source, target = self._places[vm.id][0], self._targets[vm.id]
            if max(busy[source], busy[target]) >= self._limits.per_host or not self._can(vm, target):
                continue
            busy.update((source, target))
            self._begin(vm, target)
            begun.append((vm, Step(vm.id, source, target, self._wave)))
        self._end(begun)
        moved = {vm.id for vm, _ in begun}
        self.waiting = [vm for vm in self.waiting if vm.id not in moved]
        return bool(begun)

    def stopover(self) -> bool:
        """Let the smallest VM whose leaving helps another wait on a third host; tell whether there is one."""
        for vm in sorted(self.waiting, key=lambda vm: (vm.memory_mib, vm.cpu_percent, vm.id)):
            source = self._places[vm.id][0]
            if vm.id in self._stopped_over or not self._helps(vm, source):
                continue
            for host_id in self._rooms:
                if host_id not in (source, self._targets[vm.id]) and self._can(vm, host_id):
                    self._stopped_over.add(vm.id)
                    self._begin(vm, host_id)
                    self._end([(vm, Step(vm.id, source, host_id, self._wave, is_stopover=True))])
                    return True
        return False

    def _helps(self, leaving: RunningVm, source: int) -> bool:
        """Tell whether another VM can move to `source` once `leaving` is away."""
        before = self._used[source], self._places[leaving.id]
        self._used[source], self._places[leaving.id] = self._used[source].minus(leaving), ()
        can = any(self._targets[vm.id] == source and self._can(vm, source) for vm in self.waiting if vm is not leaving)
        self._used[source], self._places[leaving.id] = before
        return can

    def _can(self, vm: RunningVm, host_id: int) -> bool:
        room = self._rooms.get(host_id)
        if room is None or not room.is_open or not vm.may_be_on(host_id) or _lack(vm, room, self._used[host_id]):
            return False
        return self._allows is None or self._allows(vm.id, host_id, self._places)

    def _begin(self, vm: RunningVm, target: int) -> None:
        self._used[target] = self._used[target].plus(vm)
        self._places[vm.id] = (*self._places[vm.id], target)

    def _end(self, begun: list[tuple[RunningVm, Step]]) -> None:
        for vm, step in begun:
            self._used[step.source_id] = self._used[step.source_id].minus(vm)
            self._places[vm.id] = (step.target_id,)
            self.steps.append(step)
        self._wave += bool(begun)

    def reason(self, vm: RunningVm) -> str:
        """Return why a VM that still waits cannot move."""
        target = self._targets[vm.id]
        room = self._rooms.get(target)
        if room is None or not room.is_open:
            return f"host {target} takes no VMs"
        if not vm.may_be_on(target):
            return f"it may not be on host {target}"
        if lack := _lack(vm, room, self._used[target]):
            return f"host {target} has no room while VMs wait for each other ({lack}), nor is there any to stop over"
        return f"a rule of its VM group forbids host {target} while the others are where they are"


def _lack(vm: RunningVm, room: Room, used: Usage) -> str:
    """Return what a host has too little of for a VM, with numbers; empty when it has room."""
    lacks = []
    if (free := room.memory_mib - used.memory_mib) < vm.memory_mib:
        lacks.append(f"memory: needs {vm.memory_mib} MiB, {max(free, 0)} free")
    if (free := room.cpu_percent - used.cpu_percent) < vm.cpu_percent:
        lacks.append(f"CPU: needs {vm.cpu_percent / 100:g} cores, {max(free, 0) / 100:g} free")
    return "; ".join(lacks)
