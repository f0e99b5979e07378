"""Requirements and ranks over all hosts at once.

A text is parsed once (core/template).  Texts that differ in their literals only, as those of many users do, share one
program: of the second such text nothing but its literals is read.
"""

import re
from collections.abc import Callable, Sequence
from math import isfinite, nan
from typing import Protocol, TypeVar

import msgspec
import numpy as np

from trifid.core.template import rank as ranks
from trifid.core.template import requirements
from trifid.placement.columns import Booleans, Floats
from trifid.placement.meter import CHARACTER, Meter
from trifid.placement.table import CHANGING
from trifid.placement.view import Expression

KEPT_MAX = 50_000
"""Texts, and programs, that are kept."""
CHARACTERS_MAX = 4_000_000
"""Characters of them in all: a program takes up to a hundred times as many bytes."""


class Table(Protocol):
    """What is asked: hosts, or networks, with their attributes as columns."""

    def __len__(self) -> int: ...

    def compare(self, comparison: requirements.Comparison, literal: str) -> Booleans:
        """Return for each whether a comparison holds, with `literal` in the place of its own."""

    def numbers(self, name: str) -> Floats:
        """Return an attribute of each as number; 0 where it is missing or none."""


_Test = Callable[[Table, Sequence[str]], Booleans]
_Value = Callable[[Table, Sequence[float]], Floats | float]
_Key = TypeVar("_Key")
_Found = TypeVar("_Found")

_LITERAL = re.compile(r'((?<![A-Za-z0-9_])-?[0-9]+(?:\.[0-9]+)?|"[^"]*")')
_AFFINITY = re.compile(r'"?\bCURRENT_VMS\b"?\s*(!?=)\s*("?)([0-9]+)\2')


class _Kept(dict[_Key, _Found]):
    """What was compiled, up to a bound."""

    characters = 0

    def keep(self, key: _Key, found: _Found, characters: int) -> _Found:
        """Keep what an expression of so many characters was made to."""
        if len(self) >= KEPT_MAX or self.characters > CHARACTERS_MAX:
            self.clear()
            self.characters = 0
        self[key] = found
        self.characters += characters
        return found


class Requirement(msgspec.Struct, frozen=True, gc=False):
    """What tells of every host whether a VM may run there.

    Attributes:
        literals: of this text, which its program takes.
        test: the program; None = every host meets it.
        names: the attributes that it looks at.
        changes: a placement can change the answer.
    """

    literals: tuple[str, ...]
    test: _Test | None
    names: frozenset[str]
    changes: bool

    def mask(self, table: Table) -> Booleans | None:
        """Return the hosts that meet it; None = all."""
        return None if self.test is None else self.test(table, self.literals)


class Rank(msgspec.Struct, frozen=True, gc=False):
    """What tells how good every host is.

    Attributes:
        literals: of this text, which its program takes.
        value: the program; None = every host ranks 0.
        names: the attributes that it looks at.
        changes: a placement can change the answer.
    """

    literals: tuple[float, ...]
    value: _Value | None
    names: frozenset[str]
    changes: bool

    def scores(self, table: Table) -> Floats:
        """Return the rank of each host, cut to an integer towards zero; 0 where it is no number."""
        if self.value is None:
            return np.zeros(len(table))
        with np.errstate(all="ignore"):
            found = np.trunc(self.value(table, self.literals))
            if np.ndim(found) == 0:
                found = np.full(len(table), found)
            if isfinite(found.sum()):  # one that is not would have shown in the sum
                return found
        return np.where(np.isfinite(found), found, 0.0)


class Compiler:
    """Compiles expressions, and keeps them from one plan to the next.

    Attributes:
        meter: counts what reading them takes.
    """

    def __init__(self) -> None:
        self.meter = Meter()
        self._requirements: _Kept[tuple[str, str], Requirement] = _Kept()
        self._ranks: _Kept[tuple[str, str], Rank] = _Kept()
        self._tests: _Kept[tuple[str, ...], tuple[_Test, frozenset[str], bool]] = _Kept()
        self._values: _Kept[tuple[str, ...], tuple[_Value, frozenset[str], bool]] = _Kept()

    def requirement(self, expression: Expression) -> Requirement:
        """Return a requirement; comparing CURRENT_VMS means any of the VMs (reference/templates.md §2.2).

        Raises:
            BadTemplate: with the column and what was expected.
        """
        key = (expression.text, expression.dialect)
        found = self._requirements.get(key)
        return (
            found
            if found is not None
            else self._requirements.keep(key, self._new_requirement(expression), len(expression.text))
        )

    def rank(self, expression: Expression) -> Rank:
        """Return a rank.

        Raises:
            BadTemplate: with the column and what was expected.
        """
        key = (expression.text, expression.dialect)
        found = self._ranks.get(key)
        return found if found is not None else self._ranks.keep(key, self._new_rank(expression), len(expression.text))

    def _new_requirement(self, expression: Expression) -> Requirement:
        text = expression.text
        if expression.dialect == "modern" and "CURRENT_VMS" in text:
            text = any_of_the_vms(text)
        shape, literals = _shape(text, expression.dialect)
        known = self._tests.get(shape)
        self.meter.done += len(text)
        if known is None:
            self.meter.done += CHARACTER * len(text)
            parsed = requirements.parse_requirement(text, expression.dialect)
            if parsed.node is None:
                return Requirement((), None, parsed.names, False)
            places = [node.at for node in _comparisons(parsed.node)]
            written = [node.literal for node in _comparisons(parsed.node)]
            index = {at: number for number, at in enumerate(sorted(places))}
            known = _test(parsed.node, index), parsed.names, not parsed.names.isdisjoint(CHANGING)
            if written != literals:  # a quoted name, a bare word: nothing to share
                return Requirement(tuple(written), *known)
            self._tests.keep(shape, known, len(text))
        return Requirement(tuple(literals), *known)

    def _new_rank(self, expression: Expression) -> Rank:
        shape, literals = _shape(expression.text, expression.dialect)
        known = self._values.get(shape)
        self.meter.done += len(expression.text)
        if known is None:
            self.meter.done += CHARACTER * len(expression.text)
            parsed = ranks.parse_rank(expression.text, expression.dialect)
            if parsed.node is None:
                return Rank((), None, parsed.names, False)
            numbers = sorted(_numbers(parsed.node), key=lambda number: number.at)
            index = {one.at: number for number, one in enumerate(numbers)}
            known = _value(parsed.node, index), parsed.names, not parsed.names.isdisjoint(CHANGING)
            written = [number.text for number in numbers]
            if written != literals:
                return Rank(tuple(map(float, written)), *known)
            self._values.keep(shape, known, len(expression.text))
        return Rank(tuple(map(float, literals)), *known)


