"""The mark on a fenced host, in drafts: set, proven, used up VM by VM.

What makes sure that no VM runs twice: a VM is only taken from a host that the mark proves dead for the very step that
the VM is at, and what a mark covers are VMs that nothing under way could still start there.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from trifid.core.access import ENGINE, Caller
from trifid.core.host import Host, HostState
from trifid.core.host_failure.fence import Fence, FenceState
from trifid.core.host_failure.policy import in_order, is_left_alone, why_not_anew
from trifid.core.vm.events import Hold, HostFenced, HostFencedAnew, Observation, SeenLost, SourceFenced
from trifid.core.vm.files import UNSHARED
from trifid.core.vm.record import VM
from trifid.core.vm.rows.fenced import RESTARTED
from trifid.core.vm.states import VmState
from trifid.core.vm.table import TABLE
from trifid.engine.host_state import WATCHED, set_host_state
from trifid.engine.life import happen
from trifid.engine.reconcile import ON_EITHER
from trifid.engine.transaction import Draft

IsUndecided = Callable[[int], bool]
"""Whether a driver may still move a VM, by its id."""
Covers = tuple[tuple[int, int], ...]


class Way(NamedTuple):
    """What becomes of a VM when its host is proven dead.

    Attributes:
        event: that it is told; None when it stays as it is.
        why: why it does; for its owner.
    """

    event: Observation | None
    why: str = ""


def way_of(vm: VM, host_id: int, why: str = "") -> Way:
    """Return what becomes of a VM of a host that is proven dead.

    Args:
        why: for its owner.
    """
    if not vm.history:
        return Way(None)
    if len(vm.history) > 1 and vm.previous.host_id == host_id and not vm.previous.etime:
        return _legal(vm, SourceFenced(why=why))
    if vm.current.host_id != host_id or vm.current.etime:
        return Way(None)
    if vm.state not in RESTARTED:
        is_shared = vm.current.tm not in UNSHARED or vm.is_imported
        return _legal(vm, HostFenced(why=why)) if is_shared or vm.state in ON_EITHER else Way(None)
    if is_left_alone(vm):
        return Way(None, "it says HA=NO, so it is not started elsewhere")
    if vm.is_imported:
        return Way(None, "its domain was made by somebody else, on that host alone: it is not started elsewhere")
    if vm.current.tm not in UNSHARED:
        return _legal(vm, HostFenced(why=why))
    lost = why_not_anew(vm)
    return Way(None, f"it is not started elsewhere: {lost}") if lost else _legal(vm, HostFencedAnew(why=why))


def _legal(vm: VM, event: Observation) -> Way:
    return Way(event if (vm.state, type(event)) in TABLE else None)


def coverable(draft: Draft, host_id: int, is_undecided: IsUndecided) -> Covers:
    """Return the VMs that a proof sought from now on would cover, each with its step."""
    found = []
    for vm_id in sorted(draft.vms_on(host_id)):
        vm = draft.find_vm(vm_id)
        if vm is not None and way_of(vm, host_id).event is not None and not is_undecided(vm_id):
            found.append((vm_id, vm.step))
    return tuple(found)


def ask(draft: Draft, host_id: int, why: str) -> bool:
    """Mark a host that shall be switched off; its VMs are unknown from then on.  Tell whether it was marked now."""
    host = draft.find_host(host_id)
    if host is None or host.fence is not None or host.state not in WATCHED:
        return False
    set_host_state(draft, host_id, HostState.ERROR, f"it is being fenced: {why}")
    draft.put(replace(draft.host(host_id), fence=Fence(FenceState.ASKED, draft.now)))
    draft.note("HOST", host_id, ENGINE, "fence asked", text=why)
    return True


def fail(draft: Draft, host_id: int, trouble: str) -> None:
    """Note that a host could not be switched off, or that nobody could confirm it: nothing is started elsewhere."""
    host = draft.find_host(host_id)
    if host is None or host.fence is None or host.fence.is_confirmed or host.fence.trouble == trouble:
        return
    told = f"it is silent and could not be fenced, so its VMs stay where they are: {trouble}"
    fence = replace(host.fence, trouble=trouble)
    draft.put(replace(host, fence=fence, template=host.template.replacing("ERROR", told)))
    draft.note("HOST", host_id, ENGINE, "fence failed", text=trouble)


def confirm(draft: Draft, host_id: int, covers: Iterable[tuple[int, int]], proof: str, caller: Caller = ENGINE) -> None:
    """Note the proof that a host runs nothing, for the VMs that it covers; what cannot be helped is told their owners.

    A host that is not marked any more was heard of meanwhile: the proof means nothing then.
    """
    host = draft.find_host(host_id)
    if host is None or host.fence is None:
        return
    was_confirmed = host.fence.is_confirmed
    error = f'fenced: {proof}; once it is well again: "onehost enable {host_id}"'
    fence = host.fence.covering(covers, proof, draft.now)
    draft.put(replace(host, fence=fence, template=host.template.replacing("ERROR", error)))
    if not was_confirmed or proof != host.fence.proof:
        draft.note("HOST", host_id, caller, "fenced", text=proof)
    for vm_id in sorted(draft.vms_on(host_id)):
        vm = draft.vm(vm_id)
        event, why = way_of(vm, host_id)
        if event is None and vm.current.host_id == host_id:
            vm = happen(draft, vm, SeenLost())  # it may have been started after the host was asked to be off
        told = f"host {host.name} [{host_id}] was fenced ({proof}); {why}"
        if why and vm.user_template.single("ERROR") != told:
            draft.put(replace(vm, user_template=vm.user_template.replacing("ERROR", told)))


def contradict(draft: Draft, host_id: int, why: str) -> None:
    """Note that a host shows signs of life after its proof, or while it was sought: it covers nobody any more."""
    host = draft.find_host(host_id)
    if host is None or host.fence is None or (not host.fence.covers and host.fence.trouble):
        return
    draft.put(replace(host, fence=replace(host.fence, covers=(), trouble=why)))
    draft.note("HOST", host_id, ENGINE, "fence contradicted", text=why)


def release(draft: Draft, host_id: int, limit: int) -> int:
    """Let up to `limit` VMs of a host that is proven dead go on elsewhere, the most important first.

    Returns:
        how many.
    """
    host = draft.find_host(host_id)
    if host is None or host.fence is None or not host.fence.is_confirmed:
        return 0
    fence, released = host.fence, 0
    covered = [(vm_id, draft.find_vm(vm_id)) for vm_id, _ in fence.covers]
    for vm_id, vm in covered:
        if vm is None or not fence.does_cover(vm_id, vm.step):
            fence = fence.without(vm_id, released=False)  # something has happened to it since
    for vm in in_order(vm for _, vm in covered if vm is not None and fence.does_cover(vm.id, vm.step)):
        if released >= limit:
            break
        told = f"host {host.name} [{host_id}] failed and was fenced: {fence.proof}"
        event = way_of(vm, host_id, told).event
        fence = fence.without(vm.id, released=event is not None)
        if event is not None:
            happen(draft, vm, event)
            released += 1
    if fence != host.fence:
        draft.put(replace(draft.host(host_id), fence=fence))
    return released


def hold(draft: Draft, *, vm_id: int, host: Host, domain: str) -> None:
    """Keep a VM from being started elsewhere: the host that was said to be dead has its domain."""
    vm = draft.find_vm(vm_id)
    if vm is None or vm.state is not VmState.PENDING_UNDEPLOYED or vm.current.host_id != host.id:
        return
    why = (
        f"host {host.name} [{host.id}], which was fenced, has domain {domain}: "
        "it is held, since it would run twice; destroy the domain there, then release it"
    )
    draft.put(replace(vm, user_template=vm.user_template.replacing("ERROR", why)))
    happen(draft, draft.vm(vm_id), Hold())
