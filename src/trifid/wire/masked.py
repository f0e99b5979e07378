"""Secrets taken out of what leaves the engine for others than those who wrote it: `****` stands in their place.

What is a secret is told by the name that it stands behind.
"""

import re
from bisect import bisect_left

MASK = "****"

_WORDS = r"(?:PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_KEY|API_?KEY|CREDENTIAL)"
_NAME = rf"(?=[A-Za-z0-9_.-]*?{_WORDS})[A-Za-z0-9_.-]++"
_IS_SECRET = re.compile(_NAME, re.IGNORECASE)
_BEGIN = re.compile(rf"<({_NAME})>", re.IGNORECASE)
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_ATTRIBUTE = re.compile(
    rf"""(?<![A-Za-z0-9_.-])({_NAME})(\s*+=\s*+)("(?:[^"\\]|\\.)*+"?|[^\s,\[\]"][^,\]\n]*+)""",
    re.IGNORECASE | re.DOTALL,
)
_JSON = re.compile(rf'"({_NAME})"(\s*+:\s*+)"(?:[^"\\]|\\.)*+"', re.IGNORECASE | re.DOTALL)
_JSON_IN_QUOTES = re.compile(rf'(?<!\\)(\\{{1,15}}")({_NAME})\1(\s*+:\s*+)\1.*?\1', re.IGNORECASE | re.DOTALL)
"""Each level of JSON in JSON has twice as many backslashes, and one more: four levels."""


def is_secret(name: str) -> bool:
    """Tell whether what has this name is a secret."""
    return _IS_SECRET.fullmatch(name) is not None


def masked(text: str) -> str:
    """Return a document or a template, whether attributes, XML or JSON, without the secrets in it.

    It takes as long as the text is, whatever is in there: users write it, and the engine waits.
    """
    if "<" in text:
        text = _without_elements(text)
    if ":" in text:
        text = _JSON_IN_QUOTES.sub(rf"\1\2\1\3\1{MASK}\1", _JSON.sub(rf'"\1"\2"{MASK}"', text))
    return _ATTRIBUTE.sub(rf'\1\2"{MASK}"', text) if "=" in text else text


def _without_elements(text: str) -> str:
    parts: list[str] = []
    told = at = 0
    values = _Values(text)
    while (begin := _BEGIN.search(text, at)) is not None:
        at = begin.end()
        end, tag = values.end(at), f"</{begin[1]}>"
        if end > at and text[end : end + len(tag)].lower() == tag.lower():
            parts += text[told:at], MASK
            told = at = end
    return "".join((*parts, text[told:]))


class _Values:
    """Where the values of elements end in a text, of which no part is walked through twice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._cdata_ends = [found.end() for found in re.finditer(_CDATA_END, text)]
        self._known: dict[int, int] = {}

    def end(self, at: int) -> int:
        """Return where the first `<` at or after a place is that does not begin CDATA; -1 when there is none."""
        passed = []
        while (at := self._text.find("<", at)) >= 0 and self._text.startswith(_CDATA, at):
            if (known := self._known.get(at)) is not None:
                at = known
                break
            passed.append(at)
            number = bisect_left(self._cdata_ends, at + len(_CDATA) + len(_CDATA_END))
            if number == len(self._cdata_ends):
                at = -1
                break
            at = self._cdata_ends[number]
        self._known.update(dict.fromkeys(passed, at))
        return at
