"""A set of indexes against a plain set of numbers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trifid.core.network.index_set import INDEXES_MAX, NOTHING_TAKEN, IndexSet

spans = st.tuples(st.integers(0, 1200), st.integers(0, 600)).map(lambda pair: (pair[0], sum(pair)))
"""(first, last) that reach over the edges of several nodes."""


def both(changes) -> tuple[IndexSet, set[int]]:
    """Return a set and its model after spans were added and removed where that is possible."""
    found, model = NOTHING_TAKEN, set()
    for first, last in changes:
        span = set(range(first, last + 1))
        if not span & model:
            found, model = found.added(first, last), model | span
        elif span <= model:
            found, model = found.removed(first, last), model - span
        else:
            with pytest.raises(ValueError):
                found.added(first, last)
            with pytest.raises(ValueError):
                found.removed(first, last)
    return found, model


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(spans, st.integers(0, 1500).map(lambda i: (i, i))), max_size=30))
def test_it_has_what_was_added_and_not_removed(changes):
    found, model = both(changes)
    assert list(found) == sorted(model)
    assert found.count == len(model)
    assert found.last() == max(model, default=-1)
    assert all((index in found) == (index in model) for index in (0, 255, 256, 511, 1023, 1024, 1500))


@settings(max_examples=150, deadline=None)
@given(st.lists(spans, max_size=12), st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 500))
def test_gaps_are_found(changes, start, end, size):
    found, model = both(changes)
    inside = range(start, end)
    assert found.next_free(start, end) == next((i for i in inside if i not in model), None)
    assert found.next_taken(start, end) == next((i for i in inside if i in model), None)
    blocks = (i for i in range(start, end - size + 1) if not model.intersection(range(i, i + size)))
    assert found.free_block(size, start, end) == next(blocks, None)


@given(st.lists(spans, max_size=12), st.randoms(use_true_random=False))
def test_equal_sets_are_equal_records_however_they_came_about(changes, random):
    found, model = both(changes)
    again = NOTHING_TAKEN
    for index in random.sample(sorted(model), len(model)):
        again = again.added(index)
    assert again == found


def test_a_draft_of_a_set_leaves_the_set_as_it_was():
    before = NOTHING_TAKEN.added(7)
    before.added(8).removed(7)
    assert list(before) == [7]


def test_an_index_is_added_once_and_lies_in_the_set():
    for wrong in (-1, INDEXES_MAX):
        with pytest.raises(ValueError, match="indexes must be 0 to"):
            NOTHING_TAKEN.added(wrong)
        assert wrong not in NOTHING_TAKEN
    with pytest.raises(ValueError, match="there already"):
        NOTHING_TAKEN.added(5).added(5)


def test_all_of_four_billion_indexes_are_one_number():
    full = NOTHING_TAKEN.added(0, INDEXES_MAX - 1)
    assert full.root == -1
    hole = full.removed(3_000_000_000)
    assert hole.next_free(0, INDEXES_MAX) == 3_000_000_000
    assert hole.next_free(3_000_000_001, INDEXES_MAX) is None
    assert hole.added(3_000_000_000) == full
