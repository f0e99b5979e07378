"""pyone, unmodified: networks with their ranges, holds and reservations, network templates, security groups."""

import pyone
import pytest

from tests.system.home import Api

NETWORK = "NAME = {}\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]"


def network(one: pyone.OneServer, api: Api, name: str, text: str = NETWORK) -> int:
    """Make a network and return its id once it is READY."""
    made: int = one.vn.allocate(text.format(name), -1)
    api.until(lambda: one.vn.info(made).STATE == 1, f"network {name} is READY")
    return made


def test_a_network_is_made_changed_and_removed(one: pyone.OneServer, api: Api) -> None:
    network_id = network(one, api, "lan")
    found = one.vn.info(network_id, True)
    assert (found.NAME, found.BRIDGE, found.VN_MAD, found.USED_LEASES) == ("lan", "br0", "dummy", 0)
    assert (found.CLUSTERS.ID, found.VROUTERS.ID, found.UPDATED_VMS.ID, found.ERROR_VMS.ID) == ([0], [], [], [])
    assert (found.PERMISSIONS.OWNER_M, found.PERMISSIONS.GROUP_U) == (1, 0)
    for call in (
        lambda: one.vn.rename(network_id, "wan"),
        lambda: one.vn.update(network_id, "DNS = 10.0.0.254", 1),
        lambda: one.vn.chmod(network_id, 1, 1, 0, 1, 0, 0, 0, 0, 0),
        lambda: one.vn.chown(network_id, 0, 1),
        lambda: one.vn.lock(network_id, 2, False),
        lambda: one.vn.unlock(network_id),
    ):
        assert call() == network_id
    changed = one.vn.info(network_id)
    assert (changed.NAME, changed.TEMPLATE["DNS"], changed.GNAME) == ("wan", "10.0.0.254", "users")
    pool = one.vnpool.info(-2, network_id, network_id).VNET
    assert [(found.ID, found.PERMISSIONS.GROUP_U) for found in pool] == [(network_id, 1)]
    assert one.vn.delete(network_id) == network_id
    api.until(lambda: not one.vnpool.info(-2, -1, -1).VNET, "the network is gone")


def test_ranges_come_change_and_go(one: pyone.OneServer, api: Api) -> None:
    network_id = network(one, api, "ranges")
    assert one.vn.add_ar(network_id, "AR = [ TYPE = ETHER, SIZE = 4, NOTE = bare ]") == network_id
    assert one.vn.add_ar(network_id, "AR = [ TYPE = IP4, IP = 10.1.0.1, SIZE = 4 ]") == network_id
    assert one.vn.update_ar(network_id, "AR = [ AR_ID = 2, SIZE = 8, NOTE = larger ]") == network_id
    first, ether, third = one.vn.info(network_id).AR_POOL.AR
    assert (first.AR_ID, first.IP, first.IP_END, first.SIZE, first.TYPE) == ("0", "10.0.0.1", "10.0.0.20", 20, "IP4")
    assert (first.MAC, first.MAC_END) == ("02:00:0a:00:00:01", "02:00:0a:00:00:14")
    assert (ether.TYPE, ether.SIZE, ether.IP) == ("ETHER", 4, None)
    assert (third.SIZE, third.IP_END, third.USED_LEASES) == (8, "10.1.0.8", "0")
    assert one.vn.rm_ar(network_id, 1) == network_id
    assert [found.AR_ID for found in one.vn.info(network_id).AR_POOL.AR] == ["0", "2"]
    with pytest.raises(pyone.OneException):
        one.vn.rm_ar(network_id, 7)


def test_addresses_are_held_released_and_reserved(one: pyone.OneServer, api: Api) -> None:
    network_id = network(one, api, "leases")
    assert one.vn.hold(network_id, "LEASES = [ IP = 10.0.0.5 ]") == network_id
    held = one.vn.info(network_id)
    assert held.USED_LEASES == 1
    assert [(lease.IP, lease.VM) for lease in held.AR_POOL.AR[0].LEASES.LEASE] == [("10.0.0.5", -1)]
    with pytest.raises(pyone.OneException):
        one.vn.hold(network_id, "LEASES = [ IP = 10.0.0.5 ]")
    assert one.vn.release(network_id, "LEASES = [ IP = 10.0.0.5 ]") == network_id
    mine = one.vn.reserve(network_id, "SIZE = 3\nNAME = mine")
    assert mine != network_id
    reserved = one.vn.info(mine)
    assert ("mine", str(network_id), 3) == (reserved.NAME, reserved.PARENT_NETWORK_ID, reserved.AR_POOL.AR[0].SIZE)
    assert one.vn.info(network_id).USED_LEASES == 3
    assert one.vn.reserve(network_id, f"SIZE = 2\nNETWORK_ID = {mine}") == mine
    assert one.vn.free_ar(mine, 1) == mine
    assert one.vn.delete(mine) == mine
    api.until(lambda: one.vn.info(network_id).USED_LEASES == 0, "the addresses are back")


