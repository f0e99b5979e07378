"""Columns as data."""

import pytest

from trifid.cli import columns as c
from trifid.cli.failure import Failure
from trifid.cli.figures import memory

FRUIT = c.Columns(
    "fruit list",
    "NAME,WEIGHT",
    (
        c.Column("NAME", 8, "name", c.text("NAME"), left=True, colours={"cherry": "red"}),
        c.Column("WEIGHT", 3, "grams", c.number("OF/WEIGHT"), lambda value, view: f"{value:g}"),
    ),
)
ROWS = [{"NAME": name, "OF": {"WEIGHT": weight}} for name, weight in (("apple", "150"), ("cherry", "8.5"), ("fig", ""))]


def names(rows):
    return [row["NAME"] for row in rows]


def test_columns_are_as_wide_as_their_widest_value():
    lines = c.table(ROWS, FRUIT.all, c.View(), header=True, colour=False).splitlines()
    assert lines == ["NAME     WEIGHT", "apple       150", "cherry      8.5", "fig           0"]


def test_a_long_value_is_never_cut():
    line = c.table([{"NAME": "a" * 30}], FRUIT.named("name"), c.View(), header=False, colour=False)
    assert line == "a" * 30


def test_colours_are_only_where_they_are_wanted():
    assert "\x1b[31m" in c.table(ROWS, FRUIT.all, c.View(), header=False, colour=True)
    assert "\x1b" not in c.table(ROWS, FRUIT.all, c.View(), header=True, colour=False)


def test_an_empty_table_is_its_header():
    assert c.table([], FRUIT.all, c.View(), header=True, colour=False) == "NAME     WEIGHT"


def test_comma_separated_values_are_quoted_where_needed():
    text = c.csv_table([{"NAME": 'a,"b"'}], FRUIT.all, c.View(), header=True)
    assert text == 'NAME,WEIGHT\n"a,""b""",0'


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ("", ["apple", "cherry", "fig"]),
        ("NAME=^A", ["apple"]),
        ("name=APPLE", ["apple"]),
        ("NAME=app", []),
        ("name!=apple", ["cherry", "fig"]),
        ("name!=^a", ["cherry", "fig"]),
        ("NAME=e$|f", ["apple", "fig"]),
        ("NAME~P", ["apple"]),
        ("NAME~^a", []),
        ("WEIGHT~5", ["apple", "cherry"]),
        ("WEIGHT>8.5", ["apple"]),
        ("WEIGHT>=8.5", ["apple", "cherry"]),
        ("WEIGHT<8.5", ["fig"]),
        ("WEIGHT<=8.5,NAME~c", ["cherry"]),
        ("WEIGHT=15", []),
        ("WEIGHT=150", ["apple"]),
        ("WEIGHT!=150", ["cherry", "fig"]),
        ("WEIGHT=5", []),
        ("WEIGHT=^15", ["apple"]),
    ],
)
def test_filters(filters, left):
    assert names(c.filtered(ROWS, FRUIT, filters, c.View())) == left


def test_rows_for_which_one_filter_of_several_holds():
    assert names(c.filtered(ROWS, FRUIT, "NAME=fig,WEIGHT>100", c.View(), any_of_them=True)) == ["apple", "fig"]
    assert names(c.filtered(ROWS, FRUIT, "", c.View(), any_of_them=True)) == ["apple", "cherry", "fig"]


def test_an_address_is_that_address_and_none_that_begins_with_it():
    column = c.Column("IP", 10, "address", c.text("IP"))
    rows = [{"IP": "10.0.0.1"}, {"IP": "10.0.0.10"}]
    assert c.filtered(rows, c.Columns("list", "IP", (column,)), "IP=10.0.0.1", c.View()) == rows[:1]


def test_a_column_is_cut_only_to_a_size_that_was_asked_for():
    text = c.table_of([["apple", "1"], ["fig", "2"]], FRUIT.all, header=True, colour=False, sizes={"NAME": 4})
    assert text.splitlines() == ["NAME WEIGHT", "app…      1", "fig       2"]


def test_what_would_break_a_line_is_a_blank():
    assert c.table([{"NAME": "a\n\x9b1m b"}], FRUIT.named("name"), c.View(), header=False, colour=False) == "a 1m b"


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ("MEM=524288", ["512M"]),
        ("MEM=512m", ["512M"]),
        ("MEM>=0.5G", ["512M", "12G"]),
        ("MEM<512M", ["2M"]),
        ("MEM=2G", []),
        ("MEM=12G", ["12G"]),
    ],
)
def test_memory_is_compared_in_kib_or_with_a_unit(filters, left):
    column = c.Column("MEM", 7, "memory", c.number("KIB"), lambda value, view: memory(value))
    rows = [{"KIB": str(kib)} for kib in (2048, 512 * 1024, 12 * 1024**2)]
    found = c.filtered(rows, c.Columns("list", "MEM", (column,)), filters, c.View())
    assert [memory(row["KIB"]) for row in found] == left


def test_a_bound_that_is_none_tells_how_memory_is_written():
    with pytest.raises(Failure) as refused:
        c.filtered(ROWS, FRUIT, "WEIGHT>heavy", c.View())
    assert "memory in KiB or as 512M, 2G" in refused.value.next


@pytest.mark.parametrize("filters", ["NAME", "NAME=(", "WEIGHT>heavy", "COLOUR=red"])
def test_filters_that_are_none(filters):
    with pytest.raises(Failure):
        c.filtered(ROWS, FRUIT, filters, c.View())


def test_the_highest_comes_first_unless_a_minus_is_in_front():
    assert names(c.ordered(ROWS, FRUIT, "WEIGHT", c.View())) == ["apple", "cherry", "fig"]
    assert names(c.ordered(ROWS, FRUIT, "-WEIGHT", c.View())) == ["fig", "cherry", "apple"]
    assert names(c.ordered(ROWS, FRUIT, "NAME", c.View())) == ["fig", "cherry", "apple"]


def test_numbers_in_text_columns_are_ordered_as_numbers_before_words():
    rows = [{"NAME": name} for name in ("10", "9", "x")]
    assert names(c.ordered(rows, FRUIT, "-NAME", c.View())) == ["9", "10", "x"]
