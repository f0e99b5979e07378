"""Documents as plain dictionaries: for lists, drivers and the scheduler, without a tree of objects.

An element with children is a dict, one without is its text, and a name that repeats is a list:

    {"ID": "3", "TEMPLATE": {"NIC": [{"IP": "10.0.0.1"}, {"IP": "10.0.0.2"}], "CPU": "1"}, "VMS": ""}
"""

from collections.abc import Iterator
from typing import Any, NoReturn
from xml.parsers import expat

Element = str | dict[str, Any]

DEPTH_MAX = 64
_PIECE_BYTES = 64 * 1024


class BadDocument(ValueError):
    """The bytes are not a document; the text says why."""


class _Reader:
    """Collects the elements of one name, the outermost ones, while expat reads."""

    def __init__(self, name: str) -> None:
        self.ready: list[Any] = []
        self._name = name
        self._depth = 0
        self._open: list[dict[str, Any]] = []
        self._text: list[str] = []
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise BadDocument(f"a document nested more than {DEPTH_MAX} deep")
        self._text.clear()
        if self._open or tag == self._name:
            self._open.append({})

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if not self._open:
            return
        value: Element = self._open.pop() or "".join(self._text)
        self._text.clear()
        if not self._open:
            self.ready.append(value or {})
            return
        into = self._open[-1]
        if tag not in into:
            into[tag] = value
        elif isinstance(into[tag], list):
            into[tag].append(value)
        else:
            into[tag] = [into[tag], value]

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise BadDocument("a document with a document type declaration")


def iter_elements(document: str | bytes, name: str) -> Iterator[dict[str, Any]]:
    """Yield each outermost element `name` of a document, the root included, as a dict, while reading on.

    Raises:
        BadDocument: not XML; what came before is yielded first.
    """
    reader = _Reader(name)
    data = document.encode("utf-8", errors="replace") if isinstance(document, str) else document
    try:
        for begin in range(0, len(data), _PIECE_BYTES):
            reader.parser.Parse(data[begin : begin + _PIECE_BYTES], False)
            yield from reader.ready
            reader.ready.clear()
        reader.parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as bad:
        raise BadDocument(f"not a document: {bad}") from None


def one_element(document: str | bytes, name: str) -> dict[str, Any]:
    """Return the first element `name` of a document.

    Raises:
        BadDocument: there is none.
    """
    for found in iter_elements(document, name):
        return found
    raise BadDocument(f"the document has no {name} element")


def several(value: Any) -> list[Any]:
    """Return the value of a name that may be missing (None), empty, single or repeated, as a list."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def numbers(element: Any) -> list[int]:
    """Return the ids of an element such as VMS or GROUPS."""
    found = several(element.get("ID")) if isinstance(element, dict) else []
    return [int(one) for one in found]