def any_of_the_vms(text: str) -> str:
    """Return a requirement in which comparing CURRENT_VMS means any of a host's VMs (reference/templates.md §2.2)."""
    return _AFFINITY.sub(lambda m: f"({'!' if m[1] == '!=' else ''}(CURRENT_VMS @> {m[3]}))", text)


def _shape(text: str, dialect: str) -> tuple[tuple[str, ...], list[str]]:
    """Return a text without its literals, with what kind each of them is; and the literals."""
    parts = _LITERAL.split(text)
    kinds, literals = "", []
    for literal in parts[1::2]:
        if literal[0] == '"':
            kinds += "t" if len(literal) > 2 else "e"
            literals.append(literal[1:-1])
        else:
            kinds += _NUMBER_KINDS[literal[0] == "-", "." in literal]
            literals.append(literal)
    return (dialect, kinds, *parts[::2]), literals


_NUMBER_KINDS = {(False, False): "i", (True, False): "j", (False, True): "f", (True, True): "g"}
"""(has a sign, has a point) -> how a number is told from the others."""


def _comparisons(node: requirements.Node) -> list[requirements.Comparison]:
    match node:
        case requirements.Comparison():
            return [node]
        case requirements.Not(inner):
            return _comparisons(inner)
        case requirements.Chain(first, rest):
            return [*_comparisons(first), *(one for _, term in rest for one in _comparisons(term))]


def _test(node: requirements.Node, index: dict[int, int]) -> _Test:
    match node:
        case requirements.Comparison():
            number = index[node.at]
            return lambda table, literals: table.compare(node, literals[number])
        case requirements.Not(inner):
            negated = _test(inner, index)
            return lambda table, literals: ~negated(table, literals)
        case requirements.Chain(first, rest):
            return _chain(_test(first, index), [(is_and, _test(term, index)) for is_and, term in rest])


def _chain(first: _Test, rest: list[tuple[bool, _Test]]) -> _Test:
    def test(table: Table, literals: Sequence[str]) -> Booleans:
        holds = first(table, literals)
        for is_and, term in rest:
            other = term(table, literals)
            holds = holds & other if is_and else holds | other
        return holds

    return test


def _numbers(node: ranks.Node) -> list[ranks.Number]:
    match node:
        case ranks.Number():
            return [node]
        case ranks.Attribute():
            return []
        case ranks.Negative(inner):
            return _numbers(inner)
        case ranks.Sum(first, rest) | ranks.Product(first, rest):
            return [*_numbers(first), *(one for _, term in rest for one in _numbers(term))]


def _value(node: ranks.Node, index: dict[int, int]) -> _Value:
    match node:
        case ranks.Number(at=at):
            number = index[at]
            return lambda _, literals: literals[number]
        case ranks.Attribute(name):
            return lambda table, _: table.numbers(name)
        case ranks.Negative(inner):
            positive = _value(inner, index)
            return lambda table, literals: -positive(table, literals)
        case ranks.Sum(first, rest):
            return _sum(_value(first, index), [(is_plus, _value(term, index)) for is_plus, term in rest])
        case ranks.Product(first, rest):
            return _product(_value(first, index), [(is_times, _value(term, index)) for is_times, term in rest])


def _sum(first: _Value, rest: list[tuple[bool, _Value]]) -> _Value:
    def value(table: Table, literals: Sequence[float]) -> Floats | float:
        total = first(table, literals)
        for is_plus, term in rest:
            other = term(table, literals)
            total = total + other if is_plus else total - other
        return total

    return value


def _product(first: _Value, rest: list[tuple[bool, _Value]]) -> _Value:
    def value(table: Table, literals: Sequence[float]) -> Floats | float:
        total = first(table, literals)
        for is_times, factor in rest:
            other = factor(table, literals)
            if is_times:
                total = total * other
            else:
                # Dividing by zero makes the whole rank 0, so it must not vanish again as 1/inf would.
                total = total / (np.where(other == 0.0, nan, other) if isinstance(other, np.ndarray) else other or nan)
        return total

    return value
