"""Accounting: which stays of VMs on hosts fall into a span of time.

Source: reference/api-modern.md §4 (vmpool.accounting), §5.5 (acct.xsd).
"""

from trifid.core.vm.record import VM, HistoryRecord

UNBOUNDED = -1


def stays_within(vm: VM, start: int, end: int) -> tuple[HistoryRecord, ...]:
    """Return the stays of a VM that were not over before `start` and had begun by `end`, oldest first.

    Args:
        start, end: epoch seconds, UNBOUNDED = from the beginning, to the end.
    """
    return tuple(
        stay
        for stay in vm.history
        if (end == UNBOUNDED or stay.stime <= end) and (start == UNBOUNDED or not stay.etime or stay.etime >= start)
    )
