"""Which comparisons of a requirement stand in the way: so that somebody can be told, not only refused.

A requirement is taken apart into its comparisons, each of which is compiled as a requirement of its own; so what a
comparison means is said in one place.  Of every part it is known whether it holds, and the fewest comparisons that
would have to come out otherwise for it to turn.

Source: reference/templates.md §5.1.
"""

from collections.abc import Callable

import msgspec

from trifid.core.template.expression import Dialect, Tokens
from trifid.core.template.requirements import OPERATORS, Lookup, compile_requirement

COMPARISONS_MAX = 5
"""Comparisons that are named one by one; the others are counted."""


class Comparison(msgspec.Struct, frozen=True):
    """A comparison that would have to come out otherwise.

    Attributes:
        text: as written.
        name: the attribute that it looks at, as it is looked up.
        holds: it does, and must not: it stands behind a `!`.
    """

    text: str
    name: str
    holds: bool


class Obstacle(msgspec.Struct, frozen=True):
    """The fewest comparisons that are in the way, in the order in which they are written.

    Attributes:
        count: how many they are.
        comparisons: the first of them.
    """

    count: int
    comparisons: tuple[Comparison, ...]


class _Outcome(msgspec.Struct, frozen=True):
    """What a part of a requirement comes to on a host, and what would turn it."""

    holds: bool
    turned_by: Obstacle


_Part = Callable[[Lookup], _Outcome]


class RequirementParts:
    """A requirement that can tell why it is not met."""

    def __init__(self, part: _Part | None) -> None:
        self._part = part

    def obstacle(self, lookup: Lookup) -> Obstacle | None:
        """Return what keeps a host with these attributes from meeting the requirement; None when it meets it."""
        if self._part is None:
            return None
        outcome = self._part(lookup)
        return None if outcome.holds else outcome.turned_by


def requirement_parts(text: str, dialect: Dialect = "modern") -> RequirementParts:
    """Return a requirement taken apart; a blank text is met by every host.

    Raises:
        BadTemplate: as `compile_requirement`.
    """
    compile_requirement(text, dialect)  # from here on the text is known to be well-formed
    tokens = Tokens(text, dialect, OPERATORS, "requirement")
    return RequirementParts(None if tokens.now.kind == "end" else _Reader(text, tokens, dialect).expression())


class _Reader:
    """Reads a well-formed requirement."""

    def __init__(self, text: str, tokens: Tokens, dialect: Dialect) -> None:
        self.text = text
        self.tokens = tokens
        self.dialect = dialect

    def expression(self) -> _Part:
        """Read terms joined by & and |, from the left."""
        first = self.term()
        rest: list[tuple[bool, _Part]] = []
        while operator := self.tokens.took("&", "|"):
            rest.append((operator == "&", self.term()))
        if not rest:
            return first

        def part(lookup: Lookup) -> _Outcome:
            outcome = first(lookup)
            for is_and, term in rest:
                outcome = _joined(outcome, term(lookup), is_and)
            return outcome

        return part

    def term(self) -> _Part:
        if self.tokens.took("!"):
            negated = self.term()
            return lambda lookup: _not(negated(lookup))
        if self.tokens.took("("):
            inner = self.expression()
            self.tokens.took(")")
            return inner
        return self.comparison()

    def comparison(self) -> _Part:
        begin = self.tokens.now.at
        self.tokens.take()
        self.tokens.take()
        self.tokens.take()
        text = self.text[begin : self.tokens.now.at].strip()
        compiled = compile_requirement(text, self.dialect)
        (name,) = compiled.names

        def part(lookup: Lookup) -> _Outcome:
            holds = compiled.matches(lookup)
            return _Outcome(holds, Obstacle(1, (Comparison(text, name, holds),)))

        return part


def _not(outcome: _Outcome) -> _Outcome:
    return _Outcome(not outcome.holds, outcome.turned_by)


def _joined(left: _Outcome, right: _Outcome, is_and: bool) -> _Outcome:
    """Return `left & right`, or `left | right`.

    A true `&` and a false `|` turn with one side, and the smaller change is told; a false `&` and a true `|` turn
    only when every side does that made them so.
    """
    holds = (left.holds and right.holds) if is_and else (left.holds or right.holds)
    if holds is is_and:
        return _Outcome(holds, min(left.turned_by, right.turned_by, key=lambda one: one.count))
    in_the_way = [side.turned_by for side in (left, right) if side.holds is holds]
    if len(in_the_way) == 1:
        return _Outcome(holds, in_the_way[0])
    one, other = in_the_way
    return _Outcome(holds, Obstacle(one.count + other.count, (*one.comparisons, *other.comparisons)[:COMPARISONS_MAX]))
