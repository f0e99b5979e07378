"""A host and what a plan has put on it so far."""

from trifid.placement.view import MONITORED, HostView, WaitingVm

_USAGE = frozenset(("CPU_USAGE", "MEM_USAGE", "FREE_CPU", "FREECPU", "FREE_MEMORY", "FREEMEMORY", "FREE_MEM"))
CHANGING = _USAGE | {"RUNNING_VMS", "CURRENT_VMS"}
"""Attributes that a placement changes at once, so that the next VM sees it."""


class HostLoad:
    """A host and what this plan has put on it so far."""

    __slots__ = ("cpu_percent", "id", "memory_kib", "version", "view", "vms")

    def __init__(self, view: HostView) -> None:
        self.view = view
        self.id = view.id
        self.cpu_percent = view.free_cpu_percent
        self.memory_kib = view.free_memory_kib
        self.vms: list[int] = []
        self.version = 0

    def takes(self, vm: WaitingVm) -> bool:
        """Whether it may be considered at all, capacity apart."""
        view = self.view
        if view.state != MONITORED or view.id == vm.host_id or vm.vmm not in ("", view.vmm):
            return False
        if view.id in vm.banned_host_ids:
            return False
        return vm.cluster_ids is None or view.cluster_id in vm.cluster_ids

    def has_room(self, vm: WaitingVm) -> bool:
        return vm.cpu_percent <= self.cpu_percent and vm.memory_mib * 1024 <= self.memory_kib

    def put(self, vm: WaitingVm) -> None:
        self.cpu_percent -= vm.cpu_percent
        self.memory_kib -= vm.memory_mib * 1024
        self.vms.append(vm.id)
        self.version += 1

    def all_of(self, name: str) -> list[str]:
        """Return every occurrence of an attribute, as changed by this plan."""
        if name not in CHANGING:
            return self.view.attributes.get(name, [])
        if name == "CURRENT_VMS":
            return [str(vm_id) for vm_id in (*sorted(self.view.vm_ids), *self.vms)]
        if name == "RUNNING_VMS":
            return [str(self.view.running_vms + len(self.vms))]
        values = self.view.attributes.get(name, [])
        if not self.vms or not values:
            return values
        is_cpu = "CPU" in name
        taken = self.view.free_cpu_percent - self.cpu_percent if is_cpu else self.view.free_memory_kib - self.memory_kib
        try:
            return [str(int(values[0]) + (taken if "USAGE" in name else -taken))]
        except ValueError:
            return values

    def first_of(self, name: str) -> str | None:
        values = self.all_of(name)
        return values[0] if values else None
