"""Every method of the API, called by somebody who has nothing and is nobody's friend."""

import pytest

from tests.methods.world import (
    ALICE_ID,
    EVE,
    EVE_ID,
    GUESTS_GID,
    HOST_ID,
    IMAGE_ID,
    NETWORK_ID,
    STAFF_GID,
    TEMPLATE_ID,
    VM_ID,
    VN_TEMPLATE_ID,
)
from trifid.core.document import Document
from trifid.core.hook import Hook, HookType
from trifid.core.template.model import template
from trifid.core.vm_group.record import Role, VmGroup
from trifid.methods import dispatch  # noqa: F401  (declares all methods)
from trifid.methods.registry import METHODS

VM_GROUP_ID, DOCUMENT_ID, HOOK_ID = 9, 9, 2
NOT_ALLOWED, NOT_THERE = 0x0200, 0x0400
TEMPLATE = "CPU=1\nMEMORY=64"
AR = "AR=[TYPE=IP4,IP=10.1.0.1,SIZE=4]"
FLAGS = (1, 1, 1, 1, 1, 1, 1, 1, 1)

VDC_RESOURCES = ("cluster", "host", "datastore", "vnet")

REFUSED: dict[str, list[tuple]] = {
    "one.vm.allocate": [(TEMPLATE, False), (TEMPLATE, True)],
    "one.vm.deploy": [(VM_ID, HOST_ID), (99, HOST_ID)],
    "trifid.vm.place": [(VM_ID, HOST_ID), (99, HOST_ID)],
    "trifid.vm.place_all": [(f"[[{VM_ID}, {HOST_ID}]]",)],
    "trifid.vm.tell_all": [(f'[[{VM_ID}, "no"]]',)],
    "trifid.user.usage": [()],
    "trifid.user.barred_hosts": [([],), ([EVE_ID],)],
    "trifid.host.changes": [()],
    "one.vm.action": [
        (word, VM_ID)
        for word in (
            *("terminate", "terminate-hard", "hold", "release", "poweroff", "poweroff-hard", "resume", "reboot"),
            *("reboot-hard", "resched", "unresched", "shutdown", "cancel", "finalize", "delete", "stop", "suspend"),
            *("undeploy", "undeploy-hard", "shutdown-hard", "restart", "boot", "reset", "resubmit", "delete-recreate"),
        )
    ],
    "one.vm.migrate": [(VM_ID, HOST_ID, True), (VM_ID, 99, False), (VM_ID, 99, False, False, -1, 1)],
    "trifid.vm.migrate_cancel": [(VM_ID,), (99,)],
    "one.vm.recover": [(VM_ID, operation) for operation in range(6)],
    "one.vm.attach": [(VM_ID, "DISK=[TYPE=swap,SIZE=1]")],
    "one.vm.detach": [(VM_ID, 0)],
    "one.vm.attachnic": [(VM_ID, "NIC=[NETWORK=lan]")],
    "one.vm.detachnic": [(VM_ID, 0)],
    "one.vm.attachsg": [(VM_ID, 0, 0), (VM_ID, 0, 99)],
    "one.vm.detachsg": [(VM_ID, 0, 0)],
    "one.vm.updatenic": [(VM_ID, 0, "NIC=[SECURITY_GROUPS=0]", append) for append in (0, 1)],
    "one.vm.snapshotcreate": [(VM_ID, "")],
    "one.vm.snapshotrevert": [(VM_ID, 0)],
    "one.vm.snapshotdelete": [(VM_ID, 0)],
    "one.vm.disksnapshotcreate": [(VM_ID, 0, "")],
    "one.vm.disksnapshotrevert": [(VM_ID, 0, 0)],
    "one.vm.disksnapshotdelete": [(VM_ID, 0, 0)],
    "one.vm.disksnapshotrename": [(VM_ID, 0, 0, "mine")],
    "one.vm.disksaveas": [(VM_ID, 0, "mine", "", -1)],
    "one.vm.diskresize": [(VM_ID, 0, "100")],
    "one.vm.resize": [(VM_ID, "CPU=1", True), (VM_ID, "CPU=1", False)],
    "one.vm.updateconf": [(VM_ID, "OS=[BOOT=hd]", append) for append in (0, 1)],
    "one.vm.lock": [(VM_ID, level, test) for level in (1, 4) for test in (False, True)],
    "one.vm.unlock": [(VM_ID,)],
    "one.vm.schedadd": [(VM_ID, "SCHED_ACTION=[ACTION=terminate,TIME=5]")],
    "one.vm.schedupdate": [(VM_ID, 0, "SCHED_ACTION=[TIME=5]")],
    "one.vm.scheddelete": [(VM_ID, 0)],
    "one.vm.update": [(VM_ID, "X=1", append) for append in (0, 1)],
    "one.vm.rename": [(VM_ID, "mine")],
    "one.vm.chmod": [(VM_ID, *FLAGS), (VM_ID, *[-1] * 9)],
    "one.vm.chown": [(VM_ID, EVE_ID, -1), (VM_ID, -1, GUESTS_GID), (VM_ID, -1, -1)],
    "one.vm.info": [(VM_ID,), (99,)],
    "one.vm.monitoring": [(VM_ID,), (99,)],
    "trifid.vm.monitoring": [(VM_ID,), (VM_ID, 300), (99,)],
    "trifid.vm.explain": [(VM_ID,), (VM_ID, -1), (99,)],
    "trifid.placement.dry_run": [
        (f'{{"vms": [{item}]}}',)
        for item in (
            '{"template": "CPU=1\\nMEMORY=64"}',
            f'{{"template_id": {TEMPLATE_ID}}}',
            f'{{"vm": {VM_ID}, "action": "deploy", "host": {HOST_ID}}}',
            f'{{"vm": {VM_ID}, "action": "migrate"}}',
            f'{{"action": "flush", "host": {HOST_ID}}}',
        )
    ],
    "one.host.allocate": [("node2", "dummy", "dummy", -1)],
    "one.host.delete": [(HOST_ID,)],
    "one.host.info": [(HOST_ID,)],
    "one.host.monitoring": [(HOST_ID,), (99,)],
    "trifid.host.monitoring": [(HOST_ID,), (HOST_ID, 3600), (99,)],
    "one.host.status": [(HOST_ID, status) for status in range(3)],
    "one.host.update": [(HOST_ID, "X=1", 1)],
    "one.host.rename": [(HOST_ID, "other")],
    "trifid.host.resync": [(HOST_ID,), (HOST_ID, True), (HOST_ID, True, VM_ID)],
    "trifid.host.fenced": [(HOST_ID,), (99,)],
    "trifid.host.signs": [(HOST_ID,), (99,)],
    "trifid.host.key": [(HOST_ID,)],
    "trifid.host.accept_key": [(HOST_ID,), (HOST_ID, "SHA256:x", True)],
    "trifid.host.import_vm": [(HOST_ID, "legacy"), (HOST_ID, "")],
    "one.vn.allocate": [(f"NAME=x\nVN_MAD=bridge\nBRIDGE=br0\n{AR}", -1)],
    "one.vn.delete": [(NETWORK_ID,)],
    "one.vn.info": [(NETWORK_ID,)],
    "one.vn.update": [(NETWORK_ID, "X=1", 1)],
    "one.vn.rename": [(NETWORK_ID, "mine")],
    "one.vn.chmod": [(NETWORK_ID, *FLAGS)],
    "one.vn.chown": [(NETWORK_ID, EVE_ID, -1)],
    "one.vn.add_ar": [(NETWORK_ID, AR)],
    "one.vn.rm_ar": [(NETWORK_ID, 0)],
    "one.vn.update_ar": [(NETWORK_ID, "AR=[AR_ID=0,SIZE=5]")],
    "one.vn.hold": [(NETWORK_ID, "LEASES=[IP=10.0.0.2]")],
    "one.vn.release": [(NETWORK_ID, "LEASES=[IP=10.0.0.2]")],
    "one.vn.reserve": [(NETWORK_ID, "SIZE=2\nNAME=mine")],
    "one.vn.free_ar": [(NETWORK_ID, 0)],
    "one.vn.recover": [(NETWORK_ID, operation) for operation in range(4)],
    "one.vn.lock": [(NETWORK_ID, level, test) for level in (1, 4) for test in (False, True)],
    "one.vn.unlock": [(NETWORK_ID,)],
    "one.image.allocate": [("NAME=x\nSIZE=1", 1), ("NAME=x\nPATH=/etc/passwd", 1, True)],
    "one.image.delete": [(IMAGE_ID,), (IMAGE_ID, True)],
    "one.image.clone": [(IMAGE_ID, "mine"), (IMAGE_ID, "mine", 1)],
    "one.image.restore": [(IMAGE_ID, 1, "")],
    "one.image.info": [(IMAGE_ID,), (99,)],
    "one.image.update": [(IMAGE_ID, "X=1", append) for append in (0, 1)],
    "one.image.rename": [(IMAGE_ID, "mine")],
    "one.image.chmod": [(IMAGE_ID, *FLAGS), (IMAGE_ID, *[-1] * 9)],
    "one.image.chown": [(IMAGE_ID, EVE_ID, -1), (IMAGE_ID, -1, GUESTS_GID)],
    "one.image.enable": [(IMAGE_ID, enabled) for enabled in (False, True)],
    "one.image.persistent": [(IMAGE_ID, True)],
    "one.image.chtype": [(IMAGE_ID, "DATABLOCK")],
    "one.image.lock": [(IMAGE_ID, 1, False), (IMAGE_ID, 4, True)],
    "one.image.unlock": [(IMAGE_ID,)],
    "one.image.snapshotdelete": [(IMAGE_ID, 0)],
    "one.image.snapshotrevert": [(IMAGE_ID, 0)],
    "one.image.snapshotflatten": [(IMAGE_ID, 0)],
    "trifid.image.resize": [(IMAGE_ID, 200)],
    "one.datastore.allocate": [("NAME=x\nDS_MAD=fs\nTM_MAD=dummy", -1)],
    "one.datastore.delete": [(0,), (1,), (99,)],
    "one.datastore.info": [(0,), (1,), (2,)],
    "one.datastore.update": [(1, "SAFE_DIRS=/", append) for append in (0, 1)],
    "one.datastore.rename": [(1, "mine")],
    "one.datastore.chmod": [(1, *FLAGS)],
    "one.datastore.chown": [(1, EVE_ID, -1)],
    "one.datastore.enable": [(0, False)],
    "one.template.allocate": [("NAME=x\nCPU=1",)],
    "one.template.delete": [(TEMPLATE_ID,), (TEMPLATE_ID, True)],
    "one.template.info": [(TEMPLATE_ID,), (TEMPLATE_ID, True)],
    "one.template.update": [(TEMPLATE_ID, "X=1", append) for append in (0, 1)],
    "one.template.rename": [(TEMPLATE_ID, "mine")],
    "one.template.chmod": [(TEMPLATE_ID, *FLAGS), (TEMPLATE_ID, *FLAGS, True)],
    "one.template.chown": [(TEMPLATE_ID, EVE_ID, -1), (TEMPLATE_ID, -1, GUESTS_GID)],
    "one.template.lock": [(TEMPLATE_ID, 1, False), (TEMPLATE_ID, 4, True)],
    "one.template.unlock": [(TEMPLATE_ID,)],
    "one.template.instantiate": [(TEMPLATE_ID, ""), (TEMPLATE_ID, "mine", True, TEMPLATE, True)],
    "one.template.clone": [(TEMPLATE_ID, "mine"), (TEMPLATE_ID, "mine", True)],
    "one.secgroup.allocate": [("NAME=x\nRULE=[PROTOCOL=TCP,RULE_TYPE=inbound]",)],
    "one.secgroup.delete": [(0,), (99,)],
    "one.secgroup.info": [(99,)],
    "one.secgroup.update": [(0, "X=1", append) for append in (0, 1)],
    "one.secgroup.rename": [(0, "mine")],
    "one.secgroup.chmod": [(0, *FLAGS)],
    "one.secgroup.chown": [(0, EVE_ID, -1), (0, -1, GUESTS_GID)],
    "one.secgroup.clone": [(0, "mine")],
    "one.secgroup.commit": [(0, False), (0, True)],
    "one.vmgroup.allocate": [("NAME=x\nROLE=[NAME=a]",)],
    "one.vmgroup.delete": [(VM_GROUP_ID,), (99,)],
    "one.vmgroup.info": [(VM_GROUP_ID,), (99,)],
    "one.vmgroup.update": [(VM_GROUP_ID, "X=1", append) for append in (0, 1)],
    "one.vmgroup.rename": [(VM_GROUP_ID, "mine")],
    "one.vmgroup.chmod": [(VM_GROUP_ID, *FLAGS)],
    "one.vmgroup.chown": [(VM_GROUP_ID, EVE_ID, -1), (VM_GROUP_ID, -1, GUESTS_GID)],
    "one.vmgroup.lock": [(VM_GROUP_ID, 1, False), (VM_GROUP_ID, 4, True)],
    "one.vmgroup.unlock": [(VM_GROUP_ID,)],
    "one.vmgroup.roleadd": [(VM_GROUP_ID, "ROLE=[NAME=b]")],
    "one.vmgroup.roledelete": [(VM_GROUP_ID, 0)],
    "one.vmgroup.roleupdate": [(VM_GROUP_ID, 0, "ROLE=[NAME=b]")],
    "one.vm.vmgroupadd": [(VM_ID, VM_GROUP_ID, "web"), (VM_ID, 99, "web")],
    "one.vm.vmgroupdel": [(VM_ID,)],
    "one.cluster.allocate": [("mine",)],
    "one.cluster.delete": [(0,), (99,)],
    "one.cluster.info": [(0,), (99,)],
    "one.cluster.update": [(0, "X=1", append) for append in (0, 1)],
    "one.cluster.rename": [(0, "mine")],
    **{f"one.cluster.{verb}host": [(0, HOST_ID), (99, HOST_ID)] for verb in ("add", "del")},
    **{f"one.cluster.{verb}datastore": [(0, 1)] for verb in ("add", "del")},
    **{f"one.cluster.{verb}vnet": [(0, NETWORK_ID)] for verb in ("add", "del")},
    "one.vntemplate.allocate": [("NAME=x\nVN_MAD=bridge",)],
    "one.vntemplate.delete": [(VN_TEMPLATE_ID,)],
    "one.vntemplate.info": [(VN_TEMPLATE_ID,)],
    "one.vntemplate.update": [(VN_TEMPLATE_ID, "X=1", append) for append in (0, 1)],
    "one.vntemplate.rename": [(VN_TEMPLATE_ID, "mine")],
    "one.vntemplate.chmod": [(VN_TEMPLATE_ID, *FLAGS)],
    "one.vntemplate.chown": [(VN_TEMPLATE_ID, EVE_ID, -1)],
    "one.vntemplate.clone": [(VN_TEMPLATE_ID, "mine")],
    "one.vntemplate.lock": [(VN_TEMPLATE_ID, 1, False), (VN_TEMPLATE_ID, 4, True)],
    "one.vntemplate.unlock": [(VN_TEMPLATE_ID,)],
    "one.vntemplate.instantiate": [(VN_TEMPLATE_ID, "mine", ""), (VN_TEMPLATE_ID, "", "VN_MAD=bridge")],
    "one.document.allocate": [("NAME=x", 100)],
    "one.document.delete": [(DOCUMENT_ID,), (99,)],
    "one.document.info": [(DOCUMENT_ID,), (99,)],
    "one.document.update": [(DOCUMENT_ID, "X=1", append) for append in (0, 1)],
    "one.document.rename": [(DOCUMENT_ID, "mine")],
    "one.document.chmod": [(DOCUMENT_ID, *FLAGS), (DOCUMENT_ID, *[-1] * 9)],
    "one.document.chown": [(DOCUMENT_ID, EVE_ID, -1), (DOCUMENT_ID, -1, GUESTS_GID)],
    "one.document.clone": [(DOCUMENT_ID, "mine")],
    "one.document.lock": [(DOCUMENT_ID, 1, False), (DOCUMENT_ID, 4, True)],
    "one.document.unlock": [(DOCUMENT_ID,)],
    "one.zone.rename": [(0, "mine"), (7, "mine")],
    "one.zone.update": [(0, "X=1", append) for append in (0, 1)],
    "one.zone.enable": [(0, False), (0, True)],
    "one.user.allocate": [("mallory", "pw", "core", []), ("mallory", "pw", "core", [0])],
    "one.user.delete": [(0,), (ALICE_ID,), (EVE_ID,)],
    "one.user.info": [(0,), (ALICE_ID,)],
    "one.user.passwd": [(0, "mine"), (ALICE_ID, "mine"), (99, "mine")],
    "one.user.chauth": [(0, "core", "mine"), (ALICE_ID, "core", "mine"), (EVE_ID, "public", ""), (99, "core", "x")],
    "trifid.user.import_hash": [(0, "0" * 40), (ALICE_ID, "0" * 64), (EVE_ID, "0" * 64), (99, "0" * 64)],
    "one.user.login": [("oneadmin", "", 60), ("alice", "", 60, STAFF_GID), ("alice", "", 0), ("nobody", "", 60)],
    "one.user.update": [(0, "X=1", 1), (ALICE_ID, "X=1", 1)],
    "one.user.enable": [(ALICE_ID, False), (EVE_ID, True)],
    "one.user.chgrp": [(EVE_ID, 0)],
    "one.user.addgroup": [(EVE_ID, 0), (EVE_ID, STAFF_GID)],
    "one.user.delgroup": [(EVE_ID, GUESTS_GID), (ALICE_ID, STAFF_GID)],
    "one.vmpool.calculateshowback": [(-1, -1, -1, -1)],
    "one.user.quota": [(EVE_ID, "VM=[VMS=-2]"), (ALICE_ID, "VM=[VMS=0]")],
    "one.group.quota": [(GUESTS_GID, "VM=[VMS=-2]"), (1, "VM=[VMS=0]")],
    "one.userquota.info": [()],
    "one.userquota.update": [("VM=[VMS=0]",)],
    "one.groupquota.info": [()],
    "one.groupquota.update": [("VM=[VMS=0]",)],
    "one.group.allocate": [("mine",)],
    "one.group.delete": [(STAFF_GID,)],
    "one.group.info": [(0,), (STAFF_GID,)],
    "one.group.update": [(STAFF_GID, "X=1", 1), (GUESTS_GID, "X=1", 1)],
    "one.group.addadmin": [(GUESTS_GID, EVE_ID), (STAFF_GID, ALICE_ID)],
    "one.group.deladmin": [(STAFF_GID, ALICE_ID), (GUESTS_GID, EVE_ID)],
    "one.acl.info": [()],
    "one.hook.allocate": [("NAME=x\nTYPE=api\nCALL=one.vm.info\nCOMMAND=x",)],
    "one.hook.delete": [(HOOK_ID,), (99,)],
    "one.hook.info": [(HOOK_ID,), (HOOK_ID, True), (99,)],
    "one.hook.update": [(HOOK_ID, "COMMAND=x", append) for append in (0, 1)],
    "one.hook.rename": [(HOOK_ID, "mine")],
    "one.hook.lock": [(HOOK_ID, 1, False), (HOOK_ID, 4, True)],
    "one.hook.unlock": [(HOOK_ID,)],
    "one.hook.retry": [(HOOK_ID, 0), (99, 0)],
    "one.hooklog.info": [(-1, -1, -1, 0), (-1, -1, HOOK_ID, 0)],
    "one.acl.addrule": [("400000000", "1000400000000", "1", "400000000"), ("mine", "", "", "")],
    "one.acl.delrule": [(0,), (99,)],
    "one.vdc.allocate": [("NAME=mine",)],
    "one.vdc.delete": [(0,), (99,)],
    "one.vdc.info": [(0,)],
    "one.vdc.update": [(0, "X=1", 1)],
    "one.vdc.rename": [(0, "mine")],
    "one.vdc.addgroup": [(0, GUESTS_GID)],
    "one.vdc.delgroup": [(0, 1)],
    **{f"one.vdc.{verb}{word}": [(0, 0, -10), (0, 0, 0)] for verb in ("add", "del") for word in VDC_RESOURCES},
    "trifid.event.list": [(-1,), (0,)],
    "trifid.audit.list": [(), (5, 10)],
    "trifid.event.story": [("VM", VM_ID), ("HOST", HOST_ID), ("NET", NETWORK_ID), ("USER", EVE_ID), ("ENGINE", 0)],
}
"""Calls that a stranger is refused, by method."""

