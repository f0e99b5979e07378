"""Many seeds, each a history full of crashes, lost and false answers, in which every invariant holds.

`trifid sim --seed N` plays one again.
"""

import hashlib
import os
import subprocess
import sys

import pytest

from trifid.simulator.command import told
from trifid.simulator.faults import KINDS, UnknownFault, chosen
from trifid.simulator.many import outcomes, summary
from trifid.simulator.simulation import Options, Simulation

SEEDS = 500
HOURS = 1000.0
ALL = Options(faults=chosen("all"))


@pytest.mark.timeout(1200)
def test_whatever_goes_wrong_every_invariant_holds() -> None:
    total = summary(outcomes(range(SEEDS), ALL), ALL)
    report = "\n".join(told(total, ALL))
    print(report)
    assert not total.broken, report
    assert total.seeds == SEEDS
    assert total.hours >= HOURS
    assert all(total.struck[kind] for kind in KINDS), report
    assert total.rows_fired > 0.85 * total.rows, report


def test_without_faults_nothing_strikes_and_everything_is_answered() -> None:
    options = Options(hours=0.5)
    found = Simulation(1, options).run()
    assert (found.broken, found.struck) == ("", {})
    assert "unanswered" not in found.calls and found.calls["done"] > 20


def test_a_kind_of_fault_may_be_chosen_alone() -> None:
    found = Simulation(0, Options(faults=chosen("kill, late"))).run()
    assert found.broken == ""
    assert set(found.struck) == {"kill", "late"}


def test_an_unknown_fault_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UnknownFault, match=r"meteor is no fault; there are all, none, store-refuses"):
        chosen("kill,meteor")


def story(seed: int) -> list[str]:
    heard: list[str] = []
    found = Simulation(seed, Options(hours=0.5, faults=ALL.faults), hear=heard.append).run()
    assert found.broken == "" and len(heard) > 300
    return heard


def test_the_same_seed_is_the_same_history_and_another_is_not() -> None:
    assert story(7) == story(7)
    assert story(7) != story(8)


def test_the_same_seed_is_the_same_history_in_another_process() -> None:
    code = (
        "import hashlib; from tests.simulator.test_simulator import story;"
        "print(hashlib.sha256('\\n'.join(story(7)).encode()).hexdigest())"
    )
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == hashlib.sha256("\n".join(story(7)).encode()).hexdigest()


def test_a_history_ends_after_the_steps_that_were_asked_for() -> None:
    found = Simulation(7, ALL, steps_max=300).run()
    assert (found.broken, found.steps) == ("", 301)
    whole = Simulation(7, ALL, steps_max=600).run()
    assert whole.story[: len(found.story)] == found.story


def test_the_real_database_reads_after_every_crash_what_was_written_to_it() -> None:
    options = Options(hours=0.5, store="sqlite", faults=chosen("kill,kill-at-write,restart"))
    found = [Simulation(seed, options).run() for seed in range(17, 21)]
    assert [one.broken for one in found] == [""] * len(found)
    for kind in ("kill", "kill-at-write", "restart"):
        assert sum(one.struck.get(kind, 0) for one in found) >= len(found), kind


def test_hundreds_of_hosts_and_vms_are_simulated_as_well() -> None:
    found = Simulation(4, Options(hours=0.1, hosts=200, vms=1000, pause_s=0.5, faults=ALL.faults)).run()
    assert found.broken == ""
    assert found.calls["done"] > 200


def test_the_line_that_replays_a_broken_invariant_breaks_it_in_the_same_step(monkeypatch) -> None:
    monkeypatch.setattr("trifid.core.vm.transfer._saved", lambda vm, disk, place: [])
    found = Simulation(0, ALL).run()
    assert "the only copy of a disk is gone" in found.broken
    again = Simulation(0, ALL, steps_max=found.steps).run()
    assert (again.broken, again.steps, again.story) == (found.broken, found.steps, found.story)
    earlier = Simulation(0, ALL, steps_max=found.steps - 1).run()
    assert earlier.broken == ""
