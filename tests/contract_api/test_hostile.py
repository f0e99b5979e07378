"""Every method of the API with what nobody should send: a clear answer, and nothing changed by what is refused."""

import logging
import os
import random
import time

import pytest

from tests.contract_api.hostile import Hostile, families, fits
from tests.methods.world import ADMIN, ALICE, EVE
from tests.wire.schemas import valid_answer
from trifid.methods.registry import METHODS
from trifid.wire.xmlrpc import XmlRpcFault, decode_answer

CODES = {0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000}
WRONG_ARGUMENTS = -501
ROUNDS = int(os.environ.get("TRIFID_HOSTILE_ROUNDS", "1"))
CALLS = {ADMIN: 10 * ROUNDS, ALICE: 6 * ROUNDS, EVE: 3 * ROUNDS}
"""How often each method is called, by who calls."""
MIXED_CALLS = 600
ANSWER_WITHIN_S = 15.0
TEXT_LENGTH_MAX = 2200

FAMILIES = families()
READS = (
    *(("one.vmpool.infoextended", [-2, -1, -1, -2]), ("one.vmpool.info", [-2, -1, -1, -2]), ("one.hostpool.info", [])),
    *(
        (f"one.{pool}pool.info", [-2, -1, -1])
        for pool in ("vn", "image", "template", "secgroup", "vmgroup", "vntemplate")
    ),
    *((f"one.{pool}pool.info", []) for pool in ("cluster", "datastore", "user", "group", "vdc", "zone", "hook")),
    ("one.documentpool.info", [-2, -1, -1, 100]),
    ("one.acl.info", []),
)


def checked(method, given, answered):
    """Return whether a call was done, after checking that its answer is one that a client can do something with."""
    assert answered.status == 200, answered
    try:
        answer = decode_answer(answered.body)
    except XmlRpcFault as fault:
        assert fault.code == WRONG_ARGUMENTS and not fits(method, given), f"{fault.code} {fault.text}"
        assert fault.text.startswith(f"{method.name}: ") and len(fault.text) < 300
        return False
    assert fits(method, given), f"what does not fit was answered {str(answer)[:200]}"
    if answer[0]:
        assert len(answer) == 3 and type(answer[0]) is bool and answer[2] == 0
        assert type(answer[1]) is (int if method.answer is int else str)
        valid_answer(method.name, answer[1])
        return True
    success, text, code, object_id, index = answer
    assert success is False and code in CODES and type(object_id) is int and index == -1
    assert text.startswith(f"[{method.name}] ") and len(text) < TEXT_LENGTH_MAX, text[:500]
    assert "internal error" not in text and "Traceback" not in text, text[:500]
    return False


async def called(world, hostile, session, caplog):
    """Make one call and check all that must be so afterwards."""
    method, given = hostile.method, hostile.arguments()
    before, begun_s = world.state(), time.monotonic()
    answered = await world.send(session, method.name, given)
    told = f"{method.name} {str(given)[:1500]} of {session}"
    assert time.monotonic() - begun_s < ANSWER_WITHIN_S, told
    try:
        was_done = checked(method, given, answered)
    except AssertionError as wrong:
        errors = "\n".join(record.exc_text or record.getMessage() for record in caplog.records)
        raise AssertionError(f"{told}: {wrong}\n{errors}") from None
    if not was_done:
        await world.settle()
        assert world.state() == before, told


@pytest.mark.parametrize("family", FAMILIES)
async def test_whatever_is_sent_is_answered_and_what_is_refused_changes_nothing(family, make, caplog):
    caplog.set_level(logging.ERROR)
    world = await make()
    for method in FAMILIES[family]:
        for session, calls in CALLS.items():
            hostile = Hostile(method, len(session))
            for _ in range(calls):
                await called(world, hostile, session, caplog)
                if world.is_damaged():
                    world = await make()
    await still_sound(world, caplog)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_calls_of_all_kinds_one_after_the_other_leave_a_sound_engine(seed, make, caplog):
    caplog.set_level(logging.ERROR)
    world, chance = await make(), random.Random(seed)
    hostiles = [Hostile(method, seed) for method in METHODS.values() if method.is_supported]
    for number in range(MIXED_CALLS):
        await called(world, chance.choice(hostiles), chance.choice((ADMIN, ADMIN, ALICE)), caplog)
        if world.people_changed():
            await still_sound(world, caplog, as_users=False)
            world = await make()
        elif number % 100 == 99:
            await still_sound(world, caplog)


async def still_sound(world, caplog, *, as_users=True):
    """Check that all there is can be read by everybody, and is in the database as it is in memory."""
    assert [record.getMessage() for record in caplog.records if record.name.startswith("trifid.")] == []
    for session in (ADMIN, ALICE, EVE) if as_users else ():
        for name, arguments in READS:
            if session == ADMIN or name != "one.acl.info":
                await world.ask(session, name, *arguments)
    for vm_id in list(world.memory.vms) if as_users else ():
        await world.ask(ADMIN, "one.vm.info", vm_id)
    assert world.differences() == []
