"""What a lease is at a moment: how it wants its time, until when it has it, and whether it may be interrupted."""

import msgspec

from trifid.core.template.lease import Kind, Terms, moment_text, terms_of
from trifid.core.vm.record import Needs
from trifid.placement.timeline import FOREVER
from trifid.placement.view import Lease, LeaseMark, PlacedVm, WaitingVm

ACCEPTED, SUSPENDED, RESUMED = "accepted", "suspended", "resumed"
"""States of a mark: its time is guaranteed; the scheduler suspended it; the scheduler let it go on."""

LATE_S_MAX = 60
"""How long after its start a lease may be seen for the first time and still be accepted."""


class Pace(msgspec.Struct, frozen=True):
    """How fast VMs come and go, as far as it must be known beforehand.

    Attributes:
        suspend_lead_s: how long before it needs the room others are suspended, whatever they are.
        save_mib_per_s: how fast their memory is written; those of one host one after the other.
        run_s_min: a lease that may be suspended is not started for less.
        overtime_s: one that is over and does not shut down is cut off so long after it was asked.
        late_s: one that is first seen more than a minute after its end is left alone for so long.
    """

    suspend_lead_s: int = 10
    save_mib_per_s: int = 100
    run_s_min: int = 60
    overtime_s: int = 120
    late_s: int = 300

    def lead_s(self, memory_mib: int) -> int:
        """Return how long before somebody else's start VMs of so much memory must be suspended."""
        return self.suspend_lead_s + -(-memory_mib // self.save_mib_per_s)

    def stays_s(self, memory_mib: int) -> int:
        """Return how long a lease that may be suspended must have room, to be worth starting or resuming."""
        return self.run_s_min + self.lead_s(memory_mib)


DEFAULT_PACE = Pace()


def terms(lease: Lease, submitted_at: int) -> Terms:
    """Return what a lease asks for; raises BadTemplate."""
    return terms_of(lease.start, lease.duration, lease.preemptible, submitted_at)


def needs(vm: WaitingVm | PlacedVm) -> Needs:
    """Return the capacity that a VM asks for."""
    return Needs(vm.cpu_percent, vm.memory_mib)


def is_accepted(asked: Terms, mark: LeaseMark) -> bool:
    """Tell whether a mark says that this very wish was accepted; a wish that was changed since is another one."""
    if mark.state != ACCEPTED or mark.host_id < 0 or asked.kind is Kind.BEST_EFFORT:
        return False
    if asked.kind is Kind.RESERVED and mark.start != asked.start:
        return False
    return mark.end == (mark.start + asked.duration_s if asked.duration_s is not None else 0)


def end_of(vm: PlacedVm, asked: Terms, mark: LeaseMark, now: int) -> int:
    """Return when a lease that was started is over, epoch seconds.

    A time that was accepted ends when it was to end; any other duration counts only while the VM runs.
    """
    if is_accepted(asked, mark):
        return mark.end or FOREVER
    if asked.duration_s is None:
        return FOREVER
    return (vm.runs_since or now) + max(0, asked.duration_s - vm.ran_s)


def window_text(start: int, end: int) -> str:
    """Return a time as messages tell it."""
    return f"from {moment_text(start)} {f'to {moment_text(end)}' if end < FOREVER else 'on, without end'} (UTC)"


def needs_text(wanted: Needs, free: Needs, where: str) -> str:
    """Return what of a need a host lacks: `needs 4 cores, 3 are free on the best host, host-2`.

    Args:
        where: how it goes on after "are".
    """
    lacks = []
    if wanted.cpu_percent > free.cpu_percent:
        lacks.append(f"needs {wanted.cpu_percent / 100:g} cores, {max(0, free.cpu_percent) / 100:g} are {where}")
    if wanted.memory_mib > free.memory_mib:
        lacks.append(f"needs {wanted.memory_mib} MiB of memory, {max(0, free.memory_mib)} are {where}")
    return "; ".join(lacks)
