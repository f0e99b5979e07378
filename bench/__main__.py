"""How fast the engine is: real processes, dummy drivers, medians, JSON.

    make bench                  all figures, as a table and as JSON
    .venv/bin/python -m bench --quick --json figures.json

Times are walls of the client and CPU of the daemon (user + system, from the kernel's accounting).  Compare
figures only within one run, or as ratios: machines that are shared drift.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.home import BIN, Api, Home, engine

TEMPLATE = """
NAME = vm{n}
CPU = 0.1
MEMORY = 64
DISK = [ SOURCE = "/images/etch.img", TARGET = sda ]
DISK = [ TYPE = swap, SIZE = 64, TARGET = sdb ]
NIC = [ NETWORK = "lan" ]
CONTEXT = [ HOSTNAME = "vm$VMID", ADDRESS = "$NIC[IP]", SSH_PUBLIC_KEY = "{key}" ]
DESCRIPTION = "one of many"
"""
NETWORK = 'NAME="lan"\nTYPE=RANGED\nBRIDGE=br0\nNETWORK_SIZE=B\nNETWORK_ADDRESS=10.1.0.0'
KEY = "ssh-ed25519 " + "A" * 68

Figures = dict[str, Any]


def template(n: int) -> str:
    """Return the template of VM n."""
    return TEMPLATE.format(n=n, key=KEY)


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


def median_wall_ms(runs: int, *argv: str, env: dict[str, str]) -> float:
    """Return the median wall of a command as a whole process, milliseconds."""
    walls = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([str(BIN / argv[0]), *argv[1:]], check=True, capture_output=True, env=env)
        walls.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(walls), 1)


def to_running(home: Home, vms: int, hosts: int) -> Figures:
    """Submit VMs and return how long it takes until all of them run, through the scheduler."""
    api = Api(home)
    api.call("one.vn.allocate", NETWORK, -1)
    for n in range(hosts):
        api.call("one.host.allocate", f"node{n}", "dummy", "dummy", -1)
    api.until(lambda: all(host["STATE"] == "2" for host in api.hosts()), "all hosts are monitored")
    before, began = cpu_s(home.pid), time.perf_counter()
    ids = [api.call("one.vm.allocate", template(n), False) for n in range(vms)]
    submitted_s = time.perf_counter() - began
    running = "<STATE>3</STATE><LCM_STATE>3</LCM_STATE>"
    api.until(lambda: api.call("one.vmpool.info", -2, -1, -1, 3).count(running) == len(ids), "all run", timeout_s=300)
    wall_s, used_s = time.perf_counter() - began, cpu_s(home.pid) - before
    return {
        "vms": vms,
        "hosts": hosts,
        "submitted_after_s": round(submitted_s, 2),
        "running_after_s": round(wall_s, 2),
        "per_s": round(vms / wall_s, 1),
        "server_cpu_ms_per_vm": round(used_s / vms * 1000, 2),
    }


def measure(directory: Path, quick: bool) -> Figures:
    """Return all figures."""
    calls = 400 if quick else 2000
    figures: Figures = {"machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"}
    with engine(directory / "life") as home:
        figures["allocate_to_running"] = to_running(home, 300, 30)
        figures["memory_mib_with_300_vms"] = memory_mib(home.pid)
        figures["onevm_list_ms_300_vms"] = median_wall_ms(5 if quick else 15, "onevm", "list", env=home.environment)
        vm_id = 5
        size = len(Api(home).call("one.vm.info", vm_id))
        figures["vm_info"] = {**rate(home, calls, 1, lambda api, n: api.call("one.vm.info", vm_id)), "bytes": size}
        figures["vmpool_info_300_vms"] = rate(
            home, calls // 10, 1, lambda api, n: api.call("one.vmpool.info", -2, -1, -1, -1)
        )
        home.stop()
        began = time.perf_counter()
        home.start()
        figures["start_s_with_300_vms"] = round(time.perf_counter() - began, 2)
    with engine(directory / "calls") as home:
        Api(home).call("one.vn.allocate", NETWORK, -1)
        Api(home).call("one.vm.allocate", template(0), True)
        figures["onevm_list_ms_1_vm"] = median_wall_ms(5 if quick else 15, "onevm", "list", env=home.environment)
        hold = lambda api, n: api.call("one.vm.allocate", template(n), True)  # noqa: E731
        figures["vm_allocate_1_client"] = rate(home, calls, 1, hold)
        figures["vm_allocate_16_clients"] = rate(home, calls, 16, hold)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer calls, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trifid-bench-") as directory:
        figures = measure(Path(directory), arguments.quick)
    text = json.dumps(figures, indent=2)
    if arguments.json:
        arguments.json.write_text(f"{text}\n")
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
