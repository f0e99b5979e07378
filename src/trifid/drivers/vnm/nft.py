"""Text for nft, built of values that names.check has let pass: pure."""

from collections.abc import Iterable, Mapping

_INDENT = "    "


def table(family: str, name: str, parts: Iterable[str]) -> str:
    """Return commands that put a table in the place of the one of that name, in one step; no parts: that remove it.

    A table must be there to be deleted, hence the empty one.
    """
    text = f"table {family} {name} {{\n}}\ndelete table {family} {name}\n"
    body = "".join(_indented(part) for part in parts)
    return f"{text}table {family} {name} {{\n{body}}}\n" if body else text


def named_set(name: str, kind: str, elements: Iterable[str]) -> str:
    """Return a set; `kind` is its type or typeof."""
    return _block(f"set {name}", [kind, *_elements(sorted(set(elements)))])


def named_map(name: str, kind: str, elements: Mapping[str, str]) -> str:
    """Return a map, or a verdict map."""
    return _block(f"map {name}", [kind, *_elements(f"{key} : {value}" for key, value in sorted(elements.items()))])


def chain(name: str, rules: Iterable[str]) -> str:
    """Return a chain that others jump to."""
    return _block(f"chain {name}", rules)


def base_chain(name: str, hook: str, priority: int, rules: Iterable[str]) -> str:
    """Return a chain that the kernel calls."""
    return _block(f"chain {name}", [f"type filter hook {hook} priority {priority}; policy accept;", *rules])


def quoted(interface: str) -> str:
    """Return the name of an interface as an element of a set."""
    return f'"{interface}"'


def _block(head: str, lines: Iterable[str]) -> str:
    return f"{head} {{\n{''.join(f'{_INDENT}{line}{chr(10)}' for line in lines)}}}\n"


def _elements(elements: Iterable[str]) -> list[str]:
    found = list(elements)
    return [f"elements = {{ {', '.join(found)} }}"] if found else []


def _indented(part: str) -> str:
    return "".join(f"{_INDENT}{line}\n" for line in part.splitlines())
