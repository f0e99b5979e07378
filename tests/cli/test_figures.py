"""Numbers as people read them."""

import pytest

from trifid.cli import figures


@pytest.mark.parametrize(
    ("kib", "text"),
    [(0, "0K"), (512, "512K"), (1024, "1M"), (262144, "256M"), (7969177, "7.6G"), (1 << 30, "1T"), ("", "0K")],
)
def test_memory(kib, text):
    assert figures.memory(kib) == text


def test_memory_as_a_plain_number_of_kib():
    assert figures.memory("262144", kilobytes=True) == "262144"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00 00:00:00"), (3661, "00 01:01:01"), (90061, "01 01:01:01"), (-5, "00 00:00:00")]
)
def test_durations(seconds, text):
    assert figures.duration(seconds) == text


def test_a_moment_that_has_not_come_is_a_dash():
    assert figures.moment("0") == figures.full_moment("") == "-"


def test_a_share_of_nothing_has_no_percentage():
    assert figures.share(1, 4, "1", "4") == "1 / 4 (25%)"
    assert figures.share(0, 0, "0", "0") == "0 / -"


def test_permissions():
    assert figures.permission({"OWNER_U": "1", "OWNER_M": "1", "OWNER_A": "0"}, "OWNER") == "um-"
    assert figures.permission({}, "OTHER") == "---"
