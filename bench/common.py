"""What the parts of the bench have in common: CPU and memory of processes, medians, rates of calls."""

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.system.home import BIN, Api, Home

Figures = dict[str, Any]


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Return the proportional share of memory of a process, MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def rate(home: Home, calls: int, clients: int, call: Callable[[Api, int], object]) -> Figures:
    """Make calls over several connections; return calls a second and daemon CPU per call."""
    apis = [Api(home) for _ in range(clients)]
    for api in apis:
        call(api, -1)  # the first call of a session checks the password, which is slow on purpose
    share = calls // clients

    def work(number: int) -> None:
        for n in range(share):
            call(apis[number], number * share + n)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    before, began = cpu_s(home.pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_s, used_s = time.perf_counter() - began, cpu_s(home.pid) - before
    done = share * clients
    return {"per_s": round(done / wall_s), "server_cpu_us": round(used_s / done * 1e6)}


def command_ms(runs: int, *argv: str, env: dict[str, str]) -> float:
    """Return the median wall of a command as a whole process, milliseconds."""
    command = [str(BIN / argv[0]), *argv[1:]]
    walls = [wall_s(lambda: subprocess.run(command, check=True, capture_output=True, env=env)) for _ in range(runs)]
    return round(statistics.median(walls) * 1000, 1)


def wall_s(does: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    does()
    return time.perf_counter() - began


def side_by_side(
    runs: int, contenders: Mapping[str, Callable[[int], float]], prepare: Callable[[], object] = os.sync
) -> dict[str, list[float]]:
    """Let contenders take turns; return the seconds that each one says it took, turn by turn.

    Args:
        contenders: name to what does it, told the number of the turn.
        prepare: called before each; what one has left to be written is not at the cost of the next.
    """
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(runs):
        for name, does in contenders.items():
            prepare()
            took[name].append(does(turn))
    return took


def compared(took: Mapping[str, Sequence[float]], *references: str) -> Figures:
    """Return the median seconds of each contender, and how many times those of the references it took.

    The latter is the median over the turns, so that what else the machine does in one turn concerns both.
    """
    figures: Figures = {f"{name}_s": round(statistics.median(walls), 3) for name, walls in took.items()}
    for name in took.keys() - references:
        for other in references:
            times = [mine / theirs for mine, theirs in zip(took[name], took[other], strict=True)]
            figures[f"{name}_by_{other}"] = round(statistics.median(times), 2)
    return dict(sorted(figures.items()))
