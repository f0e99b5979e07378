"""A whole plan: migrations in order, what they cost and what they gain.

A plan that was carried out finds nothing more to do: planning goes on from where its own migrations lead until what
is left is not worth it.  So no VM goes back and forth between plans.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from trifid.placement.planners.balance import balanced
from trifid.placement.planners.consolidate import consolidated
from trifid.placement.planners.model import Allows, Room, RunningVm, Usage, moved, usages
from trifid.placement.planners.steps import Limits, Ordered, Step, ordered

Goal = Literal["balance", "consolidate"]

UTILISATION_GAIN_MIN = 0.02
"""Balancing is worth it when the largest utilisation falls by this: two hundredths of a host."""
_ROUNDS_MAX = 100


class Cost(msgspec.Struct, frozen=True):
    """What a plan costs.

    Attributes:
        memory_gib: to be copied; a VM that stops over is copied twice.
        duration_s: estimated, when the migrations of a wave run at the same time, each as quick as told.
    """

    migrations: int
    memory_gib: float
    duration_s: float


class Load(msgspec.Struct, frozen=True):
    """How hosts are used.

    Attributes:
        utilisation: of the fullest open host, the larger one of its fractions of CPU and memory.
        hosts_used: open hosts that carry anything.
    """

    utilisation: float
    hosts_used: int


class Plan(msgspec.Struct, frozen=True):
    """What should be done.

    Attributes:
        steps: in order; see steps.py.
        left_out: VM id to why a move that was wanted cannot be done.
        after: VM id to host id when all is done, of those that are elsewhere then.
    """

    goal: Goal
    steps: tuple[Step, ...]
    left_out: dict[int, str]
    after: dict[int, int]
    before_load: Load
    after_load: Load
    cost: Cost


class Options(msgspec.Struct, frozen=True):
    """What limits a plan.

    Attributes:
        migrations_max: in all, None = no limit.
        utilisation_gain_min: what balancing must gain, as a fraction of a host.
        mib_per_s: how quick a VM's memory moves.
    """

    limits: Limits = Limits()
    migrations_max: int | None = None
    utilisation_gain_min: float = UTILISATION_GAIN_MIN
    mib_per_s: float = 100.0


def plan(
    goal: Goal,
    vms: Sequence[RunningVm],
    rooms: Sequence[Room],
    options: Options = Options(),  # noqa: B008  (frozen)
    allows: Allows | None = None,
) -> Plan:
    """Return what brings a cluster nearer to a goal; without steps when nothing that is worth it can be done."""
    steps, left_out, now = _improved(goal, list(vms), rooms, options, allows)
    at_first = {vm.id: vm.host_id for vm in vms}
    after = {vm.id: vm.host_id for vm in now if vm.host_id != at_first[vm.id]}
    steps = _shorter(steps, ordered(vms, rooms, after, options.limits, allows))
    worth = cost(vms, steps, options.mib_per_s)
    return Plan(goal, tuple(steps), left_out, after, load(vms, rooms), load(now, rooms), worth)


def _improved(
    goal: Goal, vms: list[RunningVm], rooms: Sequence[Room], options: Options, allows: Allows | None
) -> tuple[list[Step], dict[int, str], list[RunningVm]]:
    """Return the steps, what is left out in the end, and where the VMs are then."""
    steps: list[Step] = []
    left_out: dict[int, str] = {}
    now, at_once = vms, False
    for _ in range(_ROUNDS_MAX):
        left = None if options.migrations_max is None else options.migrations_max - len(steps)
        targets = _targets(goal, now, rooms, left, options, allows, at_once=at_once)
        made = ordered(now, rooms, targets, options.limits, allows)
        taken = made.steps if left is None else _cut(made.steps, left)
        then = moved(now, {step.vm_id: step.target_id for step in taken})
        if not steps and not at_once:
            left_out = made.left_out
        if taken and _is_worth(goal, load(now, rooms), load(then, rooms), options):
            steps, left_out, now, at_once = [*steps, *_later(taken, steps)], made.left_out, then, False
        elif made.left_out and not at_once:
            # What would be best cannot be reached: hosts are too full to turn.
            at_once = True
        else:
            break
    return steps, left_out, now


def _targets(
    goal: Goal,
    vms: Sequence[RunningVm],
    rooms: Sequence[Room],
    migrations_max: int | None,
    options: Options,
    allows: Allows | None,
    *,
    at_once: bool,
) -> Mapping[int, int]:
    if goal == "consolidate":
        return consolidated(vms, rooms, migrations_max=migrations_max, allows=allows)
    gain_min = options.utilisation_gain_min
    return balanced(vms, rooms, migrations_max=migrations_max, gain_min=gain_min, at_once=at_once, allows=allows)


def _cut(steps: Sequence[Step], count: int) -> Sequence[Step]:
    """Return the first steps, at most `count`, after which no VM is left at a stopover."""
    while count > 0:
        last = {step.vm_id: step for step in steps[:count]}
        if not any(step.is_stopover for step in last.values()):
            break
        count -= 1
    return steps[: max(count, 0)]


def _later(steps: Sequence[Step], than: Sequence[Step]) -> list[Step]:
    first = than[-1].wave + 1 if than else 0
    return [replace(step, wave=first + step.wave) for step in steps]


def _shorter(steps: list[Step], direct: Ordered) -> list[Step]:
    """Return the direct way to the same end where there is a shorter one."""
    return list(direct.steps) if not direct.left_out and len(direct.steps) < len(steps) else steps


def load(vms: Sequence[RunningVm], rooms: Sequence[Room]) -> Load:
    """Return how the open hosts are used."""
    open_ = [room for room in rooms if room.is_open]
    used = usages(vms, open_)
    carrying = sum(usage != Usage() for usage in used.values())
    return Load(max((used[room.host_id].share_of(room) for room in open_), default=0.0), carrying)


def cost(vms: Sequence[RunningVm], steps: Sequence[Step], mib_per_s: float) -> Cost:
    """Return what steps cost when a VM's memory moves at `mib_per_s`."""
    memory_mib = {vm.id: vm.memory_mib for vm in vms}
    waves: dict[int, int] = {}
    for step in steps:
        waves[step.wave] = max(waves.get(step.wave, 0), memory_mib[step.vm_id])
    copied_mib = sum(memory_mib[step.vm_id] for step in steps)
    return Cost(len(steps), copied_mib / 1024, sum(waves.values()) / mib_per_s)


def _is_worth(goal: Goal, before: Load, after: Load, options: Options) -> bool:
    if goal == "consolidate":
        return after.hosts_used < before.hosts_used
    return before.utilisation - after.utilisation >= options.utilisation_gain_min
