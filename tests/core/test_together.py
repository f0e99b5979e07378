"""Where a VM can be: in the clusters that have all its networks and images."""

import pytest

from tests.core.image.builders import datastore
from trifid.core.cluster import Cluster, within
from trifid.core.host import Host, HostState
from trifid.core.network.record import Network
from trifid.core.template.model import template
from trifid.core.together import Part, clusters_of, common, outside, parts_of, requirement, where


def part(*cluster_ids):
    return Part("network lan [4]", cluster_ids)


@pytest.mark.parametrize(
    ("parts", "clusters", "text"),
    [
        ([], None, ""),
        ([part(0)], {0}, "(CLUSTER_ID = 0)"),
        ([part(0, 100, 101), part(101, 100)], {100, 101}, "(CLUSTER_ID = 100 | CLUSTER_ID = 101)"),
        ([part(0), part(100)], set(), "(CLUSTER_ID = -1)"),
        ([part(), part(100)], set(), "(CLUSTER_ID = -1)"),
    ],
)
def test_the_clusters_that_have_everything_are_told_and_understood(parts, clusters, text):
    assert common(parts) == clusters
    assert requirement(common(parts)) == text
    assert clusters_of(text) == clusters


def test_the_parts_of_a_vm_are_its_networks_and_the_datastores_of_its_images():
    lan = Network(id=4, uid=0, gid=0, name="lan", bridge="b", vn_mad="fw", cluster_ids=(100,))
    nics = [{"NETWORK_ID": "4"}, {"NETWORK_ID": "4"}, {"NETWORK_ID": "9"}, {"BRIDGE": "br0"}]
    disks = [{"DATASTORE_ID": "1"}, {"TYPE": "swap"}]
    parts = parts_of(template(NIC=nics, DISK=disks), {4: lan}.get, {1: datastore(1)}.get)
    assert [(one.name, one.cluster_ids) for one in parts] == [
        ("network lan [4]", (100,)),
        (f"datastore {datastore(1).name} [1]", (0,)),
    ]
    assert outside(parts, 0) == parts[:1]


def test_a_part_tells_where_it_is():
    told = [where(one, "c{}".format) for one in (part(), part(7), part(8, 7))]
    told = [one.removeprefix("network lan [4] is in ") for one in told]
    assert told == ["no cluster", "cluster c7", "clusters c7, c8"]


def test_a_cluster_reserves_for_hosts_that_say_nothing_themselves():
    cluster = Cluster(100, "prod", template(RESERVED_CPU="50", RESERVED_MEM="1024", QOS="gold"))
    host = Host(1, "n", HostState.MONITORED, "im", "vmm", template=template(RESERVED_CPU="0"))
    seen = within(host, cluster)
    assert (seen.reserved_cpu_percent, seen.reserved_memory_kib) == (0, 1024)
    assert "QOS" not in seen.template
    assert within(host, None) is host
