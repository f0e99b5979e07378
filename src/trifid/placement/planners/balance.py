"""Balance: the fullest host shall be as little full as possible, with few migrations."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from trifid.placement.planners.bounds import utilisation_bound
from trifid.placement.planners.columns import Columns, Indices, columns
from trifid.placement.planners.model import Allows, Room, RunningVm
from trifid.placement.planners.search import Wish, search

GAP = 0.008
"""How far over the bound is good enough: the last thousandths cost most migrations."""
_ROUNDS = 8


def balanced(
    vms: Sequence[RunningVm],
    rooms: Sequence[Room],
    *,
    migrations_max: int | None = None,
    gain_min: float = 0.0,
    at_once: bool = False,
    allows: Allows | None = None,
) -> Mapping[int, int]:
    """Return VM id to host id of the VMs that should move, so that the largest utilisation is as low as can be.

    The utilisation of a host is the larger one of its fractions of CPU and of memory.  Closed hosts, and VMs on
    them, are left as they are.

    Args:
        at_once: with exchanges only that find room at once, where hosts are so full that there is little to turn.
        gain_min: nothing moves where the largest utilisation cannot fall by as much, as a fraction of a host.
    """
    open_ = columns(vms, [room for room in rooms if room.is_open])
    if not open_.vms or len(open_.host_ids) < 2:
        return {}
    bound = utilisation_bound(open_)
    if _worst(open_, open_.homes) - bound < gain_min:
        return {}
    best = _searched(open_, bound, Wish(open_.capacities, migrations_max, at_once), allows)
    return open_.targets(_homewards(open_, best, allows))


def _searched(columns: Columns, bound: float, wish: Wish, allows: Allows | None) -> Indices:
    """Return where VMs should be: near the bound, or, where VMs come in lumps, between it and what is by halves."""
    best, highest, lowest = columns.homes, _worst(columns, columns.homes), bound
    ceiling = bound * (1 + GAP)
    for _ in range(_ROUNDS):
        if highest <= ceiling or highest - lowest < bound * GAP:
            break
        found = search(columns, columns.homes, replace(wish, ceilings=columns.capacities * ceiling), allows)
        if (worst := _worst(columns, found.where)) < highest:
            best, highest = found.where, worst
        if found.over > 0.0:
            lowest = ceiling
        ceiling = (lowest + highest) / 2
    return best


def _worst(columns: Columns, where: Indices) -> float:
    return float((columns.loads(where) / columns.capacities).max(initial=0.0))


def _homewards(columns: Columns, where: Indices, allows: Allows | None) -> Indices:
    """Return the same with those VMs at home again whose move is not needed for the largest utilisation."""
    where = where.copy()
    ceilings = columns.capacities * _worst(columns, where)
    loads = columns.loads(where)
    for index in np.flatnonzero(where != columns.homes):
        home, demand = columns.homes[index], columns.demands[index]
        if allows is None and (loads[home] + demand <= ceilings[home]).all():
            loads[where[index]] -= demand
            loads[home] += demand
            where[index] = home
    return where
