"""Clusters: their members, what they say, and that a VM is placed only where all it needs is."""

import pytest
from msgspec.structs import replace

from tests.core.image.builders import datastore
from tests.methods.world import ADMIN, ALICE, HOST_ID, NETWORK_ID, VM_ID, VM_OF_ALICE, Refusal
from tests.wire.schemas import valid
from trifid.core.host import Host, HostState
from trifid.core.image.datastore import DatastoreType
from trifid.core.template.model import template
from trifid.core.vm.states import VmState

VM = "CPU=1\nMEMORY=64"
OTHER_HOST, SYSTEM = 8, 110


@pytest.fixture(autouse=True)
async def _prod(world):
    """Cluster 100 `prod` with a host and a system datastore; everybody may use the network, which is in cluster 0."""
    assert await world.ask(ADMIN, "one.cluster.allocate", "prod") == 100
    await world.open_network()
    await world.put(
        Host(
            OTHER_HOST,
            "node2",
            HostState.MONITORED,
            "dummy",
            "dummy",
            cluster_id=100,
            total_cpu_percent=800,
            total_memory_kib=1 << 20,
        ),
        datastore(SYSTEM, type=DatastoreType.SYSTEM, ds_mad="", tm_mad="dummy", cluster_ids=(100,)),
    )


async def shown(world, cluster_id=100):
    return valid(await world.ask(ADMIN, "one.cluster.info", cluster_id), "cluster")


def members(document):
    return [[int(one.text) for one in document.find(name)] for name in ("HOSTS", "DATASTORES", "VNETS")]


async def waiting(world, text=f"{VM}\nNIC=[NETWORK=lan]"):
    return await world.ask(ALICE, "one.vm.allocate", text, False)


async def test_the_default_cluster_is_there_and_new_ones_are_numbered_from_100(world):
    pool = valid(await world.ask(ADMIN, "one.clusterpool.info"), "cluster_pool")
    found = [(one.findtext("ID"), one.findtext("NAME"), members(one)) for one in pool]
    assert found == [
        ("100", "prod", [[OTHER_HOST], [SYSTEM], []]),
        ("0", "default", [[HOST_ID], [0, 1, 2], [NETWORK_ID]]),
    ]


async def test_users_see_no_clusters(world):
    assert await world.ask(ALICE, "one.clusterpool.info") == "<CLUSTER_POOL></CLUSTER_POOL>"
    assert await world.code(ALICE, "one.cluster.info", 0) == 0x0200


@pytest.mark.parametrize(
    ("name", "told"),
    [("default", "NAME is already taken by CLUSTER 0."), ("", "Invalid NAME"), ("a<b", "Invalid NAME")],
)
async def test_what_is_no_name_of_a_cluster_is_refused_as_clients_know_it(world, name, told):
    with pytest.raises(Refusal, match=rf"Error allocating a new cluster\. {told}") as refused:
        await world.ask(ADMIN, "one.cluster.allocate", name)
    assert refused.value.code == 0x4000


async def test_a_cluster_is_renamed_and_hosts_show_its_new_name(world):
    await world.ask(ADMIN, "one.cluster.rename", 100, "production")
    host = valid(await world.ask(ADMIN, "one.host.info", OTHER_HOST), "host")
    assert (host.findtext("CLUSTER_ID"), host.findtext("CLUSTER")) == ("100", "production")
    with pytest.raises(Refusal, match="collides with cluster 0"):
        await world.ask(ADMIN, "one.cluster.rename", 100, "default")


async def test_its_reserve_holds_for_its_hosts_that_have_none(world):
    await world.ask(ADMIN, "one.cluster.update", 100, "RESERVED_CPU=750\nRESERVED_MEM=1024", 0)
    await world.ask(ADMIN, "one.cluster.update", 100, "QOS=gold", 1)
    host = valid(await world.ask(ADMIN, "one.host.info", OTHER_HOST), "host")
    assert (host.findtext("HOST_SHARE/MAX_CPU"), host.findtext("HOST_SHARE/MAX_MEM")) == ("50", str((1 << 20) - 1024))
    assert host.find("TEMPLATE/RESERVED_CPU") is None
    assert (await shown(world)).findtext("TEMPLATE/QOS") == "gold"
    vm_id = await waiting(world, VM)
    with pytest.raises(Refusal, match="Not enough CPU capacity: needs 1 cores"):
        await world.ask(ADMIN, "one.vm.deploy", vm_id, OTHER_HOST, True)
    await world.ask(ADMIN, "one.host.update", OTHER_HOST, "RESERVED_CPU=0", 1)
    await world.ask(ADMIN, "one.vm.deploy", vm_id, OTHER_HOST, True)


