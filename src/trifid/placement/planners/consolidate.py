"""Consolidation: as many hosts as possible shall carry no VM, so that they can be switched off."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from trifid.placement.planners.bounds import hosts_bound
from trifid.placement.planners.columns import Columns, Floats, Indices, columns
from trifid.placement.planners.model import Allows, Room, RunningVm
from trifid.placement.planners.search import Wish, search

_FULLEST_FIRST = -1e-7
_PATIENCE = 60
_KEPT_BACK_MAX = 4
"""How often a set of hosts is changed because some host of it cannot be emptied."""


def consolidated(
    vms: Sequence[RunningVm], rooms: Sequence[Room], *, migrations_max: int | None = None, allows: Allows | None = None
) -> Mapping[int, int]:
    """Return VM id to host id of the VMs that should move, so that as few hosts as possible carry any.

    With a limit of migrations as many hosts are emptied as it is enough for.  Closed hosts, and VMs on them, are
    left as they are; what a host may promise is never exceeded.
    """
    open_ = columns(vms, [room for room in rooms if room.is_open])
    loads = open_.loads(open_.homes)
    used = int((loads > 0).any(axis=1).sum())
    least = _least(open_)
    order = _order(open_, loads)

    def emptied(count: int) -> Indices | None:
        return _emptied(open_, order, count, migrations_max, allows)

    return open_.targets(_fewest(range(least, used), emptied, open_.homes, is_limited=migrations_max is not None))


def _fewest(counts: range, emptied: Callable[[int], Indices | None], homes: Indices, *, is_limited: bool) -> Indices:
    """Return where VMs are when they are on the fewest hosts for which a way is found."""
    best = homes
    if is_limited:
        # Few migrations empty few hosts: one more as long as they are enough.
        for count in reversed(counts):
            found = emptied(count)
            if found is None:
                break
            best = found
        return best
    # A way is often found next to the bound: from there away from it, further and further, and then back by halves.
    failed, away = counts.start - 1, 1
    for count in _away_from(counts):
        if (found := emptied(count)) is not None:
            best, away = found, count
            break
        failed = count
    else:
        return homes
    while away - failed > 1:
        middle = (failed + away) // 2
        if (found := emptied(middle)) is None:
            failed = middle
        else:
            best, away = found, middle
    return best


def _away_from(counts: range) -> Iterator[int]:
    """Yield counts that are further and further apart, and the last one."""
    count, step = counts.start, 1
    while count < counts.stop - 1:
        yield count
        count, step = count + step, step * 2
    if counts:
        yield counts.stop - 1


def _least(columns: Columns) -> int:
    """Return how many hosts must be kept: for their VMs' sizes, and for VMs that cannot leave."""
    vms = [*columns.vms, *columns.fixed_vms]
    rooms = [
        Room(host_id, int(cpu_percent), int(memory_mib))
        for host_id, (cpu_percent, memory_mib) in zip(columns.host_ids, columns.capacities, strict=True)
    ]
    return max(hosts_bound(vms, rooms), int((columns.fixed > 0).any(axis=1).sum()))


def _order(columns: Columns, loads: Floats) -> list[int]:
    """Return the hosts, those first that are best kept: with VMs that cannot leave, large, and full."""
    is_stuck = (columns.fixed > 0).any(axis=1)
    # Hosts that differ by little count as equally large, so that what is full already is kept.
    size = (columns.capacities / np.maximum(loads.sum(axis=0), 1.0)).min(axis=1)
    size = np.round(size / size.max(initial=0.0), 2)
    fullness = (loads / columns.capacities).max(axis=1)
    return [int(host) for host in np.lexsort((np.arange(len(size)), -fullness, -size, ~is_stuck))]


def _emptied(
    columns: Columns, order: list[int], count: int, migrations_max: int | None, allows: Allows | None
) -> Indices | None:
    """Return where VMs are when only `count` hosts carry any; None when it was not found.

    Where a host cannot be emptied, it is kept in the place of another.
    """
    order = list(order)
    for _ in range(_KEPT_BACK_MAX):
        ceilings = np.zeros_like(columns.capacities)
        ceilings[order[:count]] = columns.capacities[order[:count]]
        wish = Wish(ceilings, migrations_max, fullness_weight=_FULLEST_FIRST, patience=_PATIENCE)
        found = search(columns, columns.homes, wish, allows)
        if found.over <= 0.0:
            return found.where
        loads = columns.loads(found.where)
        stuck = [host for host in order[count:] if loads[host].any()]
        if not stuck:
            break
        order = [*stuck, *(host for host in order if host not in stuck)]
    return None
