"""pyone, unmodified: users, groups, rules, virtual data centers and quotas."""

from pathlib import Path

import pyone
import pytest

from tests.system.home import Api, Home


def client(home: Home, name: str, secret: str) -> pyone.OneServer:
    """A client of somebody."""
    return pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session=f"{name}:{secret}")


def test_a_user_is_made_changed_and_removed(one: pyone.OneServer, home: Home) -> None:
    user_id = one.user.allocate("alice", "al1ce-secret", "core", [1])
    group_id = one.group.allocate("staff")
    for call in (
        lambda: one.user.addgroup(user_id, group_id),
        lambda: one.user.update(user_id, "SSH_PUBLIC_KEY = abc", 1),
        lambda: one.user.delgroup(user_id, group_id),
        lambda: one.user.chgrp(user_id, group_id),
    ):
        assert call() == user_id
    user = one.user.info(user_id)
    assert ("alice", "staff", [group_id], 1) == (user.NAME, user.GNAME, user.GROUPS.ID, user.ENABLED)
    assert (user.AUTH_DRIVER, user.TEMPLATE["SSH_PUBLIC_KEY"]) == ("core", "abc")
    assert [user_id] == one.group.info(group_id).USERS.ID
    alice = client(home, "alice", "al1ce-secret")
    assert user_id == alice.user.info(-1).ID
    assert alice.user.passwd(user_id, "an0ther-secret") == user_id
    with pytest.raises(pyone.OneAuthenticationException):
        alice.user.info(-1)
    alice = client(home, "alice", "an0ther-secret")
    token = alice.user.login("alice", "", 600, -1)
    assert user_id == client(home, "alice", token).user.info(-1).ID
    assert one.user.enable(user_id, False) == user_id
    with pytest.raises(pyone.OneAuthenticationException):
        alice.user.info(-1)
    assert one.user.enable(user_id, True) == user_id
    assert one.user.chauth(user_id, "core", "") == user_id
    assert [found.NAME for found in one.userpool.info().USER] == ["alice", "serveradmin", "oneadmin"]
    assert one.user.delete(user_id) == user_id
    assert one.group.delete(group_id) == group_id
    with pytest.raises(pyone.OneActionException, match="oneadmin cannot be deleted"):
        one.user.delete(0)


def test_a_group_has_administrators(one: pyone.OneServer) -> None:
    group_id = one.group.allocate("devs")
    user_id = one.user.allocate("gina", "g1na-secret", "core", [group_id])
    assert one.group.addadmin(group_id, user_id) == group_id
    assert [user_id] == one.group.info(group_id).ADMINS.ID
    assert one.group.update(group_id, "NOTE = x", 1) == group_id
    assert one.group.deladmin(group_id, user_id) == group_id
    group = one.group.info(group_id)
    assert (group.NAME, group.USERS.ID, group.ADMINS.ID, group.TEMPLATE["NOTE"]) == ("devs", [user_id], [], "x")
    found = [found.ID for found in one.grouppool.info().GROUP]
    assert (found[0], found[-2:]) == (group_id, [1, 0])


def test_rules_let_users_do_what_permissions_do_not(one: pyone.OneServer, home: Home) -> None:
    user_id = one.user.allocate("ruth", "r0th-secret", "core", [1])
    ruth = client(home, "ruth", "r0th-secret")
    vm_id = one.vm.allocate("CPU = 1\nMEMORY = 64", True)
    with pytest.raises(pyone.OneAuthorizationException):
        ruth.vm.info(vm_id)
    rule_id = one.acl.addrule(f"{0x100000000 + user_id:x}", f"{0x1000000000 + 0x100000000 + vm_id:x}", "3")
    assert vm_id == ruth.vm.info(vm_id).ID
    assert ruth.vm.rename(vm_id, "hers") == vm_id
    (rule,) = [found for found in one.acl.info().ACL if rule_id == found.ID]
    assert (f"10000000{user_id}", f"110000000{vm_id}", "3") == (rule.USER, rule.RESOURCE, rule.RIGHTS)
    assert f"#{user_id} VM/#{vm_id} USE+MANAGE #0" == rule.STRING
    assert one.acl.delrule(rule_id) == rule_id
    with pytest.raises(pyone.OneAuthorizationException):
        ruth.vm.info(vm_id)
    with pytest.raises(pyone.OneInternalException, match=r"Rule 9999 does not exist"):
        one.acl.delrule(9999)
    with pytest.raises(pyone.OneInternalException, match="malformed"):
        one.acl.addrule("1", "1", "1")


