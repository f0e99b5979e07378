"""one.host.* and one.hostpool.info."""

from msgspec.structs import replace

from trifid.core import wild
from trifid.core.access import Right, check
from trifid.core.host import Host, HostObservation, HostState
from trifid.core.host_failure.fence import FENCED
from trifid.core.pci import check_devices
from trifid.core.template.model import Template
from trifid.core.vm.states import VmState
from trifid.engine.clusters import chosen
from trifid.engine.host_state import WATCHED
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, BadTemplate, NotAllocated, Refused
from trifid.methods.common import changed, listed, name_checked, read, refuse_taken, updated
from trifid.methods.ownership import refuse_name_of_any
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

_FORBIDDEN = " <>&\"'\\/:|=\t\n\r"
_STATUS = {0: None, 1: HostState.DISABLED, 2: HostState.OFFLINE}


class HostNotAllocated(NotAllocated):
    """Hosts are refused with a code and a prefix of their own (reference/api-modern.md §2)."""

    code = 0x4000

    def __init__(self, reason: str) -> None:
        super().__init__(f"Error allocating a new host. {reason}")


@method("one.host.allocate")
async def allocate(call: Call, name: str, im: str, vmm: str, cluster_id: int) -> int:
    """Add a host; its information driver begins to watch it at once."""
    check(call.caller, Right.CREATE, "HOST")
    drivers = call.engine.drivers
    try:
        name = _hostname(name)
    except Refused as bad:
        raise HostNotAllocated(bad.message) from bad
    for word, family, driver in (("IM_MAD_NAME", "im", im), ("VM_MAD_NAME", "vmm", vmm)):
        if not driver:
            raise HostNotAllocated(f"{word} cannot be empty.")
        if drivers.get(family, driver) is None:
            known = ", ".join(drivers.names(family)) or "none"
            raise HostNotAllocated(f"{word} {driver} is not configured; [drivers.{family}] of trifid.toml has: {known}")

    def command(draft: Draft) -> int:
        refuse_taken(draft, "HOST", name, error=HostNotAllocated)
        cluster = chosen(draft, call.caller, cluster_id)
        host = Host(id=draft.next_id("host"), name=name, state=HostState.INIT, im=im, vmm=vmm, cluster_id=cluster)
        draft.put(host)
        draft.note("HOST", host.id, call.caller, "allocated", new="INIT", text=name)
        return host.id

    return await call.ask(command)


def _hostname(name: str) -> str:
    """Return `name` stripped; raises Refused for one that drivers could not use as the name or address of a machine."""
    for char in name.strip():
        if char in _FORBIDDEN:
            raise Refused(f"Invalid HOSTNAME, '{char}' is invalid character for a HOSTNAME")
    name = name_checked(name, _FORBIDDEN, "HOSTNAME")
    if name.startswith("-"):
        raise Refused("Invalid HOSTNAME, it must not begin with '-'")
    return name


@method("one.host.delete")
async def delete(call: Call, host_id: int) -> int:
    """Delete a host that carries no VM."""

    def command(draft: Draft) -> Host:
        host = draft.host(host_id)
        check(call.caller, Right.ADMIN, "HOST", host)
        carried = _vms_with_files_on(draft, host_id)
        if carried:
            some = ", ".join(str(vm_id) for vm_id in sorted(carried)[:5])
            raise Refused(
                f"Can not remove host {host.name} [{host_id}]: {len(carried)} VMs are on it ({some}): "
                "terminate or migrate them first",
                host_id,
            )
        draft.delete("hosts", host_id)
        draft.note("HOST", host_id, call.caller, "deleted", host.state.name, text=host.name)
        return host

    call.engine.failover.leave(await call.ask(command))
    return host_id


@method("one.host.info")
async def info(call: Call, host_id: int, decrypt: bool = False) -> Escaped:
    """Answer a host's document."""
    host = read(call.engine.turns.memory.hosts, "hosts", host_id)
    check(call.caller, Right.USE, "HOST", host)
    return call.engine.documents.host(host)


@method("one.hostpool.info")
async def pool(call: Call) -> Escaped:
    """Answer all hosts that the caller may see."""
    hosts = listed(call.engine.turns.memory.hosts.values(), call.caller, "HOST", -2, -1, -1)
    return call.engine.documents.host_pool(hosts)


@method("trifid.host.changes")
async def changes(call: Call, read: str = "") -> Escaped:
    """Answer the hosts that have changed since an earlier answer, of which `read` repeats READ; without it, all.

    IDS names all hosts there are.  It is for programs that look at thousands of hosts again and again.
    """
    check(call.caller, Right.MANAGE, "SYSTEM")
    return call.engine.host_changes.since(call.engine.turns.memory.hosts, read)


