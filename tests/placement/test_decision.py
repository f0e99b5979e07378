"""A decision in one line."""

from trifid.placement.decision import TEXT_LENGTH_MAX, decision_text
from trifid.placement.view import Expression

AT = "2026-11-25 12:00"


def test_a_decision_tells_host_choice_measure_and_the_next_best():
    text = decision_text(
        AT,
        ("host-3", 3),
        fitting=37,
        hosts=40,
        rank=Expression("FREE_CPU", "modern", "SCHED_RANK"),
        value=812,
        runner_up=("host-5", 700),
    )
    assert (
        text == "2026-11-25 12:00 host-3 [3] of 37 that fit (40 hosts): SCHED_RANK FREE_CPU = 812; next host-5 with 700"
    )


def test_the_only_host_has_no_next():
    text = decision_text(AT, ("a", 1), fitting=1, hosts=1, rank=Expression("", "modern", "fixed"), value=0)
    assert text == "2026-11-25 12:00 a [1] of 1 that fit (1 host): fixed (none) = 0"


def test_a_decision_is_one_line_and_never_longer_than_what_is_kept():
    rank = Expression("FREE_CPU\n" * 4000, "modern", "SCHED_RANK")
    text = decision_text(AT, ("n" * 900, 1), fitting=1, hosts=1, rank=rank, value=1, runner_up=("m" * 128, 0))
    assert len(text) == TEXT_LENGTH_MAX and text.isprintable()
