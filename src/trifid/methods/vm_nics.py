"""one.vm.attachsg, detachsg, updatenic: what of a NIC changes in its place.

Only the record changes; the host is told what follows from it, running or not (engine/host_networks.py).
"""

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.network.record import LIMITS
from trifid.core.network.security_group import groups_of
from trifid.core.restricted import refusal
from trifid.core.template.model import Template
from trifid.core.template.validate import check_vector, shown
from trifid.core.vm.record import VM
from trifid.engine.nic_groups import check_groups
from trifid.engine.transaction import Draft
from trifid.errors import Refused
from trifid.methods.common import changed, is_merge
from trifid.methods.registry import Call, method
from trifid.methods.vm_devices import nic_of
from trifid.methods.vm_requests import find_vm, the_vector

Nic = dict[str, str]

GROUPS = "SECURITY_GROUPS"
_GROUPS_MAX = 64


def _with_nic(vm: VM, nic_id: int, nic: Nic) -> VM:
    nics = [nic if one.get("NIC_ID") == str(nic_id) else one for one in vm.template.vectors("NIC")]
    return replace(vm, template=vm.template.replacing("NIC", *nics))


def _listed(groups: frozenset[int]) -> str:
    return ",".join(map(str, sorted(groups)))


@method("one.vm.attachsg")
async def attach_group(call: Call, vm_id: int, nic_id: int, group_id: int) -> int:
    """Give a NIC of a VM another security group, running or not."""

    def change(draft: Draft, vm: VM) -> VM:
        nic = nic_of(vm, nic_id)
        present = groups_of(nic)
        check(call.caller, Right.USE, "SECGROUP", draft.security_group(group_id))
        if group_id in present:
            raise Refused(f"NIC {nic_id} of VM {vm_id} has security group {group_id} already", vm_id)
        return _with_nic(vm, nic_id, {**nic, GROUPS: _bounded(vm, present | {group_id})})

    return await changed(call, "VM", vm_id, Right.MANAGE, f"security group {group_id} attached", change, find_vm)


def _bounded(vm: VM, groups: frozenset[int]) -> str:
    if len(groups) > _GROUPS_MAX:
        raise Refused(f"VM {vm.id}: a NIC can have {_GROUPS_MAX} security groups, it would have {len(groups)}", vm.id)
    return _listed(groups)


@method("one.vm.detachsg")
async def detach_group(call: Call, vm_id: int, nic_id: int, group_id: int) -> int:
    """Take a security group away from a NIC of a VM, running or not; the last one stays."""

    def change(draft: Draft, vm: VM) -> VM:
        nic = nic_of(vm, nic_id)
        present = groups_of(nic)
        if group_id not in present:
            has = _listed(present) or "none"
            raise Refused(f"NIC {nic_id} of VM {vm_id} does not have security group {group_id}, it has {has}", vm_id)
        if len(present) == 1:
            raise Refused(
                f"security group {group_id} is the only one of NIC {nic_id} of VM {vm_id}: attach another first", vm_id
            )
        return _with_nic(vm, nic_id, {**nic, GROUPS: _listed(present - {group_id})})

    return await changed(call, "VM", vm_id, Right.MANAGE, f"security group {group_id} detached", change, find_vm)


@method("one.vm.updatenic")
async def update_nic(call: Call, vm_id: int, nic_id: int, template: str, append: int = 0) -> int:
    """Change a NIC of a VM, `NIC = [ … ]`: its SECURITY_GROUPS, and how fast it is (INBOUND_AVG_BW …).

    With append 0 limits that are not named are taken away, with 1 they stay; limits are for administrators.  What
    else the vector has must be as it is.
    """
    merges, given = is_merge(append), the_vector(template, "NIC")

    def change(draft: Draft, vm: VM) -> VM:
        nic = nic_of(vm, nic_id)
        new = _updated(nic, given, merges=merges or not call.caller.is_admin)
        check_vector("NIC", new, f"NIC {nic_id}")
        if not call.caller.is_admin:
            _refuse_restricted(call, nic, new)
        if GROUPS in given:
            added = _listed(groups_of(new) - groups_of(nic))
            check_groups(draft, call.caller, [{GROUPS: added}], [])
            new[GROUPS] = _bounded(vm, groups_of(new))
        return _with_nic(vm, nic_id, new)

    return await changed(call, "VM", vm_id, Right.MANAGE, "nic updated", change, find_vm)


def _updated(nic: Nic, given: Nic, *, merges: bool) -> Nic:
    """Return a NIC with what is given in place of what it has; raises Refused for what cannot be changed so."""
    for key, value in given.items():
        if key not in LIMITS and key != GROUPS and nic.get(key, "") != value:
            can = ", ".join((GROUPS, *LIMITS))
            has = f'it is "{shown(nic[key])}"' if key in nic else "it has none"
            raise Refused(f"{key} of a NIC cannot be changed, {has}: {can} can, for others attach another NIC")
    if GROUPS in given and not given[GROUPS].strip():
        raise Refused(f"{GROUPS} cannot be empty: 0 is the group that lets everything pass")
    kept = {key: value for key, value in nic.items() if merges or key not in LIMITS}
    changes = {key: value for key, value in given.items() if key in LIMITS or key == GROUPS}
    return {key: value for key, value in {**kept, **changes}.items() if value or key not in LIMITS}


def _refuse_restricted(call: Call, before: Nic, after: Nic) -> None:
    known, new = (Template((("NIC", nic),)) for nic in (before, after))
    if forbidden := call.engine.config.restricted.of_vms.found(new, known):
        raise refusal(call.caller.uid, "VM", forbidden[0])
