"""`trifid sim` as people and programs use it."""

import json
import re
import shlex

from click.testing import CliRunner, Result

from trifid.cli.engine import main
from trifid.simulator.faults import KINDS


def sim(*words: str) -> Result:
    return CliRunner().invoke(main, ["sim", *words])


def test_it_tells_seeds_hours_and_how_often_each_fault_struck() -> None:
    said = sim("--count", "1", "--hours", "0.5")
    assert said.exit_code == 0
    assert re.match(r"1 seeds, 1\.[2-9] simulated hours, ", said.output)
    assert all(kind in said.output for kind in KINDS)
    assert said.output.endswith("0 broken invariants\n")


def test_as_json_a_program_reads_the_same() -> None:
    found = json.loads(sim("--count", "1", "--hours", "0.2", "--faults", "late", "--json").stdout)
    assert (found["seeds"], found["broken"], list(found["struck"])) == (1, [], ["late"])
    assert found["rows_fired"] + len(found["never_fired"]) == found["rows"]


def test_a_story_is_told_line_by_line() -> None:
    said = sim("--seed", "3", "--hours", "0.2", "--trace")
    assert "the daemon is started" in said.output
    assert "PENDING -> PROLOG" in said.output


def test_a_broken_invariant_is_told_with_the_line_that_replays_it(monkeypatch) -> None:
    monkeypatch.setattr("trifid.core.vm.transfer._saved", lambda vm, disk, place: [])
    said = sim("--count", "1", "--hours", "2", "--faults", "none")
    assert said.exit_code == 1
    broken = next(line for line in said.output.splitlines() if line.startswith("BROKEN seed 0: "))
    replay = next(line for line in said.output.splitlines() if line.startswith("  replay: "))
    words = shlex.split(replay.removeprefix("  replay: "))
    assert words[:2] == ["trifid", "sim"] and "--faults" in words
    again = sim(*words[2:])
    assert (again.exit_code, broken in again.output) == (1, True)


def test_what_cannot_be_is_refused() -> None:
    assert "meteor is no fault" in sim("--faults", "meteor").output
    assert "for one seed" in sim("--count", "3", "--trace").output
