"""Which comparisons of a requirement stand in the way: so that somebody can be told, not only refused.

Of every part of a requirement it is known whether it holds on a host, and the fewest comparisons that would have to
come out otherwise for it to turn.

Source: reference/templates.md §5.1.
"""

from collections.abc import Callable

import msgspec

from trifid.core.template.expression import Dialect
from trifid.core.template.requirements import Comparison, Lookup, Node, Not, parse_requirement, test_of

COMPARISONS_MAX = 5
"""Comparisons that are named one by one; the others are counted."""


class InTheWay(msgspec.Struct, frozen=True):
    """A comparison that would have to come out otherwise.

    Attributes:
        text: for people.
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
    comparisons: tuple[InTheWay, ...]


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
        BadTemplate: as `parse_requirement`.
    """
    node = parse_requirement(text, dialect).node
    return RequirementParts(None if node is None else _part(node))


def _part(node: Node) -> _Part:
    if isinstance(node, Comparison):
        return _comparison(node)
    if isinstance(node, Not):
        negated = _part(node.inner)
        return lambda lookup: _not(negated(lookup))
    first = _part(node.first)
    rest = [(is_and, _part(term)) for is_and, term in node.rest]

    def part(lookup: Lookup) -> _Outcome:
        outcome = first(lookup)
        for is_and, term in rest:
            outcome = _joined(outcome, term(lookup), is_and)
        return outcome

    return part


def _comparison(node: Comparison) -> _Part:
    test = test_of(node)
    literal = f'"{node.literal}"' if node.kind == "text" else node.literal
    text = f"{node.name} {node.operator} {literal}"
    outcomes = {holds: _Outcome(holds, Obstacle(1, (InTheWay(text, node.name, holds),))) for holds in (True, False)}
    return lambda lookup: outcomes[test(lookup)]


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
