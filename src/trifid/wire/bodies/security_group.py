"""The document of a security group: the same alone and in a pool.

Source: reference/api-modern.md §5.1, §5.5 (security_group.xsd).
"""

from collections.abc import Collection, Mapping

from trifid.core.network.security_group import SecurityGroup
from trifid.wire.bodies.parts import Names, body, ids, owner, permissions
from trifid.wire.xmltext import escape

STATES = ("UPDATED", "OUTDATED", "UPDATING", "ERROR")
"""Whether the host of a VM applies what the group says now; in the schema's order."""


def security_group(group: SecurityGroup, names: Names, vm_ids: Mapping[str, Collection[int]]) -> str:
    """Return the SECURITY_GROUP document.

    Args:
        vm_ids: the VMs of the group, by STATES.
    """
    vms = "".join([ids(f"{state}_VMS", vm_ids.get(state, ())) for state in STATES])
    return (
        f"<SECURITY_GROUP><ID>{group.id}</ID>{owner(group.uid, group.gid, names)}<NAME>{escape(group.name)}</NAME>"
        f"{permissions(group.permissions)}{vms}{body('TEMPLATE', group.template)}</SECURITY_GROUP>"
    )
