"""What is written to the log of calls, and arguments that are refused rather than ignored."""

import logging

import pytest

from tests.methods.world import ADMIN, ALICE, HOST_ID, VM_ID, Refusal


@pytest.fixture
def lines(caplog):
    """A function that returns what the log has of calls, line by line."""
    caplog.set_level(logging.INFO, "trifid.call")
    return lambda: "\n".join(record.getMessage() for record in caplog.records).split("\n")


async def test_a_call_that_changes_something_is_a_line_of_the_log(world, lines):
    await world.ask(ALICE, "one.vm.rename", VM_ID, "other")
    await world.ask(ALICE, "one.vm.info", VM_ID)
    assert lines() == [f"one.vm.rename -> {VM_ID}  by 10 (alice) from 10.0.0.9:1234"]


async def test_a_refused_call_is_one_line_whatever_was_sent(world, lines):
    forged = "x\none.vm.action -> 5  by 0 (oneadmin) from 10.0.0.1:1\r\x1b[2J\u2028" + "y" * 10_000
    assert await world.code(ALICE, "one.vm.action", forged, VM_ID) == 0x0800
    (line,) = lines()
    assert line.isprintable() and len(line) < 1000
    assert line.startswith('one.vm.action refused (10.0.0.9:1234): Action "x?one.vm.action')


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("one.vm.allocate", ("PASSWORD = hunter2 hunter3", False)),
        ("one.vm.update", (VM_ID, "PASSWORD = hunter2 hunter3", 1)),
        ("one.vm.update", (VM_ID, "USER_PRIORITY = hunter2", 1)),
        ("one.user.update", (-1, "PASSWORD = hunter2 hunter3", 0)),
        ("one.host.update", (HOST_ID, "PASSWORD = hunter2 hunter3", 0)),
        ("one.vn.add_ar", (4, "AR = [ TYPE = IP4, IP = hunter2, SIZE = 1 ]")),
    ],
)
async def test_what_a_template_says_is_not_logged(world, lines, method, arguments):
    with pytest.raises(Refusal, match=r"(?i)hunter"):
        await world.ask(ADMIN, method, *arguments)
    assert lines() == [""]


async def test_a_template_for_deploy_is_refused_and_not_ignored(world):
    with pytest.raises(Refusal, match="deploy takes no template") as refusal:
        await world.ask(ADMIN, "one.vm.deploy", VM_ID, HOST_ID, False, -1, "SCHED_REQUIREMENTS=x")
    assert refusal.value.code == 0x0800
    with pytest.raises(Refusal, match="not available for state RUNNING"):
        await world.ask(ADMIN, "one.vm.deploy", VM_ID, HOST_ID, False, -1, " \n")
