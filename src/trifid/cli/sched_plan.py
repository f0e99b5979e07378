"""`trifid sched plan`: shown as a table of migrations and a picture of the hosts, or carried out."""

import json
from typing import Any

from trifid.cli.command import Given
from trifid.cli.figures import memory
from trifid.cli.sched_cluster import Look, look
from trifid.cli.shell import Shell
from trifid.placement.planners.model import moved, usages
from trifid.placement.planners.plan import Options, Plan
from trifid.placement.planners.plan import plan as planned
from trifid.placement.planners.steps import Limits

_BAR = 24
_AT_THE_LEFT = (False, False, True, True, True, False, True)


def plan(shell: Shell, given: Given) -> None:
    """Plan, tell it, and with --apply carry it out."""
    seen = look(shell, given)
    options = Options(
        limits=Limits(at_once=given.at_once), migrations_max=given.max_migrations, mib_per_s=given.bandwidth
    )
    made = planned(given.goal, seen.cluster.vms, seen.cluster.rooms, options, seen.cluster.allows)
    if given.json:
        shell.say(json.dumps(_document(made, seen), indent=2))
    else:
        for line in _lines(made, seen):
            shell.say(line)
    if given.apply and made.steps:
        from trifid.cli.sched_apply import carry_out

        carry_out(shell, made.steps, seen.host_names, given.timeout)


def _lines(made: Plan, seen: Look) -> list[str]:
    if not made.steps:
        return [f"Goal {made.goal}: nothing to do that is worth a migration.", *_left_out(made, seen)]
    return [*_summary(made), "", *_table(made, seen), *_left_out(made, seen), "", *_picture(made, seen)]


def _summary(made: Plan) -> list[str]:
    cost, before, after = made.cost, made.before_load, made.after_load
    count = f"{cost.migrations} migration{'s' if cost.migrations > 1 else ''}"
    copied = memory(cost.memory_gib * 1024 * 1024)
    return [
        f"Goal {made.goal}: {count}, {copied} to be copied, about {_time(cost.duration_s)}",
        f"Fullest host: {before.utilisation:.0%} before, {after.utilisation:.0%} after",
        f"Hosts in use: {before.hosts_used} before, {after.hosts_used} after",
    ]


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _table(made: Plan, seen: Look) -> list[str]:
    memory_mib = {vm.id: vm.memory_mib for vm in seen.cluster.vms}
    rows = [("WAVE", "VM", "NAME", "FROM", "TO", "MEM", "")]
    for step in made.steps:
        rows.append(
            (
                str(step.wave + 1),
                str(step.vm_id),
                seen.vm_names.get(step.vm_id, ""),
                seen.host_names[step.source_id],
                seen.host_names[step.target_id],
                memory(memory_mib[step.vm_id] * 1024),
                "stops over" if step.is_stopover else "",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(map(_cell, row, widths, _AT_THE_LEFT)).rstrip() for row in rows]


def _cell(text: str, width: int, is_left: bool) -> str:
    return text.ljust(width) if is_left else text.rjust(width)


def _left_out(made: Plan, seen: Look) -> list[str]:
    return [f"VM {vm_id} stays, though it should move: {_named(why, seen)}" for vm_id, why in made.left_out.items()]


def _named(text: str, seen: Look) -> str:
    """Return a reason with names of hosts instead of their ids."""
    for host_id, name in seen.host_names.items():
        text = text.replace(f"host {host_id} ", f"host {name} ")
    return text


def _picture(made: Plan, seen: Look) -> list[str]:
    before, after = _shares(made, seen)
    width = max(len(seen.host_names[host_id]) for host_id in before)
    lines = [f"{'HOST'.ljust(width)}  {'BEFORE'.ljust(_BAR + 6)}  AFTER"]
    for host_id, share in before.items():
        lines.append(f"{seen.host_names[host_id].ljust(width)}  {_bar(share)}  {_bar(after[host_id])}".rstrip())
    return lines


def _shares(made: Plan, seen: Look) -> tuple[dict[int, float], dict[int, float]]:
    """Return the utilisation of each host, before and after."""
    rooms, vms = seen.cluster.rooms, seen.cluster.vms
    before, after = usages(vms, rooms), usages(moved(vms, made.after), rooms)
    return (
        {room.host_id: before[room.host_id].share_of(room) for room in rooms},
        {room.host_id: after[room.host_id].share_of(room) for room in rooms},
    )


def _bar(share: float) -> str:
    filled = min(_BAR, round(min(share, 1.0) * _BAR))
    return f"{'#' * filled}{'.' * (_BAR - filled)} {share:>5.0%}"


def _document(made: Plan, seen: Look) -> dict[str, Any]:
    before, after = _shares(made, seen)
    return {
        "goal": made.goal,
        "steps": [
            {
                "wave": step.wave + 1,
                "vm": step.vm_id,
                "from": step.source_id,
                "to": step.target_id,
                "stops_over": step.is_stopover,
            }
            for step in made.steps
        ],
        "left_out": [{"vm": vm_id, "why": why} for vm_id, why in made.left_out.items()],
        "cost": {
            "migrations": made.cost.migrations,
            "memory_gib": round(made.cost.memory_gib, 3),
            "duration_s": round(made.cost.duration_s, 1),
        },
        "before": {"utilisation": round(made.before_load.utilisation, 4), "hosts_used": made.before_load.hosts_used},
        "after": {"utilisation": round(made.after_load.utilisation, 4), "hosts_used": made.after_load.hosts_used},
        "hosts": [
            {"host": one, "name": seen.host_names[one], "before": _finite(before[one]), "after": _finite(after[one])}
            for one in before
        ],
    }


def _finite(share: float) -> float | None:
    """Return a share as JSON can have it."""
    return round(share, 4) if share != float("inf") else None
