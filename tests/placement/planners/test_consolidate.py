import time

import pytest
from hypothesis import given

from tests.placement.planners.clusters import after, apart, clusters, fullest, random_cluster
from trifid.placement.planners.bounds import hosts_bound
from trifid.placement.planners.consolidate import consolidated
from trifid.placement.planners.model import Room, RunningVm, moved


def used(vms, targets):
    return len(set(after(vms, targets).values()))


@pytest.mark.parametrize("sizes", [(1.0,), (0.5, 1.0, 2.0)])
def test_six_hundred_vms_come_within_five_percent_of_the_fewest_hosts(sizes):
    took_s = 0.0
    for seed in range(20):
        vms, rooms = random_cluster(seed, utilisation=0.45, sizes=sizes)
        began = time.process_time()
        targets = consolidated(vms, rooms)
        took_s += time.process_time() - began
        bound = hosts_bound(vms, rooms)
        assert bound <= used(vms, targets) <= 1.05 * bound
        assert fullest(moved(vms, targets), rooms) <= 1
    assert took_s / 20 < 1.0


def test_the_fewest_hosts_are_those_whose_capacity_is_enough():
    rooms = [Room(0, 100, 1000), Room(1, 300, 1000), Room(2, 100, 1000)]
    assert hosts_bound([RunningVm(n, 0, 100, 1) for n in range(3)], rooms) == 1
    assert hosts_bound([RunningVm(n, 0, 1, 500) for n in range(3)], rooms) == 2
    assert hosts_bound([], rooms) == 0


def test_vms_of_which_no_two_fit_together_need_a_host_each():
    rooms = [Room(n, 100, 1000) for n in range(9)]
    assert hosts_bound([RunningVm(n, 0, 60, 1) for n in range(4)], rooms) == 4  # the sum alone would say 3
    with_small = [RunningVm(n, 0, 60, 1) for n in range(4)] + [RunningVm(9, 0, 45, 1)]
    assert hosts_bound(with_small, rooms) == 5


def test_the_host_with_least_on_it_is_emptied():
    rooms = [Room(n, 100, 100) for n in range(3)]
    vms = [RunningVm(0, 0, 40, 40), RunningVm(1, 1, 10, 10), RunningVm(2, 2, 40, 40)]
    assert set(after(vms, consolidated(vms, rooms)).values()) == {0}
    large = [RunningVm(0, 0, 60, 60), RunningVm(1, 1, 10, 10), RunningVm(2, 2, 60, 60)]
    assert consolidated(large, rooms).keys() == {1}


def test_a_host_is_kept_for_a_vm_that_cannot_leave_it():
    rooms = [Room(n, 100, 100) for n in range(3)]
    vms = [RunningVm(0, 0, 40, 40), RunningVm(1, 1, 10, 10, frozenset((1,))), RunningVm(2, 2, 40, 40)]
    assert set(after(vms, consolidated(vms, rooms)).values()) == {1}


def test_a_host_that_a_rule_keeps_in_use_does_not_keep_others_from_being_emptied():
    rooms = [Room(n, 100, 100) for n in range(4)]
    vms = [RunningVm(n, n, 30 - n, 10) for n in range(4)]
    ends = after(vms, consolidated(vms, rooms, allows=apart({0, 3})))
    assert len(set(ends.values())) == 2
    assert ends[0] != ends[3]


def test_with_few_migrations_the_hosts_that_need_fewest_are_emptied():
    rooms = [Room(n, 100, 100) for n in range(4)]
    vms = [RunningVm(n, n, 20, 20) for n in range(4)] + [RunningVm(n, 3, 5, 5) for n in range(4, 8)]
    assert used(vms, consolidated(vms, rooms)) == 1
    targets = consolidated(vms, rooms, migrations_max=2)
    assert len(targets) == 2
    assert used(vms, targets) == 2


def test_closed_hosts_and_their_vms_are_left_alone():
    rooms = [Room(0, 100, 100, is_open=False), Room(1, 100, 100), Room(2, 100, 100)]
    vms = [RunningVm(n, n, 10, 10) for n in range(3)]
    ends = after(vms, consolidated(vms, rooms))
    assert ends[0] == 0
    assert ends[1] == ends[2] != 0


@given(clusters())
def test_consolidation_never_uses_more_hosts_or_more_of_a_host_than_there_is(cluster):
    vms, rooms = cluster
    open_ids = {room.host_id for room in rooms if room.is_open}
    targets = consolidated(vms, rooms)
    ends = after(vms, targets)
    assert len(set(ends.values()) & open_ids) <= len({vm.host_id for vm in vms} & open_ids)
    assert fullest(moved(vms, targets), rooms) <= 1
    assert all(vm.may_be_on(ends[vm.id]) for vm in vms)


def test_a_cluster_four_times_as_large_is_planned_as_well():
    vms, rooms = random_cluster(1, hosts=400, vms=2000, utilisation=0.4)
    began = time.process_time()
    targets = consolidated(vms, rooms)
    assert time.process_time() - began < 10
    assert used(vms, targets) <= 1.05 * hosts_bound(vms, rooms)
