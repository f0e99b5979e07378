"""What HAIZEA may say, and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifid.core.template.lease import Kind, Terms, length_s, moment_of, moment_text, terms_of
from trifid.core.template.model import template
from trifid.core.template.validate import validate
from trifid.errors import BadTemplate

AT = 1_800_000_000


@pytest.mark.parametrize(
    ("keys", "terms"),
    [
        (("", "", ""), Terms(Kind.BEST_EFFORT)),
        (("best_effort", "unlimited", "yes"), Terms(Kind.BEST_EFFORT, 0, None, True)),
        (("BEST_EFFORT", "00:00:01", "NO"), Terms(Kind.BEST_EFFORT, 0, 1)),
        (("now", "01:00:00", "no"), Terms(Kind.NOW, 0, 3600)),
        (("+00:01:30", "100:00:00", "no"), Terms(Kind.RESERVED, AT + 90, 360_000)),
        (("2027-01-15 08:00:00", "unlimited", ""), Terms(Kind.RESERVED, AT, None)),
    ],
)
def test_each_text_has_one_meaning(keys, terms):
    assert terms_of(*keys, submitted_at=AT) == terms


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (("soon", "", ""), 'START must be best_effort, now, +HH:MM:SS or YYYY-MM-DD HH:MM:SS (UTC), is "soon"'),
        (("2027-02-29 00:00:00", "", ""), 'is "2027-02-29 00:00:00"'),
        (("2027-01-01 24:00:00", "", ""), "START must be"),
        (("+90", "", ""), "START must be"),
        (("now", "00:00:00", ""), "DURATION must be HH:MM:SS of at least a second, or unlimited"),
        (("now", "1:60:00", ""), 'is "1:60:00"'),
        (("now", "2 hours", ""), 'is "2 hours"'),
        (("+01:00:00", "", "yes"), "set PREEMPTIBLE = no, or START = best_effort"),
    ],
)
def test_a_wrong_text_is_refused_with_what_would_be_right(keys, says):
    with pytest.raises(BadTemplate) as refused:
        terms_of(*keys)
    assert says in refused.value.message


def test_two_keys_that_contradict_each_other_are_refused_at_submission():
    with pytest.raises(BadTemplate, match="never suspended for others"):
        validate(template(CPU="1", MEMORY="64", HAIZEA={"START": "+01:00:00", "PREEMPTIBLE": "yes"}))


@given(st.integers(0, 32_500_000_000))
def test_a_moment_that_was_written_is_read_as_the_same(at):
    assert moment_of(moment_text(at)) == at


def test_moments_are_in_utc_and_know_leap_days():
    assert moment_text(0) == "1970-01-01 00:00:00"
    assert moment_text(1_709_164_800) == "2024-02-29 00:00:00"
    assert length_s("48:00:01") == 172_801


def test_a_key_that_is_misspelt_is_refused_and_not_left_out():
    with pytest.raises(BadTemplate, match="HAIZEA has no key STRT: expected START, DURATION, PREEMPTIBLE, GROUP"):
        validate(template(CPU="1", MEMORY="64", HAIZEA={"STRT": "now"}))
