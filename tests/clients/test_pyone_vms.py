"""pyone, unmodified: VMs and all that can be done with them; typed values, history records, pools."""

from collections.abc import Callable

import pyone
import pytest

from tests.system.home import Api

TEMPLATE = """
NAME = web
CPU = 0.5
VCPU = 1
MEMORY = 128
DISK = [ TYPE = fs, SIZE = 16, FORMAT = raw ]
NIC = [ NETWORK = private ]
CONTEXT = [ HOSTNAME = "web-$VMID", NETWORK = YES ]
GRAPHICS = [ TYPE = vnc, LISTEN = 0.0.0.0 ]
OWNER_NOTE = "a & b < c"
LABELS = "blue"
"""


class Vm:
    """A VM, and what tests ask of it."""

    def __init__(self, one: pyone.OneServer, api: Api, vm_id: int) -> None:
        self.one, self.api, self.id = one, api, vm_id

    @property
    def info(self) -> pyone.bindings.VMSub:
        """Its document."""
        return self.one.vm.info(self.id)

    @property
    def template(self) -> dict:
        """What it is made of."""
        return self.info.TEMPLATE

    @property
    def actions(self) -> list[int]:
        """The actions of its history records."""
        return [record.ACTION for record in self.info.HISTORY_RECORDS.HISTORY]

    def does(self, call: Callable[[], int], state: str = "RUNNING", answer: int | None = None) -> None:
        """Ask for something, check what is answered, and wait for the state that it ends in."""
        assert call() == (self.id if answer is None else answer)
        self.api.until_state(self.id, state)


@pytest.fixture(scope="module")
def host_ids(one: pyone.OneServer, api: Api) -> list[int]:
    """The ids of two hosts that take VMs; there is a network as well."""
    one.vn.allocate("NAME = private\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.3.0.1, SIZE = 20 ]", -1)
    return [api.monitored_host("node1"), api.monitored_host("node2")]


@pytest.fixture
def vm(one: pyone.OneServer, api: Api, host_ids: list[int]) -> Vm:
    """A VM that runs on the first host."""
    made = Vm(one, api, one.vm.allocate(TEMPLATE, True))
    made.does(lambda: one.vm.deploy(made.id, host_ids[0], False, -1, ""))
    return made


def test_a_running_vm_is_shown_whole(vm: Vm, host_ids: list[int]) -> None:
    found = vm.info
    assert (found.STATE, found.LCM_STATE, found.RESCHED) == (pyone.VM_STATE.ACTIVE, pyone.LCM_STATE.RUNNING, 0)
    assert (found.UID, found.UNAME, found.GNAME, found.ETIME) == (0, "oneadmin", "oneadmin", 0)
    assert found.DEPLOY_ID
    assert found.STIME > 0
    assert (found.PERMISSIONS.OWNER_U, found.PERMISSIONS.OWNER_A, found.PERMISSIONS.GROUP_U) == (1, 0, 0)
    assert {"LABELS": "blue", "OWNER_NOTE": "a & b < c", **rest_of(found.USER_TEMPLATE)} == found.USER_TEMPLATE
    template = found.TEMPLATE
    assert (template["CPU"], template["VCPU"], template["MEMORY"], template["VMID"]) == ("0.5", "1", "128", str(vm.id))
    assert template["CONTEXT"]["HOSTNAME"] == f"web-{vm.id}"
    assert template["CONTEXT"]["ETH0_IP"] == template["NIC"]["IP"]
    assert (template["DISK"]["SIZE"], template["DISK"]["DISK_ID"]) == ("16", "0")
    (record,) = found.HISTORY_RECORDS.HISTORY
    assert (0, "node1", host_ids[0], 0) == (record.SEQ, record.HOSTNAME, record.HID, record.CID)
    assert (record.VM_MAD, record.TM_MAD, record.DS_ID, record.ETIME) == ("dummy", "dummy", 0, 0)
    assert (record.ACTION, record.UID, record.GID, record.REQUEST_ID) == (0, -1, -1, "-1")
    assert 0 < record.STIME <= record.PSTIME <= record.PETIME <= record.RSTIME


def rest_of(template: dict) -> dict:
    """Return what the engine and the scheduler tell in a user template."""
    return {name: value for name, value in template.items() if name.startswith("SCHED_")}


