"""Placements in few calls, within limits."""

import json
from collections import Counter

import pytest

from trifid.scheduler.dispatch import AT_ONCE, Limits, carry_out
from trifid.wire.elements import BadDocument

REFUSED = 0x0800


class Engine:
    """Takes placements, all but those of the VMs that it refuses."""

    def __init__(self, refuse=()) -> None:
        self.refuse = set(refuse)
        self.batches: list[list[list[int]]] = []

    def call(self, method, text):
        assert method == "trifid.vm.place_all"
        self.batches.append(json.loads(text))
        return json.dumps(
            [{"code": REFUSED, "message": "no"} if vm_id in self.refuse else {} for vm_id, _, _ in self.batches[-1]]
        )


def placed(engine, placements, **limits):
    outcomes = list(carry_out(engine, placements, Limits(**limits)))
    return [outcome.placement[0] for outcome in outcomes if not outcome.code]


def test_many_are_placed_in_few_calls():
    engine = Engine()
    everything = [(vm_id, vm_id % 7, 0) for vm_id in range(AT_ONCE + 10)]
    assert placed(engine, everything) == list(range(AT_ONCE + 10))
    assert [len(batch) for batch in engine.batches] == [AT_ONCE, 10]


def test_a_refusal_concerns_one_vm():
    assert placed(Engine(refuse=[1]), [(0, 2, 0), (1, 2, 0), (2, 2, 0)]) == [0, 2]


def test_so_many_are_placed_in_a_round_and_no_more():
    assert placed(Engine(), [(vm_id, vm_id, 0) for vm_id in range(9)], max_dispatch=4) == [0, 1, 2, 3]


def test_what_the_engine_refuses_does_not_count():
    everything = [(vm_id, 0, 0) for vm_id in range(9)]
    assert placed(Engine(refuse=[0, 1, 4]), everything, max_dispatch=3) == [2, 3, 5]
    assert placed(Engine(refuse=[0, 1, 4]), everything, max_host=3) == [2, 3, 5]


def test_so_many_are_placed_on_a_host_and_no_more():
    everything = [(vm_id, vm_id % 3, 0) for vm_id in range(30)]
    found = placed(Engine(), everything, max_host=2)
    assert Counter(vm_id % 3 for vm_id in found) == {0: 2, 1: 2, 2: 2}


@pytest.mark.parametrize("answer", ["nonsense", "{}", "[]", "[{}, {}]", 7])
def test_an_answer_that_does_not_fit_is_told(answer):
    class Mad:
        def call(self, method, text):
            return answer

    with pytest.raises(BadDocument, match=r"trifid\.vm\.place_all"):
        list(carry_out(Mad(), [(0, 1, 0)], Limits()))
