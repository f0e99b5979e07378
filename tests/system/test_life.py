"""The whole life of a VM on a real engine with dummy drivers: every rest, every move, every device, and back."""

import time

import pyone
import pytest

from tests.system.home import Api, Home

NETWORK = 'NAME = "private"\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]'
TEMPLATE = """
NAME = web
CPU = 0.5
MEMORY = 128
DISK = [ SOURCE = "/images/etch.img", SIZE = 100 ]
NIC = [ NETWORK = "private" ]
CONTEXT = [ HOSTNAME = "web-$VMID" ]
"""


@pytest.fixture
def one(home: Home) -> pyone.OneServer:
    """An unmodified client of the engine."""
    session = (home.path / "one_auth").read_text().strip()
    return pyone.OneServer(f"http://127.0.0.1:{home.port}/RPC2", session=session)


@pytest.fixture
def hosts(api: Api) -> tuple[int, int]:
    return api.monitored_host("node1"), api.monitored_host("node2")


@pytest.fixture
def vm_id(one: pyone.OneServer, api: Api, hosts: tuple[int, int]) -> int:
    """A running VM."""
    one.vn.allocate(NETWORK, -1)
    made: int = one.vm.allocate(TEMPLATE)
    api.until_state(made, "RUNNING")
    return made


def action_numbers(one: pyone.OneServer, vm_id: int) -> list[int]:
    return [record.ACTION for record in one.vm.info(vm_id).HISTORY_RECORDS.HISTORY]


def free_addresses(one: pyone.OneServer) -> int:
    used: int = one.vnpool.info(-2, -1, -1).VNET[0].USED_LEASES
    return 20 - used


def other(api: Api, vm_id: int, hosts: tuple[int, int]) -> int:
    """The host that a VM is not on."""
    here = api.call("one.vm.info", vm_id).rpartition("<HID>")[2].partition("<")[0]
    return next(host for host in hosts if str(host) != here)


def test_a_vm_rests_in_every_way_and_runs_again(one: pyone.OneServer, api: Api, vm_id: int) -> None:
    for word, state in (
        ("suspend", "SUSPENDED"),
        ("stop", "STOPPED"),
        ("undeploy", "UNDEPLOYED"),
        ("undeploy-hard", "UNDEPLOYED"),
        ("poweroff", "POWEROFF"),
    ):
        assert one.vm.action(word, vm_id) == vm_id
        api.until_state(vm_id, state)
        assert one.vm.action("resume", vm_id) == vm_id
        api.until_state(vm_id, "RUNNING")
    assert action_numbers(one, vm_id) == [10, 9, 5, 6, 19, 0]
    one.vm.action("suspend", vm_id)
    api.until_state(vm_id, "SUSPENDED")
    one.vm.action("stop", vm_id)
    api.until_state(vm_id, "STOPPED")
    one.vm.action("terminate", vm_id)
    api.until_state(vm_id, "DONE")
    assert free_addresses(one) == 20


@pytest.mark.parametrize(("rest", "state"), [("poweroff", "POWEROFF"), ("suspend", "SUSPENDED")])
def test_a_vm_at_rest_moves_and_rests_there(
    one: pyone.OneServer, api: Api, vm_id: int, hosts: tuple[int, int], rest: str, state: str
) -> None:
    one.vm.action(rest, vm_id)
    api.until_state(vm_id, state)
    target = other(api, vm_id, hosts)
    one.vm.migrate(vm_id, target, True)
    api.until(lambda: api.state(vm_id) == state and other(api, vm_id, hosts) != target, "it rests there")
    one.vm.action("resume", vm_id)
    api.until_state(vm_id, "RUNNING")
    assert other(api, vm_id, hosts) != target


