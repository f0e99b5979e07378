r"""The text form of templates: from text to a Template, and back.

One grammar accepts what every release accepted, where the releases do not contradict each other
(reference/templates.md §1.1).  The choices:

* `NAME = value` and `NAME = [ KEY = value, … ]`; several attributes may stand on one line.
* `"…"` with `\"` for a quote and every other backslash literal; `'…'` without escapes when the next
  `'` ends the value, else a leading `'` is an ordinary character, as it is since 2.0.
* A bare value ends at a blank or one of `= # , [ ]`.
* `#` outside quotes begins a comment that ends with the line, also after a value and inside `[ ]`.
* `NAME =` before the end of a line is the empty value; before a comment, a bracket or the end of the
  text it is refused, and so is an empty value inside `[ ]` that is not written `""`.
* A quote that is never closed is a character of a bare value, as in today's releases
  (reference/api-modern.md §7.6).
* Of two equal keys in one vector the first wins; names are upper-cased, and `ONE_` is put before one
  that begins with a digit (reference/api-modern.md §5.1).
* `]]>` and characters that XML 1.0 cannot carry are refused, because every template becomes XML.
"""

import re
from typing import NoReturn

from trifid.core.template.model import Template, Value
from trifid.errors import BadTemplate

TEXT_LENGTH_MAX = 1 << 20
"""Longest text that is parsed, in characters."""

ATTRIBUTES_MAX = 1 << 16
"""Most attributes and keys of vectors, together, in one template."""

_BLANKS = re.compile(r"[ \t\r]*")
_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

# The two common cases in one match each: a value without quotes inside, and no comment near.
_PLAIN = r"""([A-Za-z_][A-Za-z0-9_.-]*)%s=[ \t\r]*(?:"([^"\\]*)"|([^ \t\r\n=#,\[\]"'][^ \t\r\n=#,\[\]]*))"""
_SINGLE = re.compile(_PLAIN % r"[ \t\r]*" + r"(?![^ \t\r\n#])")
_PAIR = re.compile(_PLAIN % r"[ \t\r\n]*" + r"[ \t\r\n]*([,\]])")

_BARE = re.compile(r"[^ \t\r\n=#,\[\]]+")
_QUOTED = re.compile(r'"([^"\\]*(?:\\(?:"|(?!"))[^"\\]*)*)"')
_APOSTROPHES = re.compile(r"'([^']*)'(?![^ \t\r\n#,\]])")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WORD = re.compile(r"[^\s=#,\[\]]{1,20}")


def parse(text: str, *, length_max: int = TEXT_LENGTH_MAX, attributes_max: int = ATTRIBUTES_MAX) -> Template:
    """Return the template that a text describes; XML when its first character that is no blank is `<`.

    Raises:
        BadTemplate: with line, column, what was expected and what was found.

    Source: reference/templates.md §1.1, reference/api-modern.md §5.1.
    """
    if len(text) > length_max:
        raise BadTemplate(f"the template has {len(text)} characters: at most {length_max} are accepted")
    refuse_illegal(text)
    if text.lstrip(" \t\r\n").startswith("<"):
        from trifid.core.template.xml import from_xml

        return from_xml(text, length_max=length_max, attributes_max=attributes_max)
    return Template(tuple(_Scanner(text, attributes_max).attributes()))


def attribute_name(written: str) -> str:
    """Return the name under which an attribute or key is kept: upper case, `ONE_` before a leading digit."""
    return f"ONE_{written.upper()}" if written[0].isdigit() else written.upper()


def is_name(written: str) -> bool:
    """Tell whether a text can name an attribute."""
    return _NAME.fullmatch(written) is not None


def refuse_illegal(text: str) -> None:
    """Raise BadTemplate for the first character that XML 1.0 cannot carry."""
    found = _ILLEGAL.search(text)
    if found:
        number = ord(found.group())
        raise BadTemplate(f"{position(text, found.start())}: character U+{number:04X} cannot be part of a template")


def position(text: str, at: int) -> str:
    """Return `line L column C` of an index of a text; both count from 1."""
    return f"line {text.count(chr(10), 0, at) + 1} column {at - text.rfind(chr(10), 0, at)}"


