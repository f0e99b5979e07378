"""What hypervisors really run, compared with what the engine believes.

A complete report of a host's domains becomes a picture: what it means for each VM, and the domains that
nobody expects there.  Monitoring acts upon pictures as they come; `differences` only tells what it would do.
Running VMs are adopted, never killed: a wild domain stays as it is until somebody imports it.
"""

from collections.abc import Callable, Mapping

import msgspec

from trifid.core.access import ENGINE
from trifid.core.host import Host
from trifid.core.template.model import Template
from trifid.core.vm.effects import Moment
from trifid.core.vm.events import (
    Event,
    Observation,
    SeenAtSource,
    SeenLost,
    SeenOff,
    SeenPaused,
    SeenRunning,
)
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.vm.step import step
from trifid.core.vm.table import TRANSIENT
from trifid.core.wild import Wild
from trifid.engine.life import happen
from trifid.engine.memory import Memory
from trifid.engine.transaction import Draft

FIGURE_MAX = 1 << 40
"""No host has more of anything; whatever a driver says beyond is not believed."""
FOREIGN = -1
"""ID of a domain that carries no mark of this engine."""

_SEEN: dict[str, Callable[[dict[str, str]], Event]] = {
    "RUNNING": lambda said: SeenRunning(deploy_id=said.get("DEPLOY_ID", "")),
    "SUSPENDED": lambda said: SeenPaused(why=said.get("REASON", "")),
    "POWEROFF": lambda said: SeenOff(why=said.get("REASON", "")),
    "FAILURE": lambda _: SeenLost(),
    "UNKNOWN": lambda _: SeenLost(),
}
_OBSERVABLE = {
    VmState.RUNNING,
    VmState.RUNNING_LOOK,
    VmState.PAUSED,
    VmState.SHUTDOWN,
    VmState.SHUTDOWN_POWEROFF,
    VmState.SHUTDOWN_UNDEPLOY,
    VmState.UNKNOWN,
    VmState.CLEANUP_DELETE_FAILURE,
}
"""States in which a VM that its host does not report is off."""
_AWAY = {
    *(VmState.STOPPED, VmState.PENDING_STOPPED, VmState.HOLD_STOPPED),
    *(VmState.UNDEPLOYED, VmState.PENDING_UNDEPLOYED, VmState.HOLD_UNDEPLOYED),
}
"""States in which a VM has no domain anywhere, so that one on its last host should not be there."""
ON_EITHER = (VmState.UNKNOWN_MIGRATE, VmState.UNKNOWN_MIGRATE_COPY)
"""Nobody knows on which of two hosts it is, so that a sight on either tells."""
_NO_NEWS: set[tuple[VmState, type[Event]]] = {(VmState.RUNNING, SeenRunning), (VmState.PAUSED, SeenPaused)}
"""What every report says of most VMs."""
_WORDS: dict[type[Event], str] = {
    SeenRunning: "RUNNING",
    SeenAtSource: "RUNNING",
    SeenPaused: "PAUSED",
    SeenOff: "OFF",
    SeenLost: "LOST",
}

Imported = Mapping[tuple[int, str], int]
"""(host id, the hypervisor's name) to the imported VM of that domain."""


class Picture(msgspec.Struct, frozen=True):
    """One report of a host's domains.

    Attributes:
        at: epoch seconds, from before the look.
        events: (VM id, what was seen of it), those that a complete report leaves out included.
        wilds: domains that should not be there; None when the report is not complete.
    """

    host_id: int
    at: int
    events: tuple[tuple[int, Event], ...]
    wilds: tuple[Wild, ...] | None


class Difference(msgspec.Struct, frozen=True):
    """A VM that is not as it is believed to be.

    Attributes:
        believed: name of its state.
        seen: RUNNING, PAUSED, OFF or LOST.
        becomes: name of the state that mending leads to, empty when it is not mended.
        why: why it is not; for people.
    """

    vm_id: int
    name: str
    believed: str
    seen: str
    becomes: str = ""
    why: str = ""


def picture_of(
    said: Template, host: Host, memory: Memory, at: int, imported: Imported, has_just_ended: Callable[[int], bool]
) -> Picture:
    """Return what a STATE_VM message of a host's driver means (reference/drivers.md §5.2).

    Args:
        has_just_ended: whether a VM that is no more may still be seen in a report from before its end.
    """
    events: dict[int, Event] = {}
    wilds: list[Wild] = []
    for is_marked, name in ((True, "VM"), (False, "WILD")):
        for vector in said.vectors(name):
            vm_id = _vm_of(vector, host.id, imported, is_marked=is_marked)
            vm = memory.vms.get(vm_id)
            if vm is not None and _is_expected(vm, host.id, at):
                if (make := _SEEN.get(vector.get("STATE", ""))) is not None:
                    events[vm_id] = make(vector)
                else:
                    events.setdefault(vm_id, Observation())
            elif not is_marked or (vector.get("STATE") != "POWEROFF" and not has_just_ended(vm_id)):
                wilds.append(_wild(vector, vm_id if is_marked else FOREIGN))
    is_complete = said.single("SYNC_STATE").upper() == "YES"
    if is_complete:
        make = _SEEN.get(said.single("MISSING_STATE", "POWEROFF"), _SEEN["POWEROFF"])
        for vm_id in set(memory.vms_on.get(host.id, ())) - set(events):
            missing = memory.vms.get(vm_id)
            if missing is not None and missing.state in _OBSERVABLE:
                events[vm_id] = make({})
    told = tuple((vm_id, event) for vm_id, event in events.items() if type(event) is not Observation)
    return Picture(host.id, at, told, tuple(wilds) if is_complete else None)


