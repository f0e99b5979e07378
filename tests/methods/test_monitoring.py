"""one.vm.monitoring and its kin: who sees what of it, and how far back."""

import base64
import json
import re

import pytest

from tests.methods.world import ADMIN, ALICE, BOB, EVE, HOST_ID, VM_ID, World
from trifid.core.access import Permissions
from trifid.core.samples import Kind
from trifid.core.vm.states import VmState
from trifid.store.samples import open_samples
from trifid.wire.lines import Message, pack

NOW = 1000


@pytest.fixture
async def world(tmp_path):
    made = await World(tmp_path, open_samples("sqlite:///t.db", tmp_path)).start()
    for at in (910, 940, 970, 1000):
        made.engine.samples.take(Kind.VM, VM_ID, at, {"CPU": str(at), "MEMORY": "2048", "NETRX": "5"})
        made.engine.samples.take(Kind.HOST, HOST_ID, at, {"FREE_CPU": str(at), "USED_CPU": "1"})
    yield made
    await made.engine.stop()


def say(world, word: str, text: str) -> None:
    """The information driver says something of the host, now."""
    driver = world.engine.drivers.get("im", "dummy")
    world.engine.monitoring.said(driver, Message(word, "SUCCESS", HOST_ID, pack(text), NOW))


def moments(document: str) -> list[int]:
    return [int(one) for one in re.findall("<TIMESTAMP>([0-9]+)</TIMESTAMP>", document)]


async def test_an_owner_reads_all_that_was_measured_of_a_vm(world):
    document = await world.ask(ALICE, "one.vm.monitoring", VM_ID)
    assert moments(document) == [910, 940, 970, 1000]
    assert "<CPU><![CDATA[910]]></CPU><ID>5</ID><MEMORY><![CDATA[2048]]></MEMORY>" in document


async def test_an_administrator_reads_all_that_was_measured_of_a_host(world):
    document = await world.ask(ADMIN, "one.host.monitoring", HOST_ID)
    assert moments(document) == [910, 940, 970, 1000]
    assert f"<ID>{HOST_ID}</ID><CAPACITY><FREE_CPU><![CDATA[910]]></FREE_CPU>" in document


@pytest.mark.parametrize(("seconds", "found"), [(-1, [910, 940, 970, 1000]), (61, [940, 970, 1000]), (1, [1000])])
async def test_a_pool_is_read_as_far_back_as_asked(world, seconds, found):
    assert moments(await world.ask(ALICE, "one.vmpool.monitoring", -2, seconds)) == found
    assert moments(await world.ask(ADMIN, "one.hostpool.monitoring", seconds)) == found


async def test_all_is_what_a_pool_tells_when_nothing_is_said(world):
    assert len(moments(await world.ask(ALICE, "one.vmpool.monitoring", -2))) == 4
    assert len(moments(await world.ask(ADMIN, "one.hostpool.monitoring"))) == 4


async def test_nonsense_is_refused(world):
    assert await world.code(ALICE, "one.vmpool.monitoring", -2, -2) == 0x1000
    assert await world.code(ALICE, "one.vmpool.monitoring", -5, -1) == 0x1000
    assert await world.code(ALICE, "trifid.vm.monitoring", VM_ID, 60) == 0x1000
    assert await world.code(ALICE, "one.vm.monitoring", 99) == 0x0400


async def test_the_newest_is_what_the_drivers_said_last(world):
    monitor = base64.b64encode(b'CPU="77"\nMEMORY="4096"\n').decode()
    say(world, "MONITOR_VM", f'VM=[ID="{VM_ID}",MONITOR="{monitor}"]')
    say(world, "MONITOR_HOST", 'FREECPU="700"\nUSEDCPU="100"\nFREEMEMORY="9"\nUSEDMEMORY="1"\nNETRX="3"\n')
    of_vm = await world.ask(ALICE, "one.vmpool.monitoring", -2, 0)
    assert moments(of_vm) == [NOW]
    assert "<CPU><![CDATA[77]]></CPU>" in of_vm
    of_host = await world.ask(ADMIN, "one.hostpool.monitoring", 0)
    assert moments(of_host) == [NOW]
    assert "<FREE_CPU><![CDATA[700]]></FREE_CPU>" in of_host
    assert "<SYSTEM><NETRX><![CDATA[3]]></NETRX></SYSTEM>" in of_host


async def test_what_drivers_say_is_kept(world):
    monitor = base64.b64encode(b'CPU="77"\n').decode()
    say(world, "MONITOR_VM", f'VM=[ID="{VM_ID}",MONITOR="{monitor}"]')
    say(world, "MONITOR_HOST", 'FREECPU="700"\nUSEDCPU="100"\n')
    assert "<CPU><![CDATA[77]]></CPU>" in await world.ask(ALICE, "one.vm.monitoring", VM_ID)
    assert "<FREE_CPU><![CDATA[700]]></FREE_CPU>" in await world.ask(ADMIN, "one.host.monitoring", HOST_ID)


async def test_rights_are_those_of_the_vm(world):
    assert await world.code(BOB, "one.vm.monitoring", VM_ID) == 0x0200
    assert moments(await world.ask(BOB, "one.vmpool.monitoring", -2)) == []
    await world.change("vms", VM_ID, permissions=Permissions(0o640))
    assert len(moments(await world.ask(BOB, "one.vm.monitoring", VM_ID))) == 4
    assert len(moments(await world.ask(BOB, "one.vmpool.monitoring", -2))) == 4
    assert await world.code(EVE, "one.vm.monitoring", VM_ID) == 0x0200


async def test_a_vm_that_ended_can_still_be_looked_at(world):
    await world.change("vms", VM_ID, state=VmState.DONE, etime=1000)
    assert VM_ID not in world.memory.vms
    assert len(moments(await world.ask(ALICE, "one.vm.monitoring", VM_ID))) == 4
    assert await world.code(BOB, "one.vm.monitoring", VM_ID) == 0x0200


async def test_averages_are_asked_for_by_their_span(world):
    for at in range(0, 900, 30):
        world.engine.samples.take(Kind.VM, VM_ID, at, {"CPU": "4", "NETRX": str(at)})
    world.engine.samples.take(Kind.VM, VM_ID, NOW, {"CPU": "9"})
    told = json.loads(await world.ask(ALICE, "trifid.vm.monitoring", VM_ID, 300, -1))
    assert (told["kind"], told["id"], told["resolution_s"]) == ("VM", VM_ID, 300)
    assert told["samples"][0] == {"at": 0, "count": 10, "figures": {"CPU": 4, "NETRX": 270}}
    newest = json.loads(await world.ask(ALICE, "trifid.vm.monitoring", VM_ID, 0, 0))
    assert [one["at"] for one in newest["samples"]] == [1000]
    of_host = json.loads(await world.ask(ADMIN, "trifid.host.monitoring", HOST_ID, 0, 31))
    assert [one["at"] for one in of_host["samples"]] == [970, 1000]