@method("one.host.status")
async def status(call: Call, host_id: int, wanted: int) -> int:
    """Enable (0), disable (1) or switch off (2) a host; VMs that run there stay.

    To enable one that was fenced takes that mark off; it is refused while it reports domains of VMs that went on
    elsewhere.
    """
    if wanted not in _STATUS:
        raise BadRequest(f"Wrong status code {wanted}: 0 enables, 1 disables, 2 is offline")

    def command(draft: Draft) -> int:
        host = draft.host(host_id)
        check(call.caller, Right.ADMIN, "HOST", host)
        if host.fence is not None and _STATUS[wanted] is None:
            host = unfenced(draft, host, call)
        state = _STATUS[wanted] or _enabled(host)
        if state != host.state or host is not draft.host(host_id):
            draft.put(replace(host, state=state, prev=host.state))
            draft.note("HOST", host_id, call.caller, "state", host.state.name, state.name)
        return host_id

    return await call.ask(command)


def unfenced(draft: Draft, host: Host, call: Call) -> Host:
    """Return a host without its mark of being fenced, to be watched anew.

    Raises:
        Refused: it has domains of VMs that went on elsewhere, or has not told yet: they would run twice.
    """
    _refuse_unheard(draft, host, call)
    seen = call.engine.monitoring.hosts.get(host.id, HostObservation())
    twice = [
        f"{wild.name} (VM {vm.id}, {vm.state.printable})"
        for wild in seen.wilds
        if (vm := draft.find_vm(wild.vm_id)) is not None and vm.state is not VmState.DONE
    ]
    if twice:
        text = f"host {host.name} [{host.id}] was fenced and has domains of VMs that went on elsewhere: "
        raise Refused(f"{text}{', '.join(twice[:5])}: destroy them there first, nothing of theirs must be resumed")
    draft.note("HOST", host.id, call.caller, "not fenced")
    return replace(host, fence=None, state=HostState.INIT, template=host.template.without("ERROR"))


def _refuse_unheard(draft: Draft, host: Host, call: Call) -> None:
    """Raise Refused while VMs went on elsewhere and the host has not listed its domains since it was fenced."""
    if host.fence is None or not (released := [one for one in map(draft.find_vm, host.fence.released) if one]):
        return
    signs = call.engine.monitoring.signs(host)
    # drivers that know no domains never list any
    has_listed = signs.domains_s is None or signs.domains_s <= draft.now - host.fence.at
    if (not signs.was_heard or not has_listed) and any(vm.state is not VmState.DONE for vm in released):
        how = "wait until it reports" if host.state in WATCHED else f'"onehost disable {host.id}" has it watched'
        raise Refused(
            f"host {host.name} [{host.id}] was fenced and has not reported since, so that it may have domains of VMs "
            f"that went on elsewhere: {how}",
            host.id,
        )


def _enabled(host: Host) -> HostState:
    """Return the state of a host that is enabled."""
    if host.state not in (HostState.DISABLED, HostState.OFFLINE):
        return host.state
    # Monitoring went on while it was disabled: when it was well, it need not be waited for again.
    is_well = host.state == HostState.DISABLED and host.total_cpu_percent > 0 and "ERROR" not in host.template
    return HostState.MONITORED if is_well else HostState.INIT


@method("one.host.update")
async def update(call: Call, host_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) the attributes of a host."""

    def change(draft: Draft, host: Host) -> Host:
        new = updated(host.template, template, append).without(*wild.NAMES, FENCED)
        if new.all("PCI") != host.template.all("PCI"):
            _check_devices(host, new)
        return replace(host, template=new)

    return await changed(call, "HOST", host_id, Right.ADMIN, "updated", change)


def _check_devices(host: Host, new: Template) -> None:
    try:
        check_devices(new)
    except BadTemplate as bad:
        raise Refused(f"host {host.name} [{host.id}]: {bad.message}", host.id) from bad


@method("one.host.rename")
async def rename(call: Call, host_id: int, name: str) -> int:
    """Give a host that carries no VM another name; from then on drivers are told that one."""
    new = _hostname(name)

    def change(draft: Draft, host: Host) -> Host:
        renamed = replace(host, name=new)
        refuse_name_of_any(draft, "HOST", renamed)
        if _vms_with_files_on(draft, host_id):
            raise Refused(f"host {host.name} [{host_id}] carries VMs, whose drivers know it by this name", host_id)
        return renamed

    return await changed(call, "HOST", host_id, Right.ADMIN, "renamed", change)


def _vms_with_files_on(draft: Draft, host_id: int) -> set[int]:
    """Return the VMs that a host carries, and those that are powered off there: their disks are on it."""
    off = {vm.id for vm in draft.each("vms") if vm.history and vm.current.host_id == host_id}
    return draft.vms_on(host_id) | off
