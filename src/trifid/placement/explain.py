"""Why a VM is where it is, or waits: every rule's verdict on every host, the nearest host, the smallest change.

Which host would be taken is not found out here but asked of `place`, so that what is told is what would be done.
"""

import math
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from trifid.core.template.rank import Rank, compile_rank
from trifid.errors import BadTemplate
from trifid.placement import verdicts
from trifid.placement.datastore_verdicts import datastore
from trifid.placement.expressions import Compiler
from trifid.placement.filters import Filter
from trifid.placement.place import place
from trifid.placement.policies import POLICIES
from trifid.placement.rule import Judge, Rule
from trifid.placement.rules import builtin
from trifid.placement.verdicts import of_filter, values_of
from trifid.placement.view import Expression, HostView, View, WaitingVm

RULES: tuple[Rule, ...] = (
    Rule("state", verdicts.state),
    Rule("rights", verdicts.rights),
    Rule("leaving", verdicts.host_to_leave),
    Rule("driver", verdicts.driver),
    Rule("cluster", verdicts.cluster),
    Rule("requirement", verdicts.requirement),
    Rule("banned", verdicts.refusals),
    Rule("cpu", verdicts.cpu),
    Rule("memory", verdicts.memory),
    Rule("affinity", verdicts.affinity),
    Rule("devices", verdicts.devices),
    Rule("datastore", datastore),
)
"""The rules that have a plain form, in the order in which tables show them; all other filters follow."""


class Told(msgspec.Struct, frozen=True):
    """What one rule says of one host; see `Verdict`."""

    rule: str
    holds: bool
    text: str
    change: str = ""


class HostTold(msgspec.Struct, frozen=True):
    """A host, rule by rule.

    Attributes:
        rank: how good it is for the VM; None when it does not fit.
        distance: how many rules do not hold, then how far they are from it in all; the nearest is the smallest.
    """

    id: int
    name: str
    fits: bool
    rank: int | None
    verdicts: tuple[Told, ...]
    distance: tuple[float, float] = (0, 0.0)


class Count(msgspec.Struct, frozen=True):
    """How many hosts do not keep a rule."""

    rule: str
    hosts: int


class Explanation(msgspec.Struct, frozen=True):
    """Everything that can be said about where a VM can go.

    Attributes:
        hosts: those that fit, best first, then the others, nearest first.
        fitting: how many fit.
        rank: what the hosts that fit are ranked by; its attribute is the policy's name when the VM has none.
        chosen: (host id, datastore id) that the scheduler would take now.
        why: why none is taken, as SCHED_MESSAGE tells it.
        warning: what is wrong with the VM though it can be placed.
        change: the smallest change with which it would fit, told when it fits nowhere.
        counts: rules that hosts do not keep, the one that most do not keep first.
    """

    vm: WaitingVm
    hosts: tuple[HostTold, ...]
    fitting: int
    rank: Expression
    chosen: tuple[int, int] | None = None
    why: str = ""
    warning: str = ""
    change: str = ""
    counts: tuple[Count, ...] = ()


def explain(
    vm: WaitingVm,
    view: View,
    policy: str = "striping",
    datastore_policy: str = "striping",
    filters: Sequence[Filter] = (),
) -> Explanation:
    """Return what every rule says of every host of a view for one VM, as if it were served first.

    Args:
        view: with hosts beside leases in time, where there are any: see lease_room.beside_leases.
        policy, datastore_policy, filters: as of `place`.
    """
    first = replace(vm, priority=math.inf)
    whole = replace(view, vms=(first, *_moving_with(vm, view)))
    plan = place(_reserved(vm, whole), policy, datastore_policy, filters=filters)
    if vm.id in plan.refusals:
        plan = place(whole, policy, datastore_policy, filters=filters)
    chosen = next(((host_id, store_id) for vm_id, host_id, store_id in plan.placements if vm_id == vm.id), None)
    rank, expression = _rank(vm, policy)
    judges = judges_of(vm, view, filters)
    told = [_told(host, judges, rank) for host in view.hosts]
    fitting = sorted((one for one in told if one.fits), key=lambda one: (-(one.rank or 0), one.id))
    if chosen is not None:
        fitting.sort(key=lambda one: one.id != chosen[0])  # a filter may prefer a host whatever its rank
    others = sorted((one for one in told if not one.fits), key=lambda one: (*one.distance, one.id))
    return Explanation(
        vm=vm,
        hosts=(*fitting, *others),
        fitting=len(fitting),
        rank=expression,
        chosen=chosen,
        why=plan.refusals.get(vm.id, ""),
        warning=plan.warnings.get(vm.id, ""),
        change="" if fitting else smallest_change(others),
        counts=_counts(others, [name for name, _ in judges]),
    )


