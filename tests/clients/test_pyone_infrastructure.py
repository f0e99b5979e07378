"""pyone, unmodified: hosts, clusters, datastores, images and templates, method by method."""

import pyone
import pytest

from tests.system.home import Api

READY, DISABLED, ERROR = (pyone.IMAGE_STATES[name].value for name in ("READY", "DISABLED", "ERROR"))


def image(one: pyone.OneServer, api: Api, name: str, *more: str) -> int:
    """Make an image of 8 MiB and return its id once it is READY."""
    made: int = one.image.allocate("\n".join((f"NAME = {name}", "TYPE = DATABLOCK", "SIZE = 8", *more)), 1)
    api.until(lambda: one.image.info(made).STATE == READY, f"image {name} is READY")
    return made


def test_a_host_is_made_seen_changed_and_removed(one: pyone.OneServer, api: Api) -> None:
    host_id = one.host.allocate("node1", "dummy", "dummy", 0)
    api.until(lambda: one.host.info(host_id).STATE == pyone.HOST_STATES.MONITORED, "the host is MONITORED")
    host = one.host.info(host_id, True)
    assert (host_id, "node1", "dummy", "dummy") == (host.ID, host.NAME, host.IM_MAD, host.VM_MAD)
    assert (host.CLUSTER_ID, host.CLUSTER, host.VMS.ID) == (0, "default", [])
    share = host.HOST_SHARE
    assert (share.RUNNING_VMS, share.CPU_USAGE, share.MEM_USAGE) == (0, 0, 0)
    assert share.TOTAL_CPU > 0
    assert share.MAX_MEM > 0
    assert one.host.update(host_id, "RACK = 12", 1) == host_id
    assert one.host.update(host_id, {"TEMPLATE": {"ROOM": "a"}}, 1) == host_id
    assert {"RACK": "12", "ROOM": "a"}.items() <= one.host.info(host_id).TEMPLATE.items()
    assert one.host.rename(host_id, "node2") == host_id
    for status, state in ((1, "DISABLED"), (2, "OFFLINE"), (0, "MONITORED")):
        assert one.host.status(host_id, status) == host_id
        wanted = pyone.HOST_STATES[state]
        api.until(lambda wanted=wanted: wanted == one.host.info(host_id).STATE, f"the host is {state}")
    pool = one.hostpool.info()
    assert [(found.ID, found.NAME) for found in pool.HOST] == [(host_id, "node2")]
    api.until(lambda: one.host.monitoring(host_id).MONITORING, "there are figures")
    assert one.hostpool.monitoring(0) is not None
    assert one.host.delete(host_id) == host_id
    with pytest.raises(pyone.OneNoExistsException, match=rf"Error getting host \[{host_id}\]"):
        one.host.info(host_id)


def test_a_cluster_takes_hosts_datastores_and_networks(one: pyone.OneServer, api: Api) -> None:
    cluster_id = one.cluster.allocate("rack1")
    assert cluster_id >= 100
    host_id = one.host.allocate("node3", "dummy", "dummy", -1)
    network_id = one.vn.allocate("NAME = lan\nVN_MAD = dummy\nBRIDGE = br0", -1)
    datastore_id = one.datastore.allocate("NAME = fast\nDS_MAD = dummy\nTM_MAD = dummy", -1)
    assert one.cluster.addhost(cluster_id, host_id) == cluster_id
    assert one.cluster.addvnet(cluster_id, network_id) == cluster_id
    assert one.cluster.adddatastore(cluster_id, datastore_id) == cluster_id
    cluster = one.cluster.info(cluster_id)
    assert ("rack1", [host_id], [network_id]) == (cluster.NAME, cluster.HOSTS.ID, cluster.VNETS.ID)
    assert [datastore_id] == cluster.DATASTORES.ID
    assert one.host.info(host_id).CLUSTER == "rack1"
    assert sorted(one.vn.info(network_id).CLUSTERS.ID) == [0, cluster_id]
    assert one.cluster.update(cluster_id, 'RESERVED_CPU = "10"', 1) == cluster_id
    assert one.cluster.rename(cluster_id, "rack2") == cluster_id
    assert [(found.ID, found.NAME) for found in one.clusterpool.info().CLUSTER] == [
        (cluster_id, "rack2"),
        (0, "default"),
    ]
    with pytest.raises(pyone.OneActionException):
        one.cluster.delete(cluster_id)
    assert one.cluster.delhost(cluster_id, host_id) == cluster_id
    assert one.cluster.delvnet(cluster_id, network_id) == cluster_id
    assert one.cluster.deldatastore(cluster_id, datastore_id) == cluster_id
    assert one.cluster.delete(cluster_id) == cluster_id
    assert one.host.info(host_id).CLUSTER_ID == 0