class _Scanner:
    """Reads one text from left to right; `at` is the index of the next character."""

    def __init__(self, text: str, attributes_max: int) -> None:
        self.text = text
        self.at = 0
        self.left = attributes_max

    def attributes(self) -> list[tuple[str, Value]]:
        """Return all attributes of the text in order."""
        text, end = self.text, len(self.text)
        found: list[tuple[str, Value]] = []
        self.at = _GAP.match(text).end()  # type: ignore[union-attr]
        while self.at < end:
            simple = _SINGLE.match(text, self.at)
            if simple:
                name, quoted, bare = simple.groups()
                self.at = simple.end()
                found.append((name.upper(), self.legal(bare if quoted is None else quoted, simple.start())))
            else:
                found.append(self.attribute())
            self.count()
            self.at = _GAP.match(text, self.at).end()  # type: ignore[union-attr]
        return found

    def attribute(self) -> tuple[str, Value]:
        """Read one attribute, the long way; leaves `at` behind it."""
        name = self.name("the name of an attribute")
        self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]
        if not self.text.startswith("=", self.at):
            self.refuse(f"= after {name} (a value with blanks needs quotes)")
        self.at = _BLANKS.match(self.text, self.at + 1).end()  # type: ignore[union-attr]
        if self.text.startswith("[", self.at):
            self.at += 1
            return name, self.vector(name)
        if self.text.startswith("\n", self.at):
            return name, ""
        value = self.value(f'a value or [ after {name} = (write {name} = "" for an empty one)')
        if self.at < len(self.text) and self.text[self.at] not in " \t\r\n#":
            self.refuse(f"a blank or the end of the line after the value of {name}")
        return name, value

    def vector(self, name: str) -> dict[str, str]:
        """Read the pairs of a vector and its closing bracket."""
        pairs: dict[str, str] = {}
        self.gap()
        if self.text.startswith("]", self.at):
            self.at += 1
            return pairs
        while True:
            simple = _PAIR.match(self.text, self.at)
            if simple:
                written, quoted, bare, after = simple.groups()
                self.at = simple.end()
                pairs.setdefault(written.upper(), self.legal(bare if quoted is None else quoted, simple.start()))
            else:
                after = self.pair(name, pairs)
            self.count()
            if after == "]":
                return pairs
            self.gap()

    def pair(self, vector: str, pairs: dict[str, str]) -> str:
        """Read one `KEY = value` the long way, and return the `,` or `]` behind it."""
        key = self.name(f"a key of {vector}", f"] to close {vector}")
        self.gap()
        if not self.text.startswith("=", self.at):
            self.refuse(f"= after {vector} key {key}", f"] to close {vector}")
        self.at = _BLANKS.match(self.text, self.at + 1).end()  # type: ignore[union-attr]
        pairs.setdefault(key, self.value(f'a value after {vector} key {key} = (write {key} = "" for an empty one)'))
        self.gap()
        after = self.text[self.at : self.at + 1]
        if after not in (",", "]") or not after:
            expected = f"a comma or ] after {vector} key {key} (a value with blanks or = needs quotes)"
            self.refuse(expected, f"] to close {vector}")
        self.at += 1
        return after

    def value(self, expected: str) -> str:
        """Read a quoted or bare value."""
        text, start = self.text, self.at
        first = text[start : start + 1]
        found = _QUOTED.match(text, start) if first == '"' else None
        if found:
            self.at = found.end()
            return self.legal(found.group(1).replace('\\"', '"'), start)
        found = _APOSTROPHES.match(text, start) if first == "'" else None
        if found:
            self.at = found.end()
            return self.legal(found.group(1), start)
        found = _BARE.match(text, start)
        if not found:
            self.refuse(expected)
        self.at = found.end()
        return found.group()

    def legal(self, value: str, start: int) -> str:
        """Return a value that may stand in a template."""
        if "]]>" in value:
            raise BadTemplate(f"{position(self.text, start)}: a value cannot hold ]]>")
        return value

    def name(self, expected: str, expected_at_end: str = "") -> str:
        """Read a name and return it as it is kept."""
        found = _NAME.match(self.text, self.at)
        if not found:
            self.refuse(expected, expected_at_end)
        self.at = found.end()
        return attribute_name(found.group())

    def gap(self) -> None:
        """Skip blanks, ends of lines and comments."""
        self.at = _GAP.match(self.text, self.at).end()  # type: ignore[union-attr]

    def count(self) -> None:
        """Count one attribute or pair."""
        self.left -= 1
        if self.left < 0:
            raise BadTemplate(f"{position(self.text, self.at)}: the template has too many attributes; divide it")

    def refuse(self, expected: str, expected_at_end: str = "") -> NoReturn:
        """Raise: something else was expected here; another text applies at the end of the text."""
        if self.at >= len(self.text):
            missing = expected_at_end or expected
            raise BadTemplate(f"{position(self.text, self.at)}: expected {missing}, found end of text")
        if self.text[self.at] == "\n":
            found = "end of line"
        else:
            word = _WORD.match(self.text, self.at)
            found = f'"{word.group()}"' if word else self.text[self.at]
        raise BadTemplate(f"{position(self.text, self.at)}: expected {expected}, found {found}")


def render(template: Template) -> str:
    """Return a text that parses to an equal template, each attribute on its own line.

    A value that the text form cannot carry (it ends in a backslash and holds apostrophes and blanks)
    makes the whole template come out as XML, which loses nothing but vectors without any pair.
    """
    try:
        return "".join(f"{name}={_rendered(value)}\n" for name, value in template)
    except _NoTextForm:
        from trifid.core.template.xml import element

        return f"<TEMPLATE>{''.join(element(name, value) for name, value in template)}</TEMPLATE>"


class _NoTextForm(Exception):
    """A value has no text form."""


def _rendered(value: Value) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if not value:
        return "[ ]"
    pairs = ",\n".join(f"  {key}={_quoted(text)}" for key, text in value.items())
    return f"[\n{pairs} ]"


def _quoted(value: str) -> str:
    if not value.endswith("\\"):
        return '"' + value.replace('"', '\\"') + '"'
    # The closing quote would read as an escaped one: there is no escape for a backslash.
    if _BARE.fullmatch(value) and value[0] not in "\"'":
        return value
    if "'" not in value:
        return f"'{value}'"
    raise _NoTextForm(value)
