"""Data as YAML, written as it comes: a piece of a list can be written before the next is there.

Documents have only texts, lists and names, so that this needs nothing of YAML but blocks and quoted texts; what
is quoted is quoted as in JSON, which YAML 1.2 contains.  Source: YAML 1.2.2 §5.3, §7.3, §8.2; docs/decisions/0032.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+-]+)*\Z", re.ASCII)
_READ_OTHERWISE = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null"})
"""Words that readers take for something else than a text, those of YAML 1.1 among them."""
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
"""What JSON leaves as it is, and YAML does not take."""


def yaml_lines(value: Any, indent: int = 0) -> Iterator[str]:
    """Yield the lines of a value that is a dict, a list, a text, a number, a truth value or None."""
    pad = " " * indent
    if isinstance(value, dict) and value:
        for name, one in value.items():
            if _is_block(one):
                yield f"{pad}{_scalar(str(name))}:"
                # A list may stand under its name without indent, but is easier to read with it.
                yield from yaml_lines(one, indent + 2)
            else:
                yield f"{pad}{_scalar(str(name))}: {_scalar(one)}"
    elif isinstance(value, list) and value:
        for one in value:
            yield from yaml_entry(one, indent)
    else:
        yield f"{pad}{_scalar(value)}"


def yaml_entry(value: Any, indent: int = 0) -> Iterator[str]:
    """Yield the lines of one entry of a list."""
    pad = " " * indent
    if not _is_block(value):
        yield f"{pad}- {_scalar(value)}"
        return
    for number, line in enumerate(yaml_lines(value, indent + 2)):
        yield f"{pad}- {line[indent + 2 :]}" if number == 0 else line


def _is_block(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.match(value) and value.lower() not in _READ_OTHERWISE:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
