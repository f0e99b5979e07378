"""How fast the engine is: VMs through the scheduler, and calls."""

import time
from pathlib import Path

from bench.common import Figures, command_ms, cpu_s, memory_mib, rate, wall_s
from tests.system.home import Api, Home, engine

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


def template(n: int) -> str:
    """Return the template of VM n."""
    return TEMPLATE.format(n=n, key=KEY)


def measure(directory: Path, quick: bool) -> Figures:
    """Return the figures of an engine with 300 VMs, and of one that takes many."""
    calls, commands = (400, 5) if quick else (2000, 15)
    figures: Figures = {}
    with engine(directory / "life") as home:
        figures["allocate_to_running"] = to_running(home, 300, 30)
        figures["memory_mib_with_300_vms"] = memory_mib(home.pid)
        figures["onevm_list_ms_300_vms"] = command_ms(commands, "onevm", "list", env=home.environment)
        vm_id = 5
        size = len(Api(home).call("one.vm.info", vm_id))
        figures["vm_info"] = {**rate(home, calls, 1, lambda api, n: api.call("one.vm.info", vm_id)), "bytes": size}
        figures["vmpool_info_300_vms"] = rate(
            home, calls // 10, 1, lambda api, n: api.call("one.vmpool.info", -2, -1, -1, -1)
        )
        home.stop()
        figures["start_s_with_300_vms"] = round(wall_s(home.start), 2)
    with engine(directory / "calls") as home:
        Api(home).call("one.vn.allocate", NETWORK, -1)
        Api(home).call("one.vm.allocate", template(0), True)
        figures["onevm_list_ms_1_vm"] = command_ms(commands, "onevm", "list", env=home.environment)
        hold = lambda api, n: api.call("one.vm.allocate", template(n), True)  # noqa: E731
        figures["vm_allocate_1_client"] = rate(home, calls, 1, hold)
        figures["vm_allocate_16_clients"] = rate(home, calls, 16, hold)
    return figures


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
