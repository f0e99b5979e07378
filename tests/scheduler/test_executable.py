import json
import logging
import sys

import pytest

from trifid.placement.plan import Plan
from trifid.placement.settings import Executable
from trifid.placement.synthetic import synthetic
from trifid.scheduler.executable import ExecutablePlanner

VIEW = synthetic(1, 3, 3)
FIRST, SECOND, THIRD = (vm.id for vm in VIEW.vms)
INSTEAD = Plan([(FIRST, 2, 0)], {}, {})


def planned(tmp_path, code: str, **settings) -> Plan:
    executable = Executable(command=(sys.executable, "-c", code), timeout_s=20.0, **settings)
    return ExecutablePlanner(executable, lambda view: INSTEAD, tmp_path)(VIEW)


def answering(answer: object) -> str:
    return f"print({json.dumps(answer)!r})"


def test_a_program_gets_the_problem_and_its_plan_is_taken(tmp_path):
    code = """
import json, sys
problem = json.load(sys.stdin)
assert problem["trifid_problem"] == 1
placements = [{"vm": vm, "host": one["hosts"][-1]} for one in problem["candidates"] for vm in one["vms"]]
print(json.dumps({"placements": placements}))
"""
    up = [host.id for host in VIEW.hosts if host.state == 2]
    assert planned(tmp_path, code) == Plan([(vm.id, up[-1], -1) for vm in VIEW.vms])


def test_reasons_are_taken_over_and_a_vm_that_is_not_mentioned_is_told_so(tmp_path):
    answer = {
        "placements": [{"vm": FIRST, "host": 1, "datastore": 0}],
        "refusals": {str(SECOND): "later", "99": "who?"},
        "warnings": {str(FIRST): "hot", "99": "who?"},
    }
    plan = planned(tmp_path, answering(answer))
    assert plan.placements == [(FIRST, 1, 0)]
    assert plan.refusals == {SECOND: "later", THIRD: f"{sys.executable} did not place it and gave no reason"}
    assert plan.warnings == {FIRST: "hot"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"vm": 999, "host": 0}, "placed VM 999 on host 0: this VM does not wait"),
        ({"vm": FIRST, "host": 77}, "on host 77: there is no such host"),
        ({"vm": FIRST, "host": 1, "datastore": 5}, "there is no datastore 5"),
        ({"vm": SECOND, "host": 1}, "it was placed before"),
    ],
)
def test_a_wrong_placement_is_left_out_and_told_and_the_others_are_taken(tmp_path, caplog, wrong, said):
    plan = planned(tmp_path, answering({"placements": [{"vm": SECOND, "host": 0}, wrong, {"vm": THIRD, "host": 0}]}))
    assert plan.placements == [(SECOND, 0, -1), (THIRD, 0, -1)]
    assert said in caplog.text


BROKEN = [
    ("print('{')", "answered what is not a plan in JSON"),
    (answering({"placements": 3}), "answered what is not a plan: placements: Expected array, got int"),
    ("import sys; sys.exit('no idea')", "ended with status 1; it wrote: no idea"),
]


@pytest.mark.parametrize(("code", "said"), BROKEN)
def test_when_a_program_fails_the_policy_decides(tmp_path, caplog, code, said):
    assert planned(tmp_path, code) == INSTEAD
    assert said in caplog.text
    assert "this time the policy decides" in caplog.text


@pytest.mark.parametrize(("code", "said"), BROKEN)
def test_when_a_program_fails_vms_wait_and_are_told_so_if_it_is_set_so(tmp_path, caplog, code, said):
    plan = planned(tmp_path, code, when_it_fails="wait")
    assert plan.placements == []
    assert FIRST in plan.refusals
    assert {text.partition(";")[0] for text in plan.refusals.values()} == {"The program that decides has failed"}
    assert said in caplog.text


def test_many_mistakes_are_told_shortly(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    planned(tmp_path, answering({"placements": [{"vm": 900 + n, "host": 0} for n in range(50)]}))
    assert len(caplog.records) == 6
    assert "45 further mistakes" in caplog.text
