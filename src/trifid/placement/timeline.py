"""What one host has promised over time: leases that run, those that will, and those that may be suspended.

Ordinary VMs are not here: they are endless, and the room that is left beside them is what leases share.
"""

from collections.abc import Iterable

import msgspec

from trifid.core.vm.record import Needs
from trifid.placement.view import HostView, Promise

FOREVER = 1 << 60
"""An end that never comes, as epoch seconds."""


class Use(msgspec.Struct, frozen=True):
    """Capacity that a lease has from a start until an end, both epoch seconds; the end is not in it.

    Attributes:
        is_charged: the engine has charged the host with it already.
        began: when one that may be suspended came to its host; who came first goes first.
    """

    vm_id: int
    needs: Needs
    start: int
    end: int = FOREVER
    is_charged: bool = False
    began: int = 0

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

    def free_for_endless(self, now: int) -> Needs:
        """Return what VMs without an end may take from now on, of what is free.

        It leaves each one that was suspended the room that it will have when all that ends is over.
        """
        free = lesser(self.free, self.free_for_others(now, FOREVER))
        later = self.in_the_end(now)
        for use in self.resting():
            if fits(use.needs, later):
                free = lesser(free, plus(later, use.needs, -1))
        return free

    def promises(self) -> tuple[Promise, ...]:
        """Return what is promised and not charged yet: what is reserved, then what those want back that rest."""
        reserved = sorted((use for use in self.fixed if not use.is_charged), key=lambda use: (use.start, use.vm_id))
        return tuple(
            Promise(use.vm_id, use.needs.cpu_percent, use.needs.memory_mib, start)
            for use, start in [*((use, use.start) for use in reserved), *((use, 0) for use in self.resting())]
        )

    def in_the_end(self, now: int) -> Needs:
        """Return what is beside the leases that nobody interrupts when all of them that end are over."""
        return self._beside_fixed(self._moments(now, FOREVER)[-1])

    def in_order(self) -> list[Use]:
        """Return the movable ones, who came to the host first."""
        return sorted(self.movable, key=lambda use: (use.began, use.vm_id))

    def resting(self) -> list[Use]:
        """Return who was suspended and wants back, who came to the host first."""
        return [use for use in self.in_order() if not use.is_charged]

    def staying(self, at: int) -> list[Use]:
        """Return who of the movable ones has room at a moment; who came to the host first goes first.

        That holds whether or not they run, so that one that was suspended is never kept waiting by one that came later.
        """
        left = self._beside_fixed(at)
        found = []
        for use in self.in_order():
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

    def back_at(self, vm_id: int, now: int, for_s: int) -> int | None:
        """Return from when on a movable one will have room for so long; None when that cannot be foreseen."""
        moments = self._moments(now, FOREVER)
        return next((at for at in moments if self.can_stay(vm_id, at, at + for_s)), None)

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
