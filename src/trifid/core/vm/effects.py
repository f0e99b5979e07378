"""What a transition does: to the record at once, and to the world through the outbox.

A local effect is a function (vm, event, moment) -> vm, pure.  A remote effect is an `Ask`: it becomes
the one row of the outbox that the VM may have.  `Release` tells the engine to give leases back.
"""

import dataclasses
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.template.model import Template
from trifid.core.vm.events import (
    Deploy,
    Done,
    Event,
    Failed,
    HostFenced,
    HostFencedAnew,
    ImagesGone,
    ImportRunning,
    Request,
    SeenPaused,
    SeenRunning,
)
from trifid.core.vm.record import VM, HistoryRecord


class Moment(msgspec.Struct, frozen=True):
    """When, and on whose behalf.

    Attributes:
        now: epoch seconds.
        request_id: ties the history to the request, "-1" for the engine itself.
    """

    now: int
    caller: Caller
    request_id: str = "-1"


Local = Callable[[VM, Event, Moment], VM]


@dataclasses.dataclass(frozen=True)
class Ask:
    """A driver must act.

    Attributes:
        family: "vmm" or "tm".
        verb: word on the wire (vmm) or transfer operation (tm).
        previous: on the host of the previous history record.
    """

    family: str
    verb: str
    previous: bool = False

    def __str__(self) -> str:
        return f"{self.family}.{self.verb}{' on the previous host' if self.previous else ''}"


@dataclasses.dataclass(frozen=True)
class ReleaseLeases:
    """The VM's addresses go back to their networks."""

    def __str__(self) -> str:
        return "release_leases"


release_leases = ReleaseLeases()
Effect = Local | Ask | ReleaseLeases


def _stamp(vm: VM, **fields: int | str) -> VM:
    return replace(vm, history=(*vm.history[:-1], replace(vm.history[-1], **fields)))


def _stamp_previous(vm: VM, **fields: int | str) -> VM:
    return replace(vm, history=(*vm.history[:-2], replace(vm.previous, **fields), vm.history[-1]))


def _closed_by(event: Event, moment: Moment) -> dict[str, int | str]:
    """Who closed a record, for its last four fields; a driver's answer names nobody."""
    if isinstance(event, Request):
        caller = moment.caller
        return {"action": event.number, "uid": caller.uid, "gid": caller.gid, "request_id": moment.request_id}
    return {}


def asked(vm: VM, event: Event, moment: Moment) -> VM:
    """Note in the open record which request is being carried out, and whose."""
    return _stamp(vm, **_closed_by(event, moment))


def open_record(vm: VM, event: Event, moment: Moment) -> VM:
    """Begin a stay on the host that the request names; the scheduler has done what it was marked for."""
    assert isinstance(event, Deploy)
    record = HistoryRecord(
        seq=len(vm.history),
        host_id=event.host_id,
        hostname=event.hostname,
        cluster_id=event.cluster_id,
        vmm=event.vmm,
        tm=event.tm,
        datastore_id=event.datastore_id,
        stime=moment.now,
    )
    return replace(vm, history=(*vm.history, record), resched=False)


def open_target_record(vm: VM, event: Event, moment: Moment) -> VM:
    """Begin a stay on the target of a migration; the stay it ends notes who asked."""
    return open_record(asked(vm, event, moment), event, moment)


def reopen_record(vm: VM, event: Event, moment: Moment) -> VM:
    """Begin another stay on the same host (the hypervisor's part begins at once)."""
    old = vm.current
    record = HistoryRecord(
        seq=old.seq + 1,
        host_id=old.host_id,
        hostname=old.hostname,
        cluster_id=old.cluster_id,
        vmm=old.vmm,
        tm=old.tm,
        datastore_id=old.datastore_id,
        stime=moment.now,
        rstime=moment.now,
        devices=old.devices,
    )
    return replace(vm, history=(*vm.history, record))


def reopen_if_closed(vm: VM, event: Event, moment: Moment) -> VM:
    """Begin another stay on the same host unless one is open: the VM may run there after all."""
    return reopen_record(vm, event, moment) if vm.current.etime else vm


def return_to_previous(vm: VM, event: Event, moment: Moment) -> VM:
    """End both stays of a migration that did not happen and go on where the VM was."""
    now = moment.now
    target, source = vm.current, vm.previous
    vm = _stamp_previous(_stamp(vm, etime=now), etime=source.etime or now, retime=source.retime or now)
    record = replace(
        source, seq=target.seq + 1, stime=now, rstime=now, pstime=0, petime=0, etime=0, retime=0,
        action=0, uid=-1, gid=-1, request_id="-1",
    )  # fmt: skip
    return replace(vm, history=(*vm.history, record))


def off_at_previous(vm: VM, event: Event, moment: Moment) -> VM:
    """End both stays of a migration that did not happen; the VM is off where it was, which its last stay says."""
    return close_record(run_ended(return_to_previous(vm, event, moment), event, moment), event, moment)


