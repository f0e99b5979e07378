"""What no plan can do better: bounds to measure plans against, and to know when to stop searching."""

from collections.abc import Iterable, Sequence

import numpy as np

from trifid.placement.planners.columns import Columns, Flags
from trifid.placement.planners.model import Room, RunningVm


def utilisation_bound(columns: Columns) -> float:
    """Return what the fullest host carries at least, as a fraction, even if VMs could be cut in pieces.

    Of all hosts together, and of each set of hosts that some VMs are confined to, for each resource what is asked
    over what there is; and of each VM the host where it is the smallest part.
    """
    if not len(columns.host_ids):
        return 0.0
    capacities, fixed = columns.capacities, columns.fixed
    bound = float((fixed / capacities).max())
    for hosts in _confinements(columns):
        inside = ~(columns.allowed[:, ~hosts].any(axis=1)) if columns.allowed is not None else slice(None)
        asked = columns.demands[inside].sum(axis=0) + fixed[hosts].sum(axis=0)
        bound = max(bound, float((asked / capacities[hosts].sum(axis=0)).max()))
    return max(bound, _largest_vm(columns))


def _confinements(columns: Columns) -> Iterable[Flags]:
    """Yield sets of hosts whose VMs cannot be elsewhere: all, and those that VMs are confined to."""
    yield np.ones(len(columns.host_ids), dtype=np.bool_)
    if columns.allowed is not None:
        yield from np.unique(columns.allowed, axis=0)


def _largest_vm(columns: Columns) -> float:
    """Return the utilisation of the best host of the VM whose best host is the fullest, were it alone there."""
    largest = 0.0
    for index, demand in enumerate(columns.demands):
        allowed = slice(None) if columns.allowed is None else columns.allowed[index]
        with_it = ((columns.fixed[allowed] + demand) / columns.capacities[allowed]).max(axis=1)
        largest = max(largest, float(with_it.min()))
    return largest


def hosts_bound(vms: Sequence[RunningVm], rooms: Sequence[Room]) -> int:
    """Return how many hosts it takes at least to carry VMs, whatever is moved."""
    return max(
        _of_resource([vm.cpu_percent for vm in vms], [room.cpu_percent for room in rooms]),
        _of_resource([vm.memory_mib for vm in vms], [room.memory_mib for room in rooms]),
    )


def _of_resource(demands: list[int], capacities: list[int]) -> int:
    """Return the larger one of two bounds for one resource.

    The first: the largest hosts whose capacities together reach the demands.  The second, for VMs so large that two
    of some kinds do not fit together, is L2 of Martello and Toth, as if all hosts were as large as the largest.
    """
    total, hosts = sum(demands), 0
    for capacity in sorted(capacities, reverse=True):
        if total <= 0:
            break
        total, hosts = total - capacity, hosts + 1
    return max(hosts, _l2(demands, max(capacities, default=0)))


def _l2(demands: list[int], capacity: int) -> int:
    """Return the bound L2 of bin packing.

    Source: S. Martello and P. Toth, Lower bounds and reduction procedures for the bin packing problem, 1990.
    """
    if capacity <= 0:
        return 0
    sizes = np.sort(np.array([size for size in demands if size > 0], dtype=np.int64))
    best = 0
    for small in {0, *(int(size) for size in sizes if 2 * size <= capacity)}:
        alone = sizes[sizes > capacity - small]
        halves = sizes[(sizes <= capacity - small) & (2 * sizes > capacity)]
        rest = int(sizes[(sizes >= small) & (2 * sizes <= capacity)].sum())
        beside = len(halves) * capacity - int(halves.sum())
        best = max(best, len(alone) + len(halves) + max(0, -(-(rest - beside) // capacity)))
    return best
