"""Many seeds, in several processes, and what came of all of them together."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from trifid.core.vm.table import ROWS
from trifid.simulator.faults import KINDS
from trifid.simulator.simulation import History, Options, Simulation

PROCESSES_MAX = 2


class Summary(msgspec.Struct):
    """What came of many seeds.

    Attributes:
        hours: of virtual time, all together.
        struck: every kind of fault that may strike, with how often it did.
        rows_fired, rows: of the table of the life cycle.
        never_fired: the rows that never did, as `STATE Event`.
        broken: the seeds whose invariants did not hold.
    """

    seeds: int = 0
    hours: float = 0.0
    steps: int = 0
    struck: dict[str, int] = {}
    calls: dict[str, int] = {}
    rows_fired: int = 0
    rows: int = 0
    never_fired: list[str] = []
    broken: list[History] = []


def _one(work: tuple[int, Options]) -> History:
    seed, options = work
    outcome = Simulation(seed, options).run()
    return outcome if outcome.broken else msgspec.structs.replace(outcome, story=[])


def outcomes(seeds: Sequence[int], options: Options, processes: int = 0) -> Iterator[History]:
    """Yield what came of each seed, as it is known.

    Args:
        processes: how many work at it; 0 = as many as there are processors, up to PROCESSES_MAX.
    """
    processes = min(processes or min(PROCESSES_MAX, os.cpu_count() or 1), len(seeds))
    work = [(seed, options) for seed in seeds]
    if processes <= 1:
        yield from map(_one, work)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_one, work, chunksize=max(1, min(8, len(work) // processes)))


def summary(of: Iterable[History], options: Options, hear: Callable[[History], None] = lambda one: None) -> Summary:
    """Add up outcomes, telling each one."""
    total = Summary()
    struck, calls, fired = Counter[str](), Counter[str](), Counter[str]()
    for one in of:
        hear(one)
        total.seeds += 1
        total.hours += one.hours
        total.steps += one.steps
        struck.update(one.struck)
        calls.update(one.calls)
        fired.update(one.fired)
        if one.broken:
            total.broken.append(one)
    rows = [f"{row.start.name} {row.event.__name__}" for row in ROWS]
    total.struck = {kind: struck[kind] for kind in KINDS if kind in options.faults}
    total.calls = dict(sorted(calls.items()))
    total.never_fired = [name for name in rows if name not in fired]
    total.rows, total.rows_fired = len(rows), len(rows) - len(total.never_fired)
    total.broken.sort(key=lambda one: one.seed)
    return total
