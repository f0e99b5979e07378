"""resync and import_vm, called as clients call them; the host's driver is one that answers at once."""

import asyncio
import base64
import json

import pytest
from msgspec.structs import replace

from tests.engine.world import FakeDriver
from tests.methods.world import ADMIN, ALICE, HOST_ID, VM_ID, VM_OF_ALICE, Refusal
from trifid.core.vm.states import VmState as S
from trifid.core.wild import Wild
from trifid.engine.drivers import DriverSet
from trifid.wire.elements import one_element
from trifid.wire.lines import Message, pack, parse_to_driver

LEGACY = 'WILD=[DEPLOY_ID="legacy",UUID="8b1d0b8e-58a4-4bb6-a0a0-7ad9d7a0a0a0",STATE="RUNNING",VCPU="2",MEMORY="65536"]'


class Hypervisor(FakeDriver):
    """Lists the domains that a test puts into it, whenever it is asked."""

    def __init__(self, engine) -> None:
        super().__init__("im")
        self.domains = ""
        self._engine = engine

    def send(self, line: bytes) -> None:
        super().send(line)
        message = parse_to_driver(line)
        for word, text in (("START_MONITOR", ""), ("STATE_VM", f"SYNC_STATE=YES\n{self.domains}")):
            payload = pack(text) if text else "-"
            said = Message(word, "SUCCESS", message.oid, payload, 1000)
            asyncio.get_running_loop().call_soon(self._engine.monitoring.said, self, said)


@pytest.fixture
async def hypervisor(world):
    """The host's hypervisor, an hour after the VM last moved; it has the VM and a domain of somebody else's."""
    driver = Hypervisor(world.engine)
    world.engine.monitoring._drivers = DriverSet({("im", "dummy"): driver})
    world.engine.monitoring._moves = {VM_ID: (VM_OF_ALICE.step, 0)}
    driver.domains = f'VM=[ID="{VM_ID}",STATE="RUNNING"]\n{LEGACY}'
    return driver


async def resync(world, *arguments):
    return json.loads(await world.ask(ADMIN, "trifid.host.resync", HOST_ID, *arguments))


async def test_what_is_as_it_is_believed_differs_in_nothing(world, hypervisor):
    found = await resync(world)
    assert (found["host"], found["name"], found["differences"]) == (HOST_ID, "node1", [])
    assert [one["name"] for one in found["wilds"]] == ["legacy"]


async def test_a_vm_that_is_off_is_told_and_only_then_mended(world, hypervisor):
    hypervisor.domains = ""
    (one,) = (await resync(world))["differences"]
    assert (one["vm_id"], one["believed"], one["seen"], one["becomes"]) == (VM_ID, "RUNNING", "OFF", "POWEROFF")
    assert world.memory.vms[VM_ID].state is S.RUNNING
    assert (await resync(world, True, 77))["differences"] == []
    assert world.memory.vms[VM_ID].state is S.RUNNING, "only the VM that was named is mended"
    (mended,) = (await resync(world, True, VM_ID))["differences"]
    assert mended == one
    assert world.memory.vms[VM_ID].state is S.POWEROFF


async def test_a_wild_domain_becomes_a_vm_that_runs_without_any_driver(world, hypervisor):
    vm_id = await world.ask(ADMIN, "trifid.host.import_vm", HOST_ID, "legacy")
    vm = world.memory.vms[vm_id]
    assert (vm.state, vm.deploy_id, vm.name, vm.uid) == (S.RUNNING, "legacy", "legacy", 0)
    assert (vm.needs.cpu_percent, vm.needs.memory_mib) == (200, 64)
    assert vm.is_imported and vm.template.vector("OS")["UUID"].startswith("8b1d0b8e")
    assert (vm.current.host_id, vm.current.hostname, vm.current.rstime) == (HOST_ID, "node1", 1000)
    assert world.memory.actions == {}
    assert world.memory.vms_on[HOST_ID] == {VM_ID, vm_id}
    assert (await resync(world))["wilds"] == []


