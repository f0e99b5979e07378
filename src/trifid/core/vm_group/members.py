"""Which VMs are in the roles of groups, and where they are: derived from the VMs, never told twice."""

from typing import NamedTuple

import msgspec

from trifid.core.ledger import charged_hosts
from trifid.core.vm.record import VM
from trifid.core.vm_group.record import membership


class Member(NamedTuple):
    """A VM as its group sees it.

    Attributes:
        hosts: ids of the hosts that carry it: none while it is off, two while it moves.
    """

    group_id: int
    role: str
    hosts: frozenset[int]


def member(vm: VM | None) -> Member | None:
    """Return what a VM's group must know of it; None for one that is gone, or in no group."""
    found = membership(vm) if vm is not None else None
    return Member(*found, charged_hosts(vm)) if vm is not None and found is not None else None


class GroupMembers(msgspec.Struct):
    """The VMs of one group.  What is empty is not kept.

    Attributes:
        vms: role to the ids of its VMs.
        places: role to host id to the ids of its VMs there; these sets are replaced, never changed.
    """

    vms: dict[str, set[int]] = {}
    places: dict[str, dict[int, frozenset[int]]] = {}

    def copy(self) -> "GroupMembers":
        """Return the same, to be changed without changing this."""
        return GroupMembers(
            {role: set(ids) for role, ids in self.vms.items()}, {role: dict(at) for role, at in self.places.items()}
        )

    def add(self, vm_id: int, one: Member) -> None:
        """Take a VM in."""
        self.vms.setdefault(one.role, set()).add(vm_id)
        for host_id in one.hosts:
            at = self.places.setdefault(one.role, {})
            at[host_id] = at.get(host_id, frozenset()) | {vm_id}

    def remove(self, vm_id: int, one: Member) -> None:
        """Take a VM out."""
        self.vms[one.role].discard(vm_id)
        if not self.vms[one.role]:
            del self.vms[one.role]
        for host_id in one.hosts:
            at = self.places[one.role]
            at[host_id] -= {vm_id}
            if not at[host_id]:
                del at[host_id]
            if not at:
                del self.places[one.role]


NO_MEMBERS = GroupMembers()
"""Of a group without VMs; never changed."""


class Members(msgspec.Struct):
    """The VMs of all groups that have some.

    Attributes:
        by_vm: by the VM's id.
        groups: by the group's id.
    """

    by_vm: dict[int, Member] = {}
    groups: dict[int, GroupMembers] = {}

    def of(self, group_id: int) -> GroupMembers:
        """Return the VMs of a group, to be looked at only."""
        return self.groups.get(group_id, NO_MEMBERS)

    def put(self, vm_id: int, new: Member | None) -> None:
        """Take note of what a VM is now; None for one that is gone, or in no group."""
        old = self.by_vm.pop(vm_id, None)
        if new is not None:
            self.by_vm[vm_id] = new
        if old == new:
            return
        if old is not None:
            of = self.groups[old.group_id]
            of.remove(vm_id, old)
            if not of.vms:
                del self.groups[old.group_id]
        if new is not None:
            self.groups.setdefault(new.group_id, GroupMembers()).add(vm_id, new)
