"""What it costs to keep what is measured of 10,000 VMs: noted, made rows, averaged, deleted, and read again.

In this process, on SQLite, with a clock that goes 10 s between two writings: the CPU is that of the thread which does
it in an engine.
"""

import random
import time
from pathlib import Path

from bench.common import Figures
from trifid.core.samples import FIVE_MINUTES_S, HOUR_S, Kind
from trifid.engine.sample_keeper import Kept, SampleKeeper, Taken
from trifid.store.samples import open_samples

WRITE_EVERY_S = 10
WRITINGS_PER_ROUND = 3
"""Each VM is measured every 30 s, a third of them before each writing."""
BEGIN = 1_000_000 * HOUR_S
COUNTERS = ("NETRX", "NETTX", "DISKRDBYTES", "DISKWRBYTES", "DISKRDIOPS", "DISKWRIOPS")


def measure(directory: Path, quick: bool) -> Figures:
    """Return CPU seconds and written megabytes for 10,000 samples, and how long it takes to read one VM."""
    vms, writings = (1_000, 63) if quick else (10_000, 123)
    now = BEGIN
    table = open_samples("sqlite:///bench.db", directory)
    keeper = SampleKeeper(table, Kept(raw_s=2 * FIVE_MINUTES_S), lambda: now)
    rng = random.Random(2009)  # noqa: S311  (a fixed sequence)
    spent_s, written, before = 0.0, 0, _written_bytes()
    for number in range(writings):
        taken = [_measured(rng, vm_id, number, now) for vm_id in range(number % 3, vms, WRITINGS_PER_ROUND)]
        begun_s = time.process_time()
        keeper.write(taken)
        spent_s += time.process_time() - begun_s
        written += len(taken)
        now += WRITE_EVERY_S
    megabytes = (_written_bytes() - before) / 10**6
    begun_s = time.perf_counter()
    read = len(keeper.read(Kind.VM, [5], 0, 0, written))
    read_ms = (time.perf_counter() - begun_s) * 1000
    table.close()
    return {
        "cpu_s_per_10000": round(spent_s / written * 10_000, 3),
        "written_mb_per_10000": round(megabytes / written * 10_000, 1),
        "read_one_vm_ms": round(read_ms, 2),
        "read_one_vm_samples": read,
    }


def _measured(rng: random.Random, vm_id: int, number: int, now: int) -> Taken:
    told = {name: str(number * 10**6 + rng.randrange(10**6)) for name in COUNTERS}
    return Taken(Kind.VM, vm_id, now, {"CPU": f"{rng.random() * 100:.1f}", "MEMORY": str(rng.randrange(10**6)), **told})


def _written_bytes() -> int:
    """Return how much this process has handed to the kernel to write."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))
