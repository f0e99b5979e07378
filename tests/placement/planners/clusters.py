"""Clusters to plan for: as random ones of the size that the figures are about, and small ones by Hypothesis."""

import random

from hypothesis import strategies as st

from trifid.placement.planners.model import Room, RunningVm, moved, usages

CPU_PERCENT, MEMORY_MIB = 3200, 131_072


def random_cluster(seed, *, hosts=100, vms=600, utilisation=0.7, sizes=(1.0,)):
    """VMs of random demands on random hosts that have room for them; CPU and memory are asked for equally much.

    Args:
        utilisation: what the VMs ask for together, as a fraction of the hosts.
        sizes: a host is as many times as large as the usual one.
    """
    rng = random.Random(seed)
    factors = [rng.choice(sizes) for _ in range(hosts)]
    rooms = [Room(n, int(CPU_PERCENT * factor), int(MEMORY_MIB * factor)) for n, factor in enumerate(factors)]
    parts = [(rng.uniform(0.1, 1), rng.uniform(0.1, 1)) for _ in range(vms)]
    cpu_unit = utilisation * sum(room.cpu_percent for room in rooms) / sum(cpu for cpu, _ in parts)
    memory_unit = utilisation * sum(room.memory_mib for room in rooms) / sum(memory for _, memory in parts)
    free = {room.host_id: [room.cpu_percent, room.memory_mib] for room in rooms}
    placed = []
    # The large ones first, or there is no room for them in the end.
    for number, (cpu, memory) in enumerate(sorted(parts, key=max, reverse=True)):
        asked = int(cpu * cpu_unit), int(memory * memory_unit)
        fitting = [host for host, room in free.items() if room[0] >= asked[0] and room[1] >= asked[1]]
        host = rng.choice(fitting)
        free[host] = [room - part for room, part in zip(free[host], asked, strict=True)]
        placed.append(RunningVm(number, host, *asked))
    return placed, rooms


@st.composite
def clusters(draw, vms_max=20, hosts_max=6):
    """Small clusters in which no host is overcommitted; some hosts are closed, some VMs may not be everywhere."""
    rooms = [
        Room(n, draw(st.sampled_from([400, 800, 1600])), draw(st.sampled_from([4096, 8192])), draw(st.booleans()))
        for n in range(draw(st.integers(1, hosts_max)))
    ]
    vms = []
    for number in range(draw(st.integers(0, vms_max))):
        host = draw(st.sampled_from(rooms))
        vm = RunningVm(
            number,
            host.host_id,
            draw(st.sampled_from([10, 50, 100, 350])),
            draw(st.sampled_from([128, 512, 1500, 3000])),
            draw(st.none() | st.frozensets(st.integers(0, hosts_max - 1), max_size=3)),
        )
        if usages(vms, rooms)[host.host_id].plus(vm).share_of(host) <= 1:
            vms.append(vm)
    return vms, rooms


def fullest(vms, rooms):
    """The largest utilisation of an open host."""
    used = usages(vms, rooms)
    return max((used[room.host_id].share_of(room) for room in rooms if room.is_open), default=0.0)


def apart(ids):
    """A rule of affinity: no two of these VMs on one host; while one moves it counts on both."""

    def allows(vm_id, host_id, places):
        return vm_id not in ids or not any(host_id in places.get(other, ()) for other in ids if other != vm_id)

    return allows


def after(vms, targets):
    """Where each VM is once `targets` are reached."""
    return {vm.id: vm.host_id for vm in moved(vms, targets)}