@pytest.mark.parametrize("kind", [1, 2])
def test_a_running_vm_moves_by_being_switched_off(
    one: pyone.OneServer, api: Api, vm_id: int, hosts: tuple[int, int], kind: int
) -> None:
    target = other(api, vm_id, hosts)
    one.vm.migrate(vm_id, target, False, False, -1, kind)
    api.until(lambda: api.state(vm_id) == "RUNNING" and other(api, vm_id, hosts) != target, "it runs there")
    assert action_numbers(one, vm_id)[0] == 47 + kind


def test_a_vm_begins_again_with_its_addresses(one: pyone.OneServer, api: Api, vm_id: int) -> None:
    address = one.vm.info(vm_id).TEMPLATE["NIC"]["IP"]
    one.vm.recover(vm_id, 4)
    api.until(lambda: api.state(vm_id) == "RUNNING" and len(action_numbers(one, vm_id)) == 2, "it runs again")
    assert one.vm.info(vm_id).TEMPLATE["NIC"]["IP"] == address
    assert action_numbers(one, vm_id)[0] == 14


@pytest.mark.parametrize("state", ["RUNNING", "POWEROFF"])
def test_devices_come_and_go(one: pyone.OneServer, api: Api, vm_id: int, state: str) -> None:
    if state == "POWEROFF":
        one.vm.action("poweroff", vm_id)
        api.until_state(vm_id, state)

    def template() -> dict:
        api.until_state(vm_id, state)
        found: dict = one.vm.info(vm_id).TEMPLATE
        return found

    one.vm.attach(vm_id, "DISK = [ TYPE = swap, SIZE = 8 ]")
    assert [disk["DISK_ID"] for disk in template()["DISK"]] == ["0", "2"]
    one.vm.attachnic(vm_id, "NIC = [ NETWORK = private, IP = 10.0.0.9 ]")
    assert [nic["IP"] for nic in template()["NIC"]] == ["10.0.0.1", "10.0.0.9"]
    one.vm.diskresize(vm_id, 0, "200")
    assert template()["DISK"][0]["SIZE"] == "200"
    one.vm.resize(vm_id, "MEMORY = 256", False)
    assert template()["MEMORY"] == "256"
    one.vm.detach(vm_id, 2)
    assert template()["DISK"]["DISK_ID"] == "0"
    one.vm.detachnic(vm_id, 0)
    assert template()["NIC"]["IP"] == "10.0.0.9"
    assert free_addresses(one) == 19
    assert "ERROR" not in one.vm.info(vm_id).USER_TEMPLATE


def test_a_machine_is_resumed_right_after_it_was_configured(one: pyone.OneServer, api: Api, vm_id: int) -> None:
    """As playbooks do, which know nothing of a context image that must be written before."""
    for number in range(3):
        one.vm.action("poweroff", vm_id)
        api.until_state(vm_id, "POWEROFF")
        one.vm.updateconf(vm_id, f'CONTEXT = [ HOSTNAME = "web{number}" ]')
        one.vm.action("resume", vm_id)
        api.until_state(vm_id, "RUNNING")
    assert one.vm.info(vm_id).TEMPLATE["CONTEXT"]["HOSTNAME"] == "web2"


def test_snapshots_of_the_machine_and_of_a_disk(one: pyone.OneServer, api: Api, vm_id: int) -> None:
    assert one.vm.snapshotcreate(vm_id, "first") == 0
    api.until_state(vm_id, "RUNNING")
    assert one.vm.snapshotcreate(vm_id, "") == 1
    api.until_state(vm_id, "RUNNING")
    one.vm.snapshotrevert(vm_id, 0)
    api.until_state(vm_id, "RUNNING")
    one.vm.snapshotdelete(vm_id, 1)
    api.until_state(vm_id, "RUNNING")
    assert api.vm(vm_id)["TEMPLATE"]["SNAPSHOT"]["NAME"] == "first"
    assert one.vm.disksnapshotcreate(vm_id, 0, "clean") == 0
    api.until_state(vm_id, "RUNNING")
    one.vm.action("poweroff", vm_id)
    api.until_state(vm_id, "POWEROFF")
    assert one.vm.disksnapshotcreate(vm_id, 0, "later") == 1
    api.until_state(vm_id, "POWEROFF")
    one.vm.disksnapshotrevert(vm_id, 0, 0)
    api.until_state(vm_id, "POWEROFF")
    one.vm.disksnapshotdelete(vm_id, 0, 1)
    api.until_state(vm_id, "POWEROFF")
    assert "ERROR" not in one.vm.info(vm_id).USER_TEMPLATE


