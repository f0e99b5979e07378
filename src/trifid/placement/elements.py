"""Reading of documents that others wrote: what is missing or no number is nothing, and no fault."""

import re
from typing import Any

from trifid.wire.elements import several

Element = dict[str, Any]


def text(element: Element, name: str) -> str:
    """Return the first text of a name, "" when there is none."""
    values = several(element.get(name))
    return values[0] if values and isinstance(values[0], str) else ""


def integer(text: Any, otherwise: int = 0) -> int:
    """Return a whole number, or what to take where there is none."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"-?[0-9]+", text) else otherwise


def branch(element: Element, path: tuple[str, ...]) -> Element:
    """Return an element below another, empty when it is not there."""
    for name in path:
        inner = element.get(name)
        if not isinstance(inner, dict):
            return {}
        element = inner
    return element


def collected(element: Element, branches: tuple[tuple[str, ...], ...]) -> dict[str, list[str]]:
    """Return every occurrence of each name in these branches of an element."""
    found: dict[str, list[str]] = {}
    for path in branches:
        for name, value in branch(element, path).items():
            texts = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
            if texts:
                found.setdefault(name, []).extend(texts)
    return found