async def test_only_an_empty_cluster_is_deleted_and_never_the_default(world):
    with pytest.raises(Refusal, match=r"Cannot delete cluster\. Cluster 100 is not empty, it contains hosts \(8\)"):
        await world.ask(ADMIN, "one.cluster.delete", 100)
    await world.ask(ADMIN, "one.cluster.delhost", 100, OTHER_HOST)
    with pytest.raises(Refusal, match="it contains datastores"):
        await world.ask(ADMIN, "one.cluster.delete", 100)
    await world.ask(ADMIN, "one.cluster.deldatastore", 100, SYSTEM)
    assert await world.ask(ADMIN, "one.cluster.delete", 100) == 100
    with pytest.raises(Refusal, match=r"System Clusters \(ID < 100\) cannot be deleted\."):
        await world.ask(ADMIN, "one.cluster.delete", 0)


async def test_a_host_is_in_one_cluster_and_goes_back_to_the_default_one(world):
    await world.ask(ADMIN, "one.cluster.addhost", 0, OTHER_HOST)
    assert world.memory.hosts[OTHER_HOST].cluster_id == 0
    assert members(await shown(world))[0] == []
    with pytest.raises(Refusal, match=r"host node2 \[8\] is not in cluster prod \[100\], but in default \[0\]"):
        await world.ask(ADMIN, "one.cluster.delhost", 100, OTHER_HOST)
    await world.ask(ADMIN, "one.cluster.addhost", 100, OTHER_HOST)
    await world.ask(ADMIN, "one.cluster.delhost", 100, OTHER_HOST)
    assert world.memory.hosts[OTHER_HOST].cluster_id == 0


async def test_networks_and_datastores_are_in_several_or_none(world):
    await world.ask(ADMIN, "one.cluster.addvnet", 100, NETWORK_ID)
    await world.ask(ADMIN, "one.cluster.adddatastore", 100, 1)
    assert members(await shown(world))[1:] == [[1, SYSTEM], [NETWORK_ID]]
    network = valid(await world.ask(ADMIN, "one.vn.info", NETWORK_ID), "vnet")
    assert [one.text for one in network.find("CLUSTERS")] == ["0", "100"]
    store = valid(await world.ask(ADMIN, "one.datastore.info", 1), "datastore")
    assert [one.text for one in store.find("CLUSTERS")] == ["0", "100"]
    for cluster_id in (0, 100):
        await world.ask(ADMIN, "one.cluster.delvnet", cluster_id, NETWORK_ID)
    assert world.memory.networks[NETWORK_ID].cluster_ids == ()
    with pytest.raises(Refusal, match=r"network lan \[4\] is not in cluster prod \[100\], but in none"):
        await world.ask(ADMIN, "one.cluster.delvnet", 100, NETWORK_ID)


async def test_new_hosts_datastores_and_networks_are_put_into_a_cluster(world):
    world.engine.drivers.get = lambda family, name: object()
    host_id = await world.ask(ADMIN, "one.host.allocate", "node3", "dummy", "dummy", 100)
    network_id = await world.ask(ADMIN, "one.vn.allocate", "NAME=n\nVN_MAD=dummy\nBRIDGE=br1", 100)
    assert world.memory.hosts[host_id].cluster_id == 100
    assert world.memory.networks[network_id].cluster_ids == (100,)
    for method, *arguments in (
        ("one.host.allocate", "node4", "dummy", "dummy", 99),
        ("one.vn.allocate", "NAME=m\nVN_MAD=dummy\nBRIDGE=br1", 99),
        ("one.datastore.allocate", "NAME=m\nTYPE=SYSTEM_DS\nTM_MAD=dummy", 99),
    ):
        with pytest.raises(Refusal, match=r"Error getting cluster \[99\]"):
            await world.ask(ADMIN, method, *arguments)


# -- placement ---------------------------------------------------------------------------------------


async def requirement(world, vm_id):
    vm = valid(await world.ask(ALICE, "one.vm.info", vm_id), "vm")
    pool = valid(await world.ask(ALICE, "one.vmpool.info", -3, -1, -1, -1), "vm_pool")
    (short,) = [one for one in pool if one.findtext("ID") == str(vm_id)]
    found = vm.findtext("TEMPLATE/AUTOMATIC_REQUIREMENTS")
    assert short.findtext("USER_TEMPLATE/AUTOMATIC_REQUIREMENTS") == found
    return found


async def test_a_vm_tells_in_which_clusters_it_can_be_as_it_is_now(world):
    vm_id = await waiting(world)
    assert await requirement(world, vm_id) == "(CLUSTER_ID = 0)"
    await world.ask(ADMIN, "one.cluster.addvnet", 100, NETWORK_ID)
    assert await requirement(world, vm_id) == "(CLUSTER_ID = 0 | CLUSTER_ID = 100)"
    for cluster_id in (0, 100):
        await world.ask(ADMIN, "one.cluster.delvnet", cluster_id, NETWORK_ID)
    assert await requirement(world, vm_id) == "(CLUSTER_ID = -1)"
    assert await requirement(world, await waiting(world, VM)) is None


@pytest.mark.parametrize("method", ["one.vm.deploy", "trifid.vm.place"])
async def test_a_vm_is_not_placed_where_its_network_is_not(world, method):
    vm_id = await waiting(world)
    with pytest.raises(
        Refusal, match=r"which is in cluster prod \[100\]: network lan \[4\] is in cluster default \[0\]"
    ):
        await world.ask(ADMIN, method, vm_id, OTHER_HOST)
    await world.ask(ADMIN, "one.cluster.addvnet", 100, NETWORK_ID)
    assert await world.ask(ADMIN, method, vm_id, OTHER_HOST) == vm_id
    assert (world.memory.vms[vm_id].current.cluster_id, world.memory.vms[vm_id].current.datastore_id) == (100, SYSTEM)