async def test_todays_way_of_importing_is_taken_for_what_it_is(world, hypervisor):
    """`onehost importvm` of OpenNebula submits the IMPORT_TEMPLATE, held or not, and deploys it to the host."""
    template = "NAME=legacy\nDEPLOY_ID=legacy\nCPU=2\nMEMORY=64"
    vm_id = await world.ask(ADMIN, "one.vm.allocate", template, False)
    await world.ask(ADMIN, "one.vm.deploy", vm_id, HOST_ID)
    vm = world.memory.vms[vm_id]
    assert (vm.state, vm.deploy_id, vm.is_imported) == (S.RUNNING, "legacy", True)
    assert vm_id not in world.memory.actions
    other = await world.ask(ADMIN, "one.vm.allocate", template.replace("DEPLOY_ID=legacy", "DEPLOY_ID=gone"), False)
    with pytest.raises(Refusal, match="has no wild domain gone"):
        await world.ask(ADMIN, "one.vm.deploy", other, HOST_ID)


async def test_a_host_shows_its_wild_domains_and_an_update_does_not_keep_them(world, hypervisor):
    await resync(world)
    host = one_element(await world.ask(ADMIN, "one.host.info", HOST_ID), "HOST")
    assert (host["TEMPLATE"]["TOTAL_WILDS"], host["TEMPLATE"]["WILDS"]) == ("1", "legacy")
    text = base64.b64decode(host["TEMPLATE"]["VM"]["IMPORT_TEMPLATE"]).decode()
    assert 'DEPLOY_ID="legacy"' in text.replace(" ", "")
    await world.ask(ADMIN, "one.host.update", HOST_ID, 'RACK=r1\nWILDS=x\nVM=[VM_NAME="x"]\nTOTAL_WILDS=1', 0)
    assert [name for name, _ in world.memory.hosts[HOST_ID].template] == ["RACK"]


@pytest.mark.parametrize(
    ("name", "domains", "text"),
    [
        ("gone", LEGACY, "no wild domain gone; it has: legacy"),
        ("legacy", LEGACY.replace("RUNNING", "SUSPENDED"), "is SUSPENDED, it must be RUNNING"),
        ("one-5", "", "no wild domain one-5; it has: none"),
    ],
)
async def test_only_a_domain_that_runs_and_is_wild_can_be_imported(world, hypervisor, name, domains, text):
    hypervisor.domains = f'VM=[ID="{VM_ID}",STATE="RUNNING"]\n{domains}'
    with pytest.raises(Refusal, match=text) as refusal:
        await world.ask(ADMIN, "trifid.host.import_vm", HOST_ID, name)
    assert refusal.value.code == 0x0800


async def test_a_second_domain_of_a_vm_that_runs_elsewhere_cannot_be_another_vm(world, hypervisor):
    elsewhere = replace(VM_OF_ALICE.history[0], host_id=9)
    await world.change("vms", VM_ID, history=(elsewhere,))
    with pytest.raises(Refusal, match="one-5 is VM 5, RUNNING"):
        await world.ask(ADMIN, "trifid.host.import_vm", HOST_ID, "one-5")


async def test_a_domain_is_imported_once(world, hypervisor):
    calls = [world.task(ADMIN, "trifid.host.import_vm", HOST_ID, "legacy") for _ in range(2)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, Refusal) for one in answers) == 1
    assert len(world.memory.vms) == 2


async def test_a_domain_whose_name_no_vm_may_have_is_imported_under_another(world, hypervisor):
    hypervisor.domains = LEGACY.replace('"legacy"', '"a<b"')
    vm = world.memory.vms[await world.ask(ADMIN, "trifid.host.import_vm", HOST_ID, "a<b")]
    assert (vm.deploy_id, vm.name) == ("a<b", f"one-{vm.id}")


async def test_who_does_not_administer_a_host_neither_compares_nor_imports(world, hypervisor):
    assert await world.code(ALICE, "trifid.host.resync", HOST_ID) == 0x0200
    assert await world.code(ALICE, "trifid.host.import_vm", HOST_ID, "legacy") == 0x0200
    assert await world.code(ADMIN, "trifid.host.resync", 99) == 0x0400


async def test_a_user_cannot_pretend_that_a_vm_was_imported(world):
    vm_id = await world.ask(ALICE, "one.vm.allocate", "CPU=1\nMEMORY=64\nIMPORTED=YES")
    assert not world.memory.vms[vm_id].is_imported


def test_a_domain_without_a_size_still_asks_for_something():
    assert Wild("x", vcpus=0).template.by_name().pairs == (("CPU", "1"), ("MEMORY", "1"), ("VCPU", "1"))
