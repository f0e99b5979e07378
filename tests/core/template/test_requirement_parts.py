"""Which comparisons of a requirement stand in the way."""

import random

import pytest

from trifid.core.template.requirement_parts import COMPARISONS_MAX, requirement_parts
from trifid.core.template.requirements import compile_requirement
from trifid.errors import BadTemplate

HOST = {"A": ["1"], "B": ["x"], "C": ["1", "2"]}


def in_the_way(text, dialect="modern"):
    found = requirement_parts(text, dialect).obstacle(lambda name: HOST.get(name, []))
    return None if found is None else [(one.text, one.holds) for one in found.comparisons]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("A = 1", None),
        ("A = 2", [("A = 2", False)]),
        ("A = 1 & B = y", [('B = "y"', False)]),
        ("A = 2 & B = y", [("A = 2", False), ('B = "y"', False)]),
        ("A = 2 | B = y & A = 3", [("A = 3", False), ("A = 2", False)]),
        ("(A = 2 & B = y) | A = 4", [("A = 4", False)]),
        ("!(A = 1)", [("A = 1", True)]),
        ("!(A = 1 | B = x)", [("A = 1", True), ('B = "x"', True)]),
        ("!(A = 1 & (B = x | C = 1))", [("A = 1", True)]),
        ("!(A = 2)", None),
        ('"A" = 2', [("A = 2", False)]),
        ("C @> 3", [("C @> 3", False)]),
    ],
)
def test_the_fewest_comparisons_that_would_have_to_come_out_otherwise(text, expected):
    found = in_the_way(text)
    assert found is None if expected is None else sorted(found) == sorted(expected)


def test_names_are_looked_up_as_the_dialect_does():
    (one,) = requirement_parts("a = 2", "classic").obstacle(lambda name: HOST.get(name, [])).comparisons
    assert (one.text, one.name) == ("A = 2", "A")
    assert in_the_way("a = 1", "classic") is None


def test_a_requirement_of_very_many_comparisons_is_counted_and_not_told_whole():
    found = requirement_parts(" & ".join(["A = 2"] * 2000)).obstacle(lambda name: HOST.get(name, []))
    assert (found.count, len(found.comparisons)) == (2000, COMPARISONS_MAX)


def test_a_wrong_requirement_is_refused_as_ever():
    with pytest.raises(BadTemplate, match="column 4"):
        requirement_parts("A =")


@pytest.mark.parametrize("seed", range(200))
def test_something_is_in_the_way_exactly_when_the_requirement_is_not_met(seed):
    chance = random.Random(seed)

    def expression(depth):
        if depth == 0 or chance.random() < 0.3:
            return f"{chance.choice('ABCX')} {chance.choice(('=', '!='))} {chance.choice(('1', '2', 'x'))}"
        shape = chance.choice(("({}) & {}", "{} | {}", "!({})", "{} & {} | {}", "!{}"))
        return shape.format(*(expression(depth - 1) for _ in range(3)))

    text = expression(4)

    def lookup(name):
        return HOST.get(name, [])

    assert (requirement_parts(text).obstacle(lookup) is None) == compile_requirement(text).matches(lookup)
