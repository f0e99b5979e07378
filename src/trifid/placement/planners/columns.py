"""VMs and hosts as columns of numbers, for searches that look at all of them at once."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from trifid.placement.planners.model import Room, RunningVm

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


class Columns(msgspec.Struct, frozen=True):
    """Some hosts, and the VMs on them; a VM and a host are known by their places in the columns.

    Attributes:
        vms: those that may move, lowest id first.
        demands: CPU percent and memory MiB of each of them.
        homes: the host where each is today.
        allowed: VM by host, whether it may be there; None = all may be everywhere.
        host_ids: lowest first.
        capacities, fixed: CPU percent and memory MiB of each host, and what of it cannot move.
        fixed_vms: VMs that cannot.
        elsewhere: VMs on other hosts, which matter to rules of affinity only.
    """

    vms: list[RunningVm]
    demands: Floats
    homes: Indices
    allowed: Flags | None
    host_ids: list[int]
    capacities: Floats
    fixed: Floats
    fixed_vms: list[RunningVm]
    elsewhere: list[RunningVm]

    def loads(self, where: Indices) -> Floats:
        """Return what each host carries when the VMs are there."""
        loads: Floats = self.fixed.copy()
        np.add.at(loads, where, self.demands)
        return loads

    def targets(self, where: Indices) -> dict[int, int]:
        """Return VM id to host id of those that are not at home."""
        return {self.vms[i].id: self.host_ids[where[i]] for i in np.flatnonzero(where != self.homes)}


def columns(vms: Sequence[RunningVm], rooms: Sequence[Room], elsewhere: Sequence[RunningVm] = ()) -> Columns:
    """Return the VMs on these hosts as columns; hosts without any capacity are left out.

    Args:
        elsewhere: further VMs that matter to rules of affinity only.
    """
    hosts = sorted((room for room in rooms if room.cpu_percent > 0 and room.memory_mib > 0), key=lambda r: r.host_id)
    place = {room.host_id: index for index, room in enumerate(hosts)}
    here = sorted((vm for vm in vms if vm.host_id in place), key=lambda vm: vm.id)
    movable = [vm for vm in here if vm.allowed is None or any(h in place and h != vm.host_id for h in vm.allowed)]
    movable_ids = {vm.id for vm in movable}
    rest = [vm for vm in here if vm.id not in movable_ids]
    fixed = _pairs([room.taken for room in hosts])
    for vm in rest:
        fixed[place[vm.host_id]] += (vm.cpu_percent, vm.memory_mib)
    return Columns(
        movable,
        _pairs(movable),
        np.array([place[vm.host_id] for vm in movable], dtype=np.intp),
        _allowed(movable, place),
        [room.host_id for room in hosts],
        _pairs(hosts),
        fixed,
        rest,
        [*elsewhere, *(vm for vm in vms if vm.host_id not in place)],
    )


def _pairs(things: Sequence[Any]) -> Floats:
    return np.array([(one.cpu_percent, one.memory_mib) for one in things], dtype=np.float64).reshape(len(things), 2)


def _allowed(vms: Sequence[RunningVm], place: dict[int, int]) -> Flags | None:
    if all(vm.allowed is None for vm in vms):
        return None
    allowed = np.ones((len(vms), len(place)), dtype=np.bool_)
    for index, vm in enumerate(vms):
        if vm.allowed is not None:
            allowed[index] = False
            allowed[index, [place[host_id] for host_id in (vm.allowed | {vm.host_id}) if host_id in place]] = True
    return allowed
