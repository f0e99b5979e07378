"""pyone, unmodified from PyPI, takes a VM through its life and binds every document to its types."""

import pyone
import pytest

from tests.system.home import Api, Home

TEMPLATE = """
NAME = web
CPU = 0.5
VCPU = 1
MEMORY = 128
DISK = [ SOURCE = "/images/etch.img", TARGET = sda ]
DISK = [ TYPE = swap, SIZE = 64, TARGET = sdb ]
NIC = [ NETWORK = "private" ]
CONTEXT = [ HOSTNAME = "web-$VMID", ADDRESS = "$NIC[IP]" ]
OWNER_NOTE = "a & b < c"
"""
NETWORK = 'NAME = "private"\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]'


@pytest.fixture
def one(home: Home) -> pyone.OneServer:
    """An unmodified client of the engine."""
    session = (home.path / "one_auth").read_text().strip()
    return pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session=session)


def test_a_vm_lives_and_ends(one: pyone.OneServer, api: Api) -> None:
    host_id = one.host.allocate("node1", "dummy", "dummy", -1)
    network_id = one.vn.allocate(NETWORK, -1)
    api.until(lambda: pyone.HOST_STATES.MONITORED.value == one.host.info(host_id).STATE, "the host is monitored")
    vm_id = one.vm.allocate(TEMPLATE)
    assert one.vm.info(vm_id).NAME == "web"
    assert one.vm.info(vm_id).TEMPLATE["NIC"]["IP"] == "10.0.0.1"
    api.until_state(vm_id, "RUNNING")

    vm = one.vm.info(vm_id)
    assert (vm.STATE, vm.LCM_STATE) == (pyone.VM_STATE.ACTIVE, pyone.LCM_STATE.RUNNING)
    assert vm.USER_TEMPLATE["OWNER_NOTE"] == "a & b < c"
    assert vm.TEMPLATE["CONTEXT"]["HOSTNAME"] == f"web-{vm_id}"
    assert vm.TEMPLATE["CONTEXT"]["ADDRESS"] == "10.0.0.1"
    assert [disk["DISK_ID"] for disk in vm.TEMPLATE["DISK"]] == ["0", "1"]
    assert vm.HISTORY_RECORDS.HISTORY[0].HOSTNAME == "node1"
    host = one.host.info(host_id)
    assert (host.HOST_SHARE.RUNNING_VMS, host.HOST_SHARE.CPU_USAGE) == (1, 50)
    assert host.HOST_SHARE.MEM_USAGE == 128 * 1024
    lease = one.vn.info(network_id).AR_POOL.AR[0].LEASES.LEASE[0]
    assert ("10.0.0.1", vm_id, "02:00:0a:00:00:01") == (lease.IP, lease.VM, lease.MAC)

    one.vm.rename(vm_id, "renamed")
    one.vm.update(vm_id, "EXTRA = yes", 1)
    assert one.vm.info(vm_id).USER_TEMPLATE["EXTRA"] == "yes"
    one.vm.action("poweroff", vm_id)
    api.until_state(vm_id, "POWEROFF")
    one.vm.action("resume", vm_id)
    api.until_state(vm_id, "RUNNING")
    other_id = one.host.allocate("node2", "dummy", "dummy", -1)
    api.until(lambda: one.host.info(other_id).STATE == 2, "the second host is monitored")
    one.vm.migrate(vm_id, other_id, True)
    api.until_state(vm_id, "RUNNING")
    api.until(lambda: other_id == one.vm.info(vm_id).HISTORY_RECORDS.HISTORY[-1].HID, "the VM moved")
    one.vm.action("terminate", vm_id)
    api.until_state(vm_id, "DONE")
    assert one.vn.info(network_id).USED_LEASES == 0
    assert one.host.info(other_id).HOST_SHARE.RUNNING_VMS == 0
    assert one.vn.delete(network_id) == network_id
    assert one.host.delete(host_id) == host_id