SHOW_NOTHING = {
    "one.vmpool.info": (-2, -1, -1, -2),
    "one.vmpool.infoextended": (-2, -1, -1, -2),
    "one.vmpool.infoset": (str(VM_ID), True),
    "one.hostpool.info": (),
    "one.vmpool.monitoring": (-2, 0),
    "one.vmpool.accounting": (-2, -1, -1),
    "one.vmpool.showback": (-2, -1, -1, -1, -1),
    "one.hostpool.monitoring": (0,),
    "one.vnpool.info": (-2, -1, -1),
    "one.templatepool.info": (-2, -1, -1),
    "one.imagepool.info": (-2, -1, -1),
    "one.datastorepool.info": (),
    "one.clusterpool.info": (),
    "one.vntemplatepool.info": (-2, -1, -1),
    "one.vmgrouppool.info": (-2, -1, -1),
    "one.hookpool.info": (),
    "one.documentpool.info": (-2, -1, -1, 100),
    "one.vdcpool.info": (),
}
"""Lists that a stranger may ask for, in which there is nothing."""

SHOW_THE_CALLER = {"one.userpool.info": ("<USER>", EVE_ID), "one.grouppool.info": ("<GROUP>", GUESTS_GID)}
"""Lists in which a stranger is alone."""

FOR_ALL = {"one.secgrouppool.info": ("<SECURITY_GROUP>", 0)}
"""Lists in which there is one thing, which is everybody's."""

