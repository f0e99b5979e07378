from hypothesis import given

from tests.placement.planners.clusters import apart, clusters, random_cluster
from trifid.placement.planners.model import Room, RunningVm, Usage, usages
from trifid.placement.planners.spare import Loss, Stranded, losses


def test_a_cluster_with_room_for_each_hosts_vms_can_lose_any_one():
    rooms = [Room(n, 100, 100) for n in range(3)]
    vms = [RunningVm(n, n % 3, 30, 30) for n in range(6)]
    assert losses(vms, rooms) == [Loss(0, 2), Loss(1, 2), Loss(2, 2)]
    assert all(loss.is_survived for loss in losses(vms, rooms))


def test_the_vm_that_finds_no_room_is_named_with_what_is_missing_on_the_nearest_host():
    rooms = [Room(0, 400, 4000), Room(1, 400, 4000), Room(2, 400, 600)]
    vms = [RunningVm(7, 0, 100, 3000), RunningVm(8, 0, 100, 500), RunningVm(9, 1, 100, 2000)]
    first, second = losses(vms, rooms)
    assert first == Loss(0, 2, (Stranded(7, 1, 0, 1000),))
    assert second == Loss(1, 1, (Stranded(9, 0, 0, 1500),))


def test_vms_that_fit_only_in_one_way_are_fitted():
    rooms = [Room(0, 100, 200), Room(1, 100, 100), Room(2, 100, 100)]
    vms = [RunningVm(n, 0, 1, part) for n, part in enumerate((50, 40, 30, 30, 30, 20))]
    assert losses(vms, rooms) == [Loss(0, 6)]


def test_a_host_that_carries_nothing_is_no_loss_and_a_closed_one_is_no_refuge():
    rooms = [Room(0, 100, 100), Room(1, 100, 100), Room(2, 100, 100, is_open=False)]
    vms = [RunningVm(0, 0, 60, 60), RunningVm(1, 1, 60, 60), RunningVm(2, 2, 30, 30)]
    assert [(loss.host_id, loss.is_survived) for loss in losses(vms, rooms)] == [(0, False), (1, False), (2, True)]


def test_a_vm_that_may_be_on_no_other_host_is_stranded_wherever_there_is_room():
    rooms = [Room(0, 100, 100), Room(1, 100, 100)]
    assert losses([RunningVm(0, 0, 1, 1, frozenset((0,)))], rooms) == [Loss(0, 1, (Stranded(0, -1),))]


def test_vms_that_shall_be_apart_are_not_started_on_one_host():
    rooms = [Room(n, 100, 100) for n in range(2)]
    vms = [RunningVm(0, 0, 10, 10), RunningVm(1, 1, 10, 10)]
    assert [loss.is_survived for loss in losses(vms, rooms)] == [True, True]
    assert [loss.stranded for loss in losses(vms, rooms, allows=apart({0, 1}))] == [
        (Stranded(0, 1),),
        (Stranded(1, 0),),
    ]


def test_what_is_overcommitted_already_does_not_strand_others():
    rooms = [Room(0, 100, 100), Room(1, 100, 100), Room(2, 100, 100)]
    vms = [RunningVm(0, 0, 90, 90), RunningVm(1, 0, 90, 90), RunningVm(2, 1, 10, 10)]
    assert losses(vms, rooms)[1] == Loss(1, 1)


def test_a_host_that_promises_nothing_still_strands_what_runs_on_it():
    assert losses([RunningVm(0, 0, 10, 10)], [Room(0, 0, 0), Room(1, 5, 5)]) == [Loss(0, 1, (Stranded(0, 1, 5, 5),))]


def test_a_hundred_hosts_that_are_half_full_can_lose_any():
    vms, rooms = random_cluster(3, utilisation=0.5)
    assert all(loss.is_survived for loss in losses(vms, rooms))


@given(clusters())
def test_whoever_is_stranded_lacks_something_on_every_host_that_may_take_it(cluster):
    vms, rooms = cluster
    by_id = {vm.id: vm for vm in vms}
    for loss in losses(vms, rooms):
        others = [room for room in rooms if room.is_open and room.host_id != loss.host_id]
        orphans = [vm for vm in vms if vm.host_id == loss.host_id]
        free = usages([vm for vm in vms if vm.host_id != loss.host_id], others)
        assert len(loss.stranded) <= loss.vms == len(orphans)
        for one in loss.stranded:
            may = [room for room in others if by_id[one.vm_id].may_be_on(room.host_id)]
            assert bool(may) is (one.nearest_host_id >= 0)
            assert not may or one.cpu_percent + one.memory_mib > 0
        if not loss.stranded and len(orphans) == 1:
            vm = orphans[0]
            assert any(
                room.cpu_percent - free[room.host_id].cpu_percent >= vm.cpu_percent
                and room.memory_mib - free[room.host_id].memory_mib >= vm.memory_mib
                for room in others
                if vm.may_be_on(room.host_id)
            )


def test_usage_of_nothing_is_infinite_and_no_use_is_none():
    assert Usage().share_of(Room(0, 0, 0)) == 0.0
    assert Usage(1, 0).share_of(Room(0, 0, 0)) == float("inf")


def test_rules_see_the_vms_of_the_lost_host_nowhere():
    rooms = [Room(0, 100, 200), Room(1, 100, 100), Room(2, 100, 100)]
    vms = [RunningVm(n, 0, 1, part) for n, part in enumerate((50, 40, 30, 30, 30, 20))]

    def allows(vm_id, host_id, places):
        return not any(0 in at for at in places.values())

    assert losses(vms, rooms, allows=allows) == [Loss(0, 6)]