@pytest.mark.parametrize(
    ("action", "state", "back", "record"),
    [
        ("poweroff", "POWEROFF", "resume", 19),
        ("poweroff-hard", "POWEROFF", "resume", 20),
        ("suspend", "SUSPENDED", "resume", 10),
        ("reboot", "RUNNING", "", 0),
        ("reboot-hard", "RUNNING", "", 0),
        ("stop", "STOPPED", "deploy", 9),
        ("undeploy", "UNDEPLOYED", "deploy", 5),
        ("undeploy-hard", "UNDEPLOYED", "deploy", 6),
    ],
)
def test_it_goes_through_its_states(
    one: pyone.OneServer, vm: Vm, host_ids: list[int], action: str, state: str, back: str, record: int
) -> None:
    vm.does(lambda: one.vm.action(action, vm.id), state)
    assert vm.actions[0] == record
    if back == "resume":
        vm.does(lambda: one.vm.action("resume", vm.id))
    elif back == "deploy":
        vm.does(lambda: one.vm.deploy(vm.id, host_ids[0]))
    vm.does(lambda: one.vm.action("terminate", vm.id), "DONE")
    assert vm.info.ETIME > 0


def test_it_waits_is_released_and_marked(one: pyone.OneServer, api: Api, vm: Vm) -> None:
    held = Vm(one, api, one.vm.allocate(TEMPLATE, True))
    assert held.info.STATE == pyone.VM_STATE.HOLD
    vm.does(lambda: one.vm.action("resched", vm.id), "RUNNING")
    vm.does(lambda: one.vm.action("unresched", vm.id), "RUNNING")
    held.does(lambda: one.vm.action("release", held.id), "RUNNING")
    for done in (held, vm):
        done.does(lambda done=done: one.vm.action("terminate-hard", done.id), "DONE")


def test_it_moves_live_and_cold(one: pyone.OneServer, vm: Vm, host_ids: list[int]) -> None:
    first, second = host_ids
    vm.does(lambda: one.vm.migrate(vm.id, second, True))
    vm.does(lambda: one.vm.migrate(vm.id, first, False))
    vm.does(lambda: one.vm.migrate(vm.id, second, False, False, -1, 1))
    records = vm.info.HISTORY_RECORDS.HISTORY
    assert [record.HID for record in records] == [first, second, first, second]
    assert [record.ACTION for record in records] == [2, 1, 48, 0]
    assert all(record.ETIME > 0 for record in records[:-1])
    vm.does(lambda: one.vm.action("terminate", vm.id), "DONE")


def test_disks_and_nics_come_and_go(one: pyone.OneServer, api: Api, vm: Vm) -> None:
    vm.does(lambda: one.vm.attach(vm.id, "DISK = [ TYPE = swap, SIZE = 8 ]"))
    assert [disk["DISK_ID"] for disk in vm.template["DISK"]] == ["0", "2"]  # 1 is the context
    vm.does(lambda: one.vm.detach(vm.id, 2))
    assert vm.template["DISK"]["DISK_ID"] == "0"
    given = []
    for _ in range(3):
        vm.does(lambda: one.vm.attachnic(vm.id, "NIC = [ NETWORK = private ]"))
        given.append((vm.template["NIC"][1]["NIC_ID"], vm.template["NIC"][1]["IP"]))
        vm.does(lambda: one.vm.detachnic(vm.id, 1))
    numbers, addresses = zip(*given, strict=True)
    assert numbers == ("1", "1", "1")
    assert len(set(addresses)) == 3
    vm.does(lambda: one.vm.updatenic(vm.id, 0, "NIC = [ INBOUND_AVG_BW = 100 ]", 1))
    assert vm.template["NIC"]["INBOUND_AVG_BW"] == "100"
    vm.does(lambda: one.vm.diskresize(vm.id, 0, "32"))
    assert vm.template["DISK"]["SIZE"] == "32"
    assert vm.actions == [21, 22, 23, 24, 23, 24, 23, 24, 29, 0]
    vm.does(lambda: one.vm.action("terminate", vm.id), "DONE")


