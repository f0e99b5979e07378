"""When it is proven that a host has ended its VMs because it lost its lease."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trifid.core.host_failure.lease import Beat, is_over, lease_s_of

OVER = Beat("7 12 lease=30", since_s=100.0, read_s=145.0, has_changed=True, others_beat=True)
MARGIN_S = 15.0


def test_a_lease_is_over_after_its_time_and_the_margin() -> None:
    assert is_over(OVER, MARGIN_S)
    assert not is_over(replace(OVER, read_s=144.0), MARGIN_S)


@pytest.mark.parametrize(
    "beat",
    [
        replace(OVER, text="7 12 lease=0"),
        replace(OVER, text="7 12"),
        replace(OVER, has_changed=False),
        replace(OVER, others_beat=False),
        replace(OVER, text="7 12 lease=300"),
    ],
)
def test_what_is_no_lease_or_may_be_a_remembrance_proves_nothing(beat: Beat) -> None:
    assert not is_over(beat, MARGIN_S)


@pytest.mark.parametrize(
    ("text", "lease_s"),
    [("7 12 lease=30", 30), ("lease=5", 5), ("xlease=5", 0), ("lease=-5", 0), ("lease=5x", 0), ("lease=999999", 0)],
)
def test_a_beat_declares_its_lease_or_none(text: str, lease_s: int) -> None:
    assert lease_s_of(text) == lease_s


@given(
    st.builds(
        Beat,
        text=st.text(max_size=40),
        since_s=st.floats(0, 1000),
        read_s=st.floats(0, 1000),
        has_changed=st.booleans(),
        others_beat=st.booleans(),
    )
)
def test_no_lease_is_over_without_one_that_was_declared(beat: Beat) -> None:
    if is_over(beat, MARGIN_S):
        assert beat.read_s - beat.since_s >= lease_s_of(beat.text) + MARGIN_S > MARGIN_S
