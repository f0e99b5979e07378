"""Which hosts have free PCI devices for a VM.

Source: reference/templates.md §6.3.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from trifid.core.pci import Device, match
from trifid.placement.columns import Booleans
from trifid.placement.filters import Filter, count
from trifid.placement.table import HostTable
from trifid.placement.view import HostView, View, WaitingVm

Wishes = tuple[Device, ...]


class Devices(Filter):
    """A free device of the host for each that the VM wishes, no device for two."""

    name = "devices"

    def __init__(self) -> None:
        self._free: list[tuple[Device, ...]] = []
        self._masks: dict[Wishes, Booleans] = {}

    def begin(self, view: View, table: HostTable) -> None:
        self._free = [host.devices for host in table.hosts]
        self._masks = {}

    def put(self, vm: WaitingVm, index: int) -> None:
        if not vm.devices:
            return
        given = set(match(vm.devices, self._free[index]))
        self._free[index] = tuple(device for device in self._free[index] if device not in given)
        for wishes, mask in self._masks.items():
            mask[index] = _has_all(self._free[index], wishes)

    def key(self, vm: WaitingVm) -> Hashable | None:
        return None if vm.devices else ()

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        if not vm.devices:
            return None
        found = self._masks.get(vm.devices)
        if found is None:
            has_all = [_has_all(free, vm.devices) for free in self._free]
            found = self._masks[vm.devices] = np.array(has_all, dtype=np.bool_)
        return found.copy()  # whoever asked may write into it

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        frees = [self._free[table.index[host.id]] for host in hosts]
        for number, wish in enumerate(vm.devices):
            if any(_has_all(free, vm.devices[: number + 1]) for free in frees):
                continue
            best = max(sum(device.suits(wish) for device in free) for free in frees)
            needed = sum(one == wish for one in vm.devices)
            needs = f"needs {needed}, best has {best} free" if needed > 1 else f"{best} free"
            beside = " beside its others" if best >= needed else ""
            return f"{count(len(hosts), 'lack')} a PCI device {wish.kind}{beside} ({needs})"
        # Some host has the first ones, and another the rest.
        return f"{count(len(hosts), 'lack')} one of its {len(vm.devices)} PCI devices"


def _has_all(free: Sequence[Device], wishes: Wishes) -> bool:
    return len(free) >= len(wishes) and None not in match(wishes, free)
