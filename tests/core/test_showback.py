"""What VMs cost, month by month."""

from datetime import UTC, datetime

import pytest

from tests.core.vm.builders import vm
from trifid.core.showback import Month, Prices, month_of, showback
from trifid.core.template.model import template
from trifid.core.vm.record import HistoryRecord, Needs

HOUR_S = 3600
PRICES = Prices(cpu_cost=1.0, memory_cost=0.01, disk_cost=0.001)


def at(year, month, day, hour=0):
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def stay(stime, etime, **times):
    return HistoryRecord(0, 0, "h", 0, "dummy", "dummy", 0, stime, etime, **times)


def machine(*history, **attributes):
    return vm(history=history, needs=Needs(150, 1000), template=template(attributes))


def costs(one, now=at(2026, 12, 1), first=None, last=None, prices=PRICES):
    return list(showback(one, prices, now, first, last))


def test_a_stay_costs_its_hours_of_cpu_memory_and_disks():
    (january,) = costs(machine(stay(at(2026, 1, 1), at(2026, 1, 1, 10)), DISK=[{"SIZE": "2000"}, {"TYPE": "CDROM"}]))
    assert january.month == (2026, 1)
    assert january.hours == 10
    assert january[1:4] == pytest.approx((15, 100, 20))
    assert january.total_cost == pytest.approx(135)


def test_a_stay_over_the_end_of_a_year_is_divided_and_sums_up():
    found = costs(machine(stay(at(2025, 12, 31, 20), at(2026, 1, 1, 3))))
    assert [(one.month, one.hours) for one in found] == [((2025, 12), 4), ((2026, 1), 3)]


def test_what_is_not_over_is_charged_up_to_now():
    found = costs(machine(stay(at(2026, 11, 30, 12), 0)), now=at(2026, 12, 1, 5))
    assert [one.hours for one in found] == [12, 5]


def test_hours_between_stays_are_free_and_months_without_any_are_left_out():
    found = costs(machine(stay(at(2026, 1, 1), at(2026, 1, 1, 1)), stay(at(2026, 3, 1), at(2026, 3, 1, 2))))
    assert [(one.month.month, one.hours) for one in found] == [(1, 1), (3, 2)]


def test_only_the_months_asked_for_are_told():
    one = machine(stay(at(2026, 1, 1), at(2026, 6, 1)))
    assert [m.month.month for m in costs(one, first=Month(2026, 2), last=Month(2026, 3))] == [2, 3]


def test_hours_that_it_ran_are_told_apart_and_may_be_all_that_cpu_and_memory_cost():
    one = machine(stay(at(2026, 1, 1), at(2026, 1, 1, 10), rstime=at(2026, 1, 1, 2), retime=at(2026, 1, 1, 6)))
    (usual,) = costs(one)
    assert (usual.hours, usual.running_hours) == (10, 4)
    (running,) = costs(one, prices=Prices(cpu_cost=1.0, only_running=True))
    assert running.cpu_cost == pytest.approx(1.5 * 4)


@pytest.mark.parametrize("price", ["-1", "nan", "inf", "1e300", "much"])
def test_a_price_that_is_none_is_the_default(price):
    (found,) = costs(machine(stay(at(2026, 1, 1), at(2026, 1, 1, 2)), CPU_COST=price))
    assert found.cpu_cost == pytest.approx(3)


def test_months_begin_where_the_calendar_says():
    month = Month(1970, 1)
    while month <= Month(2401, 3):
        assert month.begins_at == at(month.year, month.month, 1)
        assert month_of(month.begins_at) == month
        assert month_of(month.after.begins_at - 1) == month
        month = month.after


def test_a_vm_that_never_was_on_a_host_costs_nothing():
    assert costs(machine()) == []
