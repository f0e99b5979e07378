"""What the VM group of a VM says of it, as the engine knows it now, for explanations."""

from trifid.core.affinity import rules_of, value_over
from trifid.core.vm.record import VM
from trifid.core.vm_group.record import membership
from trifid.engine.transaction import Draft
from trifid.engine.vm_groups import called
from trifid.methods.registry import Call
from trifid.placement.affinity_verdicts import Membership


def membership_of(call: Call, vm: VM) -> Membership | None:
    """Return what a VM's group says of it; None when it is in none."""
    memory = call.engine.turns.memory
    group_id, role = membership(vm) or (-1, "")
    group = memory.vm_groups.get(group_id)
    rules = rules_of(group).get(role) if group is not None else None
    if group is None or rules is None:
        return None
    of = Draft(memory, 0).members_of(group_id).copy()
    over = rules.spread.over if rules.spread is not None else ""
    hosts = memory.hosts.values() if over else ()
    values = {host.id: value_over(over, host, memory.clusters.get(host.cluster_id)) for host in hosts}
    together = {vm_id for name in rules.together for vm_id in of.vms.get(name, ())} if vm.resched else ()
    leaving = frozenset(vm_id for vm_id in together if vm_id in memory.vms and memory.vms[vm_id].resched)
    return Membership(called(group), rules, of.places, values, leaving)
