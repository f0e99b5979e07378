"""USER_INPUTS: how they are written, and which values they take."""

import time

import pytest

from trifid.core.template.inputs import parse_input, user_inputs, value_of
from trifid.core.template.model import template
from trifid.errors import BadTemplate


def test_all_fields_are_read_and_those_at_the_end_may_be_missing():
    found = parse_input("SIZE", "M|range|How large|1..20|5")
    assert (found.is_mandatory, found.type, found.description) == (True, "range", "How large")
    assert (found.parameters, found.default) == ("1..20", "5")
    short = parse_input("NOTE", "o|TEXT")
    assert (short.is_mandatory, short.type, short.description, short.default) == (False, "text", "", "")
    assert parse_input("NOTE", "O|text|Note| |a|b").default == "a|b"


@pytest.mark.parametrize(
    "text",
    ["", "M", "text|Note", "X|text|Note", "M|colour|Which", "M|range|Size", "M|range|Size|1.5..2", "M|range|Size|1-5"],
)
def test_what_is_written_otherwise_is_refused_by_its_name(text):
    with pytest.raises(BadTemplate, match=r"USER_INPUTS: .*SIZE"):
        parse_input("SIZE", text)


def test_inputs_come_in_the_order_that_is_asked_for():
    described = {"A": "M|text", "B": "M|text", "C": "M|text"}
    names = [one.name for one in user_inputs(template(USER_INPUTS=described, INPUTS_ORDER="c, b,GONE"))]
    assert names == ["C", "B", "A"]
    assert user_inputs(template(CPU="1")) == []


TAKEN = [
    ("M|text|x", "any \n thing", "any \n thing"),
    ("M|text64|x", "größer", "Z3LDtsOfZXI="),
    ("M|password|x", "pw", "pw"),
    ("M|number|x", "-5", "-5"),
    ("M|number-float|x", "2.5", "2.5"),
    ("M|range|x|-5..5", "5", "5"),
    ("M|range-float|x|0.5..2", "1.25", "1.25"),
    ("M|list|x|a,b c", "b c", "b c"),
    ("M|list-multiple|x|a,b,c", "c,a", "c,a"),
    ("M|boolean|x", "yes", "YES"),
    ("O|fixed|x| |v", "v", "v"),
]


@pytest.mark.parametrize(("text", "given", "value"), TAKEN)
def test_a_value_of_the_type_is_taken(text, given, value):
    assert value_of(parse_input("X", text), given) == value


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("M|number|x", "2.5", 'X must be a whole number, is "2.5"'),
        ("M|number|x", "٣", "X must be a whole number"),
        ("M|number-float|x", "nan", "X must be a number"),
        ("M|range|x|1..5", "6", "X must be a whole number from 1..5"),
        ("M|range|x|1..5", "2.5", "X must be a whole number from 1..5"),
        ("M|range-float|x|0..1", "1.01", "X must be a number from 0..1"),
        ("M|list|x|a,b", "c", "X must be one of a,b"),
        ("M|list-multiple|x|a,b", "a,c", "X must be some of a,b"),
        ("M|boolean|x", "maybe", "X must be YES or NO"),
        ("O|fixed|x| |v", "w", 'X is fixed to "v"'),
        ("M|text|x", "", "X must have a value"),
    ],
)
def test_another_value_is_refused_with_what_is_expected(text, given, said):
    with pytest.raises(BadTemplate, match=said):
        value_of(parse_input("X", text), given)


def test_what_is_not_given_is_the_default_or_left_out():
    assert value_of(parse_input("X", "M|number|x| |7"), None) == "7"
    assert value_of(parse_input("X", "O|fixed|x| |v"), None) == "v"
    assert value_of(parse_input("X", "O|number|x"), "") is None
    assert value_of(parse_input("X", "O|text64|x| |Z28="), None) == "Z28="


def test_a_wrong_default_is_refused_like_any_value():
    with pytest.raises(BadTemplate, match="X must be a whole number"):
        value_of(parse_input("X", "M|number|x| |many"), None)


def test_a_password_is_never_shown():
    asked = parse_input("X", "M|password|x")
    assert asked.is_secret
    assert not parse_input("X", "M|text|x").is_secret


def test_a_long_range_takes_no_long_time():
    begun_s = time.process_time()
    with pytest.raises(BadTemplate):
        parse_input("SIZE", f"M|range|x|a{' ' * 100_000}b")
    assert time.process_time() - begun_s < 5
