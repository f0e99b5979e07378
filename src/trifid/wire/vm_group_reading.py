"""A VM group from its document, for programs that place VMs: what the engine knows, read back."""

from typing import Any

from trifid.core.template.model import Template, Value
from trifid.core.vm_group.record import Policy, Role, VmGroup
from trifid.wire.elements import several


def read_group(element: dict[str, Any]) -> VmGroup:
    """Return the group of a VM_GROUP element, without its lock and permissions.

    Raises:
        KeyError, ValueError: it is none.
    """
    roles = tuple(_role(one) for one in _roles(element))
    return VmGroup(
        id=int(element["ID"]),
        uid=int(element["UID"]),
        gid=int(element["GID"]),
        name=element["NAME"],
        roles=roles,
        next_role_id=1 + max((role.id for role in roles), default=-1),
        template=_template(element.get("TEMPLATE")),
    )


def read_members(element: dict[str, Any]) -> dict[int, str]:
    """Return the VMs of a VM_GROUP element: VM id to the name of its role."""
    return {vm_id: one["NAME"] for one in _roles(element) for vm_id in _ids(one.get("VMS", ""))}


def _roles(element: dict[str, Any]) -> list[dict[str, str]]:
    roles = element.get("ROLES")
    return several(roles.get("ROLE")) if isinstance(roles, dict) else []


def _role(one: dict[str, str]) -> Role:
    return Role(
        id=int(one["ID"]),
        name=one["NAME"],
        policy=Policy(one.get("POLICY") or Policy.NONE),
        host_affined=_ids(one.get("HOST_AFFINED", "")),
        host_anti_affined=_ids(one.get("HOST_ANTI_AFFINED", "")),
    )


def _ids(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word.strip())


def _template(element: Any) -> Template:
    found: dict[str, Any] = element if isinstance(element, dict) else {}
    pairs: list[tuple[str, Value]] = [(name, value) for name in found for value in several(found[name])]
    return Template(tuple(pairs))