def _vm_of(vector: dict[str, str], host_id: int, imported: Imported, *, is_marked: bool) -> int:
    """Return the VM that a reported domain belongs to, FOREIGN for one of nobody."""
    found = imported.get((host_id, vector.get("DEPLOY_ID", "")))
    if found is not None:
        return found
    return whole_number(vector.get("ID", ""), FOREIGN) if is_marked else FOREIGN


def _is_expected(vm: VM, host_id: int, at: int) -> bool:
    """Tell whether a VM may have a domain on a host: it is there, or was until the report, or is being moved."""
    if not vm.history:
        return False
    if vm.current.host_id == host_id:
        return vm.state not in _AWAY or vm.current.etime >= at
    if len(vm.history) < 2 or vm.previous.host_id != host_id:
        return False
    return not vm.previous.etime or vm.previous.etime >= at or vm.state in TRANSIENT


def _wild(vector: dict[str, str], vm_id: int) -> Wild:
    return Wild(
        name=vector.get("DEPLOY_ID") or f"one-{vector.get('ID', '')}",
        uuid=vector.get("UUID", ""),
        state=vector.get("STATE", ""),
        vcpus=whole_number(vector.get("VCPU", ""), 1),
        memory_kib=whole_number(vector.get("MEMORY", ""), 0),
        vm_id=vm_id,
    )


def news_of(vm: VM, host_id: int, event: Event) -> Event | None:
    """Return what an observation on a host means to a VM, None when it means nothing or nothing new."""
    if not vm.history:
        return None
    if vm.current.host_id != host_id:
        if vm.state not in ON_EITHER or not isinstance(event, SeenRunning):
            return None
        if vm.previous.host_id != host_id:
            return None
        event = SeenAtSource()
    return None if (vm.state, type(event)) in _NO_NEWS else event


def differences(memory: Memory, picture: Picture, is_open: Callable[[int, int], bool]) -> list[Difference]:
    """Return the VMs that a picture shows otherwise than they are believed to be; nothing is changed.

    Args:
        is_open: (VM id, `at`) -> whether a driver is at the VM, or it moved when the picture was taken.
    """
    found = []
    for vm_id, seen in picture.events:
        vm = memory.vms.get(vm_id)
        event = news_of(vm, picture.host_id, seen) if vm is not None else None
        if vm is None or event is None:
            continue
        outcome = step(vm, event, Moment(picture.at, ENGINE))
        one = Difference(vm.id, vm.name, vm.state.printable, _WORDS[type(event)])
        if not outcome.ignored and is_open(vm_id, picture.at):
            found.append(msgspec.structs.replace(one, why="it is just moving, or a driver is at work: look again"))
        elif not outcome.ignored:
            found.append(msgspec.structs.replace(one, becomes=outcome.vm.state.printable))
        elif isinstance(event, SeenRunning | SeenPaused) and vm.state not in TRANSIENT:
            why = f"a domain of it is on the host, which nobody expects in {vm.state.printable}: look at it by hand"
            found.append(msgspec.structs.replace(one, why=why))
    return found


def mend(draft: Draft, picture: Picture, found: list[Difference], steps: Mapping[int, int]) -> list[Difference]:
    """Let the VMs be what they were seen to be; return the differences with what became of each.

    Args:
        steps: VM id to its step when the differences were found; a VM that moved since then is left alone.
    """
    seen = dict(picture.events)
    mended = []
    for one in found:
        if one.becomes:
            vm = draft.find_vm(one.vm_id)
            event = news_of(vm, picture.host_id, seen[one.vm_id]) if vm is not None else None
            if vm is None or event is None or vm.step != steps[one.vm_id]:
                one = msgspec.structs.replace(one, becomes="", why="it moved meanwhile: look again")
            else:
                one = msgspec.structs.replace(one, becomes=happen(draft, vm, event).state.printable)
        mended.append(one)
    return mended


def whole_number(text: str, otherwise: int) -> int:
    """Return a number that a driver said, or what holds otherwise when it is none that can be."""
    try:
        number = int(float(text))
    except (ValueError, OverflowError):
        return otherwise
    return number if 0 <= number <= FIGURE_MAX else otherwise
