"""Signs of life, judged together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trifid.core.host_failure.judge import Judgement, Signs, described, is_quiet, judge

AFTER_S = 60.0
HEARD = Signs(is_watched=True, monitored_s=3.0, was_heard=True, domains_s=3.0)
GONE = replace(HEARD, monitored_s=95.0, domains_s=95.0)
BEATS = {"heartbeat_s": 3.0, "was_beating": True, "datastore": "datastore 0"}
STOPPED = {"heartbeat_s": 95.0, "was_beating": True, "datastore": "datastore 0"}

ages = st.floats(0.0, 1000.0)
any_signs = st.builds(
    Signs,
    is_watched=st.booleans(),
    monitored_s=ages,
    was_heard=st.booleans(),
    domains_s=st.none() | ages,
    heartbeat_s=st.none() | ages,
    was_beating=st.booleans(),
)


@pytest.mark.parametrize(
    ("signs", "judgement"),
    [
        (HEARD, Judgement.ALIVE),
        (replace(HEARD, **BEATS), Judgement.ALIVE),
        (replace(HEARD, **STOPPED), Judgement.ALIVE),
        (GONE, Judgement.SILENT),
        (replace(GONE, **STOPPED), Judgement.SILENT),
        (replace(GONE, **BEATS), Judgement.CUT_OFF),
        (replace(HEARD, was_heard=False), Judgement.UNSURE),
        (replace(HEARD, was_heard=False, **BEATS), Judgement.CUT_OFF),
        (replace(GONE, heartbeat_s=30.0), Judgement.UNSURE),
        (replace(GONE, is_watched=False), Judgement.UNSURE),
        (replace(GONE, is_watched=False, **STOPPED), Judgement.UNSURE),
        (replace(GONE, is_watched=False, **BEATS), Judgement.ALIVE),
    ],
)
def test_signs_are_judged_together(signs: Signs, judgement: Judgement) -> None:
    assert judge(signs, AFTER_S) is judgement


@given(any_signs)
def test_a_host_is_silent_only_when_no_sign_was_there_for_long_and_somebody_looked(signs: Signs) -> None:
    if judge(signs, AFTER_S) is Judgement.SILENT:
        assert signs.is_watched
        assert signs.monitored_s > AFTER_S
        assert signs.heartbeat_s is None or signs.heartbeat_s > AFTER_S


@given(any_signs)
def test_whoever_is_silent_was_quiet_before(signs: Signs) -> None:
    if judge(signs, AFTER_S) is Judgement.SILENT:
        assert is_quiet(signs, AFTER_S)


def test_the_signs_are_told_with_their_ages() -> None:
    assert described(replace(GONE, **BEATS)) == (
        "monitoring: 95 s ago, hypervisor: 95 s ago, heartbeat on datastore 0: 3 s ago"
    )
    unheard = Signs(is_watched=True, monitored_s=12.0)
    assert described(unheard) == "monitoring: nothing for 12 s, heartbeat: none"
    assert described(Signs(is_watched=False, monitored_s=0.0)).startswith(
        "monitoring: its information driver is not up"
    )
