"""Quotas as the documents of users and groups tell them, for people: what is used, of how much."""

from typing import Any

from trifid.cli.listing import section
from trifid.cli.shell import Shell
from trifid.core.quota import DEFAULT, FIGURES, UNLIMITED

_BAR = 20
_FULL, _EMPTY = "█", "░"
_WITHOUT_LIMITS = "0"
"""The user, and the group, for whom no defaults hold (docs/quotas.md)."""
_NOT_SET = (str(DEFAULT), "")
_IN_MIB = {"MEMORY", "RUNNING_MEMORY", "SIZE", "SYSTEM_DISK_SIZE"}

Resource = dict[str, Any]


def _resources(document: dict[str, Any], kind: str) -> list[Resource]:
    """Return what a document tells of one kind of resource."""
    from trifid.wire.elements import several

    of_kind = document.get(f"{kind}_QUOTA")
    return several(of_kind.get(kind)) if isinstance(of_kind, dict) else []


def _key(resource: Resource) -> str:
    return str(resource.get("ID") or resource.get("CLUSTER_IDS") or "")


def limits_text(document: dict[str, Any]) -> str:
    """Return the limits of a document as the text that sets them; defaults are left out."""
    lines = []
    for kind, names in FIGURES.items():
        for resource in _resources(document, kind):
            keys = [(key, resource[key]) for key in ("ID", "CLUSTER_IDS") if resource.get(key)]
            set_here = [(name, resource[name]) for name in names if resource.get(name, "") not in _NOT_SET]
            if set_here:
                inner = ", ".join(f'{key} = "{value}"' for key, value in keys + set_here)
                lines.append(f"{kind} = [ {inner} ]\n")
    return "".join(lines)


def print_quotas(shell: Shell, document: dict[str, Any], defaults: str) -> None:
    """Print what is used and limited, as a part of a show command, if there is anything.

    Args:
        defaults: the element of the document with the limits of all.
    """
    of_all = document.get(defaults)
    is_limited = document.get("ID") != _WITHOUT_LIMITS
    of_all = of_all if isinstance(of_all, dict) and is_limited else {}
    lines: list[str] = []
    for kind, names in FIGURES.items():
        everybody = {_key(one): one for one in _resources(of_all, kind)}
        own = {_key(one): one for one in _resources(document, kind)}
        for key in {**own, **everybody}:
            lines += _lines(kind, key, names, own.get(key, {}), everybody.get(key, {}))
    if lines:
        section(shell, "RESOURCE USAGE & QUOTAS")
        shell.say("\n".join(lines))


def _lines(kind: str, key: str, names: tuple[str, ...], own: Resource, of_all: Resource) -> list[str]:
    """Return the lines of one resource: figures that are used or limited."""
    found = []
    for name in names:
        limit = own.get(name, str(DEFAULT))
        is_default = limit in _NOT_SET
        limit = of_all.get(name, str(DEFAULT)) if is_default else limit
        used = own.get(f"{name}_USED", "0")
        has_limit = limit not in (*_NOT_SET, str(UNLIMITED))
        if has_limit or float(used or 0):
            found.append(_line(name, used, limit if has_limit else "", is_default=is_default))
    title = kind if not key else f"VM in clusters {key}" if kind == "VM" else f"{kind} {key}"
    return [title, *found] if found else []


def _line(name: str, used: str, limit: str, *, is_default: bool) -> str:
    unit = " MiB" if name in _IN_MIB else ""
    if not limit:
        return f"  {name:<17} {used:>9}{unit}"
    share = float(used or 0) / float(limit) if float(limit) else 1.0
    full = min(_BAR, int(share * _BAR + 0.5))
    bar = _FULL * full + _EMPTY * (_BAR - full)
    of = f"{limit}{unit}"
    told = f"  {name:<17} {used:>9} / {of:<12} {bar} {share * 100:>4.0f}%"
    return f"{told}  (default)" if is_default else told
