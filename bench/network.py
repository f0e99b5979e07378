"""How the choice of an address bears many leases: among 1,000,000 addresses of which 100,000 are taken.

In this process and without a database: what is measured is the CPU time of the choice, of the lease in
the draft, and of making it the present.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.common import Figures
from trifid.core.access import ENGINE
from trifid.core.network.record import AddressRange, Lease, Network
from trifid.core.network.security_group import DEFAULT_ID, DEFAULT_NAME, SecurityGroup
from trifid.core.template.model import Template
from trifid.engine.memory import Memory
from trifid.engine.networks import with_leases
from trifid.engine.transaction import Draft
from trifid.store.interface import Snapshot

SIZE = 1_000_000
NETWORK_ID = 0
FIRST_MAC, FIRST_IP = 0x02000A000000, 0x0A000000
HOLDER, ASKER = 1, 2


def measure(directory: Path, quick: bool) -> Figures:
    """Return p50 and p99 of an allocation in microseconds, and how they compare to those of an empty network."""
    leases, runs = (10_000, 500) if quick else (100_000, 5_000)
    rng = random.Random(2009)  # noqa: S311  (a fixed sequence)
    patterns: dict[str, tuple[Iterable[int], Callable[[int], int]]] = {
        "empty": ((), lambda run: run),
        "every_second_taken": (range(0, 2 * leases, 2), lambda run: 2 * rng.randrange(leases)),
        "one_long_run": (range(leases), lambda run: 0),
        "random": (rng.sample(range(SIZE), leases), lambda run: rng.randrange(SIZE)),
    }
    figures: Figures = {"addresses": SIZE, "leases": leases}
    for name, (taken, cursor_of) in patterns.items():
        memory, start_s = loaded(taken)
        figures[name] = allocations(memory, runs, cursor_of) | {"start_s": round(start_s, 2)}
    for name in patterns:
        if name != "empty":
            figures[name]["p50_to_empty"] = round(figures[name]["p50_us"] / figures["empty"]["p50_us"], 2)
            figures[name]["p99_to_empty"] = round(figures[name]["p99_us"] / figures["empty"]["p99_us"], 2)
    return figures


def loaded(taken: Iterable[int]) -> tuple[Memory, float]:
    """Return what an engine knows after a start, and how long that took."""
    ar = AddressRange(id=0, type="IP4", size=SIZE, mac=FIRST_MAC, ip=FIRST_IP)
    network = Network(NETWORK_ID, 0, 0, "lan", "br0", "dummy", ranges=(ar,), next_range_id=1)
    leases = [Lease(NETWORK_ID, 0, index, HOLDER, FIRST_MAC + index, FIRST_IP + index) for index in taken]
    groups = [SecurityGroup(DEFAULT_ID, 0, 0, DEFAULT_NAME)]
    began = time.perf_counter()
    memory = Memory(Snapshot(networks=[network], leases=leases, security_groups=groups))
    return memory, time.perf_counter() - began


def allocations(memory: Memory, runs: int, cursor_of: Callable[[int], int]) -> Figures:
    """Take one address after the other, each a turn of its own, from where the cursor is put before."""
    nic = Template((("NIC", {"NETWORK_ID": str(NETWORK_ID)}),))
    took = []
    for run in range(runs):
        put_cursor(memory, cursor_of(run))
        began = time.thread_time()
        draft = Draft(memory, 0)
        mine = draft.child()
        with_leases(mine, ENGINE, nic, ASKER)
        mine.fold()
        memory.adopt(draft.batch)
        took.append(time.thread_time() - began)
    quantiles = statistics.quantiles(took, n=100)
    return {"p50_us": round(quantiles[49] * 1e6, 1), "p99_us": round(quantiles[98] * 1e6, 1)}


def put_cursor(memory: Memory, index: int) -> None:
    """Let the search begin at an index."""
    network = memory.networks[NETWORK_ID]
    ar = AddressRange(id=0, type="IP4", size=SIZE, mac=FIRST_MAC, ip=FIRST_IP, next_index=index)
    memory.networks[NETWORK_ID] = Network(NETWORK_ID, 0, 0, network.name, "br0", "dummy", ranges=(ar,), next_range_id=1)
