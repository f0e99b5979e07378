"""One attribute over all hosts, as arrays: comparisons answer for every host at once.

What each comparison means is in core/template/requirements.py, which does it for one host; the tests hold the two
against each other.  Where an array could not be exact, the distinct values are asked one by one.

Source: reference/templates.md §5.1.
"""

import fnmatch
import operator
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trifid.core.template.expression import leading_integer, leading_number
from trifid.core.template.requirements import Comparison, test_of
from trifid.placement.meter import CHARACTER, HOST, Meter

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]

EXACT_MAX = 2.0**53
"""Integers below this are exact as float64, and no other integer is read as one of them."""

KNOWN_MAX = 256
"""Answers to comparisons with texts that a column keeps."""

COMPARE: dict[str, Callable[[Floats, float], Booleans]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_SPECIAL = re.compile(r"[*?\[]")
_LAST = chr(0x10FFFF)


def compare_numbers(values: Floats, missing: Booleans | None, comparison: Comparison, right: float) -> Booleans:
    """Return how numbers compare with a literal.

    Args:
        values: 0 where there is none.
        missing: where there is none; None = nowhere.
    """
    found = COMPARE[comparison.operator](values, right)
    if missing is not None and not comparison.missing_is_zero:
        found &= ~missing
    return found


class Column:
    """An attribute that a plan does not change.

    Args:
        values: of each host, every occurrence.
        meter: counts what a comparison takes.
    """

    def __init__(self, values: Sequence[Sequence[str]], meter: Meter) -> None:
        self._values = values
        self._meter = meter
        self._known: dict[tuple[str, str], Booleans] = {}

    def compare(self, comparison: Comparison, literal: str) -> Booleans:
        """Return for every host whether the comparison holds, with `literal` in the place of its own."""
        self._meter.column(len(self._values))
        if comparison.kind == "text":
            return self._known_text(comparison, literal)
        if comparison.operator == "@>":
            return self._one_by_one(comparison, literal)
        if comparison.kind == "integer":
            values, missing, is_exact = self.integers
            right = float(literal)
            if not is_exact or abs(right) >= EXACT_MAX:
                return self._one_by_one(comparison, literal)
            return compare_numbers(values, missing, comparison, right)
        values, missing = self.numbers
        return compare_numbers(values, missing, comparison, float(literal))

    @cached_property
    def integers(self) -> tuple[Floats, Booleans | None, bool]:
        """The first value of each host as integer, 0 where there is none; where that is; whether all are exact."""
        read = [leading_integer(of[0]) if of else None for of in self._values]
        is_exact = all(one is None or abs(one) < EXACT_MAX for one in read)
        values = np.array([one or 0 for one in read] if is_exact else [0.0] * len(read), dtype=np.float64)
        return values, _missing(read), is_exact

    @cached_property
    def numbers(self) -> tuple[Floats, Booleans | None]:
        """The first value of each host as number, 0 where there is none; where there is none."""
        read = [leading_number(of[0]) if of else None for of in self._values]
        return np.array([one or 0.0 for one in read], dtype=np.float64), _missing(read)

    def _known_text(self, comparison: Comparison, pattern: str) -> Booleans:
        """Compare with a text; the same few texts are asked for again and again.  Nobody may write into the answer."""
        key = (comparison.operator, pattern)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            found = self._known[key] = self._text(comparison, pattern)
        return found

    def _text(self, comparison: Comparison, pattern: str) -> Booleans:
        if comparison.operator == "@>":
            return self._one_by_one(comparison, pattern)
        codes, texts = self._texts
        special = _SPECIAL.search(pattern)
        if not pattern:
            return np.zeros(len(codes), np.bool_)
        found: Booleans
        if special is None:
            at = bisect_left(texts, pattern)
            found = codes == (at if at < len(texts) and texts[at] == pattern else -2)
        elif special.start() == len(pattern) - 1 and pattern[-1] == "*" and not pattern[:-1].endswith(_LAST):
            first, end = _range_of(texts, pattern[:-1])
            found = (codes >= first) & (codes < end)
        else:
            matches = re.compile(fnmatch.translate(pattern)).match
            self._meter.done += len(texts) + CHARACTER * len(pattern)
            found = np.array([*(matches(text) is not None for text in texts), False], dtype=np.bool_)[codes]
        if comparison.operator != "=":
            found = (codes >= 0) & ~found
        return found

    @cached_property
    def _texts(self) -> tuple[NDArray[np.int32], list[str]]:
        """For each host the index of its first value among all different ones, which are sorted; -1 = empty or none."""
        texts = sorted({of[0] for of in self._values if of and of[0]})
        index = {text: at for at, text in enumerate(texts)}
        return np.array([index.get(of[0], -1) if of else -1 for of in self._values], dtype=np.int32), texts

    @cached_property
    def _kinds(self) -> tuple[NDArray[np.int32], list[tuple[str, ...]]]:
        """For each host the index of its values among all different ones."""
        index: dict[tuple[str, ...], int] = {}
        codes = [index.setdefault(tuple(of), len(index)) for of in self._values]
        return np.array(codes, dtype=np.int32), list(index)

    def _one_by_one(self, comparison: Comparison, literal: str) -> Booleans:
        """Ask one host's interpreter, once for each different value."""
        holds = interpreter(comparison, literal)
        codes, kinds = self._kinds
        self._meter.done += HOST * len(kinds)
        return np.array([holds(_only(list(of))) for of in kinds], dtype=np.bool_)[codes]


def interpreter(comparison: Comparison, literal: str) -> Callable[[Callable[[str], list[str]]], bool]:
    """Return what tells for one host's values whether a comparison with another literal holds."""
    return test_of(
        Comparison(comparison.name, comparison.operator, comparison.kind, literal, 0, comparison.missing_is_zero)
    )


def _only(values: list[str]) -> Callable[[str], list[str]]:
    return lambda _: values


def _missing(read: Sequence[float | None]) -> Booleans | None:
    found = np.array([one is None for one in read], dtype=np.bool_)
    return found if found.any() else None


def _range_of(texts: Sequence[str], prefix: str) -> tuple[int, int]:
    """Return from where to where sorted texts begin with a prefix."""
    if not prefix:
        return 0, len(texts)
    return bisect_left(texts, prefix), bisect_left(texts, prefix[:-1] + chr(ord(prefix[-1]) + 1))
