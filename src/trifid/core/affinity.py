"""Which hosts a VM may be on, because of where the other VMs of its group are.

The engine asks when a VM is put on a host, a scheduler when it looks for one: both get the same answer here.
`rules_of` makes of a group what holds for each of its roles; `why_not` tells about one host, in words, and `limits`
about all hosts at once.  VMs that are off are on no host; one that moves is on two, and keeps both.

What follows from several rules together is part of the rules: when a is with b and b is apart from c, so is a.
Otherwise the first VM could be put where the second can never follow.

Source: reference/api-modern.md §4 (VM groups); SPREAD is ours (docs/vm-groups.md).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterator, Mapping

import msgspec

from trifid.core.cluster import Cluster
from trifid.core.host import Host
from trifid.core.vm_group.record import Policy, Spread, VmGroup

CLUSTER, HOST = "CLUSTER", "HOST"
"""What a role can be spread over beside the values of an attribute."""

Places = Mapping[str, Mapping[int, Collection[int]]]
"""Where the VMs of a group are: role to host id to the ids of its VMs there."""
Values = Mapping[int, str]
"""The hosts that take VMs, and what each has of that over which a role is spread; empty = nothing."""

_NOBODY: frozenset[int] = frozenset()
_NOTHING_KNOWN: Values = {}


class Rules(msgspec.Struct, frozen=True):
    """What holds for the VMs of one role.

    Attributes:
        together: the roles whose VMs are all on one host with its own, itself among them; empty = it is free.
        apart: the roles whose VMs are on no host with one of its own; itself among them when these are kept apart.
        hosts: ids of the only hosts for it; None = any.
        not_hosts: ids of the hosts that are not for it.
    """

    role: str
    together: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()
    hosts: frozenset[int] | None = None
    not_hosts: frozenset[int] = _NOBODY
    spread: Spread | None = None

    @property
    def is_about_others(self) -> bool:
        """Whether it matters where other VMs are."""
        return bool(self.together or self.apart or self.spread)

    def takes(self, host_id: int) -> bool:
        """Tell whether a host is one for the role, whoever is there."""
        return host_id not in self.not_hosts and (self.hosts is None or host_id in self.hosts)


class Limits(msgspec.Struct, frozen=True):
    """Where a VM may be.

    Attributes:
        required: it must be on one of these hosts; None = on any, empty = on none now.
        forbidden: it must not be on these.
    """

    required: frozenset[int] | None
    forbidden: frozenset[int]

    def allow(self, host_id: int) -> bool:
        """Tell whether the VM may be on a host."""
        return host_id not in self.forbidden and (self.required is None or host_id in self.required)


# -- what holds ----------------------------------------------------------------------------------------


def together_sets(group: VmGroup) -> dict[str, frozenset[str]]:
    """Return for each role that is kept on one host all roles on that host with it; AFFINED rules that share a role
    are one.
    """
    found = {role.name: frozenset((role.name,)) for role in group.roles if role.policy is Policy.AFFINED}
    for names in group.rules(Policy.AFFINED):
        whole = names.union(*(found.get(name, frozenset()) for name in names))
        found.update((name, whole) for name in whole)
    return found


def rules_of(group: VmGroup) -> dict[str, Rules]:
    """Return what holds for each role of a group, by the role's name."""
    together, spreads = together_sets(group), group.spreads()
    apart = _apart(group, together)
    rules = {}
    for role in group.roles:
        joined = [one for one in group.roles if one.name in together.get(role.name, (role.name,))]
        only = [frozenset(one.host_affined) for one in joined if one.host_affined]
        rules[role.name] = Rules(
            role=role.name,
            together=together.get(role.name, frozenset()),
            apart=frozenset(apart[role.name]),
            hosts=frozenset.intersection(*only) if only else None,
            not_hosts=_NOBODY.union(*(one.host_anti_affined for one in joined)),
            spread=spreads.get(role.name),
        )
    return rules


def _apart(group: VmGroup, together: Mapping[str, frozenset[str]]) -> Mapping[str, set[str]]:
    """Return for each role those that it is kept apart from; what is with one of these is meant too."""
    apart: defaultdict[str, set[str]] = defaultdict(set)
    for role in group.roles:
        if role.policy is Policy.ANTI_AFFINED:
            apart[role.name].add(role.name)
    for names in group.rules(Policy.ANTI_AFFINED):
        for one in names:
            for other in names - {one}:
                for mine in together.get(one, (one,)):
                    apart[mine].update(together.get(other, (other,)))
    return apart


# -- all hosts at once ---------------------------------------------------------------------------------


def limits(
    rules: Rules, places: Places, vm_id: int, *, leaving: Container[int] = (), values: Values = _NOTHING_KNOWN
) -> Limits:
    """Return where a VM of a role may be.  Where it is itself does not matter.

    Of VMs that are kept together and all wait, the first one that is placed decides.

    Args:
        leaving: VMs that leave their hosts too, so that they hold nobody there; those who are kept apart do.
        values: for a role that is spread with MAX_SKEW.
    """
    required = rules.hosts
    there = _anchors(rules, places, vm_id, leaving)
    if there:
        kept = frozenset(there) if len(there) == 1 else _NOBODY
        required = kept if required is None else required & kept
    forbidden = {host_id for _, host_id, _ in _neighbours(rules.apart, places, vm_id)} | rules.not_hosts
    if rules.spread is not None and rules.spread.max_skew is not None:
        forbidden |= _too_full(rules, places, vm_id, values)
    return Limits(required, frozenset(forbidden))


