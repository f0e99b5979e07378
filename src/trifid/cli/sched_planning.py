"""What `sim` and `replay` share: settings, plans, and figures of plans as text."""

import time
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from trifid.cli.failure import Failure
from trifid.errors import BadTemplate
from trifid.placement.measures import BINS, Measures, measured
from trifid.placement.own import PartFailed
from trifid.placement.plan import Plan
from trifid.placement.policies import POLICIES
from trifid.placement.policy import Planner, planner_of
from trifid.placement.problem import BadProblem
from trifid.placement.recorded import Decision, unpack
from trifid.placement.settings import CUSTOM, BadSettings, Settings, nearest
from trifid.placement.view import View
from trifid.scheduler.parts import parts_of

_BAR_WIDTH = 40


class Outcome(NamedTuple):
    """One plan of one view.

    Attributes:
        name: the policy, as it was asked for.
        seconds: CPU time that planning took.
    """

    name: str
    plan: Plan
    seconds: float
    figures: Measures


def with_policy(settings: Settings, policy: str) -> Settings:
    """Return settings with another policy: one by name, or the text of a rank.

    Raises:
        Failure: it is neither.
    """
    if policy in POLICIES:
        return replace(settings, policy=policy, rank="")
    from trifid.core.template.rank import compile_rank

    try:
        rank = compile_rank(policy)
    except BadTemplate as bad:
        raise Failure(f"{policy!r} is no policy and no rank: {bad.message}", _known()) from bad
    is_word = policy.replace("-", "_").isidentifier() and policy != policy.upper()
    if is_word or not rank.names:
        raise Failure(f'there is no policy "{policy}"{nearest(policy, list(POLICIES))}', _known())
    return replace(settings, policy=CUSTOM, rank=policy)


def _known() -> str:
    return f"policies are {', '.join(POLICIES)}; a rank is an expression such as 'FREE_CPU - 10 * RUNNING_VMS'"


def planner(settings: Settings) -> Planner:
    """Return what decides by these settings.

    Raises:
        Failure: something that they name cannot be found.
    """
    try:
        return planner_of(settings, parts_of(settings))
    except BadSettings as bad:
        raise Failure(str(bad), "install it, or give other settings with --config") from bad


def planned(view: View, name: str, plan_of: Planner) -> Outcome:
    """Plan, and measure what comes of it.

    Raises:
        Failure: a filter, scorer or planner that the settings name breaks off.
    """
    began = time.process_time()
    try:
        plan = plan_of(view)
    except PartFailed as fault:
        raise Failure(str(fault), "its author can mend it; --config gives other settings") from fault
    seconds = time.process_time() - began
    return Outcome(name, plan, seconds, measured(view, plan))


def read_decision(path: Path) -> Decision:
    """Return a recorded decision.

    Raises:
        Failure: the file cannot be read, or has none.
    """
    try:
        return unpack(path.read_bytes())
    except OSError as fault:
        raise Failure(f"{path}: {fault.strerror}", 'see "trifid sched decisions"') from fault
    except BadProblem as bad:
        raise Failure(f"{path}: {bad}") from bad


def percent(share: float) -> str:
    """Return a share as people read it."""
    return f"{share * 100:.1f} %"


def figures(measures: Measures) -> dict[str, str]:
    """Return the figures of a plan, by what they are called."""
    return {
        "placed": f"{measures.placed} of {measures.placed + measures.refused}",
        "CPU promised": percent(measures.cpu_mean),
        "memory promised": percent(measures.memory_mean),
        "hosts used": f"{measures.hosts_used} of {sum(measures.bins)}",
        "spread of load": percent(measures.spread),
        "fragmentation": percent(measures.fragmentation),
        "fairness": f"{measures.fairness:.3f}",
    }


def bars(bins: tuple[int, ...]) -> list[str]:
    """Return how many hosts are how full, a line per tenth."""
    most = max(*bins, 1)
    lines = []
    for n, count in enumerate(bins):
        bar = "#" * round(count * _BAR_WIDTH / most)
        lines.append(f"{n * 100 // BINS:>3} to {(n + 1) * 100 // BINS:>3} %  {count:>6}  {bar}".rstrip())
    return lines


def side_by_side(columns: dict[str, dict[str, str]]) -> list[str]:
    """Return a table: a row per figure, a column per plan."""
    names = list(columns)
    rows = list(next(iter(columns.values())))
    first = max(len(row) for row in rows)
    widths = [max(len(name), *(len(text) for text in columns[name].values())) for name in names]
    lines = ["  ".join([" " * first, *(name.rjust(width) for name, width in zip(names, widths, strict=True))])]
    for row in rows:
        cells = [columns[name][row].rjust(width) for name, width in zip(names, widths, strict=True)]
        lines.append("  ".join([row.ljust(first), *cells]))
    return lines
