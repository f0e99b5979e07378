"""Ranks: how good a host is for a VM, as an arithmetic expression over the host's attributes.

`*` and `/` bind tighter than `+` and `-`; a leading `-` binds as loosely as the binary one, so `-A*B`
is -(A·B).  A minus that touches a digit belongs to the number: `A -1` is two operands in a row.

Source: reference/templates.md §5.2.
"""

import math
from collections.abc import Callable
from functools import lru_cache

from trifid.core.template.expression import CACHE_MAX, Dialect, Tokens, leading_number

Lookup = Callable[[str], str | None]
"""The first occurrence of an attribute; None when it is missing."""

_Value = Callable[[Lookup], float]

_OPERATORS = frozenset({"+", "-", "*", "/", "(", ")"})


class Rank:
    """A compiled rank.

    Attributes:
        text: as written.
        names: the attributes that it looks at, as they are looked up.
    """

    __slots__ = ("_value", "names", "text")

    def __init__(self, text: str, value: _Value, names: frozenset[str]) -> None:
        self.text = text
        self.names = names
        self._value = value

    def value(self, lookup: Lookup) -> int:
        """Return the rank of a host with these attributes, cut to an integer towards zero.

        A host for which it is no number (a division by zero, an overflow) has rank 0.
        """
        try:
            result = self._value(lookup)
        except ZeroDivisionError:
            return 0
        return int(result) if math.isfinite(result) else 0


@lru_cache(maxsize=CACHE_MAX)
def compile_rank(text: str, dialect: Dialect = "modern") -> Rank:
    """Return the rank that a text describes; a blank text ranks every host 0.

    Args:
        dialect: "classic" looks names up in upper case and refuses ends of lines.

    Raises:
        BadTemplate: with the column and what was expected.
    """
    tokens = Tokens(text, dialect, _OPERATORS, "rank")
    parser = _Parser(tokens, dialect)
    if tokens.now.kind == "end":
        return Rank(text, lambda _: 0.0, frozenset())
    value = parser.sum()
    if tokens.now.kind in ("integer", "float") and tokens.now.text.startswith("-"):
        number = tokens.now.text
        tokens.refuse(f'expected an operator, found the number "{number}": put a blank between - and {number[1:]}')
    if tokens.now.kind != "end":
        tokens.expected("+ - * / or end of text")
    return Rank(text, value, frozenset(parser.names))


class _Parser:
    def __init__(self, tokens: Tokens, dialect: Dialect) -> None:
        self.tokens = tokens
        self.classic = dialect == "classic"
        self.names: set[str] = set()

    def sum(self) -> _Value:
        """Read products joined by + and -, from the left."""
        first = self.product()
        rest: list[tuple[bool, _Value]] = []
        while operator := self.tokens.took("+", "-"):
            rest.append((operator == "+", self.product()))
        if not rest:
            return first

        def value(lookup: Lookup) -> float:
            total = first(lookup)
            for is_plus, term in rest:
                total = total + term(lookup) if is_plus else total - term(lookup)
            return total

        return value

    def product(self) -> _Value:
        """Read operands joined by * and /, from the left."""
        first = self.operand()
        rest: list[tuple[bool, _Value]] = []
        while operator := self.tokens.took("*", "/"):
            rest.append((operator == "*", self.operand()))
        if not rest:
            return first

        def value(lookup: Lookup) -> float:
            total = first(lookup)
            for is_times, factor in rest:
                total = total * factor(lookup) if is_times else total / factor(lookup)
            return total

        return value

    def operand(self) -> _Value:
        """Read a number, an attribute, an expression in parentheses, or minus a whole product."""
        tokens = self.tokens
        if tokens.took("-"):
            tokens.deeper()
            inner = self.product()
            tokens.shallower()
            return lambda lookup: -inner(lookup)
        if tokens.took("("):
            tokens.deeper()
            inner = self.sum()
            tokens.shallower()
            if not tokens.took(")"):
                tokens.expected(") or + - * /")
            return inner
        if tokens.now.kind in ("integer", "float"):
            number = float(tokens.take().text)
            return lambda _: number
        if tokens.now.kind not in ("word", "quoted") or not tokens.now.text:
            tokens.expected("an attribute, a number, - or (")
        written = tokens.take().text
        return self.attribute(written.upper() if self.classic else written)

    def attribute(self, name: str) -> _Value:
        """Return the look-up of an attribute; one that is missing or no number counts as 0."""
        self.names.add(name)

        def value(lookup: Lookup) -> float:
            found = lookup(name)
            return (leading_number(found) or 0.0) if found else 0.0

        return value