def test_every_document_is_parsed(one: pyone.OneServer, api: Api) -> None:
    one.host.allocate("node1", "dummy", "dummy", -1)
    one.vn.allocate(NETWORK, -1)
    vm_id = one.vm.allocate(TEMPLATE, True)
    user_id = one.user.allocate("alice", "secret", "core", [])
    assert [host.NAME for host in one.hostpool.info().HOST] == ["node1"]
    assert [network.NAME for network in one.vnpool.info(-2, -1, -1).VNET] == ["private"]
    assert [vm.ID for vm in one.vmpool.info(-2, -1, -1, -1).VM] == [vm_id]
    assert [vm.ID for vm in one.vmpool.infoextended(-2, -1, -1, -1).VM] == [vm_id]
    assert one.vmpool.info(-2, -1, -1, 3).VM == []
    assert [user.NAME for user in one.userpool.info().USER] == ["alice", "serveradmin", "oneadmin"]
    assert [group.NAME for group in one.grouppool.info().GROUP] == ["users", "oneadmin"]
    assert one.user.info(user_id).GNAME == "users"
    assert one.user.info(-1).NAME == "oneadmin"
    assert one.group.info(-1).NAME == "oneadmin"
    assert one.system.version() == "7.4.0"
    assert one.system.config() is not None


def test_pools_of_a_new_engine_have_what_is_there_from_the_beginning(one: pyone.OneServer, api: Api) -> None:
    host_id = one.host.allocate("node1", "dummy", "dummy", -1)
    network_id = one.vn.allocate(NETWORK, -1)
    (cluster,) = one.clusterpool.info().CLUSTER
    assert (0, "default", [host_id], [network_id]) == (cluster.ID, cluster.NAME, cluster.HOSTS.ID, cluster.VNETS.ID)
    (zone,) = one.zonepool.info().ZONE
    assert zone.TEMPLATE["ENDPOINT"] == one.zone.info(0, False).TEMPLATE["ENDPOINT"]
    assert [rule.ID for rule in one.acl.info().ACL] == [0, 1, 2, 3, 4]
    assert [datastore.ID for datastore in one.datastorepool.info().DATASTORE] == [2, 1, 0]
    assert one.imagepool.info(-2, -1, -1).IMAGE == []
    assert one.templatepool.info(-2, -1, -1).VMTEMPLATE == []
    (group,) = one.secgrouppool.info(-2, -1, -1).SECURITY_GROUP
    assert (group.ID, group.NAME) == (0, "default")
    assert one.vmgrouppool.info(-2, -1, -1).VM_GROUP == []
    assert one.vntemplatepool.info(-2, -1, -1).VNTEMPLATE == []
    assert one.vrouterpool.info(-2, -1, -1).VROUTER == []
    assert one.documentpool.info(-2, -1, -1, 100).DOCUMENT == []
    assert one.hookpool.info(-2, -1, -1).HOOK == []
    assert [vdc.NAME for vdc in one.vdcpool.info().VDC] == ["default"]
    assert one.marketpool.info().MARKETPLACE == []
    assert one.marketapppool.info(-2, -1, -1).MARKETPLACEAPP == []
    assert one.backupjobpool.info(-2, -1, -1).BACKUPJOB == []


