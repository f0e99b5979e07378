"""Calls that no other test is about: what they answer, and to whom."""

import re

import pytest

from tests.methods.world import ADMIN, ALICE, EVE, VM_ID, Refusal
from trifid import __version__


async def test_versions_are_told_to_everybody(world):
    assert await world.ask(EVE, "one.system.version") == "7.4.0"
    assert await world.ask(EVE, "trifid.system.version") == __version__


@pytest.mark.parametrize("extended", [False, True])
async def test_a_set_of_vms_is_those_of_the_ids_that_the_caller_may_see(world, extended):
    other = await world.ask(ADMIN, "one.vm.allocate", "NAME=other\nCPU=1\nMEMORY=64", True)

    async def ids(session, text):
        document = await world.ask(session, "one.vmpool.infoset", text, extended)
        return [int(number) for number in re.findall(r"<VM><ID>(\d+)</ID>", document)]

    assert await ids(ADMIN, f"{VM_ID},{other}") == [other, VM_ID]
    assert await ids(ADMIN, f" {VM_ID} , 999,") == [VM_ID]
    assert await ids(ALICE, f"{VM_ID},{other}") == [VM_ID]
    assert await ids(EVE, str(VM_ID)) == []
    assert await world.ask(ADMIN, "one.vmpool.infoset", "", extended) == "<VM_POOL></VM_POOL>"


@pytest.mark.parametrize("ids", ["x", "1;2", "1-3", "9" * 5000, "1,,x"])
async def test_a_set_that_is_no_list_of_ids_is_refused(world, ids):
    with pytest.raises(Refusal, match="ids must be numbers separated by commas") as refusal:
        await world.ask(ADMIN, "one.vmpool.infoset", ids, False)
    assert refusal.value.code == 0x1000


async def test_a_hook_that_is_deleted_is_gone(world):
    text = "NAME=told\nTYPE=state\nRESOURCE=HOST\nSTATE=ERROR\nCOMMAND=told.sh"
    hook_id = await world.ask(ADMIN, "one.hook.allocate", text)
    assert await world.code(ALICE, "one.hook.delete", hook_id) == 0x0200
    assert await world.ask(ADMIN, "one.hook.delete", hook_id) == hook_id
    assert await world.code(ADMIN, "one.hook.info", hook_id) == 0x0400
