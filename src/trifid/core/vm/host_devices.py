"""The PCI devices that a VM has: of its open stays, and as its documents tell them.

A stay keeps the addresses of its devices; the template keeps what was wished, for the next host.
"""

from trifid.core.pci import address_parts, wishes_of
from trifid.core.template.model import Template
from trifid.core.vm.events import Deploy, MigrateCopy, MigrateLive, MigrateSave
from trifid.core.vm.record import VM, HistoryRecord
from trifid.core.vm.states import VmState
from trifid.errors import Refused

_FIXING = ("ADDRESS", "SHORT_ADDRESS")


def held_by(vm: VM) -> frozenset[tuple[int, str]]:
    """Return (host id, address) of every device that a VM has: those of its stays that are still open.

    A VM that moves has devices on both hosts until one of the two stays is closed.
    """
    return frozenset(
        (record.host_id, address)
        for record in vm.history
        if not record.etime
        for address in _devices(vm, record)
        if address
    )


def _devices(vm: VM, record: HistoryRecord) -> tuple[str, ...]:
    """Return the devices of a stay; one that an older engine began has those that its VM names by their address."""
    if record.devices or "PCI" not in vm.template:
        return record.devices
    return tuple(wish.address for wish in wishes_of(vm.template) if wish.address.count(":") > 1)


def with_devices(vm: VM) -> Template:
    """Return a VM's template whose PCI tell the devices that they have; off its hosts, what they wish."""
    vectors = vm.template.vectors("PCI")
    if not vectors:
        return vm.template
    is_there = bool(vm.history) and not vm.current.etime
    addresses = vm.current.devices if is_there else ()
    told = []
    for number, vector in enumerate(vectors):
        known = {"PCI_ID": str(number)} | vector
        if number < len(addresses):
            known = {key: value for key, value in known.items() if key not in _FIXING}
            known |= address_parts(addresses[number]) if addresses[number] else {}
        told.append(known)
    return vm.template.replacing("PCI", *told)


def refuse_moved_devices(vm: VM, wanted: type[Deploy]) -> None:
    """Raise Refused for a move that would take the state of a PCI device along (reference/lifecycle.md §5.2)."""
    devices = len(vm.template.vectors("PCI"))
    is_saved = wanted in (MigrateLive, MigrateCopy, MigrateSave) and vm.state in (VmState.RUNNING, VmState.PAUSED)
    if devices and is_saved:
        how = "saved and restored" if wanted is MigrateSave else "live"
        raise Refused(
            f"VM {vm.id} is {vm.state.printable} and cannot move {how}: the state of its PCI devices ({devices}) stays "
            "on the host: move it switched off and on (type 1), there it gets other devices",
            vm.id,
        )