def test_snapshots_of_the_machine_and_of_disks(one: pyone.OneServer, api: Api, vm: Vm) -> None:
    vm.does(lambda: one.vm.snapshotcreate(vm.id, "first"), answer=0)
    vm.does(lambda: one.vm.snapshotcreate(vm.id, "second"), answer=1)
    vm.does(lambda: one.vm.snapshotrevert(vm.id, 0))
    vm.does(lambda: one.vm.snapshotdelete(vm.id, 1))
    assert [snapshot["NAME"] for snapshot in vm.template["SNAPSHOT"]] == ["first"]
    vm.does(lambda: one.vm.action("poweroff", vm.id), "POWEROFF")
    vm.does(lambda: one.vm.disksnapshotcreate(vm.id, 0, "clean"), "POWEROFF", answer=0)
    vm.does(lambda: one.vm.disksnapshotcreate(vm.id, 0, "dirty"), "POWEROFF", answer=1)
    assert one.vm.disksnapshotrename(vm.id, 0, 1, "used") == vm.id
    vm.does(lambda: one.vm.disksnapshotrevert(vm.id, 0, 0), "POWEROFF")
    (snapshots,) = vm.info.SNAPSHOTS
    assert (snapshots.DISK_ID, snapshots.NEXT_SNAPSHOT) == (0, 2)
    kept = [(found.ID, found.NAME, found.ACTIVE) for found in snapshots.SNAPSHOT]
    assert kept == [(0, "clean", "YES"), (1, "used", None)]
    vm.does(lambda: one.vm.disksnapshotdelete(vm.id, 0, 1), "POWEROFF")
    image_id = one.vm.disksaveas(vm.id, 0, "saved", "", -1)
    api.until(lambda: pyone.IMAGE_STATES.READY.value == one.image.info(image_id).STATE, "the image is READY")
    api.until_state(vm.id, "POWEROFF")
    vm.does(lambda: one.vm.action("terminate", vm.id), "DONE")


def test_it_is_renamed_resized_configured_and_given_away(one: pyone.OneServer, vm: Vm) -> None:
    alice = one.user.allocate("alice", "al1ce-secret", "core", [])
    for call in (
        lambda: one.vm.rename(vm.id, "db"),
        lambda: one.vm.update(vm.id, "EXTRA = yes", 1),
        lambda: one.vm.chmod(vm.id, 1, 1, 0, 1, 1, 0, 1, 0, 0),
        lambda: one.vm.chown(vm.id, alice, 1),
        lambda: one.vm.lock(vm.id, 2, True),
        lambda: one.vm.unlock(vm.id),
    ):
        assert call() == vm.id
    found = vm.info
    assert (found.NAME, found.UNAME, found.GNAME, found.USER_TEMPLATE["EXTRA"]) == ("db", "alice", "users", "yes")
    assert (found.PERMISSIONS.GROUP_M, found.PERMISSIONS.OTHER_U) == (1, 1)
    vm.does(lambda: one.vm.resize(vm.id, "MEMORY = 256\nVCPU = 2", True))
    vm.does(lambda: one.vm.updateconf(vm.id, "GRAPHICS = [ TYPE = spice ]", 1))
    template = vm.template
    assert (template["MEMORY"], template["VCPU"], template["CPU"]) == ("256", "2", "0.5")
    assert (template["GRAPHICS"]["TYPE"].upper(), template["GRAPHICS"]["LISTEN"]) == ("SPICE", "0.0.0.0")
    assert vm.actions[-3:] == [35, 33, 0]
    vm.does(lambda: one.vm.action("terminate", vm.id), "DONE")


def test_actions_are_planned_changed_and_taken_back(one: pyone.OneServer, vm: Vm) -> None:
    planned = one.vm.schedadd(vm.id, 'SCHED_ACTION = [ ACTION = "poweroff", TIME = "+36000" ]')
    assert planned == 0
    assert one.vm.schedupdate(vm.id, planned, 'SCHED_ACTION = [ TIME = "+72000" ]') == planned
    template = vm.template["SCHED_ACTION"]
    (only,) = template if isinstance(template, list) else [template]
    assert only["ACTION"] == "poweroff"
    assert one.vm.scheddelete(vm.id, planned) == vm.id
    assert "SCHED_ACTION" not in vm.template
    vm.does(lambda: one.vm.action("terminate", vm.id), "DONE")


