"""A live migration under way: how far it is, and its end when it is not wanted any more, too slow, or hopeless.

libvirt's call returns when all is over.  Meanwhile a thread of its own looks after it: whoever calls libvirt to
migrate can do nothing else.
"""

import collections
import threading
import time
from types import TracebackType
from typing import Any, Self

import libvirt
import msgspec

from trifid.drivers.kit import Request
from trifid.drivers.libvirt.migration_options import PAUSE, MigrationOptions
from trifid.drivers.libvirt.present import tolerant

LOOK_EVERY_S = 0.5
TELL_EVERY_S = 2.0
"""Figures are told so often."""
LOG_EVERY_S = 10.0
"""A line of the VM's log at most so often."""
SPEED_LOOKS = 20
"""The speed is that of so many looks."""
MIB = 1 << 20
_PERCENT_UNDER_WAY = 99
_IS_GONE = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID)
"""It has just arrived, or its guest has ended."""


class Figures(msgspec.Struct, frozen=True):
    """How far a migration is.

    Attributes:
        percent: of what is known to have to be sent; memory that changes has to be sent again, so it may go back.
        left_mib, total_mib: memory and disks.
        mib_s: sent in a second.
        dirty_mib_s: memory that the guest changes in a second.
        downtime_ms: how long the last step would take now, by the hypervisor's estimate.
        throttle_percent: how much the guest is slowed down.
    """

    percent: int = 0
    left_mib: int = 0
    total_mib: int = 0
    mib_s: int = 0
    dirty_mib_s: int = 0
    downtime_ms: int = 0
    throttle_percent: int = 0

    def words(self) -> dict[str, int]:
        """Return the figures by the names that they have on the line and in documents."""
        return {
            "PERCENT": self.percent,
            "LEFT_MIB": self.left_mib,
            "TOTAL_MIB": self.total_mib,
            "MIB_S": self.mib_s,
            "DIRTY_MIB_S": self.dirty_mib_s,
            "DOWNTIME_MS": self.downtime_ms,
            "THROTTLE": self.throttle_percent,
        }

    def __str__(self) -> str:
        said = f"{self.percent} %, {self.left_mib} of {self.total_mib} MiB left, {self.mib_s} MiB/s"
        if self.dirty_mib_s:
            said += f", the guest changes {self.dirty_mib_s} MiB/s"
        if self.throttle_percent:
            said += f" and is slowed down by {self.throttle_percent} %"
        return said


def figures_of(stats: dict[str, Any], bytes_s: float = 0) -> Figures:
    """Return what libvirt's figures of a migration's job say.

    Args:
        bytes_s: sent in a second; libvirt tells it of memory only.
    """
    total, left = stats.get("data_total", 0), stats.get("data_remaining", 0)
    return Figures(
        percent=min(_PERCENT_UNDER_WAY, 100 * (total - left) // total) if total else 0,
        left_mib=left // MIB,
        total_mib=total // MIB,
        mib_s=round(bytes_s / MIB),
        dirty_mib_s=stats.get("memory_dirty_rate", 0) * stats.get("memory_page_size", 0) // MIB,
        downtime_ms=stats.get("downtime", 0),
        throttle_percent=stats.get("auto_converge_throttle", 0),
    )


class Watch:
    """Looks after a migration while its block runs.

    Args:
        domain: at its source.
        there: the target's libvirt.
        size: what is known to be there to move before libvirt tells, bytes.

    Attributes:
        why: why it was ended from here; empty if it was not.
    """

    def __init__(
        self,
        domain: "libvirt.virDomain",
        there: "libvirt.virConnect",
        request: Request,
        options: MigrationOptions,
        target: str,
        size: int = 0,
    ) -> None:
        self.why = ""
        self._domain, self._there, self._request, self._options = domain, there, request, options
        self._target, self._size = target, size
        self._is_paused = False
        self._sent: collections.deque[tuple[float, int]] = collections.deque(maxlen=SPEED_LOOKS)
        self._begun = self._told = self._logged = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="migration", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if fault is not None and self._is_paused:
            tolerant(self._domain.resume)

    @property
    def max_downtime_ms(self) -> int:
        """How long the guest may stand still at most; 0 = as the hypervisor thinks."""
        return self._options.max_downtime_ms

    @property
    def elapsed_s(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self._begun

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            try:
                self._look()
            except libvirt.libvirtError as fault:
                # Whatever it is, the migration itself fails of it or does not; only the look is lost.
                if fault.get_error_code() not in _IS_GONE:
                    self._request.log(f"no look at the migration: {fault.get_error_message()}", "D")

    def _look(self) -> None:
        stats = self._domain.jobStats()
        if stats.get("operation", libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT) != (
            libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
        ):
            return
        figures = figures_of(stats, self._speed(stats.get("data_processed", 0)))
        self._size = max(self._size, stats.get("data_total", 0))
        self.why = self.why or self._why_not(figures)
        if self.why:
            tolerant(self._domain.abortJob)
        elif figures.total_mib:
            self._tell(figures)

    def _speed(self, processed: int) -> float:
        """Return how many bytes were sent in a second, lately."""
        now = time.monotonic()
        self._sent.append((now, processed))
        then, before = self._sent[0]
        return (processed - before) / (now - then) if now > then else 0.0

    def _why_not(self, figures: Figures) -> str:
        """Return why it shall be ended, or nothing; pauses the guest when that is what is done to late ones."""
        if self._request.is_cancelled:
            return "cancelled by the engine"
        if self._there.isAlive() != 1:
            return f"the libvirt of {self._target} is not reached any more"
        limit_s = self._options.limit_s(self._size)
        if self.elapsed_s < limit_s:
            return ""
        late = f"not done after {limit_s:g} s: {figures}"
        if self._options.when_late != PAUSE or self.elapsed_s > 2 * limit_s:
            return late
        if not self._is_paused:
            self._request.log(f"{late}: the guest is paused until it has moved", "W")
            self._domain.suspend()
            self._is_paused = True
        return ""

    def _tell(self, figures: Figures) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_EVERY_S:
            self._told = now
            self._request.progress(figures.words())
        if now - self._logged >= LOG_EVERY_S:
            self._logged = now
            self._request.log(f"on its way to {self._target}: {figures}")
