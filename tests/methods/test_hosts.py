"""Hosts: their names, and what they are when they are enabled."""

import pytest
from msgspec.structs import replace

from tests.methods.world import ADMIN, HOST_ID, STAY, VM_ID, Refusal
from trifid.core.host import HostState
from trifid.core.template.model import template
from trifid.placement.reading import hosts
from trifid.wire.elements import one_element

ENABLE, DISABLE, OFFLINE = 0, 1, 2
FREE_ID = 7


@pytest.fixture
async def free(world):
    """A host without VMs."""
    await world.put(replace(world.memory.hosts[HOST_ID], id=FREE_ID, name="node7"))
    return world


async def state(world, **fields) -> HostState:
    """Return the state of a host of these fields after it was enabled."""
    await world.change("hosts", HOST_ID, **fields)
    await world.ask(ADMIN, "one.host.status", HOST_ID, ENABLE)
    return world.memory.hosts[HOST_ID].state


async def test_an_enabled_host_that_was_watched_meanwhile_takes_vms_at_once(world):
    assert await state(world, state=HostState.DISABLED) is HostState.MONITORED


async def test_an_enabled_host_that_is_in_trouble_is_waited_for(world):
    trouble = template(ERROR="not heard of")
    assert await state(world, state=HostState.DISABLED, template=trouble) is HostState.INIT


@pytest.mark.parametrize(
    "fields", [{"state": HostState.OFFLINE}, {"state": HostState.DISABLED, "total_cpu_percent": 0}]
)
async def test_an_enabled_host_that_nothing_is_known_of_is_waited_for(world, fields):
    assert await state(world, **fields) is HostState.INIT


@pytest.mark.parametrize("present", [HostState.INIT, HostState.MONITORED, HostState.ERROR])
async def test_a_host_that_is_enabled_stays_as_it_is(world, present):
    assert await state(world, state=present) is present


@pytest.mark.parametrize(("status", "after"), [(DISABLE, HostState.DISABLED), (OFFLINE, HostState.OFFLINE)])
async def test_a_host_is_disabled_or_switched_off(world, status, after):
    await world.ask(ADMIN, "one.host.status", HOST_ID, status)
    host = world.memory.hosts[HOST_ID]
    assert (host.state, host.prev) == (after, HostState.MONITORED)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("-oX", "it must not begin with '-'"),
        ("a b", "' ' is invalid character for a HOSTNAME"),
        ("a/b", "'/' is invalid character for a HOSTNAME"),
        ("a\nb", "is invalid character for a HOSTNAME"),
        ("a\x01b", "is not allowed"),
        ("", "it cannot be empty"),
        ("a" * 129, "it is longer than 128 characters"),
    ],
)
async def test_a_name_that_a_new_host_cannot_have_no_host_can_have(free, name, said):
    for method, arguments, code in (
        ("one.host.allocate", (name, "dummy", "dummy", -1), 0x4000),
        ("one.host.rename", (FREE_ID, name), 0x0800),
    ):
        with pytest.raises(Refusal, match=said) as refusal:
            await free.ask(ADMIN, method, *arguments)
        assert refusal.value.code == code


async def test_a_host_is_renamed_when_it_carries_nothing_and_the_name_is_free(free):
    await free.ask(ADMIN, "one.host.rename", FREE_ID, "node8")
    assert free.memory.hosts[FREE_ID].name == "node8"
    with pytest.raises(Refusal, match=f"because it collides with host {FREE_ID}"):
        await free.ask(ADMIN, "one.host.rename", HOST_ID, "node8")
    with pytest.raises(Refusal, match="carries VMs"):
        await free.ask(ADMIN, "one.host.rename", HOST_ID, "node9")


async def test_an_administrator_declares_devices_that_a_host_has(world):
    await world.ask(ADMIN, "one.host.update", HOST_ID, 'PCI = [ TYPE = "10de:1eb8:0302", ADDRESS = "3b:00.0" ]', 1)
    (host,) = hosts(f"<P>{await world.ask(ADMIN, 'one.host.info', HOST_ID)}</P>")
    assert [device.address for device in host.devices] == ["0000:3b:00.0"]


async def test_a_device_that_could_not_be_given_away_is_not_declared(world):
    with pytest.raises(
        Refusal, match=r"host node1 \[3\]: PCI 0: a device of a host needs an ADDRESS like 0000:3b:00.0"
    ):
        await world.ask(ADMIN, "one.host.update", HOST_ID, 'PCI = [ TYPE = "10de:1eb8:0302" ]', 1)
    assert "PCI" not in world.memory.hosts[HOST_ID].template


async def test_a_hosts_document_tells_at_once_who_has_a_device(world):
    device = template(PCI=[{"TYPE": "10de:1eb8:0302", "ADDRESS": "0000:3b:00.0"}])
    await world.change("hosts", HOST_ID, template=device)
    owners = []
    for devices in ((), ("0000:3b:00.0",), ()):
        await world.change("vms", VM_ID, history=(replace(STAY, devices=devices),))
        owners.append(one_element(await world.ask(ADMIN, "one.host.info", HOST_ID), "HOST"))
    assert [one["HOST_SHARE"]["PCI_DEVICES"]["PCI"]["VMID"] for one in owners] == ["-1", str(VM_ID), "-1"]
