"""What it costs to keep what is measured of 10,000 VMs: written, averaged, deleted, and read again.

In this process, on SQLite, with a clock that goes 30 s between two rounds: the CPU is that of the thread which does it in
an engine.
"""

import random
import time
from pathlib import Path

from bench.common import Figures
from trifid.core.samples import FIVE_MINUTES_S, HOUR_S, Kind
from trifid.engine.sample_keeper import Kept, SampleKeeper, Taken
from trifid.store.samples import open_samples

EVERY_S = 30
AT_ONCE = 3300
"""Samples of one writing: those of ten seconds."""
BEGIN = 1_000_000 * HOUR_S


def measure(directory: Path, quick: bool) -> Figures:
    """Return CPU seconds for 10,000 samples, bytes of one, and how long it takes to read one VM."""
    vms, rounds = (1_000, 21) if quick else (10_000, 41)
    now = BEGIN
    table = open_samples("sqlite:///bench.db", directory)
    keeper = SampleKeeper(table, Kept(raw_s=2 * FIVE_MINUTES_S), lambda: now)
    rng = random.Random(2009)  # noqa: S311  (a fixed sequence)
    plain_s, averaging_s, written = 0.0, 0.0, 0
    for number in range(rounds):
        taken = [_measured(rng, vm_id, number, now) for vm_id in range(vms)]
        begun_s = time.process_time()
        for first in range(0, vms, AT_ONCE):
            keeper.write(taken[first : first + AT_ONCE])
        spent_s = time.process_time() - begun_s
        if number and now % FIVE_MINUTES_S == 0:
            averaging_s += spent_s
        else:
            plain_s += spent_s
        written += vms
        now += EVERY_S
    begun_s = time.perf_counter()
    read = len(keeper.read(Kind.VM, [5], 0, 0, written))
    read_ms = (time.perf_counter() - begun_s) * 1000
    table.close()
    return {
        "cpu_s_per_10000": round((plain_s + averaging_s) / written * 10_000, 3),
        "cpu_s_per_10000_without_averages": round(plain_s / (rounds - (rounds - 1) // 10) / vms * 10_000, 3),
        "read_one_vm_ms": round(read_ms, 2),
        "read_one_vm_samples": read,
    }


def _measured(rng: random.Random, vm_id: int, number: int, now: int) -> Taken:
    counters = ("NETRX", "NETTX", "DISKRDBYTES", "DISKWRBYTES", "DISKRDIOPS", "DISKWRIOPS")
    told = {name: str(number * 10**6 + rng.randrange(10**6)) for name in counters}
    return Taken(Kind.VM, vm_id, now, {"CPU": f"{rng.random() * 100:.1f}", "MEMORY": str(rng.randrange(10**6)), **told})
