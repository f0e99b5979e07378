"""Refuses a wrong value by its name, with what was expected: at submission, not on a host an hour later.

Source: reference/templates.md §2, reference/api-modern.md §2 (texts that today's clients know).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from itertools import islice

from trifid.core.template.attributes import ATTRIBUTES, BY_NAME, KEYS, Attribute
from trifid.core.template.lease import check_keys, terms_of
from trifid.core.template.model import Template, Value
from trifid.core.template.rank import compile_rank
from trifid.core.template.requirements import compile_requirement
from trifid.errors import BadTemplate

NAME_LENGTH_MAX = 128

REPEATED_MAX = 256
"""Most DISKs, NICs … of one VM."""

_NAME_FORBIDDEN = "<>&\"'"
_SHOWN_MAX = 60
_MISSPELT_MAX = 20
"""Most unknown names that are compared with the known ones."""
_SHELL_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")

_EXPRESSIONS: dict[str, Callable[[str], object]] = {
    "REQUIREMENTS": lambda text: compile_requirement(text, "classic"),
    "SCHED_REQUIREMENTS": compile_requirement,
    "SCHED_DS_REQUIREMENTS": compile_requirement,
    "RANK": lambda text: compile_rank(text, "classic"),
    "SCHED_RANK": compile_rank,
    "SCHED_DS_RANK": compile_rank,
}


def validate(template: Template) -> None:
    """Return when every declared attribute of a VM template has a value that it takes.

    Raises:
        BadTemplate: names the attribute (`DISK 1: SIZE`), what it must be and what it is.
    """
    check_name(template.single("NAME").strip())
    check_values(template)
    for required in ("CPU", "MEMORY"):
        if not template.single(required):
            hint = misspelt((name for name, _ in template), BY_NAME)
            raise BadTemplate(_refusal(BY_NAME[required], "is missing") + hint)


def check_values(template: Template) -> None:
    """Return when the declared attributes that are given have values that they take; raises as `validate` does."""
    counted = Counter(name for name, _ in template)
    seen: Counter[str] = Counter()
    for name, value in template:
        row = BY_NAME.get(name)
        if row is None:
            continue
        if counted[name] > 1 and not row.repeatable:
            hint = "join its variables in one vector" if name == "CONTEXT" else "give it once"
            raise BadTemplate(f"{name} is given {counted[name]} times: {hint}")
        if counted[name] > REPEATED_MAX:
            raise BadTemplate(f"{name} is given {counted[name]} times: at most {REPEATED_MAX} are accepted")
        _check_form(row, value)
        if isinstance(value, dict):
            check_vector(name, value, f"{name} {seen[name]}" if row.repeatable else name)
            if name == "HAIZEA":
                check_keys(value)
                terms_of(value.get("START", ""), value.get("DURATION", ""), value.get("PREEMPTIBLE", ""))
        else:
            _check_single(row, value)
        seen[name] += 1


def check_name(name: str) -> None:
    """Raise BadTemplate unless a text can be the name of an object; empty is no name and passes."""
    if len(name) > NAME_LENGTH_MAX:
        raise BadTemplate(f"Invalid NAME, it is longer than {NAME_LENGTH_MAX} characters")
    for char in name:
        if char in _NAME_FORBIDDEN:
            raise BadTemplate(f"Invalid NAME, char '{char}' is not allowed")
        if not char.isprintable():
            raise BadTemplate(f"Invalid NAME, char U+{ord(char):04X} is not allowed")


def check_vector(name: str, pairs: dict[str, str], where: str, *, substituted: bool = False) -> None:
    """Raise BadTemplate unless the declared keys of a vector have values that they take.

    Args:
        where: how messages call this vector, like `DISK 1`.
        substituted: `$` references are replaced already; before that, FILES may hold some.
    """
    rows = KEYS[name]
    for key, value in pairs.items():
        row = rows.get(key)
        if name == "CONTEXT" and not _SHELL_NAME.fullmatch(key):
            raise BadTemplate(f"CONTEXT: {key} cannot name a shell variable, use letters, digits and _")
        if row is None or not value or row.type.accepts(value):
            continue
        if name == "DISK" and key == "TYPE":
            raise BadTemplate(f"{where}: Unknown disk type {shown(value)}")
        if name == "CONTEXT" and key == "FILES" and "$" in value and not substituted:
            continue
        raise BadTemplate(f'{where}: {key} must be {row.type.expected}, is "{shown(value)}"')


NAMING_FILES = tuple(dict.fromkeys(row.name for row in ATTRIBUTES if row.type.holds_paths))
"""Attributes in which there may be paths of files."""


def file_paths(template: Template) -> Iterator[tuple[str, str]]:
    """Yield (`NAME/KEY`, path) for every path of the front-end or a host that a template names."""
    for row in ATTRIBUTES:
        if not row.type.holds_paths:
            continue
        if row.key:
            values = [pairs.get(row.key, "") for pairs in template.vectors(row.name)]
        else:
            values = [template.single(row.name)]
        for value in values:
            for path in value.split():
                yield row.path, path


def shown(value: str) -> str:
    """Return a value as messages show it: short, on one line."""
    short = value if len(value) <= _SHOWN_MAX else value[:_SHOWN_MAX] + "…"
    return "".join(char if char.isprintable() else "?" for char in short)


def misspelt(given: Iterable[str], known: Iterable[str]) -> str:
    """Return what to add to a refusal where something is missing: `; SORCE is not known here, did you mean SOURCE?`.

    Empty when no name that is given looks like one that is known and not given.
    """
    names, possible = set(given), set(known)
    for name in islice(sorted(names - possible), _MISSPELT_MAX):
        if alike := get_close_matches(name[:_SHOWN_MAX], sorted(possible - names), n=1):
            return f"; {shown(name)} is not known here, did you mean {alike[0]}?"
    return ""


def _check_form(row: Attribute, value: Value) -> None:
    if row.type.is_vector is None or row.type.is_vector == isinstance(value, dict):
        return
    if row.type.is_vector:
        raise BadTemplate(f'{row.name} must be a vector, {row.name} = [ KEY = value ], is "{shown(str(value))}"')
    raise BadTemplate(_refusal(row, "is a vector"))


def _refusal(row: Attribute, found: str) -> str:
    """Return `NAME must be …, is …`; what today's clients match comes first, as they know it."""
    if row.message:
        return f"{row.message} It {found}: expected {row.type.expected}"
    return f"{row.name} must be {row.type.expected}, {found}"


def _check_single(row: Attribute, value: str) -> None:
    if value and not row.type.accepts(value):
        raise BadTemplate(_refusal(row, f'is "{shown(value)}"'))
    compile_ = _EXPRESSIONS.get(row.name)
    if compile_ is None:
        return
    try:
        compile_(value)
    except BadTemplate as bad:
        raise BadTemplate(f"{row.name}: {bad.message}") from bad
