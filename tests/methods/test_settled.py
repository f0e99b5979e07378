"""A call is answered when what it began, and clients cannot see, is over: what they ask next is not too early."""

import asyncio

import pytest

from tests.methods.world import ALICE, VM_ID
from trifid.core.template.model import template
from trifid.core.vm import events
from trifid.core.vm.states import VmState
from trifid.engine.life import happen
from trifid.methods.dispatch import Dispatcher

CONTEXT = {"DISK_ID": "1", "TARGET": "hda", "HOSTNAME": "web"}
DISK = {"DISK_ID": "0", "SOURCE": "/images/a", "TARGET": "sda", "TYPE": "DISK", "READONLY": "NO"}


@pytest.fixture
async def resting(world):
    """The world with Alice's VM powered off, its context on a disk."""
    made = template(CPU="1", MEMORY="64", DISK=[DISK], CONTEXT=CONTEXT)
    await world.change("vms", VM_ID, state=VmState.POWEROFF, template=made)
    return world


def configure(world, settled_within_s: float) -> "asyncio.Task[object]":
    call = [ALICE, VM_ID, 'CONTEXT=[HOSTNAME="db"]', 1]
    return asyncio.create_task(Dispatcher(world.engine, settled_within_s)("one.vm.updateconf", call, "10.0.0.9:1"))


async def answered(world, event: type[events.Answer]) -> None:
    vm = world.memory.vms[VM_ID]
    await world.engine.turns.ask(lambda draft: happen(draft, vm, event(step=vm.step)))


async def until(world, state: VmState) -> None:
    while world.memory.vms[VM_ID].state is not state:
        await asyncio.sleep(0)


async def test_it_is_answered_once_the_context_image_is_written(resting):
    call = configure(resting, 60.0)
    await until(resting, VmState.POWEROFF_CONTEXT_LOOK)
    await answered(resting, events.Absent)
    await resting.all_asked()
    assert resting.memory.vms[VM_ID].state is VmState.POWEROFF_CONTEXT
    assert not call.done()
    await answered(resting, events.Done)
    assert (await call).success
    assert resting.memory.vms[VM_ID].state is VmState.POWEROFF


async def test_it_is_answered_all_the_same_when_that_takes_long(resting):
    assert (await configure(resting, 0.01)).success
    assert resting.memory.vms[VM_ID].state is VmState.POWEROFF_CONTEXT_LOOK


async def test_it_is_answered_all_the_same_when_the_engine_ends(resting):
    call = configure(resting, 60.0)
    await until(resting, VmState.POWEROFF_CONTEXT_LOOK)
    resting.engine.watch.close()
    assert (await call).success
