"""What must hold of the scheduler: it puts nothing where there is no room, and lets nobody starve."""

from collections.abc import Iterator

from trifid.core.affinity import limits, rules_of
from trifid.core.host import Host
from trifid.core.ledger import charged_hosts, check_room
from trifid.core.vm.record import VM, Needs
from trifid.core.vm.states import VmState
from trifid.core.vm_group.record import membership
from trifid.engine.memory import NO_SHARE, Memory
from trifid.errors import Refused
from trifid.simulator.broken import Broken
from trifid.store.interface import Batch

_NOTHING = Needs()
_NO_GROUP = -1


def overcommitted(memory: Memory, batch: Batch, scheduler: str) -> Iterator[str]:
    """Yield what a scheduler has put, with a batch, on hosts that have no room for it.

    People may overcommit a host; where they changed something on it in the same batch nothing can be said.

    Args:
        memory: with the batch.
        scheduler: the name of the scheduler's user.
    """
    uid = memory.names[("user", scheduler)]
    placed = {
        entry.object_id
        for entry in batch.journal
        if entry.kind == "VM" and entry.uid == uid and entry.old.startswith("PENDING") and entry.new == "PROLOG"
    }
    for vm_id in placed & memory.vms.keys():
        host = memory.hosts.get(memory.vms[vm_id].current.host_id)
        if host is None:
            continue
        others = (vm for other_id, vm in batch.vms.items() if vm is not None and other_id not in placed)
        if not _has_room(memory, host, _NOTHING) and not any(host.id in charged_hosts(vm) for vm in others):
            yield f"vm {vm_id} was placed on {host.name}, which carries more than it has: {memory.shares[host.id]}"


def check_nobody_starves(memory: Memory) -> None:
    """Check that, when the scheduler has had time enough, no VM waits that a host has room for; locked ones aside."""
    for vm in memory.vms.values():
        if vm.state.state != VmState.PENDING.state or vm.lock is not None:
            continue
        for host in memory.hosts.values():
            if host.takes_vms and _has_room(memory, host, vm.needs) and _may_be_on(memory, vm, host):
                why = vm.user_template.single("SCHED_MESSAGE") or "it was told no reason"
                raise Broken(f"vm {vm.id} waits and {host.name} has room for it: {why}")


def _may_be_on(memory: Memory, vm: VM, host: Host) -> bool:
    """Tell whether a VM's group lets it be on a host."""
    group_id, role = membership(vm) or (_NO_GROUP, "")
    if group_id not in memory.vm_groups:
        return True
    return limits(rules_of(memory.vm_groups[group_id])[role], memory.members.of(group_id).places, vm.id).allow(host.id)


def _has_room(memory: Memory, host: Host, needs: Needs) -> bool:
    try:
        check_room(host, memory.shares.get(host.id, NO_SHARE), needs)
    except Refused:
        return False
    return True
