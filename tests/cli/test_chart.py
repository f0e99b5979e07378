"""Numbers as letters: heights that fit, gaps that stay gaps, and growth of counters."""

from hypothesis import given
from hypothesis import strategies as st

from trifid.cli.chart import Span, chart, columns_of, rates, spark


def test_a_column_is_the_mean_of_what_is_in_it() -> None:
    points = [(0, 2.0), (9, 4.0), (10, 5.0), (35, 7.0), (40, 99.0)]
    assert columns_of(points, Span(0, 40, 4)) == [3.0, 5.0, None, 7.0]


def test_a_line_of_blocks_shows_gaps_and_the_most() -> None:
    assert spark([0.0, 50.0, None, 100.0]) == "▁▄ █"
    assert spark([]) == ""
    assert spark([0.0, 0.0]) == "▁▁"


def test_a_chart_reaches_its_top_with_the_most() -> None:
    assert chart([8.0, 16.0, None, 12.0], 16.0, 2) == [" █ ▄", "██ █"]


def test_what_is_there_at_all_is_seen() -> None:
    assert chart([0.001, 100.0], 100.0, 3) == [" █", " █", "▁█"]


@given(st.lists(st.floats(0, 1e9) | st.none(), max_size=50), st.integers(1, 8))
def test_a_chart_keeps_to_its_lines_and_columns(values: list[float | None], rows: int) -> None:
    lines = chart(values, max((v for v in values if v is not None), default=0.0), rows)
    assert len(lines) == rows
    assert all(len(line) <= len(values) for line in lines)


def test_a_counter_is_drawn_as_its_growth_each_second() -> None:
    assert rates([(0, 100.0), (10, 300.0), (30, 300.0)]) == [(10, 20.0), (30, 0.0)]


def test_a_counter_that_began_anew_has_no_growth_there() -> None:
    assert rates([(0, 100.0), (10, 5.0), (20, 25.0)]) == [(20, 2.0)]
