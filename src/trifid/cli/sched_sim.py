"""`trifid sched sim`: policies beside each other, on a cluster that was made up or recorded."""

import json
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from trifid.cli.command import Given
from trifid.cli.failure import Failure
from trifid.cli.sched_planning import Outcome, bars, figures, planned, planner, side_by_side, with_policy
from trifid.cli.shell import Shell
from trifid.placement.problem import BadProblem, read_problem
from trifid.placement.recorded import Decision, is_decision, opened, pack, unpack
from trifid.placement.settings import BadSettings, Settings
from trifid.placement.synthetic import synthetic
from trifid.placement.view import View
from trifid.scheduler.config import settings_of

_REASONS_MAX = 5


def sim(shell: Shell, given: Given) -> None:
    """Plan one cluster with each policy and tell how good the plans are."""
    try:
        settings = settings_of(None, given.config)
    except BadSettings as bad:
        raise Failure(str(bad)) from bad
    view = (
        _recorded(given.problem) if given.problem else synthetic(given.seed, given.hosts, given.vms, given.expressions)
    )
    tried = {policy: with_policy(settings, policy) for policy in given.policy} or {settings.policy: settings}
    outcomes = [planned(view, name, planner(one)) for name, one in tried.items()]
    if given.record:
        _write(given.record, view, outcomes[-1], tried[outcomes[-1].name])
    if given.json:
        shell.say(json.dumps(_as_json(view, outcomes), indent=2))
        return
    shell.say(f"{len(view.vms)} VMs wait, {len(view.hosts)} hosts, {len(view.placed)} VMs run.")
    shell.say("\n".join(_told(outcomes)))


def _told(outcomes: list[Outcome]) -> list[str]:
    columns = {one.name: {"planning, CPU seconds": f"{one.seconds:.3f}", **figures(one.figures)} for one in outcomes}
    lines = ["", *side_by_side(columns)]
    for one in outcomes:
        lines += ["", f"Hosts by load, {one.name}", *bars(one.figures.bins)]
        if one.figures.reasons:
            lines += ["", f"Not placed, {one.name}"]
            shown = list(one.figures.reasons.items())[:_REASONS_MAX]
            lines += [f"{count:>6}  {reason}" for reason, count in shown]
            rest = sum(one.figures.reasons.values()) - sum(count for _, count in shown)
            lines += [f"{rest:>6}  other reasons"] if rest else []
    return lines


def _as_json(view: View, outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "vms": len(view.vms),
        "hosts": len(view.hosts),
        "plans": [{"policy": one.name, "cpu_s": one.seconds, **to_builtins(one.figures)} for one in outcomes],
    }


def _recorded(path: Path) -> View:
    """Return the view of a problem or of a decision."""
    try:
        text = opened(path.read_bytes())
        return unpack(text).view if is_decision(text) else read_problem(text)
    except OSError as fault:
        raise Failure(f"{path}: {fault.strerror}") from fault
    except BadProblem as bad:
        raise Failure(f"{path}: {bad}", "docs/scheduler.md explains the form") from bad


def _write(path: Path, view: View, outcome: Outcome, settings: Settings) -> None:
    path.write_bytes(pack(Decision(view, outcome.plan, settings, f"policy {outcome.name}")))
