"""Everybody has a turn, however few are considered in a round."""

from tests.placement.test_order import waiting
from trifid.scheduler.considered import Considered


def test_every_vm_has_a_turn_before_any_has_a_second_one():
    vms = [waiting(vm_id) for vm_id in range(5)]
    considered = Considered(2)
    rounds = [considered.next(vms) for _ in range(4)]
    assert [[vm.id for vm in taken] for taken, _ in rounds] == [[0, 1], [2, 3], [4], [0, 1]]
    assert [is_unfinished for _, is_unfinished in rounds] == [True, True, False, True]


def test_vms_that_come_meanwhile_have_theirs_too():
    considered = Considered(2)
    considered.next([waiting(vm_id) for vm_id in (10, 11, 12)])
    taken, _ = considered.next([waiting(vm_id) for vm_id in (3, 10, 11, 12)])
    assert [vm.id for vm in taken] == [3, 12]
