"""A VM group as a record: roles, and rules about which of their VMs share a host.

Which VMs are in a role is told by the VMs themselves (`membership`).

Source: reference/api-modern.md §4 (VM groups), §5.5 (vm_group.xsd).
"""

import enum

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.vm.lock import Lock
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState

VECTOR = "VMGROUP"
"""What tells in a VM's template which role it has."""


class Policy(enum.StrEnum):
    """How the VMs of one role are placed: all on one host, each on another, or either way."""

    NONE = "NONE"
    AFFINED = "AFFINED"
    ANTI_AFFINED = "ANTI_AFFINED"


class Role(msgspec.Struct, frozen=True):
    """VMs that are placed by the same rules.

    Attributes:
        id: unique in its group, never given again.
        host_affined: ids of the only hosts that its VMs may be on; empty = any.
        host_anti_affined: ids of hosts that they must not be on.
    """

    id: int
    name: str
    policy: Policy = Policy.NONE
    host_affined: tuple[int, ...] = ()
    host_anti_affined: tuple[int, ...] = ()


class Spread(msgspec.Struct, frozen=True):
    """How the VMs of a role are spread: evenly over the values of something that hosts have.

    Attributes:
        over: CLUSTER, HOST, or an attribute of hosts or their clusters (RACK …).
        max_skew: by how much the numbers of VMs at any two values may differ; None = as evenly as can be.
    """

    over: str
    max_skew: int | None = None


class VmGroup(msgspec.Struct, frozen=True):
    """A VM group.

    Attributes:
        roles: in the order of their ids.
        template: AFFINED, ANTI_AFFINED and SPREAD, checked when they are written, and the user's attributes.
    """

    id: int
    uid: int
    gid: int
    name: str
    roles: tuple[Role, ...] = ()
    next_role_id: int = 0
    permissions: Permissions = Permissions(0o600)
    lock: Lock | None = None
    template: Template = Template()

    def role(self, name: str) -> Role | None:
        """Return the role of a name, or None."""
        return next((role for role in self.roles if role.name == name), None)

    def rules(self, name: str) -> list[frozenset[str]]:
        """Return the roles that each rule `name`, AFFINED or ANTI_AFFINED, is about; empty ones are left out."""
        found = (names_in(text) for text in self.template.all(name) if isinstance(text, str))
        return [names for names in found if names]

    def spreads(self) -> dict[str, Spread]:
        """Return how roles are spread, by the role's name."""
        return {
            vector.get("ROLE", "").strip(): Spread(
                over=vector.get("OVER", "").strip().upper(),
                max_skew=int(vector["MAX_SKEW"]) if vector.get("MAX_SKEW", "").isdecimal() else None,
            )
            for vector in self.template.vectors("SPREAD")
        }


def names_in(text: str) -> frozenset[str]:
    """Return the names in a list with commas between."""
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def membership(vm: VM) -> tuple[int, str] | None:
    """Return the id of the group that a VM is in and the name of its role; None when it is in none."""
    vector = vm.template.vector(VECTOR)
    number, role = vector.get("VMGROUP_ID", ""), vector.get("ROLE", "")
    # An engine that knew no groups kept whatever was written.
    if not number.isdecimal() or not role or vm.state is VmState.DONE:
        return None
    return int(number), role
