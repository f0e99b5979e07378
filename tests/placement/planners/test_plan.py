import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.placement.planners.clusters import after, apart, clusters, random_cluster
from trifid.placement.planners.model import Room, RunningVm, moved
from trifid.placement.planners.plan import Cost, Load, Options, plan
from trifid.placement.planners.steps import Limits, Step


def carried_out(vms, made):
    return moved(vms, {step.vm_id: step.target_id for step in made.steps})


def three():
    rooms = [Room(n, 400, 8192) for n in range(3)]
    return [RunningVm(n, 0, 100, 2048) for n in range(3)], rooms


def test_a_plan_tells_its_steps_its_cost_and_its_gain():
    vms, rooms = three()
    made = plan("balance", vms, rooms, Options(mib_per_s=64))
    assert made.steps == (Step(0, 0, 1, 0), Step(1, 0, 2, 1))
    assert made.cost == Cost(2, 4.0, 64.0)
    assert (made.before_load, made.after_load) == (Load(0.75, 1), Load(0.25, 3))
    assert made.after == {0: 1, 1: 2}


def test_migrations_of_one_wave_take_the_time_of_the_largest():
    vms, rooms = three()
    made = plan("balance", vms, rooms, Options(Limits(2, 2), mib_per_s=64))
    assert made.cost == Cost(2, 4.0, 32.0)


def test_hosts_are_emptied():
    rooms = [Room(n, 400, 8192) for n in range(3)]
    vms = [RunningVm(n, n, 100, 2048) for n in range(3)]
    made = plan("consolidate", vms, rooms)
    assert (made.before_load.hosts_used, made.after_load.hosts_used) == (3, 1)


def test_balancing_that_gains_too_little_is_not_done():
    rooms = [Room(0, 100, 10_000), Room(1, 100, 10_000)]
    vms = [RunningVm(0, 0, 10, 1), RunningVm(1, 0, 1, 1), RunningVm(2, 1, 9, 1)]
    assert plan("balance", vms, rooms).steps == ()
    assert plan("balance", vms, rooms, Options(utilisation_gain_min=0.005)).steps == (Step(1, 0, 1),)


def test_no_more_migrations_than_asked_for():
    vms, rooms = three()
    assert len(plan("balance", vms, rooms, Options(migrations_max=1)).steps) <= 1
    assert plan("balance", vms, rooms, Options(migrations_max=0)).steps == ()
    vms, rooms = random_cluster(1, hosts=20, vms=100, utilisation=0.4)
    made = plan("consolidate", vms, rooms, Options(migrations_max=12))
    assert 0 < len(made.steps) <= 12
    assert made.after_load.hosts_used < made.before_load.hosts_used


def test_a_limit_leaves_no_vm_at_a_stopover():
    rooms = [Room(n, 100, 100) for n in range(3)]
    vms = [RunningVm(0, 0, 60, 1), RunningVm(1, 0, 35, 1), RunningVm(2, 1, 70, 1), RunningVm(3, 2, 30, 1)]
    for limit in range(6):
        made = plan("balance", vms, rooms, Options(migrations_max=limit, utilisation_gain_min=0.001))
        last = {step.vm_id: step for step in made.steps}
        assert not any(step.is_stopover for step in last.values())


def test_what_cannot_move_is_told():
    # Three hosts' worth of VMs in exchange for each other, and no room to turn.
    rooms = [Room(0, 100, 100), Room(1, 100, 100)]
    vms = [RunningVm(0, 0, 50, 1), RunningVm(1, 0, 45, 1), RunningVm(2, 1, 40, 50), RunningVm(3, 1, 9, 50)]
    made = plan("balance", vms, rooms)
    assert made.steps == ()
    assert all("has no room" in reason for reason in made.left_out.values())
    assert made.left_out


@pytest.mark.parametrize("goal", ["balance", "consolidate"])
@pytest.mark.parametrize("seed", range(3))
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(goal, seed):
    vms, rooms = random_cluster(seed, hosts=30, vms=150, utilisation=0.5)
    made = plan(goal, vms, rooms)
    assert made.steps
    assert plan(goal, carried_out(vms, made), rooms).steps == ()


@settings(deadline=None)  # how long it takes is no matter here, and machines are busy
@given(clusters(), st.sampled_from(["balance", "consolidate"]), st.sets(st.integers(0, 19), max_size=4))
def test_a_plan_applied_twice_moves_nothing_the_second_time(cluster, goal, ids):
    vms, rooms = cluster
    rule = apart(ids)
    made = plan(goal, vms, rooms, allows=rule)
    ends = carried_out(vms, made)
    assert {vm.id: vm.host_id for vm in ends} == after(vms, made.after)
    assert plan(goal, ends, rooms, allows=rule).steps == ()


@given(clusters(), st.sampled_from(["balance", "consolidate"]))
def test_a_plan_is_worth_it(cluster, goal):
    vms, rooms = cluster
    made = plan(goal, vms, rooms)
    if made.steps and goal == "balance":
        assert made.before_load.utilisation - made.after_load.utilisation >= 0.02
    if made.steps and goal == "consolidate":
        assert made.after_load.hosts_used < made.before_load.hosts_used


def test_hosts_that_are_too_full_to_exchange_all_that_would_be_best_are_balanced_as_far_as_they_can_be():
    vms, rooms = random_cluster(0, utilisation=0.9, sizes=(0.5, 1.0, 2.0))
    made = plan("balance", vms, rooms)
    assert made.after_load.utilisation < made.before_load.utilisation - 0.02
    assert plan("balance", carried_out(vms, made), rooms).steps == ()
