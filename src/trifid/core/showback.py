"""Showback: what VMs cost, month by month.

It follows from the history of the VMs and from what they are now, and is kept nowhere.  A VM is charged for the hours
that it was on hosts; months are those of UTC.

    cost = CPU_COST · CPU · hours  +  MEMORY_COST · MEMORY in MiB · hours  +  DISK_COST · disks in MiB · hours

Source: reference/api-modern.md §4 (vmpool.showback), §5.5 (showback.xsd).
"""

import math
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import msgspec

from trifid.core.vm.record import VM, HistoryRecord
from trifid.errors import BadRequest

UNBOUNDED = -1
YEAR_MIN, YEAR_MAX = 1970, 9999
_HOUR_S, _DAY_S = 3600, 86400
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS_BEFORE_1970 = 719162
COST_MAX = 1e12
"""What an hour of a core, or of a MiB, may cost."""
_Price = Annotated[float, msgspec.Meta(ge=0, le=COST_MAX)]


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an hour costs of a VM that does not say it itself.

    Attributes:
        cpu_cost: of one core.
        memory_cost, disk_cost: of one MiB.
        only_running: CPU and memory cost something only while the VM runs, not from its prolog to its epilog.
    """

    cpu_cost: _Price = 0.0
    memory_cost: _Price = 0.0
    disk_cost: _Price = 0.0
    only_running: bool = False


class Month(NamedTuple):
    """A month of a year."""

    year: int
    month: int

    @property
    def after(self) -> "Month":
        """The next one."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def begins_at(self) -> int:
        """Epoch seconds."""
        years = self.year - 1
        leap_days = years // 4 - years // 100 + years // 400
        is_leap = self.year % 4 == 0 and (self.year % 100 != 0 or self.year % 400 == 0)
        days = 365 * years + leap_days + _DAYS_BEFORE[self.month - 1] + (is_leap and self.month > 2)
        return (days - _DAYS_BEFORE_1970) * _DAY_S


def month_of(at: int) -> Month:
    """Return the month of a time in epoch seconds."""
    at = min(max(at, 0), Month(YEAR_MAX, 12).begins_at)
    month = Month(YEAR_MIN + at // (366 * _DAY_S), 1)
    while month.after.begins_at <= at:
        month = month.after
    return month


def asked_month(month: int, year: int) -> Month | None:
    """Return the month that a call names, None for none (both UNBOUNDED); raises BadRequest for what is no month."""
    if (month, year) == (UNBOUNDED, UNBOUNDED):
        return None
    if not (1 <= month <= 12 and YEAR_MIN <= year <= YEAR_MAX):
        raise BadRequest(
            f"there is no month {month} of year {year}: months are 1 to 12, years {YEAR_MIN} to {YEAR_MAX}, "
            "-1 and -1 for no bound"
        )
    return Month(year, month)


class Showback(NamedTuple):
    """What one VM cost in one month.

    Attributes:
        hours, running_hours: that it was on hosts, that it ran there.
    """

    month: Month
    cpu_cost: float
    memory_cost: float
    disk_cost: float
    hours: float
    running_hours: float

    @property
    def total_cost(self) -> float:
        """All together."""
        return self.cpu_cost + self.memory_cost + self.disk_cost


def showback(vm: VM, prices: Prices, now: int, first: Month | None, last: Month | None) -> Iterator[Showback]:
    """Yield what a VM cost in each month in which it was on a host, oldest first.

    Args:
        now: epoch seconds: the end of what is not over.
        first, last: months to look at, both included; None = no bound.
    """
    if not vm.history:
        return
    month = max(filter(None, (first, month_of(min(stay.stime for stay in vm.history)))))
    until = min(filter(None, (last, month_of(now))))
    cpu, memory, disk = _hourly(vm, prices)
    while month <= until:
        begin, end = month.begins_at, min(month.after.begins_at, now)
        hours = sum(_overlap(stay.stime, stay.etime, begin, end) for stay in vm.history) / _HOUR_S
        running = sum(_ran(stay, begin, end) for stay in vm.history) / _HOUR_S
        if hours:
            charged = running if prices.only_running else hours
            yield Showback(month, cpu * charged, memory * charged, disk * hours, hours, running)
        month = month.after


def _hourly(vm: VM, prices: Prices) -> tuple[float, float, float]:
    """Return what an hour of a VM's CPU, memory and disks costs."""
    disk_mib = sum(int(size) for disk in vm.template.vectors("DISK") if (size := disk.get("SIZE", "")).isdecimal())
    return (
        _price(vm, "CPU_COST", prices.cpu_cost) * vm.needs.cpu_percent / 100,
        _price(vm, "MEMORY_COST", prices.memory_cost) * vm.needs.memory_mib,
        _price(vm, "DISK_COST", prices.disk_cost) * disk_mib,
    )


def _price(vm: VM, name: str, default: float) -> float:
    """Return a price that the VM's template names, else the default; what is no price is none."""
    text = vm.template.single(name) or vm.user_template.single(name)
    try:
        price = float(text)
    except ValueError:
        return default
    return price if math.isfinite(price) and 0 <= price <= COST_MAX else default


def _ran(stay: HistoryRecord, begin: int, end: int) -> int:
    return _overlap(stay.rstime, stay.retime or stay.etime, begin, end) if stay.rstime else 0


def _overlap(start: int, stop: int, begin: int, end: int) -> int:
    """Return for how many seconds of a span something lasted; `stop` 0 = it still does."""
    return max(0, min(stop or end, end) - max(start, begin))
