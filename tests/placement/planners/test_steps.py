from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.placement.planners.clusters import apart, clusters
from trifid.placement.planners.model import Room, RunningVm, usages
from trifid.placement.planners.steps import Limits, Step, ordered


def small(*vms, hosts=3, size=100):
    """VMs given as (host, size), on hosts of one size."""
    return [RunningVm(n, host, part, part) for n, (host, part) in enumerate(vms)], [
        Room(n, size, size) for n in range(hosts)
    ]


def ways(result):
    return [(step.vm_id, step.source_id, step.target_id, step.wave) for step in result.steps]


def test_who_makes_room_goes_before_who_needs_it():
    vms, rooms = small((0, 60), (1, 60))
    assert ways(ordered(vms, rooms, {0: 1, 1: 2})) == [(1, 1, 2, 0), (0, 0, 1, 1)]


def test_a_vm_takes_room_on_both_hosts_until_it_has_moved():
    vms, rooms = small((0, 60), (1, 60), (2, 10))
    result = ordered(vms, rooms, {0: 1, 1: 2}, Limits(9, 9))
    assert [step.wave for step in result.steps] == [0, 1]


def test_so_many_move_at_once_as_may_in_all_and_on_one_host():
    vms, rooms = small(*[(0, 5)] * 4, *[(1, 5)] * 4, hosts=6)
    targets = {n: 2 + n % 4 for n in range(8)}
    waves = Counter(step.wave for step in ordered(vms, rooms, targets, Limits(3, 9)).steps)
    assert sorted(waves.values()) == [2, 3, 3]
    by_host = ordered(vms, rooms, targets, Limits(9, 1)).steps
    assert max(Counter((step.wave, step.source_id) for step in by_host).values()) == 1
    assert max(Counter(step.wave for step in by_host).values()) == 2


def test_vms_that_change_places_use_a_third_host():
    vms, rooms = small((0, 60), (1, 70))
    result = ordered(vms, rooms, {0: 1, 1: 0})
    assert result.left_out == {}
    assert result.steps == (Step(0, 0, 2, 0, is_stopover=True), Step(1, 1, 0, 1), Step(0, 2, 1, 2))


def test_vms_that_change_places_without_a_third_host_are_left_out_with_numbers():
    vms, rooms = small((0, 60), (1, 70), hosts=2)
    result = ordered(vms, rooms, {0: 1, 1: 0})
    assert result.steps == ()
    assert result.left_out == {
        0: "host 1 has no room while VMs wait for each other (memory: needs 60 MiB, 30 free; CPU: needs 0.6 cores, "
        "0.3 free), nor is there any to stop over",
        1: "host 0 has no room while VMs wait for each other (memory: needs 70 MiB, 40 free; CPU: needs 0.7 cores, "
        "0.4 free), nor is there any to stop over",
    }


def test_what_cannot_be_done_does_not_keep_the_rest_from_it():
    vms, rooms = small((0, 60), (1, 70), (0, 5), hosts=2)
    result = ordered(vms, rooms, {0: 1, 1: 0, 2: 1})
    assert [step.vm_id for step in result.steps] == [2]
    assert result.left_out.keys() == {0, 1}


def test_a_closed_host_and_one_that_is_not_allowed_are_reasons():
    vms, rooms = small((0, 10), (0, 10), (0, 10))
    vms[1] = RunningVm(1, 0, 10, 10, frozenset((2,)))
    rooms[2] = Room(2, 100, 100, is_open=False)
    assert ordered(vms, rooms, {0: 2, 1: 1, 2: 7}).left_out == {
        0: "host 2 takes no VMs",
        1: "it may not be on host 1",
        2: "host 7 takes no VMs",
    }


def test_vms_that_shall_be_apart_are_never_on_one_host_not_even_on_the_way():
    vms, rooms = small((0, 10), (1, 10))
    result = ordered(vms, rooms, {0: 1, 1: 2}, allows=apart({0, 1}))
    assert ways(result) == [(1, 1, 2, 0), (0, 0, 1, 1)]
    stuck = ordered(vms, rooms, {0: 1}, allows=apart({0, 1}))
    assert stuck.left_out == {0: "a rule of its VM group forbids host 1 while the others are where they are"}


@given(clusters(), st.data(), st.integers(1, 3), st.integers(1, 2))
def test_every_step_can_be_done_and_every_vm_arrives_or_is_left_out(cluster, data, at_once, per_host):
    vms, rooms = cluster
    ids = [room.host_id for room in rooms]
    targets = {vm.id: data.draw(st.sampled_from(ids)) for vm in vms}
    result = ordered(vms, rooms, targets, Limits(at_once, per_host))
    by_id, at = {vm.id: vm for vm in vms}, {vm.id: vm.host_id for vm in vms}
    used = usages(vms, rooms)
    for _, wave in groupby(result.steps, key=lambda step: step.wave):
        steps = list(wave)
        touched = Counter(host for step in steps for host in (step.source_id, step.target_id))
        assert len(steps) <= at_once
        assert max(touched.values()) <= per_host
        for step in steps:
            assert at[step.vm_id] == step.source_id
            assert by_id[step.vm_id].may_be_on(step.target_id)
            used[step.target_id] = used[step.target_id].plus(by_id[step.vm_id])
            assert rooms[step.target_id].is_open
            assert used[step.target_id].share_of(rooms[step.target_id]) <= 1
        for step in steps:
            used[step.source_id] = used[step.source_id].minus(by_id[step.vm_id])
            at[step.vm_id] = step.target_id
    assert all(at[vm.id] == targets[vm.id] for vm in vms if vm.id not in result.left_out)


@pytest.mark.parametrize("count", [3, 7])
def test_a_ring_of_full_hosts_turns_with_one_empty_host(count):
    vms, rooms = small(*[(n, 100) for n in range(count)], hosts=count + 1)
    result = ordered(vms, rooms, {n: (n + 1) % count for n in range(count)})
    assert result.left_out == {}
    assert len(result.steps) == count + 1