async def test_nor_moved_to_where_it_is_not(world):
    nic = {"NIC_ID": "0", "NETWORK_ID": str(NETWORK_ID)}
    await world.put(replace(VM_OF_ALICE, template=template(NIC=nic)))
    for live in (False, True):
        with pytest.raises(Refusal, match=r"network lan \[4\] is in cluster default \[0\]"):
            await world.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_HOST, live)


async def test_nor_where_the_datastore_of_its_image_is_not(world):
    await world.put(replace(VM_OF_ALICE, template=template(DISK={"DISK_ID": "0", "DATASTORE_ID": "1"})))
    with pytest.raises(Refusal, match=r"datastore default \[1\] is in cluster default \[0\]"):
        await world.ask(ADMIN, "one.vm.migrate", VM_ID, OTHER_HOST, False)


async def test_nor_into_a_system_datastore_of_another_cluster(world):
    vm_id = await waiting(world, VM)
    with pytest.raises(Refusal, match="is not of the cluster of host node1"):
        await world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID, False, SYSTEM)


async def test_what_no_cluster_has_together_is_refused_at_submission(world):
    await world.ask(ADMIN, "one.vn.allocate", "NAME=far\nVN_MAD=dummy\nBRIDGE=b\nAR=[TYPE=IP4,IP=10.9.0.1,SIZE=9]", 100)
    with pytest.raises(
        Refusal, match=r"Incompatible cluster IDs\. .*: network lan \[4\] is in cluster default \[0\]; network far"
    ):
        await world.ask(ADMIN, "one.vm.allocate", f"{VM}\nNIC=[NETWORK=lan]\nNIC=[NETWORK=far]", False)
    assert not world.memory.leases


async def test_a_nic_of_another_cluster_is_not_attached(world):
    await world.ask(ADMIN, "one.vn.allocate", "NAME=far\nVN_MAD=dummy\nBRIDGE=b\nAR=[TYPE=IP4,IP=10.9.0.1,SIZE=9]", 100)
    with pytest.raises(
        Refusal, match=r"host node1 \[3\] is in cluster default \[0\]; network far \[50\] is in cluster prod \[100\]"
    ):
        await world.ask(ADMIN, "one.vm.attachnic", VM_ID, "NIC=[NETWORK=far]")
    assert not world.memory.leases


# -- members that VMs need ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", [VmState.RUNNING, VmState.POWEROFF, VmState.SUSPENDED])
async def test_a_host_does_not_leave_the_cluster_of_what_its_vms_need(world, state):
    nic = {"NIC_ID": "0", "NETWORK_ID": str(NETWORK_ID)}
    await world.put(replace(VM_OF_ALICE, state=state, template=template(NIC=nic)))
    with pytest.raises(Refusal) as refused:
        await world.ask(ADMIN, "one.cluster.addhost", 100, HOST_ID)
    for told in (
        "VM 5 is there",
        "network lan [4] is in cluster default [0]",
        "datastore system [0] is in cluster default [0]",
    ):
        assert told in refused.value.text
    await world.ask(ADMIN, "one.cluster.addvnet", 100, NETWORK_ID)
    await world.ask(ADMIN, "one.cluster.adddatastore", 100, 0)
    await world.ask(ADMIN, "one.cluster.addhost", 100, HOST_ID)
    assert world.memory.hosts[HOST_ID].cluster_id == 100


async def test_networks_and_datastores_do_not_leave_vms_that_use_them(world):
    nic = {"NIC_ID": "0", "NETWORK_ID": str(NETWORK_ID)}
    await world.put(replace(VM_OF_ALICE, template=template(NIC=nic)))
    with pytest.raises(Refusal, match=rf"network lan \[4\] cannot leave cluster default \[0\]: 1 VMs .* \({VM_ID}\)"):
        await world.ask(ADMIN, "one.cluster.delvnet", 0, NETWORK_ID)
    with pytest.raises(Refusal, match=r"datastore system \[0\] cannot leave"):
        await world.ask(ADMIN, "one.cluster.deldatastore", 0, 0)
    await world.ask(ADMIN, "one.cluster.deldatastore", 0, 1)
    await world.put(replace(VM_OF_ALICE, state=VmState.UNDEPLOYED, history=(replace(VM_OF_ALICE.current, etime=5),)))
    await world.ask(ADMIN, "one.cluster.delvnet", 0, NETWORK_ID)


@pytest.mark.parametrize("word", ["optimize", "planexecute", "plandelete"])
async def test_plans_are_refused_clearly(world, word):
    with pytest.raises(Refusal, match=r"not supported: .*trifid sched plan") as refused:
        await world.ask(ADMIN, f"one.cluster.{word}", 100)
    assert refused.value.code == 0x0800
