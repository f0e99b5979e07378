"""trifid.host.key and accept_key, called as clients call them; the host's driver is one that answers at once."""

import asyncio
import json

import pytest

from tests.engine.world import FakeDriver
from tests.methods.world import ADMIN, ALICE, HOST_ID, Refusal
from trifid.core.host import HostState
from trifid.core.template.scanner import parse
from trifid.engine.drivers import DriverSet
from trifid.wire.lines import Message, pack, parse_to_driver, unpack

FINGERPRINT = "SHA256:aEHyWQYcE118RtxcVMDpWydBtnc7huguTaTccaEVG00"
KEY = f'TYPE="ssh-ed25519"\nFINGERPRINT="{FINGERPRINT}"\nSTANDING="new"\nBEFORE=""'


class Keys(FakeDriver):
    """Answers what a test puts into it; None: nothing at all."""

    def __init__(self, engine) -> None:
        super().__init__("im")
        self.answer: tuple[str, str] | None = ("SUCCESS", KEY)
        self._engine = engine

    def send(self, line: bytes) -> None:
        super().send(line)
        message = parse_to_driver(line)
        if message.type == "ACCEPT_KEY" and self.answer is not None:
            said = Message("ACCEPT_KEY", self.answer[0], message.oid, pack(self.answer[1]), 1000)
            asyncio.get_running_loop().call_soon(self._engine.monitoring.said, self, said)

    @property
    def asked(self):
        return [parse(unpack(m.payload)) for m in map(parse_to_driver, self.sent) if m.type == "ACCEPT_KEY"]


@pytest.fixture
async def driver(world):
    driver = Keys(world.engine)
    drivers = DriverSet({("im", "dummy"): driver})
    world.engine.monitoring._drivers = world.engine.monitoring.keys._drivers = drivers
    return driver


async def test_a_key_is_looked_at(world, driver):
    key = json.loads(await world.ask(ADMIN, "trifid.host.key", HOST_ID))
    assert key == {"type": "ssh-ed25519", "fingerprint": FINGERPRINT, "standing": "new", "before": ""}
    (asked,) = driver.asked
    assert (asked.vector("HOST")["NAME"], asked.single("MODE")) == ("node1", "LOOK")


@pytest.mark.parametrize(("arguments", "mode"), [((FINGERPRINT,), "ACCEPT"), ((FINGERPRINT, True), "REPLACE")])
async def test_a_key_that_is_accepted_is_noted(world, driver, arguments, mode):
    assert json.loads(await world.ask(ADMIN, "trifid.host.accept_key", HOST_ID, *arguments))["standing"] == "new"
    (asked,) = driver.asked
    assert (asked.single("MODE"), asked.single("FINGERPRINT")) == (mode, FINGERPRINT)
    events = json.loads(await world.ask(ADMIN, "trifid.event.list", 0, 0, 100))["events"]
    assert [event["text"] for event in events if event["what"] == "key accepted"] == [f"ssh-ed25519 {FINGERPRINT}"]


async def test_what_the_driver_refuses_is_told_and_the_host_is_not_put_in_error(world, driver):
    driver.answer = ("FAILURE", "host node1 offers another key")
    with pytest.raises(Refusal, match="host node1 offers another key"):
        await world.ask(ADMIN, "trifid.host.accept_key", HOST_ID, FINGERPRINT)
    assert world.memory.hosts[HOST_ID].state is HostState.MONITORED


async def test_one_question_at_a_time(world, driver):
    driver.answer = None
    first = asyncio.create_task(world.ask(ADMIN, "trifid.host.key", HOST_ID))
    while not driver.asked:
        await asyncio.sleep(0)
    with pytest.raises(Refusal, match="is being asked for already"):
        await world.ask(ADMIN, "trifid.host.key", HOST_ID)
    first.cancel()


async def test_a_driver_that_is_not_up_knows_no_key(world, driver):
    driver.is_ready = False
    with pytest.raises(Refusal, match="im driver dummy is not up"):
        await world.ask(ADMIN, "trifid.host.key", HOST_ID)


@pytest.mark.parametrize("wrong", ['SHA256:"', "a\nb", "x" * 101])
async def test_what_is_no_fingerprint_goes_no_further(world, driver, wrong):
    with pytest.raises(Refusal, match="must be like SHA256"):
        await world.ask(ADMIN, "trifid.host.accept_key", HOST_ID, wrong)
    assert driver.asked == []


async def test_only_administrators_decide_about_keys(world, driver):
    for method in ("trifid.host.key", "trifid.host.accept_key"):
        with pytest.raises(Refusal, match="Not authorized"):
            await world.ask(ALICE, method, HOST_ID)
    assert driver.asked == []
