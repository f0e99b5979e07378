"""Hosts that are not reached are tried again, ever less often."""

import pytest

from trifid.drivers.im.back_off import BackOff


def test_it_doubles_up_to_a_minute_and_begins_anew() -> None:
    back_off = BackOff(lambda: 0.5)
    assert [back_off.after_failure() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    back_off.reset()
    assert back_off.after_failure() == 1


@pytest.mark.parametrize(("chance", "waited_s"), [(0.0, 0.75), (0.999, 1.2495)])
def test_chance_spreads_hosts_that_failed_together(chance: float, waited_s: float) -> None:
    assert BackOff(lambda: chance).after_failure() == pytest.approx(waited_s)
