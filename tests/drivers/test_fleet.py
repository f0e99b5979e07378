"""Two hundred hosts behind ssh: those that are well are reported on in time, whatever the others do."""

import time
from pathlib import Path

import pytest

from tests.drivers.fleet import (
    HANGS,
    ILL,
    PROBE_HANGS,
    PROBE_RAVES,
    RAVES,
    STOPS,
    WRONG,
    cpu_s,
    fleet,
    memory_mib,
    ssh_of,
)

SIZE, PERIOD_S = 200, 10.0
"""A period that two processors can afford, which are the front-end and all hosts at once here."""
REACHED_WITHIN_S = 120.0
WATCHED_S = 2.5 * PERIOD_S
LATE_S, MEMORY_MIB = 1.0, 150.0


@pytest.mark.timeout(180)
def test_ill_hosts_delay_no_other_and_say_what_they_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fleet(tmp_path, SIZE, PERIOD_S) as (heard, driver):
        begun_s = time.monotonic()
        while heard.well - heard.heard_s.keys() and time.monotonic() < begun_s + REACHED_WITHIN_S:
            heard.hear(driver, time.monotonic() + 0.5)
        reached_s, used_s = time.monotonic(), cpu_s(driver.process.pid)
        assert not heard.well - heard.heard_s.keys(), "not reached in time"
        heard.hear(driver, reached_s + WATCHED_S)

        late = heard.lateness_s(reached_s)
        p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
        most_mib = memory_mib(driver.process.pid, "VmHWM")
        processes, ssh_mib = ssh_of(tmp_path)
        per_report_ms = (cpu_s(driver.process.pid) - used_s) / len(late) * 1000
        with capsys.disabled():
            print(
                f"\n{SIZE} hosts every {PERIOD_S:g} s, reached within {reached_s - begun_s:.1f} s: {len(late)} reports "
                f"late by {p50:.3f} s (p50), {p99:.3f} s (p99), {late[-1]:.3f} s at most; driver {most_mib:.0f} MiB at "
                f"most and {per_report_ms:.1f} ms a report; {processes} processes of ssh, {ssh_mib:.0f} MiB"
            )
        assert all(len([at for at in heard.heard_s[name] if at >= reached_s]) >= 2 for name in heard.well)
        assert p99 <= LATE_S
        assert most_mib <= MEMORY_MIB

        assert heard.well.isdisjoint(heard.faults), {name: heard.faults.get(name) for name in heard.well}
        assert heard.faults.keys() | heard.troubles.keys() == set(ILL)
        assert heard.faults[HANGS].startswith("hangs is not reached: Connection timed out during banner exchange")
        assert heard.faults[RAVES].startswith("raves prints more than 1 MiB without an end")
        assert "onehost accept-key wrong --replace" in heard.faults[WRONG]
        assert heard.faults[STOPS] == "host stops is silent: nothing came in time while probe monitor-own runs"
        assert heard.troubles[PROBE_RAVES] == "probe monitor-own: printed more than 1 MiB, and was ended"
        assert heard.troubles[PROBE_HANGS] == "probe monitor-own: not done after 10 s, and was ended"
