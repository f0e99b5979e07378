"""VM groups in plans: their rules hold at every step."""

import pytest
from msgspec.structs import replace

from tests.placement.planners.test_cluster import VM, host
from tests.placement.test_affinity import group
from trifid.core.vm_group.record import Policy, Role
from trifid.placement.planners.cluster import cluster_of
from trifid.placement.planners.plan import plan
from trifid.placement.planners.spare import losses
from trifid.placement.view import GroupView, View


def cluster(policy, *places, hosts=3, **more):
    """VMs of one role at these hosts, as planners take them."""
    vms = [replace(VM, id=n, host_id=host_id, vm_group_id=1, role="web") for n, host_id in enumerate(places)]
    members = {vm.id: "web" for vm in vms}
    known = group(Role(0, "web", policy, **more))
    hosts = tuple(host(n, used=(100 * places.count(n), 512 * places.count(n))) for n in range(hosts))
    return cluster_of(View((), hosts, placed=tuple(vms), groups=(GroupView(replace(known, id=1), members),)))


def made(goal, seen):
    return plan(goal, seen.vms, seen.rooms, allows=seen.allows)


def test_vms_that_are_kept_apart_are_not_put_on_one_host():
    assert made("consolidate", cluster(Policy.ANTI_AFFINED, 0, 1)).steps == ()
    assert len(made("consolidate", cluster(Policy.NONE, 0, 1)).steps) == 1


def test_vms_that_are_kept_together_stay_where_they_are():
    assert made("balance", cluster(Policy.AFFINED, 0, 0, 0)).steps == ()
    assert len(made("balance", cluster(Policy.NONE, 0, 0, 0)).steps) == 2


@pytest.mark.parametrize(("rule", "targets"), [({"host_affined": (0, 2)}, {2}), ({"host_anti_affined": (2,)}, {1})])
def test_vms_go_only_to_hosts_of_their_role(rule, targets):
    steps = made("balance", cluster(Policy.NONE, 0, 0, 0, **rule)).steps
    assert {step.target_id for step in steps} == targets


def test_a_lost_host_leaves_its_vms_to_be_started_where_their_group_allows():
    assert [loss.is_survived for loss in lost(cluster(Policy.ANTI_AFFINED, 0, 1))] == [True, True]
    crowded = lost(cluster(Policy.ANTI_AFFINED, 0, 1, 2))
    assert [[one.vm_id for one in loss.stranded] for loss in crowded] == [[0], [1], [2]]


def test_vms_that_are_kept_together_are_started_together_when_their_host_is_lost():

    assert lost(cluster(Policy.AFFINED, 0, 0, 0))[0].is_survived


def lost(seen):
    return losses(seen.vms, seen.rooms, allows=seen.allows)