def test_vm_groups(one: pyone.OneServer, api: Api) -> None:
    host_id = api.monitored_host("node1")
    text = 'NAME = app\nROLE = [ NAME = web, POLICY = ANTI_AFFINED ]\nROLE = [ NAME = db, HOST_AFFINED = "{}" ]'
    group_id = one.vmgroup.allocate(f'{text.format(host_id)}\nANTI_AFFINED = "web,db"')
    member = f"CPU=0.1\nMEMORY=64\nVMGROUP = [ VMGROUP_ID = {group_id}, ROLE = web ]"
    first, second = (one.vm.allocate(member, True) for _ in range(2))
    one.vm.deploy(first, host_id, True, -1, "")
    with pytest.raises(pyone.OneActionException, match=f"role web is kept apart: VM {first} of it is on host node1"):
        one.vm.deploy(second, host_id, True, -1, "")
    one.vmgroup.roleadd(group_id, "ROLE = [ NAME = log ]")
    one.vmgroup.roleupdate(group_id, 2, "ROLE = [ POLICY = AFFINED ]")
    one.vmgroup.lock(group_id, 4)
    (group,) = one.vmgrouppool.info(-2, -1, -1).VM_GROUP
    assert (group_id, "app", 1) == (group.ID, group.NAME, group.LOCK.LOCKED)
    web, db, log = group.ROLES.ROLE
    assert (
        "ANTI_AFFINED",
        f"{first},{second}",
        str(host_id),
        "AFFINED",
    ) == (web.POLICY, web.VMS, db.HOST_AFFINED, log.POLICY)
    assert one.vmgroup.info(group_id).TEMPLATE["ANTI_AFFINED"] == "web,db"
    one.vmgroup.unlock(group_id)
    one.vm.vmgroupdel(second)
    one.vm.vmgroupadd(second, group_id, "log")
    assert one.vm.info(second).TEMPLATE["VMGROUP"] == {"ROLE": "log", "VMGROUP_ID": str(group_id)}


def test_vms_that_are_done_are_listed_in_pages(one: pyone.OneServer, api: Api) -> None:
    ids = [one.vm.allocate("CPU=1\nMEMORY=64", True) for _ in range(4)]
    for vm_id in ids[:3]:
        one.vm.action("terminate", vm_id)
        api.until_state(vm_id, "DONE")
    assert [vm.ID for vm in one.vmpool.info(-2, -1, -1, 6).VM] == ids[2::-1]
    assert [vm.ID for vm in one.vmpool.info(-2, 1, -2, 6).VM] == ids[1::-1]
    assert [vm.ID for vm in one.vmpool.info(-2, ids[1], ids[3], -2).VM] == ids[3:0:-1]


def test_refusals_come_as_the_exceptions_of_the_client(one: pyone.OneServer) -> None:
    with pytest.raises(pyone.OneNoExistsException, match=r"\[one\.vm\.info\] Error getting virtual machine \[999\]"):
        one.vm.info(999)
    with pytest.raises(pyone.OneInternalException, match="MEMORY attribute must be a positive integer value"):
        one.vm.allocate("CPU=1\nMEMORY=none")
    vm_id = one.vm.allocate("CPU=1\nMEMORY=64", True)
    with pytest.raises(pyone.OneActionException, match="not available for state HOLD"):
        one.vm.action("poweroff", vm_id)
    bad = pyone.OneServer(one._ServerProxy__host and f"http://{one._ServerProxy__host}/RPC2", session="oneadmin:wrong")
    with pytest.raises(pyone.OneAuthenticationException):
        bad.vm.info(vm_id)


def test_a_plain_user_sees_and_changes_only_its_own(one: pyone.OneServer, home: Home) -> None:
    one.user.allocate("bob", "b0b-secret", "core", [])
    bob = pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session="bob:b0b-secret")
    hers = one.vm.allocate("CPU=1\nMEMORY=64", True)
    his = bob.vm.allocate("CPU=1\nMEMORY=64", True)
    assert [vm.ID for vm in bob.vmpool.info(-2, -1, -1, -1).VM] == [his]
    for call in (
        lambda: bob.vm.info(hers),
        lambda: bob.vm.action("terminate", hers),
        lambda: bob.vm.deploy(his, 0),
        lambda: bob.host.allocate("x", "dummy", "dummy", -1),
        lambda: bob.user.info(0),
        lambda: bob.vn.allocate(NETWORK, -1),
        lambda: bob.vm.update(his, "USER_PRIORITY = 99", 1),
        lambda: bob.acl.info(),
        lambda: bob.vm.allocate('CPU=1\nMEMORY=64\nRAW=[TYPE=kvm,DATA="<x/>"]', True),
    ):
        with pytest.raises((pyone.OneAuthorizationException, pyone.OneNoExistsException)):
            call()
    token = bob.user.login("bob", "", 600)
    assert his == pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session=f"bob:{token}").vm.info(his).ID
    bob.user.passwd(-1, "another")
    with pytest.raises(pyone.OneAuthenticationException):
        bob.vm.info(his)