def test_a_virtual_data_center_gives_groups_what_is_in_it(one: pyone.OneServer, home: Home, api: Api) -> None:
    vdc_id = one.vdc.allocate("NAME = floor\nNOTE = x")
    group_id, host_id = one.group.allocate("tenants"), api.monitored_host("node1")
    cluster_id = one.cluster.allocate("vdc-rack")
    one.user.allocate("tina", "t1na-secret", "core", [group_id])
    for call in (
        lambda: one.vdc.addgroup(vdc_id, group_id),
        lambda: one.vdc.addhost(vdc_id, 0, host_id),
        lambda: one.vdc.adddatastore(vdc_id, 0, 1),
        lambda: one.vdc.addcluster(vdc_id, 0, cluster_id),
        lambda: one.vdc.rename(vdc_id, "first floor"),
        lambda: one.vdc.update(vdc_id, "MORE = y", 1),
    ):
        assert call() == vdc_id
    vdc = one.vdc.info(vdc_id)
    assert (vdc.NAME, vdc.GROUPS.ID, vdc.TEMPLATE["MORE"]) == ("first floor", [group_id], "y")
    assert [(found.ZONE_ID, found.HOST_ID) for found in vdc.HOSTS.HOST] == [(0, host_id)]
    assert [found.DATASTORE_ID for found in vdc.DATASTORES.DATASTORE] == [1]
    assert [found.CLUSTER_ID for found in vdc.CLUSTERS.CLUSTER] == [cluster_id]
    for call in (
        lambda: one.vdc.delhost(vdc_id, 0, host_id),
        lambda: one.vdc.deldatastore(vdc_id, 0, 1),
        lambda: one.vdc.delcluster(vdc_id, 0, cluster_id),
        lambda: one.vdc.delgroup(vdc_id, group_id),
    ):
        assert call() == vdc_id
    assert [found.ID for found in one.vdcpool.info().VDC] == [vdc_id, 0]
    assert one.vdc.delete(vdc_id) == vdc_id


def test_quotas_are_set_shown_and_kept(one: pyone.OneServer, home: Home) -> None:
    user_id = one.user.allocate("quentin", "qu3ntin-secret", "core", [1])
    limit = 'VM = [ VMS = 1, CPU = "2", MEMORY = 512 ]'
    assert one.user.quota(user_id, limit) == user_id
    quentin = client(home, "quentin", "qu3ntin-secret")
    one.acl.addrule(f"{0x100000000 + user_id:x}", "1400000000", "8")
    quentin.vm.allocate("CPU = 1\nMEMORY = 64", True)
    with pytest.raises(pyone.OneAuthorizationException):
        quentin.vm.allocate("CPU = 1\nMEMORY = 64", True)
    quota = one.user.info(user_id).VM_QUOTA.VM
    (only,) = quota if isinstance(quota, list) else [quota]
    assert (only.VMS, only.VMS_USED, only.CPU_USED, only.MEMORY_USED) == ("1", "1", "1", "64")
    assert one.group.quota(1, "VM = [ VMS = 100 ]") == 1
    assert one.userquota.info() is not None
    assert one.groupquota.info() is not None


def test_ten_names_and_passwords_of_all_kinds(one: pyone.OneServer, home: Home, tmp_path: Path) -> None:
    for name, secret in (("a.b", "x" * 100), ("ünal", "pässwörd"), ("with-dash_1", "a:b:c")):
        user_id = one.user.allocate(name, secret, "core", [])
        assert user_id == client(home, name, secret).user.info(-1).ID
