"""Fields of documents that were read as dictionaries: what is missing or no number counts as nothing."""

import math
import re
from typing import Any

from trifid.core.template.model import Template
from trifid.core.template.prepare import needs_of
from trifid.core.vm.record import Needs
from trifid.placement.view import Expression, Lease, LeaseMark
from trifid.wire.elements import several

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
"""What fits in 64 bits, as all numbers of the engine do."""


def needs(cpu: str, memory: str) -> Needs:
    """Return the capacity asked for; of what is no number nothing is asked, the engine checks again anyway."""
    try:
        return needs_of(Template((("CPU", cpu), ("MEMORY", memory))))
    except (ArithmeticError, ValueError):
        return Needs()


def expression(user: dict[str, Any], name: str) -> Expression:
    """Return the expression of today's attribute, or of that of 2009 where only that is given."""
    modern = f"SCHED_{name}"
    if modern in user or name not in user:
        return Expression(text(user, modern), "modern", modern)
    return Expression(text(user, name), "classic", name)


def branch(element: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return the element under a path of names; empty where there is none."""
    for name in path:
        inner = element.get(name)
        if not isinstance(inner, dict):
            return {}
        element = inner
    return element


def vm_group_of(body: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    """Return the VMGROUP of a VM.

    The short document has it in USER_TEMPLATE.  In the full one, which alone tells the VMID in TEMPLATE, what stands
    there is what the VM's owner wrote, who may name a group that is none of his.
    """
    return branch(body if "VMID" in body else user, ("VMGROUP",)) or branch(body, ("VMGROUP",))


def text(element: dict[str, Any], name: str) -> str:
    """Return the first text of a name, empty where there is none."""
    values = several(element.get(name))
    return values[0] if values and isinstance(values[0], str) else ""


def integer(text: Any, otherwise: int = 0) -> int:
    """Return a text as a whole number, or `otherwise` where it is none."""
    return int(text) if isinstance(text, str) and _INTEGER.fullmatch(text) else otherwise


def vectors(element: dict[str, Any], name: str) -> list[dict[str, str]]:
    """Return the vectors of a name, of each the keys that are texts."""
    return [
        {key: value for key, value in vector.items() if isinstance(value, str)}
        for vector in several(element.get(name))
        if isinstance(vector, dict)
    ]


def collected(element: dict[str, Any], branches: tuple[tuple[str, ...], ...]) -> dict[str, list[str]]:
    """Return every occurrence of each name in these branches of an element."""
    found: dict[str, list[str]] = {}
    for path in branches:
        for name, value in branch(element, path).items():
            texts = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
            if texts:
                found.setdefault(name, []).extend(texts)
    return found


def lease_of(user: dict[str, Any]) -> Lease | None:
    """Return the HAIZEA and SCHED_LEASE of a USER_TEMPLATE; None when it has no HAIZEA."""
    wish, mark = user.get("HAIZEA"), branch(user, ("SCHED_LEASE",))
    if not isinstance(wish, dict):
        return None
    return Lease(
        start=text(wish, "START"),
        duration=text(wish, "DURATION"),
        preemptible=text(wish, "PREEMPTIBLE"),
        mark=LeaseMark(
            state=text(mark, "STATE"),
            host_id=integer(mark.get("HOST_ID"), -1),
            start=integer(mark.get("START")),
            end=integer(mark.get("END")),
        ),
    )


def number(text: str) -> float:
    """Return a text as a number, 0 where it is none."""
    try:
        found = float(text)
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0
