"""Which PCI devices a VM gets when a stay on a host begins: chosen inside the transaction that begins it."""

from msgspec.structs import replace

from trifid.core.pci import choose, devices_of, wishes_of
from trifid.core.vm.events import Deploy, Event, ImportRunning, Resume
from trifid.core.vm.record import VM
from trifid.engine.transaction import Draft


def with_free_devices(draft: Draft, before: VM, after: VM, event: Event) -> VM:
    """Return a VM whose stay that has just begun has its devices.

    Who places a VM gets what its PCI wish, the devices of its last stay there before others.  A stay that begins
    otherwise, say since the VM was seen to run, goes on with what it had, less what others have by now.

    Raises:
        Refused: the host has no free device for a wish.
    """
    wishes = wishes_of(after.template)
    if not wishes or not _has_begun_a_stay(before, after):
        return after
    record = after.current
    taken = {address: vm_id for address, vm_id in draft.devices_on(record.host_id).items() if vm_id != after.id}
    if isinstance(event, Deploy | Resume) and not isinstance(event, ImportRunning):
        host = draft.host(record.host_id)
        devices = choose(f"{host.name} [{host.id}]", wishes, devices_of(host.template), taken, record.devices)
    else:
        devices = tuple("" if address in taken else address for address in record.devices)
    return replace(after, history=(*after.history[:-1], replace(record, devices=devices)))


def _has_begun_a_stay(before: VM, after: VM) -> bool:
    if not after.history or after.current.etime:
        return False
    return not before.history or before.current.seq != after.current.seq
