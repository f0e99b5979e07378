"""The document of a VM group: the same alone and in a pool.

Source: reference/api-modern.md §5.1, §5.5 (vm_group.xsd).
"""

from collections.abc import Collection, Mapping

from trifid.core.vm_group.record import Policy, Role, VmGroup
from trifid.wire.bodies.parts import Names, body, lock, owner, permissions, texts
from trifid.wire.xmltext import escape


def vm_group(group: VmGroup, names: Names, vm_ids: Mapping[str, Collection[int]]) -> str:
    """Return the VM_GROUP document.

    Args:
        vm_ids: the VMs of each role, by its name.
    """
    roles = "".join([f"<ROLE>{texts(_role(role, vm_ids.get(role.name, ())))}</ROLE>" for role in group.roles])
    return (
        f"<VM_GROUP><ID>{group.id}</ID>{owner(group.uid, group.gid, names)}<NAME>{escape(group.name)}</NAME>"
        f"{permissions(group.permissions)}{lock(group.lock)}<ROLES>{roles}</ROLES>"
        f"{body('TEMPLATE', group.template)}</VM_GROUP>"
    )


def _role(role: Role, vm_ids: Collection[int]) -> dict[str, str]:
    """Return the attributes of a role in the schema's order; those that are empty are left out."""
    all_of = {
        "HOST_AFFINED": _listed(role.host_affined),
        "HOST_ANTI_AFFINED": _listed(role.host_anti_affined),
        "ID": str(role.id),
        "NAME": role.name,
        "POLICY": "" if role.policy is Policy.NONE else role.policy.value,
        "VMS": _listed(vm_ids),
    }
    return {key: value for key, value in all_of.items() if value}


def _listed(ids: Collection[int]) -> str:
    return ",".join(map(str, sorted(ids)))
