"""Two hundred hosts behind ssh: those that are well are reported on in time, whatever the others do."""

from pathlib import Path

import pytest

from tests.drivers.fleet import HANGS, ILL, PROBE_HANGS, PROBE_RAVES, RAVES, STOPS, WRONG, observe

SIZE, PERIOD_S = 200, 15.0
"""A period that two processors can afford, which are the front-end and all hosts at once here."""
REACHED_WITHIN_S = 200.0
WATCHED_S = 2.1 * PERIOD_S
LATE_S, MEMORY_MIB = 1.0, 150.0


@pytest.mark.timeout(300)
def test_ill_hosts_delay_no_other_and_say_what_they_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard, figures, since_s = observe(tmp_path, SIZE, PERIOD_S, WATCHED_S, REACHED_WITHIN_S)
    with capsys.disabled():
        print(f"\n{SIZE} hosts every {PERIOD_S:g} s: {figures}")
    assert all(len([at for at in heard.heard_s[name] if at >= since_s]) >= 2 for name in heard.well)
    assert figures.late_p99_s <= LATE_S
    assert figures.driver_mib <= MEMORY_MIB

    assert heard.well.isdisjoint(heard.faults), {name: heard.faults.get(name) for name in heard.well}
    assert heard.faults.keys() | heard.troubles.keys() == set(ILL)
    assert heard.faults[HANGS].startswith("hangs is not reached: Connection timed out during banner exchange")
    assert heard.faults[RAVES].startswith("raves prints more than 1 MiB without an end")
    assert "onehost accept-key wrong --replace" in heard.faults[WRONG]
    assert heard.faults[STOPS] == "host stops is silent: nothing came in time while probe monitor-own runs"
    assert heard.troubles[PROBE_RAVES] == "probe monitor-own: printed more than 1 MiB, and was ended"
    assert heard.troubles[PROBE_HANGS] == "probe monitor-own: not done after 10 s, and was ended"
