"""Requirements: which hosts a VM may run on, as a boolean expression over a host's attributes.

    expr := ATTRIBUTE op literal | expr & expr | expr | expr | ! expr | ( expr )

`!`, `&` and `|` share one level and bind from the left: `a | b & c` is `(a | b) & c`.  The literal
decides how it is compared: as integer, as float, or as a glob.  Nothing else is done here: where an
attribute comes from is the caller's business.  A text is parsed into nodes; here they are interpreted for
one host, placement evaluates the same nodes for all hosts at once, and explains by them.

Source: reference/templates.md §5.1.
"""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache

import msgspec

from trifid.core.template.expression import (
    CACHE_MAX,
    Dialect,
    Tokens,
    leading_integer,
    leading_number,
)

Lookup = Callable[[str], list[str]]
"""All occurrences of an attribute, in order; empty when it is missing."""

Test = Callable[[Lookup], bool]

_OPERATORS = frozenset({"=", "!=", "<", ">", "@>", "&", "|", "!", "(", ")"})
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}


class Comparison(msgspec.Struct, frozen=True):
    """An attribute beside a literal.

    Attributes:
        name: as it is looked up.
        operator: = != < > or @>.
        kind: of the literal: integer, float or text.
        literal: as written, without quotes.
        at: its index in the text.
        missing_is_zero: a missing attribute is compared as 0 (integers of 1.2).
    """

    name: str
    operator: str
    kind: str
    literal: str
    at: int
    missing_is_zero: bool = False


class Not(msgspec.Struct, frozen=True):
    """What must not hold."""

    inner: "Node"


class Chain(msgspec.Struct, frozen=True):
    """Terms joined from the left; each of `rest` is (it is joined by &, not by |; the term)."""

    first: "Node"
    rest: tuple[tuple[bool, "Node"], ...]


Node = Comparison | Not | Chain


class Parsed(msgspec.Struct, frozen=True):
    """A parsed requirement.

    Attributes:
        node: None = every host meets it.
        names: the attributes that it looks at, as they are looked up.
    """

    node: Node | None
    names: frozenset[str]


class Requirement:
    """A compiled requirement.

    Attributes:
        text: as written.
        names: the attributes that it looks at, as they are looked up.
    """

    __slots__ = ("_test", "names", "text")

    def __init__(self, text: str, test: Test, names: frozenset[str]) -> None:
        self.text = text
        self.names = names
        self._test = test

    def matches(self, lookup: Lookup) -> bool:
        """Tell whether a host with these attributes meets the requirement."""
        return self._test(lookup)


@lru_cache(maxsize=CACHE_MAX)
def compile_requirement(text: str, dialect: Dialect = "modern") -> Requirement:
    """Return the requirement that a text describes, as parse_requirement reads it."""
    parsed = parse_requirement(text, dialect)
    return Requirement(text, test_of(parsed.node), parsed.names)


def parse_requirement(text: str, dialect: Dialect = "modern") -> Parsed:
    """Return the nodes of a text; a blank text is met by every host.

    Args:
        dialect: "classic" looks names up in upper case, compares a missing attribute with an integer
            as 0, and knows neither `@>` nor ends of lines; in "modern" every comparison with a
            missing attribute is false.

    Raises:
        BadTemplate: with the column and what was expected.
    """
    operators = _OPERATORS if dialect == "modern" else _OPERATORS - {"@>"}
    tokens = Tokens(text, dialect, operators, "requirement")
    parser = _Parser(tokens, dialect)
    if tokens.now.kind == "end":
        return Parsed(None, frozenset())
    node = parser.expression()
    if tokens.now.kind != "end":
        tokens.expected("& or | or end of text")
    return Parsed(node, frozenset(parser.names))


