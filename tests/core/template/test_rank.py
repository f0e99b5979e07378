"""Ranks: reference/templates.md §5.2."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trifid.core.template.expression import DEPTH_MAX, LENGTH_MAX
from trifid.core.template.rank import compile_rank
from trifid.errors import BadTemplate

NUMBERS = {"A": "7", "B": "2", "HALF": "0.5", "HUGE": "1e308", "NIL": "0"}
HOST = {**NUMBERS, "WORD": "many", "WORDY": "12 cores", "EMPTY": ""}


def rank(text, dialect="modern"):
    return compile_rank(text, dialect).value(HOST.get)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("A", 7),
        ('"A"', 7),
        ("A + B", 9),
        ("A - 1", 6),
        ("A-B", 5),
        ("- A", -7),
        ("-A*B", -14),
        ("-A+B", -5),
        ("A + B * 2", 11),
        ("(A + B) * 2", 18),
        ("A - B - 1", 4),
        ("A / B / B", 1),
        ("A / B * B", 7),
        ("A * -B", -14),
        ("A * -2", -14),
        ("A + -2", 5),
        ("- - A", 7),
        # cut towards zero
        ("A / B", 3),
        ("-A / B", -3),
        ("A * HALF", 3),
        ("0.9", 0),
        # missing, empty or not a number is 0
        ("MISSING", 0),
        ("WORD", 0),
        ("EMPTY + 1", 1),
        ("WORDY", 12),
        ("a", 0),
        # no number at all is 0
        ("A / 0", 0),
        ("A / NIL", 0),
        ("HUGE * HUGE", 0),
        ("HUGE * HUGE - HUGE * HUGE", 0),
        ("0 / 0", 0),
    ],
)
def test_what_a_rank_comes_to(text, expected):
    assert rank(text) == expected


def test_the_classic_dialect_looks_names_up_in_upper_case():
    assert rank("a + b", "classic") == 9
    assert compile_rank("a", "classic").names == {"A"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A -1", 'rank column 3: expected an operator, found the number "-1": put a blank between - and 1'),
        ("A-1", 'rank column 2: expected an operator, found the number "-1": put a blank between - and 1'),
        ("A ^ 2", 'rank column 3: "^" has no meaning here'),
        ("A B", 'rank column 3: expected + - * / or end of text, found "B"'),
        ("A +", "rank column 4: expected an attribute, a number, - or (, found end of text"),
        ("* A", 'rank column 1: expected an attribute, a number, - or (, found "*"'),
        ("(A", "rank column 3: expected ) or + - * /, found end of text"),
        ("A)", 'rank column 2: expected + - * / or end of text, found ")"'),
        ("A = 1", 'rank column 3: a rank has no operator "="'),
        ("A & B", 'rank column 3: a rank has no operator "&"'),
        ("A" * (LENGTH_MAX + 1), f"the rank has {LENGTH_MAX + 1} characters"),
        ('"" + 1', "rank column 1: expected an attribute"),
    ],
)
def test_what_is_no_rank_is_refused_with_its_column(text, message):
    with pytest.raises(BadTemplate) as refusal:
        compile_rank(text)
    assert message in refusal.value.message


def test_a_line_cannot_end_inside_a_classic_rank():
    assert rank("A\n+ B") == 9
    with pytest.raises(BadTemplate, match="rank column 2: a line cannot end inside a classic expression"):
        rank("A\n+ B", "classic")


@pytest.mark.parametrize("one", ["- ", "("])
def test_nesting_is_bounded(one):
    close = ")" if one == "(" else ""
    compile_rank(one * DEPTH_MAX + "A" + close * DEPTH_MAX)
    with pytest.raises(BadTemplate, match=f"more than {DEPTH_MAX} levels of nesting"):
        compile_rank(one * (DEPTH_MAX + 1) + "A" + close * (DEPTH_MAX + 1))


OPERANDS = st.sampled_from(["A", "B", "3", "0.5", "MISSING"])
SUMS = st.recursive(
    OPERANDS,
    lambda inner: st.builds("{} {} {}".format, inner, st.sampled_from("+-*/"), inner) | inner.map("({})".format),
    max_leaves=8,
)


@given(SUMS)
@settings(max_examples=300, deadline=None)
def test_ranks_agree_with_pythons_arithmetic(text):
    values = {"A": 7.0, "B": 2.0, "MISSING": 0.0}
    try:
        expected = eval(text, {"__builtins__": {}}, values)
    except ZeroDivisionError:
        expected = 0
    assert rank(text) == (int(expected) if math.isfinite(expected) else 0)


PIECES = st.sampled_from(["A", "+", "-", "*", "/", "(", ")", " ", "1", "-2", "1.5", '"x"', '"', "^", "9" * 400])


@given(st.lists(PIECES | st.text(max_size=2), max_size=12).map("".join), st.text())
@settings(max_examples=500, deadline=None)
def test_any_text_compiles_or_is_refused_and_answers_for_any_host(text, value):
    try:
        one = compile_rank(text)
    except BadTemplate as refusal:
        assert "rank" in refusal.message
        return
    assert isinstance(one.value(lambda _: value), int)
    assert isinstance(one.value(lambda _: None), int)
