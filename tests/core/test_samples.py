"""What is kept of what was measured, and what an average is."""

from hypothesis import given
from hypothesis import strategies as st

from trifid.core.samples import (
    COUNTERS,
    FIGURES_MAX,
    FIVE_MINUTES_S,
    HOUR_S,
    INTEGER_MAX,
    Sample,
    average,
    bounded,
    figures_of,
    span_of,
)

LOADS = st.integers(0, 10**6) | st.floats(0, 10**6)


def cpu(at: int, value: float, count: int = 1) -> Sample:
    return Sample(at, {"CPU": value}, count)


def test_a_load_is_averaged() -> None:
    assert average([cpu(0, 10), cpu(30, 20), cpu(60, 60)], 0) == Sample(0, {"CPU": 30}, 3)


def test_a_counter_keeps_its_last_value() -> None:
    received = [Sample(30 * n, {"NETRX": 1000 * n}) for n in range(4)]
    assert average(received, 0) == Sample(0, {"NETRX": 3000}, 4)


def test_a_counter_that_began_anew_keeps_what_it_says_now() -> None:
    assert average([Sample(0, {"NETTX": 5000}), Sample(30, {"NETTX": 7})], 0) == Sample(0, {"NETTX": 7}, 2)


def test_an_average_of_nothing_is_nothing() -> None:
    assert average([], 300) is None


def test_an_average_weighs_by_the_number_of_measurements() -> None:
    assert average([cpu(0, 10, 3), cpu(300, 50, 1)], 0) == Sample(0, {"CPU": 20}, 4)


def test_a_figure_that_is_not_always_told_is_averaged_over_when_it_was() -> None:
    found = average([Sample(0, {"CPU": 10}), Sample(30, {"CPU": 30, "TEMPERATURE": 50})], 0)
    assert found == Sample(0, {"CPU": 20, "TEMPERATURE": 50}, 2)


@given(st.lists(st.lists(LOADS, min_size=1, max_size=10), min_size=1, max_size=12))
def test_an_average_of_averages_is_that_of_all_measurements(spans: list[list[float]]) -> None:
    fives = [average([cpu(i, value) for value in span], i) for i, span in enumerate(spans)]
    hour = average([five for five in fives if five is not None], 0)
    everything = [value for span in spans for value in span]
    assert hour is not None
    assert hour.count == len(everything)
    assert abs(hour.figures["CPU"] - sum(everything) / len(everything)) <= 0.002 + 1e-9 * max(everything)


@given(st.lists(LOADS, min_size=1, max_size=50))
def test_an_average_lies_between_the_least_and_the_most(values: list[float]) -> None:
    mean = average([cpu(0, value) for value in values], 0)
    assert mean is not None
    assert min(values) - 0.001 <= mean.figures["CPU"] <= max(values) + 0.001


@given(st.lists(st.integers(0, INTEGER_MAX), min_size=1, max_size=20).map(sorted), st.sampled_from(sorted(COUNTERS)))
def test_counters_that_grow_grow_in_averages_too(values: list[int], name: str) -> None:
    half = len(values) // 2
    averages = [average([Sample(0, {name: value}) for value in part], 0) for part in (values[:half], values[half:])]
    told = [one.figures[name] for one in averages if one is not None]
    assert told == sorted(told)


@given(st.integers(0, 2**40), st.sampled_from([FIVE_MINUTES_S, HOUR_S]))
def test_a_moment_is_in_its_span(at: int, resolution_s: int) -> None:
    begin = span_of(at, resolution_s)
    assert begin % resolution_s == 0
    assert begin <= at < begin + resolution_s


def test_only_numbers_with_a_name_are_kept() -> None:
    told = {"CPU": "12.5", "MEMORY": "1024", "STATE": "a", "NOTE": "", "<B>": "1", "A B": "2", "X": "1e999", "Y": "nan"}
    assert figures_of(told) == {"CPU": 12.5, "MEMORY": 1024}


def test_what_waits_in_memory_is_bounded() -> None:
    assert bounded({"CPU": "1", "NOTE": "x"}) == {"CPU": "1", "NOTE": "x"}
    assert bounded({"CPU": "1", "NOTE": "x" * 65, "N" * 65: "1"}) == {"CPU": "1"}
    assert len(bounded({f"F{n}": "1" for n in range(10**5)})) == FIGURES_MAX


def test_names_and_numbers_of_strangers_are_bounded() -> None:
    assert len(figures_of({f"F{n}": "1" for n in range(1000)})) == FIGURES_MAX
    assert figures_of({"N" * 65: "1", "A": "9" * 41}) == {}
    assert figures_of({"A": "9" * 40}) == {"A": float("9" * 40)}


@given(st.dictionaries(st.text(max_size=70), st.text(max_size=60), max_size=80))
def test_whatever_is_told_is_finite_numbers_or_nothing(told: dict[str, str]) -> None:
    for value in figures_of(told).values():
        assert abs(value) < float("inf")
        assert isinstance(value, float) or abs(value) <= INTEGER_MAX
