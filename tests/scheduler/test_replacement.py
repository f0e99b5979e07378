"""Re-placement by policy: when it plans, what it asks for, and what it leaves alone."""

import logging

import pytest
from msgspec.structs import replace

from trifid.placement.planners.steps import Step
from trifid.placement.settings import Replacement as Settings
from trifid.placement.view import HostView, PlacedVm, View
from trifid.scheduler.replacement import Replacement

RUNNING, MIGRATE = 3, 4
APPLY = Settings(mode="apply", interval_s=600, hold_s=1800, migrations_max=2)


def view(*placed, hosts=3):
    """VMs as (host, size in cores) or as records; hosts of 4 cores."""
    vms = [vm if isinstance(vm, PlacedVm) else vm_on(n, *vm) for n, vm in enumerate(placed)]
    return View((), tuple(host(n, vms) for n in range(hosts)), placed=tuple(vms), now=10_000)


def vm_on(vm_id, host_id, cores=1, lcm_state=RUNNING, **more):
    return PlacedVm(vm_id, host_id, cores * 100, 512, 3, lcm_state, **more)


def host(host_id, vms):
    used = [vm for vm in vms if vm.host_id == host_id]
    cpu_percent, memory_mib = sum(vm.cpu_percent for vm in used), sum(vm.memory_mib for vm in used)
    return HostView(
        host_id,
        f"host{host_id}",
        2,
        "",
        400 - cpu_percent,
        (8192 - memory_mib) * 1024,
        len(used),
        max_cpu_percent=400,
        max_memory_kib=8192 * 1024,
    )


FULL = view((0,), (0,), (0,), (0,))
HALF_WAY = view(vm_on(0, 1, lcm_state=MIGRATE), (0,), (0,), (0,))
ONE_MOVED = view((1,), (0,), (0,), (0,))
BALANCED = view((1,), (2,), (0,), (0,))


def test_migrations_are_asked_for_wave_by_wave_as_the_cluster_shows_that_they_are_done():
    policy = Replacement(APPLY)
    assert policy.due(0, FULL) == [Step(0, 0, 1, 0)]
    assert policy.due(1, HALF_WAY) == []
    assert policy.due(2, ONE_MOVED) == [Step(1, 0, 2, 1)]
    assert policy.due(3, BALANCED) == []
    assert not policy.wants(4)


def test_it_plans_once_an_interval_and_tells_when_next():
    policy = Replacement(APPLY)
    assert policy.wants(50)
    assert policy.due(50, BALANCED) == []
    assert policy.next_at() == 650
    assert not policy.wants(649)
    assert policy.due(649, FULL) == []
    assert policy.due(650, FULL) == [Step(0, 0, 1, 0)]


def test_it_only_tells_when_it_shall_only_show(caplog):
    caplog.set_level(logging.INFO, "trifid.scheduler")
    policy = Replacement(replace(APPLY, mode="show"))
    assert policy.due(0, FULL) == []
    assert "2 migrations, 1.0 GiB; fullest host 100% to 50%, hosts used 1 to 3" in caplog.text
    assert "re-placement: vm 0  from host 0 to host 1" in caplog.text
    assert not policy.wants(1)


def test_it_does_nothing_unless_asked_to():
    policy = Replacement(Settings())
    assert not policy.wants(0)
    assert policy.due(0, FULL) == []
    assert policy.next_at() == float("inf")


def test_what_gains_too_little_is_left_alone():
    nearly = view((0, 2), (1, 1), (1,), (2, 1), hosts=3)
    assert Replacement(APPLY).due(0, nearly) == []
    uneven = view((0,), (0,), (1,), hosts=2)
    assert Replacement(replace(APPLY, gain_min=0.3)).due(0, uneven) == []
    assert Replacement(replace(APPLY, gain_min=0.25)).due(0, view((0,), (0,), hosts=2)) != []


def test_a_vm_that_has_just_moved_is_left_alone_for_a_while():
    policy = Replacement(replace(APPLY, interval_s=1))
    policy.due(0, view((0,), (0,), hosts=2))
    policy.due(1, view((1,), (0,), hosts=2))
    # Somebody fills host 1: VM 0, which came there, must not be the one that goes again.
    filled = view((1,), (0, 1), (1, 2), (1, 1), hosts=2)
    assert 0 not in {step.vm_id for step in policy.due(2, filled)}
    policy = Replacement(replace(APPLY, interval_s=1, hold_s=0))
    policy.due(0, view((0,), (0,), hosts=2))
    policy.due(1, view((1,), (0,), hosts=2))
    assert 0 in {step.vm_id for step in policy.due(2, filled)}


def test_a_vm_that_somebody_else_has_just_moved_is_left_alone_too():
    came = vm_on(0, 0, since=100, here_since=9_000)
    new = vm_on(0, 0, since=9_000, here_since=9_000)
    long_ago = vm_on(0, 0, since=100, here_since=5_000)
    stays = view(came, vm_on(1, 0, 2), hosts=2)
    assert {step.vm_id for step in Replacement(APPLY).due(0, stays)} == {1}
    for vm in (new, long_ago):
        assert {step.vm_id for step in Replacement(APPLY).due(0, view(vm, vm_on(1, 0, 2), hosts=2))} == {0}


@pytest.mark.parametrize("later", [FULL, view((0,), (0,), (0,)), view((2,), (0,), (0,), (0,))])
def test_a_plan_of_which_something_failed_is_given_up(later):
    policy = Replacement(APPLY)
    policy.due(0, FULL)
    assert policy.due(1, later) == []
    assert not policy.wants(2)


def test_a_plan_of_which_the_engine_refuses_something_is_given_up(caplog):
    policy = Replacement(APPLY)
    (step,) = policy.due(0, FULL)
    policy.refused(step, "host 1 has no room")
    assert "vm 0  does not move from host 0 to host 1: host 1 has no room" in caplog.text
    assert not policy.wants(1)
    assert policy.due(600, FULL) == [step]


def test_hosts_are_emptied_by_policy():
    steps = Replacement(replace(APPLY, goal="consolidate")).due(0, view((0,), (1,), hosts=2))
    assert len(steps) == 1
