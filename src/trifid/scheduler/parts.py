"""Filters, scorers, planners and binders that others have written, found by the names that the settings have."""

import re
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from trifid.placement.filters import Filter
from trifid.placement.policy import Parts
from trifid.placement.scorers import Scorer
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
    filters = tuple(_made("filter", name, Filter, where) for name in settings.filters)
    scorers = tuple((_made("scorer", name, Scorer, where), weight) for name, weight in settings.scorers.items())
    planner = found("planner", settings.planner, where) if settings.planner else None
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


def _made(kind: str, name: str, base: type[Any], where: str) -> Any:
    part = found(kind, name, where)
    if not (isinstance(part, type) and issubclass(part, base)):
        raise BadSettings(f'{where}: {kind} "{name}" is no subclass of {base.__module__}.{base.__name__}')
    return part()
