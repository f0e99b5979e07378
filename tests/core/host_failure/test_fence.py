"""The mark on a fenced host: what it covers, and what takes a VM from under it."""

from hypothesis import given
from hypothesis import strategies as st

from trifid.core.host_failure.fence import Fence, FenceState

ASKED = Fence(FenceState.ASKED, 100)
pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=8)


def test_a_host_that_was_only_asked_to_be_off_proves_nothing() -> None:
    assert not Fence(FenceState.ASKED, 100, covers=((7, 3),)).does_cover(7, 3)


def test_a_proof_covers_the_step_at_which_it_was_sought_and_no_other() -> None:
    fence = ASKED.covering([(7, 3)], "its power was seen off", 110)
    assert fence.does_cover(7, 3)
    assert not fence.does_cover(7, 4)
    assert not fence.does_cover(8, 3)
    assert (fence.at, fence.proof) == (110, "its power was seen off")


def test_a_later_proof_covers_more_and_keeps_the_time_of_the_first() -> None:
    fence = ASKED.covering([(7, 3), (8, 1)], "one", 110).covering([(7, 5)], "two", 120)
    assert fence.does_cover(7, 5) and fence.does_cover(8, 1) and not fence.does_cover(7, 3)
    assert (fence.at, fence.proof) == (110, "two")


@given(pairs, st.integers(0, 9), st.booleans())
def test_a_vm_that_has_gone_on_is_covered_no_more(covered, vm_id: int, released: bool) -> None:
    fence = ASKED.covering(covered, "proof", 110)
    after = fence.without(vm_id, released=released)
    assert not any(after.does_cover(vm_id, step) for step in range(10))
    assert (vm_id in after.released) == released
    assert set(after.covers) == {pair for pair in fence.covers if pair[0] != vm_id}


def test_a_vm_that_goes_on_more_than_once_is_told_once() -> None:
    fence = Fence(FenceState.CONFIRMED, 100, covers=((7, 3),)).without(7, released=True)
    assert fence.covering([(7, 5)], "off", 200).without(7, released=True).released == (7,)
