"""`trifid sched replay` and `decisions`: what was decided, and what would be decided otherwise."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from trifid.cli.command import Given
from trifid.cli.failure import Failure
from trifid.cli.home import existing_home
from trifid.cli.sched_planning import figures, planned, planner, read_decision, side_by_side, with_policy
from trifid.cli.shell import Shell
from trifid.placement.difference import Difference, difference
from trifid.placement.measures import Measures, measured
from trifid.placement.recorded import Decision
from trifid.placement.settings import BadSettings, Executable, Settings
from trifid.scheduler.config import read_settings
from trifid.scheduler.recorder import NAME, recorded

_TOLD_MAX = 20
_LINE = "{number:>8}  {time:<19}  {placed:>6}  {refused:>7}  {hosts:>6}  {by}"


def replay(shell: Shell, given: Given) -> None:
    """Plan each recorded problem again and tell what is different."""
    answers = []
    for word in given.file:
        path = _path(shell, word)
        decision = read_decision(path)
        settings = _settings(decision, given)
        outcome = planned(decision.view, _name(settings), planner(settings))
        before = measured(decision.view, decision.plan)
        found = difference(decision.plan, outcome.plan)
        if given.json:
            answers.append(_as_json(path, decision, outcome.name, found, before, outcome.figures))
            continue
        shell.say(f"{path.name}: {decision.by} decided, {outcome.name} decides again")
        shell.say("\n".join(_told(found)))
        shell.say("\n".join(["", *side_by_side({"then": figures(before), "now": figures(outcome.figures)}), ""]))
    if given.json:
        shell.say(json.dumps(answers, indent=2))


def _settings(decision: Decision, given: Given) -> Settings:
    try:
        settings = read_settings(given.config) if given.config else decision.settings
    except BadSettings as bad:
        raise Failure(str(bad)) from bad
    if given.policy:
        settings = with_policy(replace(settings, planner=""), given.policy)
    return replace(settings, executable=Executable())  # what a program would say today is not asked


def _name(settings: Settings) -> str:
    return settings.planner or f"policy {settings.rank or settings.policy}"


def _told(found: Difference) -> list[str]:
    if found.is_nothing:
        return [f"Nothing is different: VMs that go to the same host: {found.same}."]
    lines = [
        f"{found.same} VMs go to the same host, {len(found.elsewhere)} elsewhere, "
        f"{len(found.placed)} are placed and were not, {len(found.refused)} were placed and are not."
    ]
    parts = [f"VM {vm_id}: host {host_id} now, not placed then" for vm_id, host_id in found.placed]
    parts += [f"VM {vm_id}: not placed now: {why}" for vm_id, why in found.refused]
    parts += [f"VM {vm_id}: host {then} then, host {now} now" for vm_id, then, now in found.elsewhere]
    lines += [f"  {part}" for part in parts[:_TOLD_MAX]]
    return [*lines, f"  and {len(parts) - _TOLD_MAX} more: see --json"] if len(parts) > _TOLD_MAX else lines


def _as_json(
    path: Path, decision: Decision, name: str, found: Difference, before: Measures, now: Measures
) -> dict[str, Any]:
    return {
        "file": str(path),
        "then": {"by": decision.by, **to_builtins(before)},
        "now": {"by": name, **to_builtins(now)},
        "same": found.same,
        "elsewhere": [{"vm": vm_id, "then": then, "now": now_on} for vm_id, then, now_on in found.elsewhere],
        "placed": [{"vm": vm_id, "host": host_id} for vm_id, host_id in found.placed],
        "refused": [{"vm": vm_id, "why": why} for vm_id, why in found.refused],
    }


# -- the decisions of a home ---------------------------------------------------------------------------


def decisions(shell: Shell, given: Given) -> None:
    """List what is recorded."""
    directory = _directory(shell)
    found = [(path, read_decision(path)) for path in recorded(directory)]
    if given.json:
        shell.say(json.dumps([_row(path, decision) for path, decision in found], indent=2))
        return
    if not found:
        shell.say(f"No decision is recorded in {directory}.")
        return
    shell.say(
        _LINE.format(number="NUMBER", time="TIME (UTC)", placed="PLACED", refused="REFUSED", hosts="HOSTS", by="BY")
    )
    for path, decision in found:
        row = _row(path, decision)
        shell.say(_LINE.format(**row | {"time": _readable(row["time"])}))


def _readable(moment: str) -> str:
    """Return the moment of a file's name as other tables write it: 2026-11-25 12:00:00."""
    return f"{datetime.strptime(moment, '%Y%m%dT%H%M%S%z'):%Y-%m-%d %H:%M:%S}" if moment else "-"


def _row(path: Path, decision: Decision) -> dict[str, Any]:
    number, moment = _number(path)
    return {
        "number": number,
        "time": moment,
        "placed": len(decision.plan.placements),
        "refused": len(decision.plan.refusals),
        "hosts": len(decision.view.hosts),
        "by": decision.by,
        "file": str(path),
    }


def _number(path: Path) -> tuple[int, str]:
    match = NAME.fullmatch(path.name)
    return (int(match[1]), match[2]) if match else (0, "")


def _directory(shell: Shell) -> Path:
    home = existing_home(shell)
    try:
        return home.path / read_settings(home.settings_file).recording.directory
    except BadSettings as bad:
        raise Failure(str(bad)) from bad


def _path(shell: Shell, word: str) -> Path:
    """Return the file that a word means: a path, or a name or number in the home."""
    path = Path(word)
    if path.exists() or "/" in word:
        return path
    for there in recorded(_directory(shell)):
        if there.name == word or (word.isdecimal() and _number(there)[0] == int(word)):
            return there
    raise Failure(f"there is no recorded decision {word}", 'see "trifid sched decisions"')
