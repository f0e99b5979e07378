"""Requirements: the table of reference/templates.md §5.1, line by line."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trifid.core.template.expression import DEPTH_MAX, LENGTH_MAX
from trifid.core.template.requirements import compile_requirement
from trifid.errors import BadTemplate

HOST = {
    "HOSTNAME": ["aquila07"],
    "FREE_CPU": ["350"],
    "LOAD": ["0.75"],
    "NEGATIVE": ["-5"],
    "EMPTY": [""],
    "WORDY": ["12 cores"],
    "FLAG": ["ssd", "gpu", "7"],
    "T": ["1"],
    "F": ["0"],
}


def matches(text, dialect="modern", host=HOST):
    return compile_requirement(text, dialect).matches(lambda name: host.get(name, []))


@pytest.mark.parametrize(
    ("text", "modern", "classic"),
    [
        # an empty expression is true
        ("", True, True),
        (" \t", True, True),
        # integers
        ("FREE_CPU = 350", True, True),
        ("FREE_CPU != 350", False, False),
        ("FREE_CPU > 349", True, True),
        ("FREE_CPU > 350", False, False),
        ("FREE_CPU < 351", True, True),
        ("FREE_CPU<351&FREE_CPU>349", True, True),
        ("NEGATIVE = -5", True, True),
        ("NEGATIVE < -4", True, True),
        # the literal's token decides: 0.75 as an integer is 0
        ("LOAD = 0", True, True),
        ("LOAD = 0.75", True, True),
        ("LOAD < 0.8", True, True),
        ("FREE_CPU = 350.0", True, True),
        # numbers are read from the leading digits
        ("WORDY = 12", True, True),
        ("HOSTNAME = 0", False, True),
        # text: globs, the literal as pattern, case-sensitive
        ('HOSTNAME = "aquila*"', True, True),
        ('HOSTNAME = "AQUILA*"', False, False),
        ('HOSTNAME = "aquila"', False, False),
        ('HOSTNAME = "aquila0?"', True, True),
        ('HOSTNAME = "aquila0[1-7]"', True, True),
        ('HOSTNAME = "aquila0[!1-7]"', False, False),
        ('HOSTNAME != "lyra*"', True, True),
        ("HOSTNAME = aquila07", True, True),
        ('FREE_CPU = "350"', True, True),
        ('FREE_CPU = "3*"', True, True),
        ('"HOSTNAME" = aquila07', True, True),
        # "" never matches, and nothing matches an empty value
        ('HOSTNAME = ""', False, False),
        ('HOSTNAME != ""', False, False),
        ('EMPTY = ""', False, False),
        ('EMPTY = "*"', False, False),
        ('EMPTY != "x"', False, False),
        # a missing attribute: 0 for integers in 1.2, else false whatever the operator
        ("MISSING = 0", False, True),
        ("MISSING < 5", False, True),
        ("MISSING != 1", False, True),
        ("MISSING > 5", False, False),
        ("MISSING < 5.0", False, False),
        ("MISSING != 5.0", False, False),
        ('MISSING = "*"', False, False),
        ('MISSING != "x"', False, False),
        ("!MISSING = 3", True, True),
        # case of names
        ("free_cpu = 350", False, True),
        # one level, from the left
        ("T = 1 | F = 1 & F = 1", False, False),
        ("T = 1 | (F = 1 & F = 1)", True, True),
        ("F = 1 & F = 1 | T = 1", True, True),
        ("! F = 1 & T = 1", True, True),
        ("! T = 1 & F = 1", False, False),
        ("! T = 1 | T = 1", True, True),
        ("! (T = 1 | T = 1)", False, False),
        ("!! T = 1", True, True),
        ("!(!(T = 1))", True, True),
        ("T = 1 & ! F = 1", True, True),
        ("T = 1 & ! F = 1 & F = 1", False, False),
    ],
)
def test_what_matches(text, modern, classic):
    assert (matches(text), matches(text, "classic")) == (modern, classic)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FLAG @> ssd", True),
        ("FLAG @> gpu", True),
        ('FLAG @> "g*"', True),
        ("FLAG @> nvme", False),
        ("FLAG @> 7", True),
        ("FLAG @> 8", False),
        ("FLAG = gpu", False),
        ("MISSING @> x", False),
        ("MISSING @> 0", False),
        ("FLAG @> ssd & FLAG @> gpu", True),
        ("T = 1\n& F = 0\r\n", True),
    ],
)
def test_what_only_todays_dialect_knows(text, expected):
    assert matches(text) == expected
    with pytest.raises(BadTemplate):
        matches(text + "\n", "classic")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2 < CPUS", 'requirement column 1: the attribute stands left of the operator, the number right; found "2"'),
        ("A && B", 'requirement column 3: unknown operator "&&": & is one character'),
        ("A = 1 || B = 1", 'requirement column 7: unknown operator "||": | is one character'),
        ("A == 1", 'requirement column 3: unknown operator "==": = is one character'),
        ("A >= 1", 'requirement column 3: unknown operator ">=": there is no >=: write A > 4 | A = 4'),
        ("A <= 1", 'requirement column 3: unknown operator "<=": there is no <=: write A < 4 | A = 4'),
        ("A < x", "requirement column 3: < compares numbers only; text has = and !="),
        ("A", "requirement column 2: expected a comparison (= != < > @>) after A, found end of text"),
        ("A =", "requirement column 4: expected a number or text after =, found end of text"),
        ("A = 1 &", "requirement column 8: expected an attribute, ! or (, found end of text"),
        ("A = 1 B = 1", 'requirement column 7: expected & or | or end of text, found "B"'),
        ("(A = 1", "requirement column 7: expected ) or & or |, found end of text"),
        ("A = 1)", 'requirement column 6: expected & or | or end of text, found ")"'),
        ("()", 'requirement column 2: expected an attribute, ! or (, found ")"'),
        ("A = b-c", 'requirement column 6: a requirement has no operator "-"'),
        ("A = +1", 'requirement column 5: a requirement has no operator "+"'),
        ("A = é", 'requirement column 5: "é" has no meaning here; quote a text with such characters'),
        ("A = _x", 'requirement column 5: "_" has no meaning here'),
        ('A = "x', 'requirement column 5: expected " to close the quote opened here, found end of text'),
        ('"" = 1', "an attribute cannot be called"),
        ("A = " + "x" * LENGTH_MAX, f"the requirement has {LENGTH_MAX + 4} characters: at most {LENGTH_MAX} are"),
    ],
)
def test_what_is_no_requirement_is_refused_with_its_column(text, message):
    with pytest.raises(BadTemplate) as refusal:
        compile_requirement(text)
    assert message in refusal.value.message


@pytest.mark.parametrize("one", ["!", "("])
def test_nesting_is_bounded(one):
    close = ")" if one == "(" else ""
    compile_requirement(one * DEPTH_MAX + "A = 1" + close * DEPTH_MAX)
    with pytest.raises(BadTemplate, match=f"more than {DEPTH_MAX} levels of nesting"):
        compile_requirement(one * (DEPTH_MAX + 1) + "A = 1" + close * (DEPTH_MAX + 1))


def test_a_requirement_tells_what_it_looks_at():
    assert compile_requirement("b = 1 & (A = x | b < 2)").names == {"b", "A"}
    assert compile_requirement("b = 1", "classic").names == {"B"}
    assert compile_requirement("").names == frozenset()


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "pattern", ["*a" * 60 + "b", "*" * 1000 + "b", "?*" * 200 + "b", "[" * 500, "*[a-z]" * 60 + "0"]
)
def test_no_pattern_takes_for_ever(pattern):
    assert not matches(f'A = "{pattern}"', host={"A": ["a" * 5000]})


# -- an oracle: the same rules, written over Python's own expressions --------------------------------

TERMS = st.sampled_from([("T = 1", True), ("F = 1", False), ("MISSING = 1", False), ('HOSTNAME = "aq*"', True)])


@st.composite
def trees(draw, depth=3):
    """Return (text, what it comes to), folded from the left as the rule says."""
    if depth == 0 or draw(st.booleans()):
        return draw(TERMS)
    text, value = _term(draw, depth)
    for _ in range(draw(st.integers(0, 3))):
        operator = draw(st.sampled_from("&|"))
        more, holds = _term(draw, depth)
        value = (value and holds) if operator == "&" else (value or holds)
        text = f"{text} {operator} {more}"
    return text, value


def _term(draw, depth):
    kind = draw(st.sampled_from(["plain", "not", "parentheses"]))
    if kind == "plain":
        return draw(TERMS)
    if kind == "not":
        text, value = _term(draw, depth - 1) if depth > 1 else draw(TERMS)
        return f"! {text}", not value
    text, value = draw(trees(depth - 1))
    return f"({text})", value


@given(trees())
@settings(max_examples=300, deadline=None)
def test_expressions_bind_from_the_left(tree):
    text, value = tree
    assert matches(text) == matches(text, "classic") == value


PIECES = st.sampled_from(
    ["A", "=", "!=", "<", ">", "@>", "&", "|", "!", "(", ")", " ", "1", "-2", "1.5", '"x*"', '"', "[", "\n"]
)


@example('"\n"', "modern", "")
@given(
    st.lists(PIECES | st.text(max_size=2), max_size=12).map("".join), st.sampled_from(["modern", "classic"]), st.text()
)
@settings(max_examples=500, deadline=None)
def test_any_text_compiles_or_is_refused_and_answers_for_any_host(text, dialect, value):
    try:
        requirement = compile_requirement(text, dialect)
    except BadTemplate as refusal:
        assert "requirement" in refusal.message and "\n" not in refusal.message
        return
    assert requirement.matches(lambda _: [value]) in (True, False)
    assert requirement.matches(lambda _: []) in (True, False)
