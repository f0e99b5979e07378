"""What monitoring makes of a host: its state, and what that means for its VMs."""

from msgspec.structs import replace

from trifid.core.access import ENGINE
from trifid.core.host import HostState
from trifid.core.vm.events import SeenLost
from trifid.engine.life import happen
from trifid.engine.transaction import Draft

WATCHED = (HostState.INIT, HostState.MONITORED, HostState.ERROR, HostState.DISABLED)
"""States in which a host is monitored."""


def set_host_state(draft: Draft, host_id: int, state: HostState, why: str) -> None:
    """Change a host's state; VMs that run on a host in error are unknown from then on."""
    host = draft.find_host(host_id)
    if host is None or host.state not in WATCHED:
        return
    if host.fence is not None:
        if host.fence.is_confirmed or why:
            return  # it is in error, and why is told; only people take the mark off
        host = replace(host, fence=None)
        draft.note("HOST", host_id, ENGINE, "not fenced", text="it is heard of again")
    told = host.template.replacing("ERROR", why) if why else host.template.without("ERROR")
    if host.state == state and told == host.template:
        return
    if host.state == HostState.DISABLED:
        if told == host.template:
            return
        state = HostState.DISABLED
    draft.put(replace(host, state=state, prev=host.state, template=told))
    draft.note("HOST", host_id, ENGINE, "state", host.state.name, state.name, why)
    if why:
        for vm_id in sorted(draft.vms_on(host_id)):
            vm = draft.find_vm(vm_id)
            if vm is not None and vm.current.host_id == host_id:
                happen(draft, vm, SeenLost())
