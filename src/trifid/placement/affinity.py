"""VM groups for the matchmaker: which hosts a VM may be on, because of where the others of its group are.

The rules themselves are in core/affinity.py, which the engine asks again when it takes a placement.
"""

from collections.abc import Hashable, Sequence

import msgspec
import numpy as np

from trifid.core.affinity import CLUSTER, HOST, Rules, Values, limits, rules_of, spread_counts, why_not
from trifid.placement.columns import Booleans
from trifid.placement.filters import Filter, count
from trifid.placement.table import HostTable
from trifid.placement.view import MONITORED, GroupView, HostView, View, WaitingVm


class _Group(msgspec.Struct):
    """A group in a plan.

    Attributes:
        rules: by role.
        places: role to host id to the VMs there.
        values: by what roles are spread over: host id to its value.
    """

    rules: dict[str, Rules]
    places: dict[str, dict[int, set[int]]]
    values: dict[str, dict[int, str]]


class Affinity(Filter):
    """What a VM's group asks: hosts for roles, together, apart, and evenly spread."""

    name = "affinity"

    def begin(self, view: View, table: HostTable) -> None:
        self._table = table
        self._leaving = {vm.id for vm in view.vms if vm.host_id >= 0}
        self._known = {one.group.id: one for one in view.groups}
        self._groups: dict[int, _Group] = {}

    def key(self, vm: WaitingVm) -> Hashable | None:
        return None if self._rules(vm) is not None else ()

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        rules = self._rules(vm)
        if rules is None:
            return None
        group = self._groups[vm.vm_group_id]
        allowed = limits(rules, group.places, vm.id, leaving=self._leaving, values=_values(group, rules))
        if allowed.required is None:
            found = np.ones(len(table.hosts), np.bool_)
        else:
            found = np.zeros(len(table.hosts), np.bool_)
            found[[table.index[one] for one in allowed.required if one in table.index]] = True
        found[[table.index[one] for one in allowed.forbidden if one in table.index]] = False
        return found

    def prefer(self, vm: WaitingVm, table: HostTable, left: Booleans) -> Booleans | None:
        """Return the hosts whose value has the fewest VMs of the role, for one that is spread."""
        rules = self._rules(vm)
        if rules is None or rules.spread is None:
            return None
        group = self._groups[vm.vm_group_id]
        values = _values(group, rules)
        counts = spread_counts(rules, group.places, vm.id, values)
        numbers = np.array([counts.get(values.get(host.id, ""), np.inf) for host in table.hosts], np.float64)
        numbers[~left] = np.inf
        least = numbers.min(initial=np.inf)
        fewest: Booleans = numbers == least
        return fewest if np.isfinite(least) else None

    def put(self, vm: WaitingVm, index: int) -> None:
        if self._rules(vm) is not None:
            places = self._groups[vm.vm_group_id].places
            places.setdefault(vm.role, {}).setdefault(self._table.hosts[index].id, set()).add(vm.id)
            self._leaving.discard(vm.id)  # on two hosts until it has moved: the others follow when it has

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        return f"{count(len(hosts), 'are')} not for its VM group ({self.reason(vm, hosts[0])})"

    def reason(self, vm: WaitingVm, host: HostView) -> str:
        """Return why the group keeps a VM off a host; empty when it does not."""
        rules = self._rules(vm)
        if rules is None:
            return ""
        group = self._groups[vm.vm_group_id]
        return why_not(
            rules,
            group.places,
            vm.id,
            host.id,
            called=self._called,
            leaving=self._leaving,
            values=_values(group, rules),
        )

    def _called(self, host_id: int) -> str:
        index = self._table.index.get(host_id)
        return f"host {host_id}" if index is None else self._table.hosts[index].name

    def _rules(self, vm: WaitingVm) -> Rules | None:
        """Return what holds for a VM; None for one without a group, or whose group nobody knows."""
        if vm.vm_group_id not in self._known:
            return None
        group = self._groups.get(vm.vm_group_id)
        if group is None:
            group = self._groups[vm.vm_group_id] = self._begun(self._known[vm.vm_group_id])
        return group.rules.get(vm.role)

    def _begun(self, known: GroupView) -> _Group:
        rules = rules_of(known.group)
        places: dict[str, dict[int, set[int]]] = {}
        for vm_id, role in known.members.items():
            for index in self._table.carrying(vm_id):
                places.setdefault(role, {}).setdefault(self._table.hosts[index].id, set()).add(vm_id)
        overs = {rule.spread.over for rule in rules.values() if rule.spread is not None}
        up = [host for host in self._table.hosts if host.state == MONITORED]
        return _Group(rules, places, {over: {host.id: spread_value(over, host) for host in up} for over in overs})


def _values(group: _Group, rules: Rules) -> Values:
    return group.values[rules.spread.over] if rules.spread is not None else {}


def spread_value(over: str, host: HostView) -> str:
    """Return what a host has of that over which a role is spread (core/affinity.value_over)."""
    if over == CLUSTER:
        return str(host.cluster_id)
    if over == HOST:
        return host.name
    return next(iter(host.attributes.get(over, [])), "").strip()