class _Parser:
    def __init__(self, tokens: Tokens, dialect: Dialect) -> None:
        self.tokens = tokens
        self.classic = dialect == "classic"
        self.names: set[str] = set()

    def expression(self) -> Node:
        """Read terms joined by & and |, from the left."""
        first = self.term()
        rest: list[tuple[bool, Node]] = []
        while operator := self.tokens.took("&", "|"):
            rest.append((operator == "&", self.term()))
        return Chain(first, tuple(rest)) if rest else first

    def term(self) -> Node:
        """Read one comparison, one negated term, or one expression in parentheses."""
        tokens = self.tokens
        if tokens.took("!"):
            tokens.deeper()
            negated = self.term()
            tokens.shallower()
            return Not(negated)
        if tokens.took("("):
            tokens.deeper()
            inner = self.expression()
            tokens.shallower()
            if not tokens.took(")"):
                tokens.expected(") or & or |")
            return inner
        return self.comparison()

    def comparison(self) -> Comparison:
        tokens = self.tokens
        if tokens.now.kind in ("integer", "float"):
            tokens.refuse(f'the attribute stands left of the operator, the number right; found "{tokens.now.text}"')
        if tokens.now.kind not in ("word", "quoted"):
            tokens.expected("an attribute, ! or (")
        written = tokens.take().text
        name = written.upper() if self.classic else written
        if not name:
            tokens.refuse('an attribute cannot be called ""')
        at = tokens.now.at
        operator = tokens.took("=", "!=", "<", ">", "@>")
        if not operator:
            tokens.expected(f"a comparison (= != < >{'' if self.classic else ' @>'}) after {written[:40]}")
        if tokens.now.kind not in ("integer", "float", "word", "quoted"):
            tokens.expected(f"a number or text after {operator}")
        literal = tokens.take()
        self.names.add(name)
        if literal.kind in ("word", "quoted"):
            if operator in ("<", ">"):
                tokens.refuse(f"{operator} compares numbers only; text has = and !=", at)
            return Comparison(name, operator, "text", literal.text, literal.at)
        is_zero = self.classic and literal.kind == "integer"
        return Comparison(name, operator, literal.kind, literal.text, literal.at, is_zero)


def test_of(node: Node | None) -> Test:
    """Return what tells whether a host holds to a node; None holds for every host."""
    match node:
        case None:
            return lambda _: True
        case Not(inner):
            negated = test_of(inner)
            return lambda lookup: not negated(lookup)
        case Chain(first, rest):
            return _chain_test(test_of(first), [(is_and, test_of(term)) for is_and, term in rest])
        case Comparison(kind="text"):
            return _text_test(node.name, node.operator, node.literal)
        case Comparison():
            return _number_test(node)


def _chain_test(first: Test, rest: list[tuple[bool, Test]]) -> Test:
    def test(lookup: Lookup) -> bool:
        holds = first(lookup)
        for is_and, term in rest:
            # Where the left side decides, the right side need not be asked.
            if holds == is_and:
                holds = term(lookup)
        return holds

    return test


def _text_test(name: str, operator: str, pattern: str) -> Test:
    """Return the test of a glob against the first value, or against any for `@>`.

    An empty pattern and an empty value never match, not even `!=`.
    """
    if not pattern:
        return lambda _: False
    matches = re.compile(fnmatch.translate(pattern)).match
    if operator == "@>":
        return lambda lookup: any(value != "" and matches(value) is not None for value in lookup(name))
    wanted = operator == "="

    def test(lookup: Lookup) -> bool:
        values = lookup(name)
        return bool(values) and values[0] != "" and (matches(values[0]) is not None) == wanted

    return test


def _number_test(node: Comparison) -> Test:
    """Return the test of a number; a value that is none counts as missing."""
    name = node.name
    read: Callable[[str], float | None] = leading_integer if node.kind == "integer" else leading_number
    number = read(node.literal)
    assert number is not None, f"{node.literal} was scanned as a number"
    right: float = number
    if node.operator == "@>":
        return lambda lookup: any(read(value) == right for value in lookup(name))
    compare = COMPARE[node.operator]

    def test(lookup: Lookup) -> bool:
        values = lookup(name)
        left = read(values[0]) if values else None
        if left is None:
            if not node.missing_is_zero:
                return False
            left = 0
        return compare(left, right)

    return test