def test_it_is_recovered_and_deleted_whatever_it_is_in(one: pyone.OneServer, api: Api, vm: Vm) -> None:
    vm.does(lambda: one.vm.recover(vm.id, 4), "RUNNING")
    vm.does(lambda: one.vm.recover(vm.id, 3), "DONE")
    held = Vm(one, api, one.vm.allocate(TEMPLATE, True))
    assert one.vm.recover(held.id, 5) == held.id
    with pytest.raises(pyone.OneActionException, match="not available for state"):
        one.vm.action("poweroff", held.id)
    with pytest.raises(pyone.OneActionException, match='Action "fly" is not supported'):
        one.vm.action("fly", vm.id)


def test_pools_are_filtered_paged_short_and_full(one: pyone.OneServer, api: Api, vm: Vm) -> None:
    user_id = one.user.allocate("carla", "c4rla-secret", "core", [])
    hers = one.vm.allocate(TEMPLATE, True)
    one.vm.chown(hers, user_id, 1)
    pool, full = one.vmpool.info, one.vmpool.infoextended

    def ids(found: pyone.bindings.VM_POOLSub) -> list[int]:
        return [each.ID for each in found.VM]

    assert ids(pool(-2, -1, -1, -1))[:2] == [hers, vm.id]
    assert ids(pool(user_id, -1, -1, -1)) == [hers]
    assert vm.id in ids(pool(-3, -1, -1, -1))
    assert hers not in ids(pool(-3, -1, -1, -1))
    assert ids(pool(-2, -1, -1, 2))[0] == hers
    assert ids(pool(-2, -1, -1, 3))[0] == vm.id
    assert ids(pool(-2, vm.id, hers, -2)) == [hers, vm.id]
    assert ids(pool(-2, 0, -2, -1)) == [hers, vm.id]
    assert ids(pool(-2, 1, -2, -1))[0] == vm.id
    assert ids(one.vmpool.infoset(f"{vm.id},{hers}", True)) in ([vm.id, hers], [hers, vm.id])
    assert ids(one.vmpool.infoset("", False)) == []
    short = next(found for found in pool(-2, -1, -1, -1).VM if vm.id == found.ID)
    assert set(short.USER_TEMPLATE) <= {"LABELS", "AUTOMATIC_REQUIREMENTS", *rest_of(vm.info.USER_TEMPLATE)}
    assert {"CPU", "MEMORY", "VCPU", "DISK", "NIC", "GRAPHICS"} >= set(short.TEMPLATE)
    assert short.TEMPLATE["NIC"]["IP"] == vm.template["NIC"]["IP"]
    assert len(short.HISTORY_RECORDS.HISTORY) == 1
    whole = next(found for found in full(-2, -1, -1, 3).VM if vm.id == found.ID)
    assert whole.USER_TEMPLATE["OWNER_NOTE"] == "a & b < c"
    assert whole.HISTORY_RECORDS.HISTORY[0].HOSTNAME == "node1"
    for wrong in (-3, 12):
        with pytest.raises(pyone.OneApiException, match="Incorrect state filter"):
            pool(-2, -1, -1, wrong)
    one.vm.monitoring(vm.id)
    one.vmpool.monitoring(-2, 0)
    one.vm.action("terminate", hers)
    vm.does(lambda: one.vm.action("terminate", vm.id), "DONE")


def test_what_it_used_is_accounted_for(one: pyone.OneServer, vm: Vm) -> None:
    vm.does(lambda: one.vm.action("terminate", vm.id), "DONE")
    records = [record for record in one.vmpool.accounting(-2, -1, -1).HISTORY if vm.id == record.OID]
    assert [(record.HOSTNAME, record.ACTION, record.VM.NAME) for record in records] == [("node1", 27, "web")]
    assert records[0].ETIME >= records[0].STIME > 0
    assert one.vmpool.calculateshowback(-1, -1, -1, -1) == " "
    assert one.vmpool.showback(-2, -1, -1, -1, -1).SHOWBACK is not None
    with pytest.raises(pyone.OneApiException, match="Incorrect filter_flag"):
        one.vmpool.accounting(-9, -1, -1)
