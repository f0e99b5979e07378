"""How near plans of re-placement come to what no plan can do better, and how long planning takes.

100 hosts and 600 VMs of random demands on random hosts, CPU and memory equally scarce; with equal hosts and with hosts
of three sizes.  In this process: what is measured is CPU time.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.common import Figures
from tests.placement.planners.clusters import fullest, random_cluster
from trifid.placement.planners.balance import balanced
from trifid.placement.planners.bounds import hosts_bound, utilisation_bound
from trifid.placement.planners.columns import columns
from trifid.placement.planners.consolidate import consolidated
from trifid.placement.planners.model import Room, RunningVm, moved
from trifid.placement.planners.spare import losses
from trifid.placement.planners.steps import ordered

Vms, Rooms = Sequence[RunningVm], Sequence[Room]

SIZES = {"equal_hosts": (1.0,), "three_sizes": (0.5, 1.0, 2.0)}
BUSY, IDLE = 0.7, 0.45
"""How much of the hosts the VMs ask for: when they are balanced, and when hosts are emptied."""


def measure(directory: Path, quick: bool) -> Figures:
    """Return times in milliseconds, and gaps to the bounds in percent, over many seeds."""
    seeds = range(5) if quick else range(20)
    figures: Figures = {"hosts": 100, "vms": 600, "seeds": len(seeds)}
    for name, sizes in SIZES.items():
        busy = [random_cluster(seed, utilisation=BUSY, sizes=sizes) for seed in seeds]
        idle = [random_cluster(seed, utilisation=IDLE, sizes=sizes) for seed in seeds]
        figures[name] = {
            "balance": planned(busy, balanced, balance_gap),
            "consolidate": planned(idle, consolidated, consolidation_gap),
            "order_ms": round(statistics.median(order_ms(vms, rooms) for vms, rooms in busy), 1),
            "spare_ms": round(statistics.median(took_ms(lambda one=one: losses(*one)) for one in busy), 1),
        }
    return figures


def planned(
    clusters: Sequence[tuple[Vms, Rooms]],
    planner: Callable[[Vms, Rooms], Mapping[int, int]],
    gap: Callable[[Vms, Vms, Rooms], float],
) -> Figures:
    """Return how long a planner takes, how far its plans are from the bound, and how many VMs they move."""
    times, gaps, moves = [], [], []
    for vms, rooms in clusters:
        targets: Mapping[int, int] = {}

        def plan(vms: Vms = vms, rooms: Rooms = rooms) -> None:
            nonlocal targets
            targets = planner(vms, rooms)

        times.append(took_ms(plan))
        gaps.append(100 * gap(vms, moved(vms, targets), rooms))
        moves.append(len(targets))
    return {
        "median_ms": round(statistics.median(times), 1),
        "longest_ms": round(max(times), 1),
        "worst_gap_percent": round(max(gaps), 2),
        "migrations": round(statistics.median(moves)),
    }


def balance_gap(before: Vms, after: Vms, rooms: Rooms) -> float:
    """Return how far the fullest host is over the bound of the linear relaxation, as a fraction of it."""
    return fullest(after, rooms) / utilisation_bound(columns(before, rooms)) - 1


def consolidation_gap(before: Vms, after: Vms, rooms: Rooms) -> float:
    """Return how many hosts more than the bound of bin packing are used, as a fraction of it."""
    return len({vm.host_id for vm in after}) / hosts_bound(before, rooms) - 1


def order_ms(vms: Vms, rooms: Rooms) -> float:
    """Return how long it takes to bring the migrations of a balancing in order."""
    targets = balanced(vms, rooms)
    return took_ms(lambda: ordered(vms, rooms, targets))


def took_ms(does: Callable[[], object]) -> float:
    """Return the CPU time of something in milliseconds."""
    began = time.process_time()
    does()
    return (time.process_time() - began) * 1000
