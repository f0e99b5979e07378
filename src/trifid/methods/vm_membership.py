"""one.vm.vmgroupadd and vmgroupdel: VMs that join a VM group, and leave it, after they were made.

Source: reference/api-modern.md §4 (vm.vmgroupadd, vm.vmgroupdel).
"""

from msgspec.structs import replace

from trifid.core.access import Right, check_use
from trifid.core.vm.record import VM
from trifid.core.vm_group.record import VECTOR, membership
from trifid.engine.transaction import Draft
from trifid.engine.vm_groups import KIND, called, refuse_joining, refuse_no_role
from trifid.errors import Refused
from trifid.methods.common import changed
from trifid.methods.registry import Call, method
from trifid.methods.vm_requests import find_vm


@method("one.vm.vmgroupadd")
async def add(call: Call, vm_id: int, group_id: int, role: str) -> int:
    """Give a VM that is in no VM group a role in one; if it is on a host, it must keep the group's rules there."""

    def change(draft: Draft, vm: VM) -> VM:
        if (found := membership(vm)) is not None:
            raise Refused(
                f"VM {vm_id} has role {found[1]} in {called(draft.vm_group(found[0]))}: take it out first", vm_id
            )
        group = draft.vm_group(group_id)
        check_use(call.caller, KIND, group)
        refuse_no_role(group, role)
        vector = {"ROLE": role, "VMGROUP_ID": str(group_id)}
        joined = replace(vm, template=vm.template.replacing(VECTOR, vector))
        refuse_joining(draft, joined, group)
        return joined

    return await changed(call, "VM", vm_id, Right.MANAGE, f"joined VM group {group_id}", change, find_vm)


@method("one.vm.vmgroupdel")
async def remove(call: Call, vm_id: int) -> int:
    """Take a VM out of its VM group."""

    def change(draft: Draft, vm: VM) -> VM:
        if membership(vm) is None:
            raise Refused(f"VM {vm_id} is in no VM group", vm_id)
        return replace(vm, template=vm.template.without(VECTOR))

    return await changed(call, "VM", vm_id, Right.MANAGE, "left its VM group", change, find_vm)
