"""Clusters that nobody has: made up from a seed, for trying policies out and for measuring.

The same seed and numbers give the same cluster.  Hosts are of a few kinds and carry some VMs already; VMs are of
the usual sizes, belong to several users, and ask for hosts in as many different texts as wanted.
"""

from typing import Any

import numpy as np

from trifid.core.image.datastore import Datastore, DatastoreType
from trifid.core.vm.files import Files
from trifid.placement.view import MONITORED, DatastoreView, Expression, HostView, PlacedVm, Usage, View, WaitingVm

NOW = 1_800_000_000
"""When it is in a made-up cluster, seconds since 1970."""

_HOST_KINDS = ((16, 64), (32, 256), (64, 512), (128, 1024))
"""Cores and GiB of memory."""
_HOST_SHARES = (0.2, 0.4, 0.3, 0.1)
_VM_KINDS = ((1, 2), (2, 4), (2, 8), (4, 8), (4, 16), (8, 32), (16, 64))
_VM_SHARES = (0.25, 0.2, 0.15, 0.15, 0.12, 0.09, 0.04)
_HYPERVISORS = ("kvm", "kvm", "kvm", "qemu")
_ARCHITECTURES = ("x86_64", "x86_64", "x86_64", "aarch64")
_HOSTS_OF_RACK, _HOSTS_OF_CLUSTER = 20, 500
_BROKEN = 0.02
"""Of the hosts, in error."""
_CARRIED_MAX = 4
_USERS = 20
_OTHER_ATTRIBUTES = {"IM_MAD": ["kvm"], "VM_MAD": ["kvm"], "VERSION": ["7"], "CPUSPEED": ["2600"]}
_LCM_RUNNING, _ERROR = 3, 3