def test_a_freed_address_is_not_the_next_one_given(one: pyone.OneServer, api: Api) -> None:
    network_id = network(one, api, "cursor")
    vm = f"CPU = 1\nMEMORY = 64\nNIC = [ NETWORK_ID = {network_id} ]"
    given = []
    for _ in range(3):
        vm_id = one.vm.allocate(vm, True)
        nic = one.vm.info(vm_id).TEMPLATE["NIC"]
        given.append((nic["IP"], nic["MAC"], nic["NAME"], nic["TARGET"] == f"one-{vm_id}-0"))
        one.vm.action("terminate", vm_id)
    assert given == [
        ("10.0.0.1", "02:00:0a:00:00:01", "NIC0", True),
        ("10.0.0.2", "02:00:0a:00:00:02", "NIC0", True),
        ("10.0.0.3", "02:00:0a:00:00:03", "NIC0", True),
    ]
    assert one.vn.info(network_id).AR_POOL.AR[0].NEXT_INDEX == 3


def test_networks_of_2009_are_taken_and_of_them_nothing_is_lost(one: pyone.OneServer, api: Api) -> None:
    text = "NAME = {}\nVN_MAD = dummy\nTYPE = FIXED\nBRIDGE = br0\nLEASES = [ IP = 10.9.0.1 ]"
    found = one.vn.info(network(one, api, "old", text))
    assert [(one.IP, one.SIZE) for one in found.AR_POOL.AR] == [("10.9.0.1", 1)]


def test_a_network_comes_of_a_template(one: pyone.OneServer, api: Api) -> None:
    template_id = one.vntemplate.allocate("NAME = office\nVN_MAD = dummy\nBRIDGE = br7")
    for call in (
        lambda: one.vntemplate.rename(template_id, "floor"),
        lambda: one.vntemplate.update(template_id, "NOTE = x", 1),
        lambda: one.vntemplate.chmod(template_id, 1, 1, 0, 1, 0, 0, 0, 0, 0),
        lambda: one.vntemplate.chown(template_id, 0, 1),
        lambda: one.vntemplate.lock(template_id, 1),
        lambda: one.vntemplate.unlock(template_id),
    ):
        assert call() == template_id
    found = one.vntemplate.info(template_id)
    assert (found.NAME, found.GNAME, found.TEMPLATE["NOTE"]) == ("floor", "users", "x")
    copy_id = one.vntemplate.clone(template_id, "copy")
    made = one.vntemplate.instantiate(copy_id, "third", "DNS = 10.0.0.1")
    api.until(lambda: one.vn.info(made).STATE == 1, "the network is READY")
    assert (one.vn.info(made).NAME, one.vn.info(made).TEMPLATE["DNS"]) == ("third", "10.0.0.1")
    assert [found.ID for found in one.vntemplatepool.info(-2, -1, -1).VNTEMPLATE] == [copy_id, template_id]
    for gone in (copy_id, template_id):
        assert one.vntemplate.delete(gone) == gone


def test_a_security_group_guards_the_networks_that_name_it(one: pyone.OneServer, api: Api) -> None:
    group_id = one.secgroup.allocate("NAME = ssh\nRULE = [ PROTOCOL = TCP, RULE_TYPE = inbound, RANGE = 22 ]")
    for call in (
        lambda: one.secgroup.rename(group_id, "login"),
        lambda: one.secgroup.update(group_id, 'DESCRIPTION = "for people"', 1),
        lambda: one.secgroup.chmod(group_id, 1, 1, 0, 1, 0, 0, 0, 0, 0),
        lambda: one.secgroup.chown(group_id, 0, 1),
        lambda: one.secgroup.commit(group_id, False),
    ):
        assert call() == group_id
    found = one.secgroup.info(group_id)
    assert (found.NAME, found.GNAME, found.TEMPLATE["DESCRIPTION"]) == ("login", "users", "for people")
    assert (found.UPDATED_VMS.ID, found.OUTDATED_VMS.ID, found.ERROR_VMS.ID) == ([], [], [])
    copy_id = one.secgroup.clone(group_id, "copy")
    assert [found.NAME for found in one.secgrouppool.info(-2, -1, -1).SECURITY_GROUP] == ["copy", "login", "default"]
    network_id = network(one, api, "guarded", NETWORK + f'\nSECURITY_GROUPS = "{group_id}"')
    vm_id = one.vm.allocate(f"CPU = 1\nMEMORY = 64\nNIC = [ NETWORK_ID = {network_id} ]", True)
    assert one.vm.info(vm_id).TEMPLATE["NIC"]["SECURITY_GROUPS"] == f"{group_id}"
    assert one.vm.attachsg(vm_id, 0, copy_id) == vm_id
    assert one.vm.info(vm_id).TEMPLATE["NIC"]["SECURITY_GROUPS"].split(",") == [str(group_id), str(copy_id)]
    assert one.vm.detachsg(vm_id, 0, copy_id) == vm_id
    with pytest.raises(pyone.OneException):
        one.secgroup.delete(group_id)
    one.vm.action("terminate", vm_id)
    assert one.secgroup.delete(copy_id) == copy_id
