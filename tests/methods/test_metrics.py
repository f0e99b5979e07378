"""What the engine tells of itself: figures that follow what happens, and names for administrators only."""

import base64

import pytest

from tests.methods.world import ADMIN, ALICE, HOST_ID, VM_ID
from trifid.core.host import Host, HostState
from trifid.errors import NotAllowed, NotAuthenticated
from trifid.methods.metrics import Distribution, engine_families, reader
from trifid.wire.lines import Message, pack


async def told(world, session=ADMIN, *, is_open=False, objects_max=10) -> dict[str, dict]:
    """Return all values by name of the figure."""
    tell = await reader(world.engine, is_open, objects_max)(session)
    return {family.name: family.values for family in tell()}


def say(world, word: str, text: str) -> None:
    driver = world.engine.drivers.get("im", "dummy")
    world.engine.monitoring.said(driver, Message(word, "SUCCESS", HOST_ID, pack(text), 1000))


async def test_calls_are_counted_by_how_they_ended(world):
    await world.ask(ALICE, "one.vm.info", VM_ID)
    await world.ask(ALICE, "one.vm.info", VM_ID)
    assert await world.code(ALICE, "one.vm.info", 99)
    assert await world.code("alice:wrong", "one.vm.info", VM_ID)
    await world.dispatch("one.vm.info", [ALICE, "five"], "peer")
    for name in ("one.vm.nothing", "one.vm.whatever"):
        await world.dispatch(name, [ALICE], "peer")
    found = await told(world)
    assert found["trifid_calls"] == {
        ("one.vm.info", "ok"): 2,
        ("one.vm.info", "refused"): 3,
        ("unknown", "refused"): 2,
    }
    duration = found["trifid_call_duration_seconds"][("one.vm.info",)]
    assert isinstance(duration, Distribution)
    assert duration.cumulated[-1] == (float("inf"), 5)


async def test_a_bug_counts_as_a_failure(world, monkeypatch):
    monkeypatch.setattr(world.engine.documents, "vm", lambda vm: 1 / 0)
    assert await world.code(ALICE, "one.vm.info", VM_ID) == 0x2000
    assert (await told(world))["trifid_calls"] == {("one.vm.info", "failed"): 1}


async def test_turns_and_their_commands_are_counted(world):
    before = await told(world)
    await world.ask(ALICE, "one.vm.rename", VM_ID, "other")
    after = await told(world)
    assert after["trifid_turns"][()] == before["trifid_turns"][()] + 1
    assert after["trifid_commands"][()] == before["trifid_commands"][()] + 1
    assert after["trifid_commit_duration_seconds"][()].cumulated[-1][1] == after["trifid_turns"][()]


async def test_pools_are_told_by_state_and_capacity_by_what_it_is(world):
    await world.put(Host(9, "node2", HostState.ERROR, "dummy", "dummy", total_cpu_percent=400, total_memory_kib=1024))
    say(world, "MONITOR_HOST", 'FREECPU="700"\nUSEDCPU="100"\nFREEMEMORY="9"\nUSEDMEMORY="1"\n')
    found = await told(world)
    assert found["trifid_vms"] == {("RUNNING",): 1}
    assert found["trifid_hosts"] == {("MONITORED",): 1, ("ERROR",): 1}
    assert found["trifid_cpu_cores"] == {("total",): 12, ("promised",): 1, ("used",): 1}
    assert found["trifid_memory_bytes"] == {("total",): 1 << 20, ("promised",): 64 << 20, ("used",): 1024}
    assert found["trifid_driver_up"][("im", "dummy")] == 0


async def test_administrators_see_each_host_and_vm_in_base_units(world):
    monitor = base64.b64encode(b'CPU="50"\nMEMORY="2048"\nNETRX="7"\nDISKRDIOPS="x"\n').decode()
    say(world, "MONITOR_VM", f'VM=[ID="{VM_ID}",MONITOR="{monitor}"]')
    say(world, "MONITOR_HOST", 'FREECPU="700"\nUSEDCPU="100"\nFREEMEMORY="9"\nUSEDMEMORY="1"\nNETTX="8"\n')
    found = await told(world)
    vm, host = (str(VM_ID), "web"), (str(HOST_ID), "node1")
    assert found["trifid_vm_cpu_cores"] == {vm: 0.5}
    assert found["trifid_vm_memory_bytes"] == {vm: 2048 * 1024}
    assert found["trifid_vm_network_receive_bytes"] == {vm: 7}
    assert found["trifid_vm_disk_reads"] == {}
    assert found["trifid_host_cpu_free_cores"] == {host: 7}
    assert found["trifid_host_memory_used_bytes"] == {host: 1024}
    assert found["trifid_host_network_transmit_bytes"] == {host: 8}
    assert found["trifid_objects_left_out"] == {("host",): 0, ("vm",): 0}


async def test_objects_beyond_the_bound_are_left_out_and_counted(world):
    say(world, "MONITOR_HOST", 'FREECPU="700"\n')
    found = await told(world, objects_max=0)
    assert found["trifid_host_cpu_free_cores"] == {}
    assert found["trifid_objects_left_out"] == {("host",): 1, ("vm",): 0}


async def test_strangers_and_users_read_nothing(world):
    with pytest.raises(NotAuthenticated):
        await told(world, None)
    with pytest.raises(NotAuthenticated):
        await told(world, "oneadmin:wrong")
    with pytest.raises(NotAllowed):
        await told(world, ALICE, is_open=True)


async def test_what_is_open_names_nobody(world):
    say(world, "MONITOR_HOST", 'FREECPU="700"\n')
    await world.ask(ALICE, "one.vm.info", VM_ID)
    found = await told(world, None, is_open=True)
    assert "trifid_vms" in found
    words = str([(name, list(values)) for name, values in found.items()])
    for name in ("web", "node1", "alice", "oneadmin", "lan"):
        assert f"'{name}'" not in words


async def test_a_figure_is_told_once(world):
    names = [family.name for family in engine_families(world.engine)]
    assert len(names) == len(set(names))
