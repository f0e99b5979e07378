"""Ranks: how good a host is for a VM, as an arithmetic expression over the host's attributes.

`*` and `/` bind tighter than `+` and `-`; a leading `-` binds as loosely as the binary one, so `-A*B`
is -(A·B).  A minus that touches a digit belongs to the number: `A -1` is two operands in a row.

Source: reference/templates.md §5.2.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import msgspec

from trifid.core.template.expression import CACHE_MAX, Dialect, Tokens, leading_number

Lookup = Callable[[str], str | None]
"""The first occurrence of an attribute; None when it is missing."""

Value = Callable[[Lookup], float]

_OPERATORS = frozenset({"+", "-", "*", "/", "(", ")"})


class Number(msgspec.Struct, frozen=True):
    """A number.

    Attributes:
        at: its index in the text.
    """

    text: str
    at: int


class Attribute(msgspec.Struct, frozen=True):
    """An attribute's first value, as it is looked up; one that is missing or no number counts as 0."""

    name: str


class Negative(msgspec.Struct, frozen=True):
    """Minus a whole product."""

    inner: "Node"


class Sum(msgspec.Struct, frozen=True):
    """Terms joined from the left; each of `rest` is (it is added, not taken away; the term)."""

    first: "Node"
    rest: tuple[tuple[bool, "Node"], ...]


class Product(msgspec.Struct, frozen=True):
    """Factors joined from the left; each of `rest` is (it multiplies, does not divide; the factor)."""

    first: "Node"
    rest: tuple[tuple[bool, "Node"], ...]


Node = Number | Attribute | Negative | Sum | Product


class Parsed(msgspec.Struct, frozen=True):
    """A parsed rank.

    Attributes:
        node: None = every host ranks 0.
        names: the attributes that it looks at, as they are looked up.
    """

    node: Node | None
    names: frozenset[str]


class Rank:
    """A compiled rank.

    Attributes:
        text: as written.
        names: the attributes that it looks at, as they are looked up.
    """

    __slots__ = ("_value", "names", "text")

    def __init__(self, text: str, value: Value, names: frozenset[str]) -> None:
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
    """Return the rank that a text describes, as parse_rank reads it."""
    parsed = parse_rank(text, dialect)
    return Rank(text, value_of(parsed.node), parsed.names)


def parse_rank(text: str, dialect: Dialect = "modern") -> Parsed:
    """Return the nodes of a text; a blank text ranks every host 0.

    Args:
        dialect: "classic" looks names up in upper case and refuses ends of lines.

    Raises:
        BadTemplate: with the column and what was expected.
    """
    tokens = Tokens(text, dialect, _OPERATORS, "rank")
    parser = _Parser(tokens, dialect)
    if tokens.now.kind == "end":
        return Parsed(None, frozenset())
    node = parser.sum()
    if tokens.now.kind in ("integer", "float") and tokens.now.text.startswith("-"):
        number = tokens.now.text
        tokens.refuse(f'expected an operator, found the number "{number}": put a blank between - and {number[1:]}')
    if tokens.now.kind != "end":
        tokens.expected("+ - * / or end of text")
    return Parsed(node, frozenset(parser.names))


class _Parser:
    def __init__(self, tokens: Tokens, dialect: Dialect) -> None:
        self.tokens = tokens
        self.classic = dialect == "classic"
        self.names: set[str] = set()

    def sum(self) -> Node:
        """Read products joined by + and -, from the left."""
        first = self.product()
        rest: list[tuple[bool, Node]] = []
        while operator := self.tokens.took("+", "-"):
            rest.append((operator == "+", self.product()))
        return Sum(first, tuple(rest)) if rest else first

    def product(self) -> Node:
        """Read operands joined by * and /, from the left."""
        first = self.operand()
        rest: list[tuple[bool, Node]] = []
        while operator := self.tokens.took("*", "/"):
            rest.append((operator == "*", self.operand()))
        return Product(first, tuple(rest)) if rest else first

    def operand(self) -> Node:
        """Read a number, an attribute, an expression in parentheses, or minus a whole product."""
        tokens = self.tokens
        if tokens.took("-"):
            tokens.deeper()
            inner = self.product()
            tokens.shallower()
            return Negative(inner)
        if tokens.took("("):
            tokens.deeper()
            inner = self.sum()
            tokens.shallower()
            if not tokens.took(")"):
                tokens.expected(") or + - * /")
            return inner
        if tokens.now.kind in ("integer", "float"):
            token = tokens.take()
            return Number(token.text, token.at)
        if tokens.now.kind not in ("word", "quoted") or not tokens.now.text:
            tokens.expected("an attribute, a number, - or (")
        written = tokens.take().text
        name = written.upper() if self.classic else written
        self.names.add(name)
        return Attribute(name)


def value_of(node: Node | None) -> Value:
    """Return what gives a node's value for one host; None is 0."""
    match node:
        case None:
            return lambda _: 0.0
        case Number(text):
            number = float(text)
            return lambda _: number
        case Attribute(name):
            return lambda lookup: (leading_number(found) or 0.0) if (found := lookup(name)) else 0.0
        case Negative(inner):
            positive = value_of(inner)
            return lambda lookup: -positive(lookup)
        case Sum(first, rest):
            return _sum(value_of(first), [(is_plus, value_of(term)) for is_plus, term in rest])
        case Product(first, rest):
            return _product(value_of(first), [(is_times, value_of(factor)) for is_times, factor in rest])


def _sum(first: Value, rest: list[tuple[bool, Value]]) -> Value:
    def value(lookup: Lookup) -> float:
        total = first(lookup)
        for is_plus, term in rest:
            total = total + term(lookup) if is_plus else total - term(lookup)
        return total

    return value


def _product(first: Value, rest: list[tuple[bool, Value]]) -> Value:
    def value(lookup: Lookup) -> float:
        total = first(lookup)
        for is_times, factor in rest:
            total = total * factor(lookup) if is_times else total / factor(lookup)
        return total

    return value