OPEN = {
    "one.system.version",
    "trifid.system.version",
    "one.system.config",
    "one.zone.info",
    "one.zonepool.info",
    "one.zone.raftstatus",
}
"""What everybody who has a session may know."""


def test_every_method_is_here() -> None:
    tried = {*REFUSED, *SHOW_NOTHING, *SHOW_THE_CALLER, *FOR_ALL, *OPEN}
    nothing = {name for name in METHODS if name.endswith("pool.info") and name not in tried}
    assert tried | nothing == {name for name, method in METHODS.items() if method.is_supported}
    assert {METHODS[name].handler.__module__ for name in nothing} == {"trifid.methods.empty_pools"}


@pytest.fixture(autouse=True)
async def _group(world):
    role = Role(0, "web")
    hook = Hook(HOOK_ID, "tell", HookType.API, template(COMMAND="tell.sh", CALL="one.vm.info"))
    document = Document(DOCUMENT_ID, ALICE_ID, 1, "service", 100)
    await world.put(VmGroup(VM_GROUP_ID, ALICE_ID, 1, "app", (role,), 1), document, hook)


@pytest.mark.parametrize(
    ("name", "arguments"), [(name, arguments) for name, calls in REFUSED.items() for arguments in calls]
)
async def test_a_stranger_is_refused_and_nothing_changes(world, name, arguments):
    commits = len(world.store.commits)
    assert await world.code(EVE, name, *arguments) in (NOT_ALLOWED, NOT_THERE)
    assert len(world.store.commits) == commits


@pytest.mark.parametrize(("name", "arguments"), SHOW_NOTHING.items())
async def test_a_stranger_sees_nothing_of_others(world, name, arguments):
    document = await world.ask(EVE, name, *arguments)
    assert document.count("<") == 2, document


@pytest.mark.parametrize(("name", "alone"), [*SHOW_THE_CALLER.items(), *FOR_ALL.items()])
async def test_a_stranger_is_alone(world, name, alone):
    element, object_id = alone
    document = await world.ask(EVE, name, *((-2, -1, -1) if name in FOR_ALL else ()))
    assert document.count(element) == 1
    assert f"{element}<ID>{object_id}</ID>" in document


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("session", ["eve:wrong", "nobody:token", "eve", ""])
async def test_who_has_no_session_is_refused_before_anything_is_looked_at(world, name, session):
    assert await world.code(session, name, *REFUSED[name][0]) == 0x0100
