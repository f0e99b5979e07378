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


def _is_alike(old: VM, new: VM) -> bool:
    return old.state is new.state and old.template is new.template and old.history is new.history


class GroupMembers(msgspec.Struct):
    """The VMs of one group.

    Attributes:
        vms: role to the ids of its VMs.
        places: role to host id to the ids of its VMs there.
    """

    vms: dict[str, set[int]] = {}
    places: dict[str, dict[int, set[int]]] = {}

    def copy(self) -> "GroupMembers":
        """Return the same, to be changed without changing this."""
        return GroupMembers(
            {role: set(ids) for role, ids in self.vms.items()},
            {role: {host_id: set(ids) for host_id, ids in at.items()} for role, at in self.places.items()},
        )

    def add(self, vm_id: int, one: Member) -> None:
        """Take a VM in."""
        self.vms.setdefault(one.role, set()).add(vm_id)
        for host_id in one.hosts:
            self.places.setdefault(one.role, {}).setdefault(host_id, set()).add(vm_id)

    def remove(self, vm_id: int, one: Member) -> None:
        """Take a VM out; what is empty is not kept."""
        self.vms[one.role].discard(vm_id)
        if not self.vms[one.role]:
            del self.vms[one.role]
        for host_id in one.hosts:
            at = self.places[one.role]
            at[host_id].discard(vm_id)
            if not at[host_id]:
                del at[host_id]
            if not at:
                del self.places[one.role]


NO_MEMBERS = GroupMembers()
"""Of a group without VMs; never changed."""


class Members(msgspec.Struct):
    """The VMs of all groups that have some.

    Attributes:
        groups: by the group's id.
    """

    groups: dict[int, GroupMembers] = {}

    def of(self, group_id: int) -> GroupMembers:
        """Return the VMs of a group, to be looked at only."""
        return self.groups.get(group_id, NO_MEMBERS)

    def changed(self, old: VM | None, new: VM | None) -> None:
        """Take note that a VM is another than it was; None when it was not, or is gone."""
        if old is not None and new is not None and _is_alike(old, new):
            return
        before, after = member(old), member(new)
        if before == after:
            return
        if before is not None and old is not None:
            of = self.groups[before.group_id]
            of.remove(old.id, before)
            if not of.vms:
                del self.groups[before.group_id]
        if after is not None and new is not None:
            self.groups.setdefault(after.group_id, GroupMembers()).add(new.id, after)