def test_a_datastore_is_made_changed_and_removed(one: pyone.OneServer) -> None:
    datastore_id = one.datastore.allocate("NAME = images2\nDS_MAD = dummy\nTM_MAD = dummy\nNOTE = slow", -1)
    datastore = one.datastore.info(datastore_id)
    assert (datastore.NAME, datastore.TYPE, datastore.STATE, datastore.IMAGES.ID) == ("images2", 0, 0, [])
    assert (datastore.DS_MAD, datastore.TM_MAD, datastore.TEMPLATE["NOTE"]) == ("dummy", "dummy", "slow")
    assert (datastore.PERMISSIONS.OWNER_M, datastore.PERMISSIONS.GROUP_U) == (1, 1)
    assert all(isinstance(size, int) for size in (datastore.TOTAL_MB, datastore.FREE_MB, datastore.USED_MB))
    assert one.datastore.rename(datastore_id, "images3") == datastore_id
    assert one.datastore.update(datastore_id, "NOTE = fast", 1) == datastore_id
    assert one.datastore.chmod(datastore_id, 1, 1, 1, 1, 0, 0, 1, 0, 0) == datastore_id
    assert one.datastore.chown(datastore_id, 0, 1) == datastore_id
    changed = one.datastore.info(datastore_id)
    assert (changed.NAME, changed.TEMPLATE["NOTE"], changed.GNAME) == ("images3", "fast", "users")
    assert (changed.PERMISSIONS.OWNER_A, changed.PERMISSIONS.OTHER_U) == (1, 1)
    system_id = one.datastore.allocate("NAME = system2\nTYPE = SYSTEM_DS\nTM_MAD = dummy", 0)
    assert one.datastore.info(system_id).TYPE == 1
    assert one.datastore.enable(system_id, False) == system_id
    assert one.datastore.info(system_id).STATE == 1
    assert {system_id, datastore_id} < {found.ID for found in one.datastorepool.info().DATASTORE}
    for made in (datastore_id, system_id):
        assert one.datastore.delete(made) == made


def test_an_image_is_made_changed_cloned_and_removed(one: pyone.OneServer, api: Api) -> None:
    image_id = image(one, api, "data", "NOTE = mine")
    found = one.image.info(image_id, True)
    assert (found.NAME, found.TYPE, found.SIZE, found.PERSISTENT, found.DATASTORE) == ("data", 2, 8, 0, "default")
    assert (found.RUNNING_VMS, found.VMS.ID, found.CLONES.ID, found.CLONING_ID) == (0, [], [], -1)
    assert (found.PERMISSIONS.OWNER_U, found.PERMISSIONS.GROUP_U) == (1, 0)
    for call in (
        lambda: one.image.rename(image_id, "disk"),
        lambda: one.image.update(image_id, "NOTE = yours", 1),
        lambda: one.image.chtype(image_id, "OS"),
        lambda: one.image.persistent(image_id, True),
        lambda: one.image.chmod(image_id, 1, 1, 0, 1, 0, 0, -1, -1, -1),
        lambda: one.image.chown(image_id, -1, 1),
        lambda: one.image.lock(image_id, 4, True),
    ):
        assert call() == image_id
    changed = one.image.info(image_id)
    assert (changed.NAME, changed.TYPE, changed.PERSISTENT, changed.GNAME) == ("disk", 0, 1, "users")
    assert (changed.TEMPLATE["NOTE"], changed.LOCK.LOCKED, changed.PERMISSIONS.GROUP_U) == ("yours", 1, 1)
    with pytest.raises(pyone.OneException):
        one.image.lock(image_id, 4, True)  # it is locked already, and the call tests for that
    assert one.image.unlock(image_id) == image_id
    assert one.image.enable(image_id, False) == image_id
    assert one.image.info(image_id).STATE == DISABLED
    assert one.image.enable(image_id, True) == image_id
    copy_id = one.image.clone(image_id, "copy")
    api.until(lambda: one.image.info(copy_id).STATE == READY, "the copy is READY")
    assert [found.NAME for found in one.imagepool.info(-2, image_id, copy_id).IMAGE] == ["copy", "disk"]
    for gone in (copy_id, image_id):
        assert one.image.delete(gone, False) == gone
    api.until(lambda: not one.imagepool.info(-2, -1, -1).IMAGE, "both are gone")
    image(one, api, "twice")
    with pytest.raises(pyone.OneException, match="NAME is already taken by IMAGE"):
        one.image.allocate("NAME = twice\nTYPE = DATABLOCK\nSIZE = 8", 1)


def test_a_template_is_made_changed_cloned_instantiated_and_removed(one: pyone.OneServer, api: Api) -> None:
    image_id = image(one, api, "root")
    template_id = one.template.allocate(
        {"TEMPLATE": {"NAME": "web", "CPU": 1, "MEMORY": 64, "DISK": {"IMAGE_ID": image_id}}}
    )
    for call in (
        lambda: one.template.rename(template_id, "www"),
        lambda: one.template.update(template_id, "NOTE = new", 1),
        lambda: one.template.chmod(template_id, 1, 1, 0, 1, 0, 0, 1, 0, 0, False),
        lambda: one.template.chown(template_id, 0, 1),
        lambda: one.template.lock(template_id, 3),
        lambda: one.template.unlock(template_id),
    ):
        assert call() == template_id
    template = one.template.info(template_id)
    assert (template.NAME, template.GNAME, template.TEMPLATE["NOTE"]) == ("www", "users", "new")
    assert (template.PERMISSIONS.OTHER_U, template.TEMPLATE["DISK"]) == (1, {"IMAGE_ID": str(image_id)})
    assert one.template.info(template_id, True).TEMPLATE["DISK"]["DATASTORE_ID"] == "1"
    vm_id = one.template.instantiate(template_id, "", True, "MEMORY = 96\nOWN = yes", False)
    vm = one.vm.info(vm_id)
    assert (f"www-{vm_id}", pyone.VM_STATE.HOLD) == (vm.NAME, vm.STATE)
    assert (vm.TEMPLATE["MEMORY"], vm.TEMPLATE["TEMPLATE_ID"]) == ("96", str(template_id))
    assert vm.USER_TEMPLATE["OWN"] == "yes"
    copy_id = one.template.clone(template_id, "copy", False)
    assert [found.NAME for found in one.templatepool.info(-2, -1, -1).VMTEMPLATE] == ["copy", "www"]
    one.vm.action("terminate", vm_id)
    for gone in (copy_id, template_id):
        assert one.template.delete(gone) == gone
    assert one.templatepool.info(-2, -1, -1).VMTEMPLATE == []
