"""Filters, scorers, planners and binders that others have written, found by the names that the settings have."""

import re
from collections.abc import Collection, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from trifid.placement.expressions import Compiler
from trifid.placement.filters import Filter
from trifid.placement.own import OwnFilter, OwnScorer, own_planner
from trifid.placement.policy import Parts
from trifid.placement.rules import builtin
from trifid.placement.scorers import Ranked, Scorer
from trifid.placement.settings import BadSettings, Settings, nearest

GROUPS = {
    "filter": "trifid.filters",
    "scorer": "trifid.scorers",
    "planner": "trifid.planners",
    "binder": "trifid.binders",
}
"""What a part is -> the group of entry points where it is looked for."""

_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def parts_of(settings: Settings, where: str = "[scheduler]") -> Parts:
    """Return what the settings name.

    Args:
        where: how messages call the settings.

    Raises:
        BadSettings: there is no such part, it cannot be loaded, or it is something else.
    """
    filters = tuple(OwnFilter(_made("filter", name, Filter, where), f'filter "{name}"') for name in settings.filters)
    scorers = tuple(
        (OwnScorer(_made("scorer", name, Scorer, where), f'scorer "{name}"'), weight)
        for name, weight in settings.scorers.items()
    )
    _check_names(filters, [rule.name for rule in builtin(Compiler())], where)
    _check_names([scorer for scorer, _ in scorers], [Ranked.name], where)
    planner = None
    if settings.planner:
        planner = own_planner(found("planner", settings.planner, where), f'planner "{settings.planner}"')
    return Parts(filters, scorers, planner)


def found(kind: str, name: str, where: str = "[scheduler]") -> Any:
    """Return what a name stands for: that of an entry point, or MODULE:OBJECT.

    Raises:
        BadSettings: there is no such part, or it cannot be loaded.
    """
    group = GROUPS[kind]
    installed = {entry.name: entry for entry in entry_points(group=group)}
    entry = installed.get(name) or (EntryPoint(name, name, group) if _PATH.fullmatch(name) else None)
    if entry is None:
        there_are = ", ".join(sorted(installed)) or "none"
        raise BadSettings(
            f'{where}: there is no {kind} "{name}"{nearest(name, list(installed))}: installed (entry points {group}): '
            f"{there_are}; MODULE:CLASS names one that is not installed"
        )
    try:
        return entry.load()
    except (ImportError, AttributeError) as fault:
        raise BadSettings(f'{where}: {kind} "{name}" ({entry.value}) cannot be loaded: {fault}') from fault


def _check_names(parts: Iterable[OwnFilter | OwnScorer], built_in: Collection[str], where: str) -> None:
    """Refuse parts without a name of their own: answers are kept and told under it."""
    taken = set(built_in)
    for part in parts:
        if not part.name:
            raise BadSettings(f'{where}: {part.label} has no name: its class needs one, such as name = "quiet"')
        if part.name in taken:
            raise BadSettings(f'{where}: {part.label} has the name "{part.name}", which another one has: rename it')
        taken.add(part.name)


def _made(kind: str, name: str, base: type[Any], where: str) -> Any:
    part = found(kind, name, where)
    if not (isinstance(part, type) and issubclass(part, base)):
        raise BadSettings(f'{where}: {kind} "{name}" is no subclass of {base.__module__}.{base.__name__}')
    return part()