def synthetic(seed: int, hosts: int, vms: int, expressions: int = 0) -> View:
    """Return a made-up cluster with waiting VMs.

    Args:
        seed: any whole number from 0 on.
        hosts, vms: how many there are, and how many wait.
        expressions: different requirements among the VMs, and as many ranks; 0 = no VM asks for anything.
    """
    dice = np.random.Generator(np.random.PCG64(seed))
    host_kinds = _drawn(dice, len(_HOST_KINDS), hosts, _HOST_SHARES)
    carried = dice.integers(0, _CARRIED_MAX + 1, hosts).tolist()
    running = _running(dice, carried)
    made = tuple(_host(dice, host_id, *_HOST_KINDS[kind], running[host_id]) for host_id, kind in enumerate(host_kinds))
    placed = tuple(vm for on_host in running for vm in on_host)
    clusters = tuple(range(1 + max(0, hosts - 1) // _HOSTS_OF_CLUSTER))
    waiting = _waiting(dice, len(placed), vms, expressions, racks=1 + hosts // _HOSTS_OF_RACK)
    return View(waiting, made, _datastores(clusters), placed, _usages(placed), now=NOW)


def requirement(number: int, racks: int) -> str:
    """Return the text of a requirement; each number gives another one, and most hosts meet each."""
    rack = number % (racks + 1)  # one more than there are: where there is one rack only, it is not always the wrong one
    texts = (
        f'HYPERVISOR = "kvm" & FREE_MEMORY > {number}',
        f'ARCH = "x86*" & !(RACK = "r{rack}") & PRIORITY < {10 + number}',
        f'(HYPERVISOR = "k*" | RACK = "r{rack}") & RUNNING_VMS < {1000 + number}',
        f'HOSTNAME != "host-{number}"',
    )
    return texts[number % len(texts)]


def rank(number: int) -> str:
    """Return the text of a rank; each number gives another one, and every third is none."""
    texts = ("", f"FREE_CPU * {number} + FREE_MEMORY", f"CPUSPEED - {number} * RUNNING_VMS")
    return texts[number % len(texts)]


def _drawn(dice: np.random.Generator, kinds: int, count: int, shares: tuple[float, ...]) -> list[int]:
    found: list[int] = dice.choice(kinds, count, p=shares).tolist()
    return found


def _running(dice: np.random.Generator, carried: list[int]) -> list[list[PlacedVm]]:
    """Return the VMs that each host has already."""
    count = sum(carried)
    kinds = iter(_drawn(dice, 5, count, (0.3, 0.2, 0.2, 0.2, 0.1)))
    owners = iter(dice.integers(2, 2 + _USERS, count).tolist())
    ages_s = iter(dice.integers(60, 90 * 86400, count).tolist())
    found: list[list[PlacedVm]] = []
    vm_id = 0
    for host_id, number in enumerate(carried):
        found.append([])
        for _ in range(number):
            cores, memory_gib = _VM_KINDS[next(kinds)]
            uid, since = next(owners), NOW - next(ages_s)
            found[-1].append(
                PlacedVm(
                    id=vm_id,
                    host_id=host_id,
                    cpu_percent=cores * 100,
                    memory_mib=memory_gib << 10,
                    state=3,
                    lcm_state=_LCM_RUNNING,
                    name=f"vm-{vm_id}",
                    uid=uid,
                    gid=1,
                    since=since,
                    here_since=since,
                    vmm="kvm",
                )
            )
            vm_id += 1
    return found


def _host(dice: np.random.Generator, host_id: int, cores: int, memory_gib: int, vms: list[PlacedVm]) -> HostView:
    name = f"host-{host_id}"
    cpu_percent, memory_kib = cores * 100, memory_gib << 20
    cpu_usage = sum(vm.cpu_percent for vm in vms)
    memory_usage_kib = sum(vm.memory_mib for vm in vms) << 10
    hypervisor, architecture, busy, broken = dice.random(4).tolist()
    used_cpu, used_memory_kib = int(cpu_usage * busy), int(memory_usage_kib * (busy + 1) / 2)
    cluster_id = host_id // _HOSTS_OF_CLUSTER
    figures: dict[str, Any] = {
        "ID": host_id,
        "NAME": name,
        "HOSTNAME": name,
        "CLUSTER_ID": cluster_id,
        "CLUSTER": f"cluster-{cluster_id}",
        "RACK": f"r{host_id // _HOSTS_OF_RACK}",
        "PRIORITY": host_id % 10,
        "HYPERVISOR": _HYPERVISORS[int(hypervisor * len(_HYPERVISORS))],
        "ARCH": _ARCHITECTURES[int(architecture * len(_ARCHITECTURES))],
        "RUNNING_VMS": len(vms),
        "MAX_CPU": cpu_percent,
        "MAX_MEM": memory_kib,
        "CPU_USAGE": cpu_usage,
        "MEM_USAGE": memory_usage_kib,
        "TOTAL_CPU": cpu_percent,
        "TOTALCPU": cpu_percent,
        "TOTAL_MEM": memory_kib,
        "TOTALMEMORY": memory_kib,
        "FREE_CPU": cpu_percent - used_cpu,
        "FREECPU": cpu_percent - used_cpu,
        "FREE_MEMORY": memory_kib - used_memory_kib,
        "FREEMEMORY": memory_kib - used_memory_kib,
        "FREE_MEM": memory_kib - used_memory_kib,
        "USED_CPU": used_cpu,
        "USED_MEMORY": used_memory_kib,
    }
    return HostView(
        id=host_id,
        name=name,
        state=_ERROR if broken < _BROKEN else MONITORED,
        vmm="kvm",
        free_cpu_percent=cpu_percent - cpu_usage,
        free_memory_kib=memory_kib - memory_usage_kib,
        running_vms=len(vms),
        attributes={**_OTHER_ATTRIBUTES, **{key: [str(value)] for key, value in figures.items()}},
        vm_ids=frozenset(vm.id for vm in vms),
        cluster_id=cluster_id,
        max_cpu_percent=cpu_percent,
        max_memory_kib=memory_kib,
    )


def _waiting(
    dice: np.random.Generator, first_id: int, count: int, expressions: int, racks: int
) -> tuple[WaitingVm, ...]:
    kinds = _drawn(dice, len(_VM_KINDS), count, _VM_SHARES)
    # Few users ask for most: what makes shares matter.
    owners = (dice.integers(0, _USERS, count) * dice.random(count)).astype(int).tolist()
    ages_s = sorted(dice.integers(0, 3600, count).tolist(), reverse=True)
    disks_mib = (dice.integers(1, 9, count) * 4096).tolist()
    asked = dice.permutation(np.arange(count) % expressions).tolist() if expressions else []
    found = []
    for number in range(count):
        cores, memory_gib = _VM_KINDS[kinds[number]]
        wish = asked[number] if asked else None
        found.append(
            WaitingVm(
                id=first_id + number,
                cpu_percent=cores * 100,
                memory_mib=memory_gib << 10,
                requirement=Expression(
                    "" if wish is None else requirement(wish, racks), "modern", "SCHED_REQUIREMENTS"
                ),
                rank=Expression("" if wish is None else rank(wish), "modern", "SCHED_RANK"),
                files=Files(cloned_mib=disks_mib[number], images_in=frozenset((1,))),
                name=f"vm-{first_id + number}",
                uid=2 + owners[number],
                gid=1,
                since=NOW - ages_s[number],
            )
        )
    return tuple(found)


def _datastores(cluster_ids: tuple[int, ...]) -> tuple[DatastoreView, ...]:
    """Return one datastore of images, and one for VMs whose room is never short."""
    images = Datastore(1, 0, 0, "default", DatastoreType.IMAGE, "fs", "shared", cluster_ids=cluster_ids)
    system = Datastore(0, 0, 0, "system", DatastoreType.SYSTEM, "", "shared", cluster_ids=cluster_ids)
    free_mib = 1 << 40
    attributes = {"ID": ["0"], "NAME": ["system"], "FREE_MB": [str(free_mib)], "TM_MAD": ["shared"]}
    return DatastoreView(system, free_mib, 0, attributes), DatastoreView(images)


def _usages(placed: tuple[PlacedVm, ...]) -> tuple[Usage, ...]:
    """Return what each user has; weights are 1, 2, 4, 1, 2, 4 …."""
    cpu_percent, memory_mib = [0] * _USERS, [0] * _USERS
    for vm in placed:
        cpu_percent[vm.uid - 2] += vm.cpu_percent
        memory_mib[vm.uid - 2] += vm.memory_mib
    return tuple(Usage(2 + n, cpu_percent[n], memory_mib[n], float(1 << n % 3)) for n in range(_USERS))
