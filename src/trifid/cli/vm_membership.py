"""`onevm` commands on VM groups: a VM joins one, and leaves it."""

from typing import Any

from trifid.cli.command import Argument, Command
from trifid.cli.kinds import VM, VM_GROUP
from trifid.cli.shell import Shell

_VMS = Argument("VM", VM, many=True)


def group_of(shell: Shell, vm: dict[str, Any]) -> str:
    """Return the VM group and role of a VM, from its document; empty when it is in none."""
    vector = (vm.get("TEMPLATE") or {}).get("VMGROUP")
    if not isinstance(vector, dict) or not vector.get("VMGROUP_ID", "").isdecimal():
        return ""
    name = shell.name(VM_GROUP, int(vector["VMGROUP_ID"]))
    return f"{name} [{vector['VMGROUP_ID']}], role {vector.get('ROLE')}".lstrip()


MEMBERSHIP_ROWS = (
    Command(
        "vmgroup-add",
        "Give a VM that is in no VM group a role in one.",
        (_VMS, Argument("VMGROUP", VM_GROUP), Argument("ROLE")),
        "one.vm.vmgroupadd",
        lambda vm_id, given: (vm_id, given.vmgroup, given.role),
        more="A VM that is on a host must keep the group's rules there.",
        examples=("vmgroup-add 3 app web", "vmgroup-add 3,5..7 0 web"),
    ),
    Command(
        "vmgroup-del",
        "Take a VM out of its VM group.",
        (_VMS,),
        "one.vm.vmgroupdel",
        examples=("vmgroup-del 3",),
    ),
)