def spread_counts(rules: Rules, places: Places, vm_id: int, values: Values) -> dict[str, int]:
    """Return how many other VMs of a role are at each value of that over which it is spread.

    Fewer is better.  Values of hosts that take no VM of the role are not told, so that the least of these numbers is
    what there is to be even with.
    """
    usable = {value for host_id, value in values.items() if value and rules.takes(host_id)}
    found: dict[str, set[int]] = {value: set() for value in usable}
    for _, host_id, ids in _neighbours((rules.role,), places, vm_id):
        value = values.get(host_id)
        if value in found:
            found[value].update(ids)
    return {value: len(ids - {vm_id}) for value, ids in found.items()}


def _too_full(rules: Rules, places: Places, vm_id: int, values: Values) -> set[int]:
    """Return the hosts at whose value a VM more would be too many, and those that have no value."""
    assert rules.spread is not None and rules.spread.max_skew is not None
    counts = spread_counts(rules, places, vm_id, values)
    most = min(counts.values(), default=0) + rules.spread.max_skew
    return {host_id for host_id, value in values.items() if counts.get(value, most) >= most}


def _anchors(rules: Rules, places: Places, vm_id: int, leaving: Container[int]) -> dict[int, int]:
    """Return the hosts where VMs are that a VM must be with, and one of these VMs for each."""
    found: dict[int, int] = {}
    for _, host_id, ids in _neighbours(rules.together, places, vm_id):
        staying = [one for one in ids if one != vm_id and one not in leaving]
        if staying:
            found[host_id] = min(staying)
    return found


def _neighbours(roles: Collection[str], places: Places, vm_id: int) -> Iterator[tuple[str, int, Collection[int]]]:
    """Yield role, host and VMs of each host where VMs of these roles are, other than one."""
    for role in roles:
        for host_id, ids in places.get(role, {}).items():
            if len(ids) > 1 or vm_id not in ids:
                yield role, host_id, ids


# -- one host, in words --------------------------------------------------------------------------------


def why_not(
    rules: Rules,
    places: Places,
    vm_id: int,
    host_id: int,
    *,
    called: Callable[[int], str] = "host {}".format,
    leaving: Container[int] = (),
    values: Values = _NOTHING_KNOWN,
) -> str:
    """Return why a VM of a role may not be on a host; empty when it may.

    Args:
        called: id of a host -> as messages call it.
        leaving, values: as `limits` takes them.
    """
    me = f"role {rules.role}"
    if host_id in rules.not_hosts:
        return f"{me} is kept off {called(host_id)} by HOST_ANTI_AFFINED{_of_others(rules)}"
    if rules.hosts is not None and host_id not in rules.hosts:
        only = ", ".join(called(one) for one in sorted(rules.hosts))
        return f"{me} may only be on {only} by HOST_AFFINED{_of_others(rules)}"
    for other in sorted(rules.apart, key=lambda name: (name != rules.role, name)):
        ids = sorted(one for one in places.get(other, {}).get(host_id, ()) if one != vm_id)
        if ids and other == rules.role:
            return f"{me} is kept apart: VM {ids[0]} of it is on {called(host_id)}"
        if ids:
            return f"{me} is kept apart from role {other}: VM {ids[0]} of that is on {called(host_id)}"
    there = _anchors(rules, places, vm_id, leaving)
    if there and set(there) != {host_id}:
        return _elsewhere(rules, there, called)
    if rules.spread is not None and rules.spread.max_skew is not None:
        return _uneven(rules, rules.spread, places, vm_id, host_id, called, values)
    return ""


def _of_others(rules: Rules) -> str:
    others = sorted(rules.together - {rules.role})
    return f", its own or that of {', '.join(others)}, which it is kept together with" if others else ""


def _elsewhere(rules: Rules, there: Mapping[int, int], called: Callable[[int], str]) -> str:
    others = sorted(rules.together - {rules.role})
    with_whom = f" with {', '.join(others)}" if others else ""
    me = f"role {rules.role} is kept together{with_whom}"
    if len(there) == 1:
        ((host_id, vm_id),) = there.items()
        return f"{me}: VM {vm_id} is on {called(host_id)}"
    at = " and ".join(f"VM {vm_id} on {called(host_id)}" for host_id, vm_id in sorted(there.items()))
    return f"{me}, and is not on one host now ({at}): wait until they have moved, or move them to one host"


def _uneven(
    rules: Rules,
    spread: Spread,
    places: Places,
    vm_id: int,
    host_id: int,
    called: Callable[[int], str],
    values: Values,
) -> str:
    value = values.get(host_id, "")
    if not value:
        return f"role {rules.role} is spread over {spread.over}, and {called(host_id)} has none"
    counts = spread_counts(rules, places, vm_id, values)
    least = min(counts, key=lambda one: (counts[one], one))
    if counts[value] + 1 - counts[least] <= (spread.max_skew or 0):
        return ""
    return (
        f"role {rules.role} is spread over {spread.over}: {value} would have {counts[value] + 1} of its VMs, "
        f"{least} has {counts[least]}, and they may differ by {spread.max_skew} (MAX_SKEW)"
    )


def value_over(over: str, host: Host, cluster: Cluster | None) -> str:
    """Return what a host has of that over which a role is spread; empty = nothing.

    Args:
        over: CLUSTER, HOST, or an attribute of the host, or else of its cluster.
    """
    if over == CLUSTER:
        return cluster.name if cluster is not None else str(host.cluster_id)
    if over == HOST:
        return host.name
    own = host.template.single(over).strip()
    return own or (cluster.template.single(over).strip() if cluster is not None else "")
