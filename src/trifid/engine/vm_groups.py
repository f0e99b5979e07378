"""VM groups as placement sees them: which group a VM is in, and whether it may be on a host with the others there.

Source: reference/api-modern.md §4 (VM groups, vm.vmgroupadd); core/affinity.py.
"""

from collections.abc import Iterable

from trifid.core.access import Caller, check_use
from trifid.core.affinity import Rules, Values, rules_of, value_over, why_not
from trifid.core.cluster import Cluster
from trifid.core.host import Host
from trifid.core.ledger import charged_hosts
from trifid.core.template.model import Template
from trifid.core.vm.record import VM
from trifid.core.vm_group.members import NO_MEMBERS, GroupMembers
from trifid.core.vm_group.record import VECTOR, VmGroup, membership
from trifid.engine.transaction import Draft
from trifid.errors import NotAllocated, Refused

KIND = "VMGROUP"
_NO_GROUP = -1
_NO_VALUES: Values = {}


# -- who is in it --------------------------------------------------------------------------------------


def in_group(draft: Draft, caller: Caller, template: Template) -> Template:
    """Return the template of a new VM with the id of the group that its VMGROUP names, by id or by name.

    A name is of the caller's own group, or of that user's whom VMGROUP_UID or VMGROUP_UNAME tells.

    Raises:
        NotAllocated: there is no such group or role.
        NotAllowed, Locked: the caller may not use the group.
    """
    if VECTOR not in template:
        return template
    vector = {key: value.strip() for key, value in template.vector(VECTOR).items()}
    group = _group_of(draft, caller, vector)
    check_use(caller, KIND, group)
    role = vector.get("ROLE", "")
    refuse_no_role(group, role)
    return template.replacing(VECTOR, {**vector, "VMGROUP_ID": str(group.id), "ROLE": role})


def _group_of(draft: Draft, caller: Caller, vector: dict[str, str]) -> VmGroup:
    name, number = vector.get("VMGROUP_NAME", ""), vector.get("VMGROUP_ID", "")
    begin = "Cannot find VM Group to associate the VM"
    if name:
        uid = _owner_of(draft, caller, vector)
        group_id = draft.owned("vm_groups", uid, name)
        if group_id is None:
            raise NotAllocated(
                f"{begin}: user {uid} does not own a VM group with name: {name}. Set VMGROUP_UNAME or VMGROUP_UID of "
                "owner in VMGROUP"
            )
        return draft.vm_group(group_id)
    if not number:
        raise NotAllocated(f"{begin}: VMGROUP must have VMGROUP_ID or VMGROUP_NAME")
    group = draft.find_vm_group(int(number))
    if group is None:
        raise NotAllocated(f"{begin}: VM group with ID: {number} does not exist")
    return group


def _owner_of(draft: Draft, caller: Caller, vector: dict[str, str]) -> int:
    number, name = vector.get("VMGROUP_UID", ""), vector.get("VMGROUP_UNAME", "")
    if number:
        return int(number)
    if not name:
        return caller.uid
    uid = draft.named("user", name)
    if uid is None:
        raise NotAllocated(f"Cannot find VM Group to associate the VM: there is no user {name}, see VMGROUP_UNAME")
    return uid


def refuse_no_role(group: VmGroup, name: str) -> None:
    """Raise NotAllocated unless a group has a role of that name."""
    if not name:
        raise NotAllocated(f"Missing role name in VM Group definition: name a ROLE of {called(group)}")
    if group.role(name) is None:
        known = ", ".join(role.name for role in group.roles)
        raise NotAllocated(f"Role does not exist in VM Group: {called(group)} has no role {name}, it has {known}")


def called(group: VmGroup) -> str:
    """Return a group as messages call it."""
    return f"VM group {group.name} [{group.id}]"


# -- where it may be -----------------------------------------------------------------------------------


def refuse_against_rules(draft: Draft, vm: VM, host: Host, hint: str = "choose another host") -> None:
    """Raise Refused when a VM may not be on a host, because of what its group says and of where the others are.

    Args:
        hint: what can be done about it.
    """
    group_id, role = membership(vm) or (_NO_GROUP, "")
    group = draft.find_vm_group(group_id)
    rules = rules_of(group).get(role) if group is not None else None
    if group is None or rules is None:
        return
    of = draft.members_of(group.id) if rules.is_about_others else NO_MEMBERS
    leaving = _leaving(draft, rules, of) if vm.resched else frozenset()
    why = _why_not(draft, rules, of, vm.id, host.id, leaving)
    if why:
        raise Refused(f"VM {vm.id} cannot be on {_host(draft, host.id)}: {called(group)}: {why}: {hint}", vm.id)


def refuse_broken(draft: Draft, before: VmGroup, group: VmGroup) -> None:
    """Raise Refused when a VM is where it might be by the rules that its group had, and not by those it shall have."""
    of, old, new = draft.members_of(group.id), rules_of(before), rules_of(group)
    for name, places in sorted(of.places.items()):
        for host_id, vm_ids in sorted(places.items()):
            if name not in old or name not in new or old[name] == new[name]:
                continue
            why = _why_not(draft, new[name], of, min(vm_ids), host_id)
            if why and not _why_not(draft, old[name], of, min(vm_ids), host_id):
                raise Refused(
                    f"{called(group)}: VM {min(vm_ids)} on {_host(draft, host_id)} is against these rules: {why}: "
                    "move it first, or power it off",
                    group.id,
                )


def refuse_joining(draft: Draft, vm: VM, group: VmGroup) -> None:
    """Raise Refused when a VM, as it shall be in a group, is on a host where it might not be."""
    for host_id in sorted(charged_hosts(vm)):
        host = draft.find_host(host_id)
        if host is not None:
            refuse_against_rules(draft, vm, host, f"move it before it joins {called(group)}, or power it off")


def _why_not(
    draft: Draft,
    rules: Rules,
    of: GroupMembers,
    vm_id: int,
    host_id: int,
    leaving: frozenset[int] = frozenset(),
) -> str:
    return why_not(
        rules,
        of.places,
        vm_id,
        host_id,
        called=lambda one: _host(draft, one),
        leaving=leaving,
        values=_values(draft, rules, host_id),
    )


def _values(draft: Draft, rules: Rules, host_id: int) -> Values:
    """Return what the hosts that take VMs have of that over which a role is spread, if that is a must.

    Args:
        host_id: counts in any case.
    """
    if rules.spread is None or rules.spread.max_skew is None:
        return _NO_VALUES
    hosts: Iterable[Host] = draft.each("hosts")
    clusters: dict[int, Cluster] = {cluster.id: cluster for cluster in draft.each("clusters")}
    over = rules.spread.over
    return {
        host.id: value_over(over, host, clusters.get(host.cluster_id))
        for host in hosts
        if host.takes_vms or host.id == host_id
    }


def _leaving(draft: Draft, rules: Rules, of: GroupMembers) -> frozenset[int]:
    """Return the VMs kept together with one of a role that are marked to be moved too: they shall follow it."""
    ids = {vm_id for role in rules.together for vm_id in of.vms.get(role, ())}
    return frozenset(vm_id for vm_id in ids if (vm := draft.find_vm(vm_id)) is not None and vm.resched)


def _host(draft: Draft, host_id: int) -> str:
    host = draft.find_host(host_id)
    return f"host {host.name} [{host_id}]" if host is not None else f"host [{host_id}]"