def test_configuration_and_lock(one: pyone.OneServer, api: Api, vm_id: int) -> None:
    one.vm.updateconf(vm_id, "GRAPHICS = [ TYPE = vnc ]")
    api.until_state(vm_id, "RUNNING")
    vm = one.vm.info(vm_id)
    assert vm.TEMPLATE["GRAPHICS"]["TYPE"] == "vnc"
    assert [record.ACTION for record in vm.HISTORY_RECORDS.HISTORY] == [33, 0]
    one.vm.action("poweroff", vm_id)
    api.until_state(vm_id, "POWEROFF")
    one.vm.updateconf(vm_id, 'OS = [ BOOT = hd ]\nCONTEXT = [ HOSTNAME = "db-$VMID" ]', 1)
    assert one.vm.info(vm_id).TEMPLATE["CONTEXT"]["HOSTNAME"] == f"db-{vm_id}"
    one.vm.lock(vm_id, 4, True)
    assert one.vm.info(vm_id).LOCK.LOCKED == 1
    with pytest.raises(pyone.OneAuthorizationException, match="VM is locked"):
        one.vm.action("resume", vm_id)
    one.vm.unlock(vm_id)
    one.vm.action("resume", vm_id)
    api.until_state(vm_id, "RUNNING")


def test_what_is_scheduled_is_done_at_its_time(one: pyone.OneServer, api: Api, vm_id: int) -> None:
    later = one.vm.schedadd(vm_id, f"SCHED_ACTION = [ ACTION = suspend, TIME = {int(time.time()) + 1} ]")
    never = one.vm.schedadd(vm_id, "SCHED_ACTION = [ ACTION = terminate, TIME = 4000000000, REPEAT = 3, DAYS = 1 ]")
    api.until_state(vm_id, "SUSPENDED")
    assert list(one.vm.info(vm_id).SCHED_ACTIONS.ID) == [later, never]
    done = one.vm.info(vm_id).TEMPLATE["SCHED_ACTION"][0]
    assert (done["MESSAGE"] or "", int(done["DONE"]) > 0) == ("", True)
    one.vm.scheddelete(vm_id, later)
    assert list(one.vm.info(vm_id).SCHED_ACTIONS.ID) == [never]


def test_what_was_scheduled_for_a_time_when_no_engine_ran_is_done_after_it_started(
    home: Home, api: Api, one: pyone.OneServer, vm_id: int
) -> None:
    due = int(time.time()) + 1
    one.vm.schedadd(vm_id, f"SCHED_ACTION = [ ACTION = poweroff, TIME = {due} ]")
    home.kill()
    home.start()
    assert api.until_state(vm_id, "POWEROFF") == "POWEROFF"


def test_the_commands_wait_until_it_is_done(home: Home, api: Api, vm_id: int) -> None:
    for words in (
        ("suspend", "--wait"),
        ("resume", "--wait"),
        ("disk-attach", "--type", "swap", "--size", "8", "--wait"),
        ("nic-attach", "--network", "private", "--wait"),
        ("snapshot-create", "--wait"),
        ("stop", "--wait"),
        ("resume", "--wait"),
        ("undeploy", "--hard", "--wait"),
        ("resubmit", "--wait"),
        ("lock",),
        ("unlock",),
    ):
        home.run("onevm", words[0], str(vm_id), *words[1:])
    assert api.state(vm_id) == "RUNNING"