def _reserved(vm: WaitingVm, view: View) -> View:
    """Return the view with no host but the one that is reserved for a VM, or else as it is."""
    host_id = vm.lease.mark.host_id if vm.lease is not None else -1
    hosts = tuple(host for host in view.hosts if host.id == host_id)
    return replace(view, hosts=hosts) if hosts else view


def _moving_with(vm: WaitingVm, view: View) -> tuple[WaitingVm, ...]:
    """Return the VMs of the same group that are to move too: they hold the VM nowhere, and come after it."""
    if vm.vm_group_id < 0:
        return ()
    return tuple(one for one in view.vms if one.vm_group_id == vm.vm_group_id and one.host_id >= 0 and one.id != vm.id)


def judges_of(vm: WaitingVm, view: View, filters: Sequence[Filter] = ()) -> list[tuple[str, Judge]]:
    """Return what judges hosts for a VM, with the names of the rules that concern it."""
    plain = {rule.name for rule in RULES}
    others = [of_filter(one) for one in (*builtin(Compiler()), *filters) if one.name not in plain]
    return [(rule.name, judge) for rule in (*RULES, *others) if (judge := rule.judge(vm, view)) is not None]


def smallest_change(hosts: Sequence[HostTold]) -> str:
    """Return what would make the nearest host fit that anything could; empty when nothing could.

    Args:
        hosts: that do not fit, nearest first.
    """
    for host in hosts:
        failing = [one for one in host.verdicts if not one.holds]
        if all(one.change for one in failing):
            return f"{' and '.join(one.change for one in failing)} it would fit on {host.name}"
    return ""


def _told(host: HostView, judges: Sequence[tuple[str, Judge]], rank: Rank) -> HostTold:
    told: list[Told] = []
    lacks: list[float] = []
    for name, judge in judges:
        verdict = judge(host)
        if verdict is None:
            continue
        told.append(Told(name, verdict.holds, verdict.text, verdict.change))
        if not verdict.holds:
            lacks.append(verdict.lack)
    fits = not lacks
    value = rank.value(lambda name: next(iter(values_of(host, name)), None)) if fits else None
    return HostTold(host.id, host.name, fits, value, tuple(told), (len(lacks), sum(lacks)))


def _rank(vm: WaitingVm, policy: str) -> tuple[Rank, Expression]:
    """Return what hosts are ranked by; a wrong rank makes all equal, as in `place`."""
    expression = vm.rank if vm.rank.text.strip() else Expression(POLICIES.get(policy, policy), "modern", policy)
    try:
        return compile_rank(expression.text, expression.dialect), expression
    except BadTemplate:
        return compile_rank(""), Expression("", "modern", expression.attribute)


def _counts(hosts: Sequence[HostTold], names: Sequence[str]) -> tuple[Count, ...]:
    counts = dict.fromkeys(names, 0)
    for host in hosts:
        for one in host.verdicts:
            counts[one.rule] += not one.holds
    found = [Count(rule, number) for rule, number in counts.items() if number]
    return tuple(sorted(found, key=lambda one: -one.hosts))