def prolog_begins(vm: VM, event: Event, moment: Moment) -> VM:
    """Stamp the start of the transfer."""
    return _stamp(vm, pstime=moment.now)


def prolog_ended(vm: VM, event: Event, moment: Moment) -> VM:
    """Stamp the end of the transfer and the start of the hypervisor's part."""
    return _stamp(vm, petime=moment.now, rstime=moment.now)


def run_begins(vm: VM, event: Event, moment: Moment) -> VM:
    """Stamp the start of the hypervisor's part, for a move without transfer."""
    return _stamp(vm, rstime=moment.now)


def run_ended(vm: VM, event: Event, moment: Moment) -> VM:
    """Stamp the end of the hypervisor's part."""
    return _stamp(vm, retime=moment.now)


def source_left(vm: VM, event: Event, moment: Moment) -> VM:
    """Close the stay that a migration ends."""
    return _stamp_previous(vm, etime=moment.now, retime=moment.now)


def saved(vm: VM, event: Event, moment: Moment) -> VM:
    """Note in which stay its memory was saved: a driver looks there when it restores."""
    return replace(vm, saved_seq=vm.current.seq)


def source_saved(vm: VM, event: Event, moment: Moment) -> VM:
    """The same for a migration, whose source saved it."""
    return replace(vm, saved_seq=vm.previous.seq)


def next_stay(vm: VM, event: Event, moment: Moment) -> VM:
    """End the stay with the operation noted in it and begin another on the same host: the VM has changed."""
    return reopen_record(_stamp(vm, etime=moment.now, retime=moment.now), event, moment)


def not_asked(vm: VM, event: Event, moment: Moment) -> VM:
    """Take the note of an operation that failed out of the open record."""
    return _stamp(vm, action=0, uid=-1, gid=-1, request_id="-1")


def start_over(vm: VM, event: Event, moment: Moment) -> VM:
    """Make it as it was before it was first deployed, without snapshots; its addresses stay."""
    template = vm.template.without("SNAPSHOT")
    return replace(vm, resched=False, deploy_id="", saved_seq=-1, template=template, disk_snapshots=())


def epilog_begins(vm: VM, event: Event, moment: Moment) -> VM:
    """Stamp the start of the epilog."""
    return _stamp(vm, estime=moment.now)


def epilog_ended(vm: VM, event: Event, moment: Moment) -> VM:
    """Stamp the end of the epilog."""
    return _stamp(vm, eetime=moment.now)


def close_record(vm: VM, event: Event, moment: Moment) -> VM:
    """End the stay, if one is open; a migration's other stay as well."""
    if not vm.history:
        return vm
    history = tuple(r if r.etime else replace(r, etime=moment.now) for r in vm.history)
    return replace(vm, history=history)


def finish(vm: VM, event: Event, moment: Moment) -> VM:
    """The VM's own end."""
    return replace(vm, etime=moment.now, resched=False)


def take_deploy_id(vm: VM, event: Event, moment: Moment) -> VM:
    """Keep the hypervisor's name; without one it is `one-VID` (reference/lifecycle.md §5.4)."""
    told = event.info if isinstance(event, Done) else ""
    if isinstance(event, SeenRunning | ImportRunning):
        told = event.deploy_id
    return replace(vm, deploy_id=told or vm.deploy_id or f"one-{vm.id}")


def tell_owner(vm: VM, event: Event, moment: Moment) -> VM:
    """Write the driver's text where the owner sees it: USER_TEMPLATE/ERROR."""
    why = event.why if isinstance(event, Failed | SeenPaused | ImagesGone | HostFenced | HostFencedAnew) else ""
    if not why or why == "-":
        return vm
    return replace(vm, user_template=vm.user_template.replacing("ERROR", why))


def tell_two_copies(vm: VM, event: Event, moment: Moment) -> VM:
    """Write that two hosts have its disks, and how to say which of them count."""
    source, target = vm.previous.hostname, vm.current.hostname
    why = (
        f"it is off on {source} and on {target}, and nobody saw whether it had moved before: if it ran on {target}, "
        f"the disks there are the newer ones. Both are kept. onevm recover --failure {vm.id} keeps those of {source} "
        f"and removes the others, onevm recover --success {vm.id} keeps those of {target}"
    )
    return replace(vm, user_template=vm.user_template.replacing("ERROR", why))


def forget_error(vm: VM, event: Event, moment: Moment) -> VM:
    """A later success takes the error text away."""
    template: Template = vm.user_template
    return replace(vm, user_template=template.without("ERROR")) if "ERROR" in template else vm


def mark_resched(vm: VM, event: Event, moment: Moment) -> VM:
    """The scheduler shall look for a better host."""
    return replace(vm, resched=True)


def unmark_resched(vm: VM, event: Event, moment: Moment) -> VM:
    """The scheduler shall leave it where it is."""
    return replace(vm, resched=False)
