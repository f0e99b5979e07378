"""Ansible's one_vm, unmodified: VMs by number, by label and by attribute, through all states that it knows."""

import json

import pyone
import pytest

from tests.clients.tools import Tools
from tests.system.home import Api

pytestmark = pytest.mark.timeout(300)  # Ansible starts a process for each task

TEMPLATE = """
NAME = web
CPU = 1
VCPU = 1
MEMORY = 128
DISK = [ IMAGE = disk, SIZE = 80 ]
CONTEXT = [ NETWORK = YES ]
GRAPHICS = [ TYPE = vnc, LISTEN = 0.0.0.0 ]
"""


@pytest.fixture(scope="module", autouse=True)
def template_id(one: pyone.OneServer, api: Api) -> int:
    """The id of a template with one disk and no NIC; a host, a network and an image are there as well."""
    api.monitored_host("node1")
    one.vn.allocate("NAME = private\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = 10.0.0.1, SIZE = 20 ]", -1)
    image_id = one.image.allocate("NAME = disk\nTYPE = DATABLOCK\nSIZE = 64", 1)
    api.until(lambda: one.image.info(image_id).STATE == 1, "the image is READY")
    made: int = one.template.allocate(TEMPLATE)
    return made


def vms(one: pyone.OneServer, *, labelled: str = "") -> dict[str, pyone.bindings.VMSub]:
    """Return the VMs that are not DONE by their names."""
    found = [one.vm.info(vm.ID) for vm in one.vmpool.info(-2, -1, -1, -1).VM]
    return {vm.NAME: vm for vm in found if labelled in (vm.USER_TEMPLATE.get("LABELS") or "")}


def states(one: pyone.OneServer, labelled: str) -> set[tuple[int, int]]:
    """Return the states that VMs with a label are in."""
    return {(vm.STATE, vm.LCM_STATE) for vm in vms(one, labelled=labelled).values()}


def test_a_number_of_vms_is_there_and_stays(tools: Tools, one: pyone.OneServer) -> None:
    tools.converges("vms.yml", "create")
    found = vms(one, labelled="blue")
    assert set(found) == {"web-00", "web-01"}
    for vm in found.values():
        assert (vm.TEMPLATE["MEMORY"], vm.TEMPLATE["CPU"], vm.TEMPLATE["VCPU"]) == ("256", "0.25", "2")
        assert (vm.TEMPLATE["DISK"]["SIZE"], vm.TEMPLATE["NIC"]["NETWORK"]) == ("96", "private")
    tools.converges("vms.yml", "create", mode="660")
    assert {vm.PERMISSIONS.GROUP_M for vm in vms(one, labelled="blue").values()} == {1}


def test_vms_go_through_the_states_that_are_asked_for(tools: Tools, one: pyone.OneServer) -> None:
    assert tools.play("vms.yml", "running").changed == 0
    for tag, state in (("poweredoff", (8, 0)), ("running", (3, 3))):
        tools.converges("vms.yml", tag)
        assert states(one, "blue") == {state}
    assert tools.play("vms.yml", "rebooted").changed == 1
    assert states(one, "blue") == {(3, 3)}
    assert tools.play("vms.yml", "poweredoff", "--check").changed == 1
    assert states(one, "blue") == {(3, 3)}


def test_a_vm_waits_on_hold_and_is_released(tools: Tools, one: pyone.OneServer, template_id: int) -> None:
    assert tools.play("vms.yml", "hold,release", template_id=str(template_id)).changed == 2
    vm = vms(one)["waiting"]
    assert (vm.STATE, vm.LCM_STATE) == (3, 3)
    assert tools.play("vms.yml", "absent", ids=str(vm.ID)).changed == 1
    assert one.vm.info(vm.ID).STATE == pyone.VM_STATE.DONE


def test_a_vm_gets_another_owner_and_configuration(tools: Tools, one: pyone.OneServer) -> None:
    alice = one.user.allocate("alice", "secret", "core", [])
    vm_id = vms(one)["web-00"].ID
    for tag in ("owner", "updateconf"):
        tools.converges("vms.yml", tag, id=str(vm_id), owner=str(alice))
    vm = one.vm.info(vm_id)
    assert (alice, "users", 1, 0) == (vm.UID, vm.GNAME, vm.PERMISSIONS.GROUP_U, vm.PERMISSIONS.GROUP_M)
    assert vm.TEMPLATE["CONTEXT"]["NETWORK"] == "YES"


def test_a_disk_is_saved_as_an_image(tools: Tools, one: pyone.OneServer, api: Api) -> None:
    vm_id = vms(one)["web-01"].ID
    assert tools.play("vms.yml", "poweredoff,saveas", id=str(vm_id), hard="true").changed == 2
    (saved,) = [image for image in one.imagepool.info(-2, -1, -1).IMAGE if image.NAME == "saved"]
    assert (96, pyone.IMAGE_STATES.READY.value) == (saved.SIZE, saved.STATE)
    assert one.vm.info(vm_id).STATE == pyone.VM_STATE.POWEROFF
    assert tools.play("vms.yml", "running").changed == 1


def test_the_number_grows_and_shrinks(tools: Tools, one: pyone.OneServer) -> None:
    tools.play("vms.yml", "owner", id=str(vms(one)["web-00"].ID), owner="0")
    tools.converges("vms.yml", "create", count="3", expected="web-00,web-01,web-02", mode="640")
    assert len(vms(one, labelled="blue")) == 3
    ids = ",".join(str(vm.ID) for vm in vms(one).values())
    assert tools.play("vms.yml", "absent", ids=ids).changed == 1
    assert vms(one) == {}


def test_the_inventory_has_the_vms_that_run(tools: Tools, one: pyone.OneServer, api: Api, template_id: int) -> None:
    extra = 'NIC = [ NETWORK = private ]\nLABELS = "web, blue-green"\nSSH_PORT = 2222'
    running = one.template.instantiate(template_id, "web-7", False, extra, False)
    one.template.instantiate(template_id, "held", True, extra, False)
    api.until_state(running, "RUNNING")
    source = tools.path / "vms.opennebula.yml"
    source.write_text("plugin: community.general.opennebula\n")
    listed = json.loads(tools.run("ansible-inventory", "--list", "-i", str(source)).stdout)
    told = listed["_meta"]["hostvars"]
    assert set(told) == {"web-7"}
    assert (told["web-7"]["ansible_host"], told["web-7"]["ansible_port"]) == (told["web-7"]["v4_first_ip"], "2222")
    assert (told["web-7"]["id"], told["web-7"]["host"]) == (running, "node1")
    assert listed["web"]["hosts"] == listed["_blue_green"]["hosts"] == ["web-7"]
