"""A VM in any state, with defaults, so that a test shows only what matters."""

from msgspec.structs import replace

from trifid.core.access import Caller
from trifid.core.vm import events
from trifid.core.vm.effects import Moment
from trifid.core.vm.record import VM, HistoryRecord, Needs
from trifid.core.vm.states import VmState

ALICE = Caller(uid=7, name="alice", gids=(1,))
WAITING = {VmState.PENDING, VmState.HOLD}
CLOSED = {VmState.POWEROFF, VmState.SHUTDOWN_OFF, VmState.DONE}
ON_TWO_HOSTS = {
    VmState.MIGRATE,
    VmState.MIGRATE_LOCATE,
    VmState.MIGRATE_LOCATE_SOURCE,
    VmState.MIGRATE_LOCATE_ONLY_SOURCE,
    VmState.SAVE_MIGRATE_LOOK,
    VmState.SAVE_MIGRATE,
    VmState.UNKNOWN_MIGRATE,
    VmState.CLEANUP_DELETE_SOURCE,
}
LEFT_THE_SOURCE = {
    VmState.PROLOG_MIGRATE,
    VmState.PROLOG_MIGRATE_FAILURE,
    VmState.BOOT_MIGRATE,
    VmState.BOOT_MIGRATE_FAILURE,
}


def stay(seq: int = 0, host_id: int = 3, etime: int = 0) -> HistoryRecord:
    """A stay on host `host_id`."""
    return HistoryRecord(seq, host_id, f"host{host_id}", 0, "dummy", "dummy", 0, stime=100, etime=etime)


def vm(state: VmState = VmState.RUNNING, step: int = 7, stays: int = 0, **more: object) -> VM:
    """A VM of alice's, 100 % CPU and 128 MiB, with `stays` on hosts 3, 4 …, or as many as its state has."""
    count = stays or (0 if state in WAITING else 2 if state in ON_TWO_HOSTS | LEFT_THE_SOURCE else 1)
    history = tuple(
        stay(n, host_id=3 + n, etime=150 if state in CLOSED or (state in LEFT_THE_SOURCE and n == 0) else 0)
        for n in range(count)
    )
    made = VM(id=42, uid=7, gid=1, name="web", state=state, needs=Needs(100, 128), stime=90, step=step, history=history)
    return replace(made, **more)


def moment(now: int = 200) -> Moment:
    """Alice asks, at `now`."""
    return Moment(now, ALICE, "17")


EVENTS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, events.Event) and not kind.__subclasses__()
] + [events.Deploy]
"""Every class of event that can happen."""


def event_of(kind: type[events.Event], step: int = 7) -> events.Event:
    """An event of this class with plausible fields."""
    if issubclass(kind, events.Deploy):
        return kind(host_id=9, hostname="host9", cluster_id=0, vmm="dummy", tm="dummy", datastore_id=0)
    if kind is events.Failed:
        return events.Failed(step=step, why="the bridge is missing")
    if issubclass(kind, events.Answer):
        return kind(step=step)
    return kind()
