"""Clusters in placement: where a VM's networks and images are, and what its host's cluster says."""

from msgspec.structs import replace

from tests.scheduler.builders import datastore_xml, host_xml, tags, vm_xml
from trifid.placement.place import place
from trifid.placement.reading import datastores, hosts, waiting_vms
from trifid.placement.view import View
from trifid.scheduler.news import Event, News


def planned(vm, host_clusters, clusters=None):
    """Return the plan for one VM on hosts of these clusters, with a datastore that is in all of them."""
    pool = "".join(host_xml(number, cluster_id=cluster_id) for number, cluster_id in enumerate(host_clusters))
    templates = "".join(
        f"<CLUSTER><ID>{number}</ID><TEMPLATE>{tags(more)}</TEMPLATE></CLUSTER>"
        for number, more in (clusters or {}).items()
    )
    everywhere = datastore_xml(0, kind=1, clusters=tuple(set(host_clusters)))
    view = View(
        tuple(waiting_vms(f"<VM_POOL>{vm}</VM_POOL>")),
        tuple(hosts(f"<HOST_POOL>{pool}</HOST_POOL>", f"<CLUSTER_POOL>{templates}</CLUSTER_POOL>")),
        tuple(datastores(f"<DATASTORE_POOL>{everywhere}</DATASTORE_POOL>")),
    )
    return place(view)


def test_a_vm_goes_to_a_host_of_a_cluster_that_has_what_it_needs():
    vm = vm_xml(5, AUTOMATIC_REQUIREMENTS="(CLUSTER_ID = 100 | CLUSTER_ID = 102)")
    assert planned(vm, [0, 101, 102, 103]).placements == [(5, 2, 0)]


def test_one_that_needs_nothing_of_a_cluster_goes_anywhere():
    assert planned(vm_xml(5), [101, 0]).placements == [(5, 0, 0)]


def test_it_waits_when_there_is_no_such_host_and_is_told_why():
    plan = planned(vm_xml(5, AUTOMATIC_REQUIREMENTS="(CLUSTER_ID = 100)"), [0, 101])
    assert plan.placements == []
    assert plan.refusals[5].endswith("2 hosts, 2 are not in a cluster with its networks and images (100)")


def test_nowhere_is_nowhere():
    plan = planned(vm_xml(5, AUTOMATIC_REQUIREMENTS="(CLUSTER_ID = -1)"), [0])
    assert plan.refusals[5].endswith("1 host, 1 is not in a cluster with its networks and images (none)")


def test_vms_of_different_clusters_do_not_share_candidates():
    both = "".join(vm_xml(vm_id, AUTOMATIC_REQUIREMENTS=f"(CLUSTER_ID = {100 + vm_id})") for vm_id in (0, 1))
    assert planned(both, [101, 100]).placements == [(0, 1, 0), (1, 0, 0)]


def test_requirements_see_the_attributes_of_a_hosts_cluster_behind_its_own():
    clusters = {0: {"QOS": "silver"}, 100: {"QOS": "gold"}}
    assert planned(vm_xml(5, SCHED_REQUIREMENTS='QOS = "gold"'), [0, 100], clusters).placements == [(5, 1, 0)]
    assert planned(vm_xml(5, SCHED_REQUIREMENTS="CLUSTER_ID = 100"), [0, 100]).placements == [(5, 1, 0)]
    assert planned(vm_xml(5, SCHED_REQUIREMENTS='CLUSTER = "c"'), [0]).placements == []


def test_what_changes_in_clusters_is_news():
    news = News()
    assert news.matters(Event("CLUSTER", 100, "updated"))
    assert news.matters(Event("NET", 4, "cluster changed", "0", "0,100"))
    assert not news.matters(Event("NET", 4, "updated"))


def test_a_vm_whose_needs_are_in_no_cluster_goes_nowhere_also_beside_one_that_goes_anywhere():
    nowhere = replace(waiting_vms(vm_xml(6))[0], cluster_ids=frozenset())
    view = View(
        (*waiting_vms(vm_xml(5)), nowhere), tuple(hosts(host_xml(0))), tuple(datastores(datastore_xml(0, kind=1)))
    )
    assert place(view).placements == [(5, 0, 0)]
