"""Trying the scheduler's decisions out: sim, replay, decisions."""

import json

import pytest

from trifid.placement.place import place
from trifid.placement.plan import Plan
from trifid.placement.problem import write_problem
from trifid.placement.recorded import unpack
from trifid.placement.settings import Executable, Settings
from trifid.placement.synthetic import synthetic
from trifid.scheduler.recorder import Recorder

SIM = ("sched", "sim", "--hosts", "12", "--vms", "40", "--expressions", "3")


@pytest.fixture
def home(tmp_path):
    """A home in which two decisions are recorded, one of them by a program."""
    (tmp_path / "trifid.toml").write_text("")
    view = synthetic(3, 10, 20, 0)
    settings = Settings(policy="packing")
    Recorder(tmp_path / "decisions", settings, "policy packing", lambda: 1_800_000_000.0).record(
        view, place(view, "packing")
    )
    first = view.vms[0].id
    up = next(host.id for host in view.hosts if host.state == 2)
    settings = Settings(executable=Executable(command=("/no/such/program",)))
    Recorder(tmp_path / "decisions", settings, "/no/such/program", lambda: 1_800_000_001.0).record(
        view, Plan([(first, up, 0)], {vm.id: "not now" for vm in view.vms[1:]})
    )
    return tmp_path


def test_policies_are_compared_on_the_same_cluster(type_in):
    result = type_in("trifid", *SIM, "--policy", "packing", "--policy", "FREE_CPU - 5 * RUNNING_VMS")
    assert result.exit_code == 0
    assert "40 VMs wait, 12 hosts" in result.stdout
    head, placed = (line for line in result.stdout.splitlines() if line.split()[:1] in (["packing"], ["placed"]))
    assert head.split("  ")[-1] == "FREE_CPU - 5 * RUNNING_VMS"
    assert placed.count(" of 40") == 2
    assert "Hosts by load, packing" in result.stdout


def test_the_figures_are_there_as_json(type_in):
    result = type_in("trifid", *SIM, "--policy", "packing", "--policy", "striping", "--json")
    answer = json.loads(result.stdout)
    packing, striping = answer["plans"]
    assert (answer["hosts"], packing["policy"]) == (12, "packing")
    assert packing["placed"] + packing["refused"] == 40
    assert packing["spread"] > striping["spread"]


def test_vms_that_are_not_placed_are_told_by_reason(type_in):
    result = type_in("trifid", "sched", "sim", "--hosts", "2", "--vms", "300", "--expressions", "0")
    assert "Not placed, striping" in result.stdout
    assert "No host meets SCHED_REQUIREMENTS: lack CPU" in result.stdout


def test_a_problem_and_a_decision_can_be_planned(type_in, tmp_path):
    (tmp_path / "problem.json").write_bytes(write_problem(synthetic(1, 5, 6, 0)))
    result = type_in(
        "trifid", "sched", "sim", "--problem", str(tmp_path / "problem.json"), "--record", str(tmp_path / "d")
    )
    assert "6 VMs wait, 5 hosts" in result.stdout
    assert unpack((tmp_path / "d").read_bytes()).view == synthetic(1, 5, 6, 0)
    again = type_in("trifid", "sched", "sim", "--problem", str(tmp_path / "d"), "--json")
    assert json.loads(again.stdout)["vms"] == 6


def test_settings_come_from_a_file(type_in, tmp_path):
    file = tmp_path / "new.toml"
    file.write_text('[scheduler]\npolicy = "load-aware"\n')
    result = type_in("trifid", *SIM, "--config", str(file), "--json")
    assert [one["policy"] for one in json.loads(result.stdout)["plans"]] == ["load-aware"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "paking"), 'there is no policy "paking" (did you mean "packing"?)'),
        (("--policy", "A +"), "'A +' is no policy and no rank"),
        (("--policy", "1"), 'there is no policy "1"'),
        (("--problem", "/no/such/file"), "/no/such/file: No such file"),
        (("--config", "/no/such/file"), "/no/such/file: No such file"),
    ],
)
def test_what_cannot_be_simulated_is_told(type_in, words, said):
    result = type_in("trifid", *SIM, *words)
    assert result.exit_code == 1
    assert said in result.stderr


def test_what_is_no_problem_is_told(type_in, tmp_path):
    (tmp_path / "x").write_text('{"trifid_problem": 1}')
    result = type_in("trifid", "sched", "sim", "--problem", str(tmp_path / "x"))
    assert result.exit_code == 1
    assert "not a problem: Object missing required field vms" in result.stderr


def test_decisions_are_listed(type_in, home):
    lines = type_in("trifid", "sched", "decisions", "--home", str(home)).stdout.splitlines()
    assert lines[1].split() == ["1", "2027-01-15", "08:00:00", "20", "0", "10", "policy", "packing"]
    assert lines[2].split()[:5] == ["2", "2027-01-15", "08:00:01", "1", "19"]
    rows = json.loads(type_in("trifid", "sched", "--home", str(home), "decisions", "--json").stdout)
    assert [row["by"] for row in rows] == ["policy packing", "/no/such/program"]


def test_a_home_without_decisions_says_so(type_in, tmp_path):
    (tmp_path / "trifid.toml").write_text("")
    assert "No decision is recorded" in type_in("trifid", "sched", "decisions", "--home", str(tmp_path)).stdout


def test_a_decision_planned_again_by_its_own_settings_is_the_same(type_in, home):
    result = type_in("trifid", "sched", "replay", "1", "--home", str(home))
    assert result.exit_code == 0
    assert "Nothing is different: VMs that go to the same host: 20." in result.stdout


def test_a_replay_with_another_policy_tells_what_is_different(type_in, home):
    result = type_in("trifid", "sched", "replay", "1", "--policy", "striping", "--home", str(home))
    assert "policy packing decided, policy striping decides again" in result.stdout
    assert " elsewhere, 0 are placed and were not" in result.stdout
    assert "host " in result.stdout and " then, host " in result.stdout
    (answer,) = json.loads(
        type_in("trifid", "sched", "replay", "1", "--policy", "striping", "--home", str(home), "--json").stdout
    )
    assert answer["then"]["hosts_used"] < answer["now"]["hosts_used"]
    assert len(answer["elsewhere"]) + answer["same"] == 20


def test_what_a_program_decided_is_compared_with_the_policy(type_in, home):
    result = type_in("trifid", "sched", "replay", "1", "2", "--home", str(home))
    assert "/no/such/program decided, policy striping decides again" in result.stdout
    assert "19 are placed and were not" in result.stdout
    assert "host " in result.stdout


def test_a_decision_that_is_not_there_is_told(type_in, home):
    for word in ("77", "nothing.json.gz", "/no/such/file"):
        result = type_in("trifid", "sched", "replay", word, "--home", str(home))
        assert result.exit_code == 1
        assert word in result.stderr
