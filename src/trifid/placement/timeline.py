"""What one host has promised over time: leases that run, those that will, and those that may be suspended.

Ordinary VMs are not here: they are endless, and the room that is left beside them is what leases share.
"""

from collections.abc import Iterable

import msgspec

from trifid.core.vm.record import Needs
from trifid.placement.view import HostView

FOREVER = 1 << 60
"""An end that never comes, as epoch seconds."""


class Use(msgspec.Struct, frozen=True):
    """Capacity that a lease has from a start until an end, both epoch seconds; the end is not in it.

    Attributes:
        is_charged: the engine has charged the host with it already.
    """

    vm_id: int
    needs: Needs
    start: int
    end: int = FOREVER
    is_charged: bool = False

    def covers(self, at: int) -> bool:
        """Tell whether it is there at a moment."""
        return self.start <= at < self.end


class Timeline:
    """The promises of one host.

    Attributes:
        free: what may be promised just now.
        fixed: leases that nobody interrupts: those that run or are reserved.
        movable: those that may be suspended, and those that are suspended and want back.
    """

    def __init__(self, host: HostView) -> None:
        self.host = host
        self.free = Needs(host.free_cpu_percent, host.free_memory_kib // 1024)
        self.fixed: list[Use] = []
        self.movable: list[Use] = []
        self._room = self.free

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is promised but what the engine has charged already."""
        return all(use.is_charged for use in (*self.fixed, *self.movable))

    def add(self, use: Use, *, is_movable: bool = False) -> None:
        """Add a lease; one with which the engine has charged the host adds to what leases share."""
        (self.movable if is_movable else self.fixed).append(use)
        if use.is_charged:
            self._room = plus(self._room, use.needs)

    def begin(self, needs: Needs) -> None:
        """Take what begins just now out of what is free."""
        self.free = plus(self.free, needs, -1)

    def free_for_reserved(self, start: int, end: int) -> Needs:
        """Return what is free all the time from `start` to `end` when all are suspended who may be."""
        return lowest(self._beside_fixed(at) for at in self._moments(start, end))

    def free_for_others(self, start: int, end: int) -> Needs:
        """Return what is free all the time from `start` to `end` while those go on that can."""
        return lowest(
            plus(self._beside_fixed(at), total(use.needs for use in self.staying(at)), -1)
            for at in self._moments(start, end)
        )

    def staying(self, at: int) -> list[Use]:
        """Return who of the movable ones has room at a moment: first who runs already, then by id."""
        left = self._beside_fixed(at)
        found = []
        for use in sorted(self.movable, key=lambda use: (not use.is_charged, use.vm_id)):
            if use.covers(at) and fits(use.needs, left):
                found.append(use)
                left = plus(left, use.needs, -1)
        return found

    def leaving(self, at: int) -> list[Use]:
        """Return who of the movable ones that run has no room at a moment."""
        staying = {use.vm_id for use in self.staying(at)}
        return [use for use in self.movable if use.is_charged and use.vm_id not in staying]

    def can_stay(self, vm_id: int, start: int, end: int) -> bool:
        """Tell whether a movable one has room all the time from `start` to `end`."""
        return all(any(use.vm_id == vm_id for use in self.staying(at)) for at in self._moments(start, end))

    def _beside_fixed(self, at: int) -> Needs:
        return plus(self._room, total(use.needs for use in self.fixed if use.covers(at)), -1)

    def _moments(self, start: int, end: int) -> list[int]:
        """Return when what is promised may change, from `start` on and before `end`."""
        edges = {edge for use in (*self.fixed, *self.movable) for edge in (use.start, use.end) if start < edge < end}
        return [start, *sorted(edges)]


def plus(left: Needs, right: Needs, sign: int = 1) -> Needs:
    """Return the sum of two capacities, or with a sign of -1 their difference."""
    return Needs(left.cpu_percent + sign * right.cpu_percent, left.memory_mib + sign * right.memory_mib)


def total(several: Iterable[Needs]) -> Needs:
    """Return the sum of capacities."""
    found = Needs()
    for needs in several:
        found = plus(found, needs)
    return found


def lesser(left: Needs, right: Needs) -> Needs:
    """Return the smaller CPU and the smaller memory of two capacities."""
    return Needs(min(left.cpu_percent, right.cpu_percent), min(left.memory_mib, right.memory_mib))


def lowest(several: Iterable[Needs]) -> Needs:
    """Return the smallest CPU and the smallest memory of capacities, of which there must be one."""
    first, *others = several
    for needs in others:
        first = lesser(first, needs)
    return first


def fits(needs: Needs, free: Needs) -> bool:
    """Tell whether a need has room."""
    return needs.cpu_percent <= free.cpu_percent and needs.memory_mib <= free.memory_mib
