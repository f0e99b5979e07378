"""What planners are told of a view."""

import pytest
from msgspec.structs import replace

from trifid.placement.planners.cluster import cluster_of
from trifid.placement.planners.model import Room, Usage
from trifid.placement.view import Expression, HostView, Lease, PlacedVm, View

VM = PlacedVm(5, 0, 100, 512, 3, 3, vmm="kvm", tm="shared")


def host(host_id, *, used=(0, 0), **more):
    values = {"state": 2, "vmm": "kvm", "attributes": {"RACK": [f"r{host_id}"]}, **more}
    return HostView(
        host_id,
        f"host{host_id}",
        free_cpu_percent=400 - used[0],
        free_memory_kib=(4096 - used[1]) * 1024,
        running_vms=0,
        max_cpu_percent=400,
        max_memory_kib=4096 * 1024,
        **values,
    )


def allowed(vm, *hosts, **more):
    view = View((), hosts or (host(0), host(1), host(2)), placed=(vm,))
    (found,) = cluster_of(view, **more).vms
    return found.allowed


def requiring(text):
    return replace(VM, requirement=Expression(text, "modern", "SCHED_REQUIREMENTS"))


def test_a_running_vm_may_be_everywhere():
    assert allowed(VM) is None


def test_requirement_cluster_and_driver_say_where_a_vm_may_be():
    assert allowed(requiring("RACK = r1")) == {1}
    assert allowed(replace(VM, cluster_ids=frozenset((7,))), host(0), host(1, cluster_id=7)) == {1}
    assert allowed(VM, host(0), host(1, vmm="qemu"), host(2)) == {0, 2}


@pytest.mark.parametrize(
    "vm",
    [
        replace(VM, lcm_state=4),
        replace(VM, tm="ssh"),
        replace(VM, is_marked=True),
        replace(VM, has_devices=True),
        replace(VM, lease=Lease("now")),
        replace(VM, vm_group_id=3),
        requiring("CURRENT_VMS != 9"),
        requiring("RUNNING_VMS < 3"),
        requiring("RACK ="),
    ],
)
def test_a_vm_of_which_nothing_can_be_promised_stays(vm):
    assert allowed(vm) == frozenset()


def test_a_vm_that_is_held_stays():
    assert allowed(VM, held={5}) == frozenset()


def test_a_vm_that_cannot_move_may_be_started_anew_where_its_requirement_allows():
    assert allowed(replace(requiring("RACK = r1"), tm="ssh", lcm_state=2), for_restart=True) == {1}


def test_hosts_promise_what_they_may_and_only_those_that_are_up_are_open():
    cluster = cluster_of(View((), (host(0), host(1, state=4))))
    assert cluster.rooms == [Room(0, 400, 4096), Room(1, 400, 4096, is_open=False)]


def test_what_a_host_has_promised_to_vms_that_are_not_told_of_is_taken():
    view = View((), (host(0, used=(250, 1024)), host(1)), placed=(VM,))
    assert [room.taken for room in cluster_of(view).rooms] == [Usage(150, 512), Usage()]


def test_only_one_cluster_and_only_vms_that_are_charged():
    suspended, elsewhere = replace(VM, id=6, state=5), replace(VM, id=7, host_id=1)
    cluster = cluster_of(View((), (host(0), host(1, cluster_id=9)), placed=(VM, suspended, elsewhere)), cluster_id=0)
    assert [vm.id for vm in cluster.vms] == [5]
    assert [room.host_id for room in cluster.rooms] == [0]
