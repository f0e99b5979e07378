"""What VM groups allow while VMs move: the rules of core/affinity.py for planners."""

from collections.abc import Iterable, Sequence

import msgspec

from trifid.core.affinity import Rules, limits, rules_of
from trifid.placement.affinity import spread_value
from trifid.placement.planners.model import Allows, Places
from trifid.placement.view import MONITORED, GroupView, HostView


class _Member(msgspec.Struct, frozen=True):
    """A VM in a group.

    Attributes:
        others: VM id to role of all VMs of the group.
        values: host id to what it has of that over which the role is spread.
    """

    rules: Rules
    others: dict[int, str]
    values: dict[int, str]


def allowed_by(groups: Iterable[GroupView], hosts: Sequence[HostView]) -> Allows:
    """Return what tells whether a VM may come to a host; one that is in no group may come to each."""
    members: dict[int, _Member] = {}
    for one in groups:
        rules = rules_of(one.group)
        for vm_id, role in one.members.items():
            if role in rules:
                members[vm_id] = _Member(rules[role], one.members, _values(rules[role], hosts))

    def allows(vm_id: int, host_id: int, places: Places) -> bool:
        member = members.get(vm_id)
        if member is None:
            return True
        where = _where(member.others, places)
        return limits(member.rules, where, vm_id, values=member.values).allow(host_id)

    return allows


def _values(rules: Rules, hosts: Sequence[HostView]) -> dict[int, str]:
    if rules.spread is None:
        return {}
    return {host.id: spread_value(rules.spread.over, host) for host in hosts if host.state == MONITORED}


def _where(roles: dict[int, str], places: Places) -> dict[str, dict[int, set[int]]]:
    """Return role to host id to the VMs there."""
    found: dict[str, dict[int, set[int]]] = {}
    for vm_id, role in roles.items():
        for host_id in places.get(vm_id, ()):
            found.setdefault(role, {}).setdefault(host_id, set()).add(vm_id)
    return found
