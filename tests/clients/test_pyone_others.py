"""pyone, unmodified: documents, hooks, zones, VM groups, the system, and what there is none of."""

import pyone
import pytest

from tests.system.home import Api


def test_a_document_is_made_changed_cloned_and_removed(one: pyone.OneServer) -> None:
    document_id = one.document.allocate("NAME = first\nBODY = x", 200)
    for call in (
        lambda: one.document.rename(document_id, "second"),
        lambda: one.document.update(document_id, "MORE = y", 1),
        lambda: one.document.chmod(document_id, 1, 1, 0, 1, 0, 0, 0, 0, 0),
        lambda: one.document.chown(document_id, 0, 1),
        lambda: one.document.lock(document_id, 1),
        lambda: one.document.unlock(document_id),
    ):
        assert call() == document_id
    found = one.document.info(document_id)
    assert (found.NAME, found.TYPE, found.GNAME) == ("second", "200", "users")
    assert found.TEMPLATE == {"BODY": "x", "MORE": "y"}
    copy_id = one.document.clone(document_id, "copy")
    assert [found.ID for found in one.documentpool.info(-2, -1, -1, 200).DOCUMENT] == [copy_id, document_id]
    assert one.documentpool.info(-2, -1, -1, 100).DOCUMENT == []
    for gone in (copy_id, document_id):
        assert one.document.delete(gone) == gone


def test_a_hook_is_made_changed_and_removed(one: pyone.OneServer) -> None:
    hook_id = one.hook.allocate("NAME = told\nTYPE = state\nRESOURCE = HOST\nSTATE = ERROR\nCOMMAND = tell.sh")
    for call in (
        lambda: one.hook.rename(hook_id, "tells"),
        lambda: one.hook.update(hook_id, "ARGUMENTS = $TEMPLATE", 1),
        lambda: one.hook.lock(hook_id, 1),
        lambda: one.hook.unlock(hook_id),
    ):
        assert call() == hook_id
    found = one.hook.info(hook_id)
    assert (found.NAME, found.TYPE, found.TEMPLATE["COMMAND"]) == ("tells", "state", "tell.sh")
    assert found.TEMPLATE["ARGUMENTS"] == "$TEMPLATE"
    assert one.hooklog.info(-1, -1, hook_id, 0) is not None
    assert [found.ID for found in one.hookpool.info().HOOK] == [hook_id]
    assert one.hook.delete(hook_id) == hook_id


def test_roles_of_a_vm_group_come_and_go(one: pyone.OneServer) -> None:
    group_id = one.vmgroup.allocate("NAME = app\nROLE = [ NAME = web ]\nROLE = [ NAME = db ]")
    for call in (
        lambda: one.vmgroup.rename(group_id, "shop"),
        lambda: one.vmgroup.update(group_id, "NOTE = x", 1),
        lambda: one.vmgroup.chmod(group_id, 1, 1, 0, 1, 0, 0, 0, 0, 0),
        lambda: one.vmgroup.chown(group_id, 0, 1),
        lambda: one.vmgroup.roleadd(group_id, "ROLE = [ NAME = log ]"),
        lambda: one.vmgroup.roleupdate(group_id, 0, "ROLE = [ POLICY = ANTI_AFFINED ]"),
        lambda: one.vmgroup.roledelete(group_id, 1),
        lambda: one.vmgroup.lock(group_id, 1),
        lambda: one.vmgroup.unlock(group_id),
    ):
        assert call() == group_id
    found = one.vmgroup.info(group_id)
    assert (found.NAME, found.GNAME, found.TEMPLATE["NOTE"]) == ("shop", "users", "x")
    assert [(role.ID, role.NAME, role.POLICY) for role in found.ROLES.ROLE] == [
        (0, "web", "ANTI_AFFINED"),
        (2, "log", None),
    ]
    vm_id = one.vm.allocate("CPU = 1\nMEMORY = 64", True)
    assert one.vm.vmgroupadd(vm_id, group_id, "web") == vm_id
    assert one.vm.vmgroupdel(vm_id) == vm_id
    assert one.vmgroup.delete(group_id) == group_id


def test_the_zone_and_the_system_tell_of_themselves(one: pyone.OneServer) -> None:
    (zone,) = one.zonepool.info().ZONE
    assert (zone.ID, zone.NAME, zone.STATE) == (0, one.zone.info(0).NAME, one.zone.info(0).STATE)
    assert zone.TEMPLATE["ENDPOINT"].startswith("http")
    assert one.zone.raftstatus().SERVER_ID is not None
    assert one.system.version() == "7.4.0"
    assert one.system.config() is not None


def test_what_there_is_none_of_is_an_empty_pool_or_a_clear_no(one: pyone.OneServer) -> None:
    assert one.vrouterpool.info(-2, -1, -1).VROUTER == []
    assert one.marketpool.info().MARKETPLACE == []
    assert one.marketapppool.info(-2, -1, -1).MARKETPLACEAPP == []
    assert one.backupjobpool.info(-2, -1, -1).BACKUPJOB == []
    for call in (
        lambda: one.vrouter.allocate("NAME = r"),
        lambda: one.market.allocate("NAME = m\nMARKET_MAD = http"),
        lambda: one.backupjob.allocate("NAME = b"),
        lambda: one.zone.allocate("NAME = z"),
    ):
        with pytest.raises(pyone.OneException, match=r"\[one\."):
            call()


def test_errors_are_the_exceptions_of_pyone(one: pyone.OneServer, api: Api) -> None:
    vm_id = one.vm.allocate("CPU = 1\nMEMORY = 64", True)
    expected = {
        pyone.OneNoExistsException: lambda: one.vm.info(999),
        pyone.OneActionException: lambda: one.vm.action("poweroff", vm_id),
        pyone.OneApiException: lambda: one.vmpool.info(-2, -1, -1, 99),
        pyone.OneInternalException: lambda: one.vm.allocate("CPU = 1"),
        pyone.OneException: lambda: one.cluster.allocate("default"),
    }
    for kind, call in expected.items():
        with pytest.raises(kind, match=r"^\[one\.") as refused:
            call()
        assert type(refused.value) is kind
