"""What a scheduler asks for many VMs at once, and what it has to know of users.

Each thing is taken or refused on its own.  Those of one call are decided in the same turns, so that one commit serves
hundreds of them.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec
from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.template.model import Template
from trifid.core.template.scanner import render
from trifid.engine.host_rights import barred_hosts
from trifid.errors import BadRequest, TrifidError
from trifid.methods.registry import METHODS, Call, Method, WrongArguments, method

AT_ONCE_MAX = 1000
"""Things that may be asked in one call."""
USERS_MAX = 100_000
_NO_SHARE = (0, 0)


@method("trifid.vm.place_all")
async def place_all(call: Call, placements: str) -> str:
    """Place VMs as trifid.vm.place does, each by itself: a JSON list of lists of its arguments.

    The answer is a JSON list of {"code", "message"} in the same order; code 0 is success.
    """
    check(call.caller, Right.MANAGE, "SYSTEM")
    return await _each(call, "trifid.vm.place", _lists(placements))


@method("trifid.vm.tell_all")
async def tell_all(call: Call, messages: str) -> str:
    """Write why VMs wait into their SCHED_MESSAGE: a JSON list of [VM id, text]; the answer is as that of place_all."""
    check(call.caller, Right.MANAGE, "SYSTEM")
    updates = []
    for number, message in enumerate(_lists(messages), start=1):
        if [type(one) for one in message] != [int, str]:
            raise BadRequest(f"element {number} of the list must be [VM id, text]")
        updates.append([message[0], render(Template((("SCHED_MESSAGE", message[1]),))), 1])
    return await _each(call, "one.vm.update", updates)


def _lists(text: str) -> list[list[Any]]:
    """Return a JSON list of lists; raises BadRequest."""
    try:
        found = msgspec.json.decode(text, type=list[list[Any]])
    except (msgspec.DecodeError, RecursionError) as bad:
        raise BadRequest(f"a JSON list of lists is expected: {bad}") from None
    if len(found) > AT_ONCE_MAX:
        raise BadRequest(f"{len(found)} things are asked at once, {AT_ONCE_MAX} are accepted: make several calls")
    return found


async def _each(call: Call, name: str, given: list[list[Any]]) -> str:
    """Call a method with each list of arguments, and answer what became of each as JSON."""
    called = METHODS[name]
    named = [_arguments(name, one) for one in given]
    calls = [_one_of(call, called, arguments) for arguments in named]
    answers = (called.handler(one, *arguments) for one, arguments in zip(calls, named, strict=True))
    outcomes = await asyncio.gather(*map(_outcome, answers))
    call.is_audited = any(one.is_audited for one in calls)
    return msgspec.json.encode(outcomes).decode()


def _one_of(call: Call, called: Method, arguments: list[Any]) -> Call:
    """Return the call of one element, whose entry in the audit tells of that alone."""
    named = zip((parameter.name for parameter in called.parameters), arguments, strict=True)
    return replace(call, caller=replace(call.caller, grounds=[]), arguments=tuple(named))


def _arguments(name: str, given: list[Any]) -> list[Any]:
    try:
        return METHODS[name].arguments(given)
    except WrongArguments as wrong:
        raise BadRequest(str(wrong)) from None


async def _outcome(answer: Awaitable[Any]) -> dict[str, Any]:
    try:
        await answer
    except TrifidError as refused:
        return {"code": refused.code, "message": refused.message}
    return {"code": 0, "message": ""}


@method("trifid.user.usage")
async def usage(call: Call) -> str:
    """Answer what users have on hosts, and their weights, as JSON; whoever has nothing and weighs 1 is left out."""
    check(call.caller, Right.MANAGE, "SYSTEM")
    memory = call.engine.turns.memory
    found = []
    for user in memory.users.values():
        share = memory.usages.get(user.id)
        if share is not None or user.weight != 1:
            cpu_percent, memory_mib = (share.cpu_percent, share.memory_mib) if share else _NO_SHARE
            one = {"uid": user.id, "cpu_percent": cpu_percent, "memory_mib": memory_mib, "weight": user.weight}
            found.append(one)
    return msgspec.json.encode(found).decode()


@method("trifid.user.barred_hosts")
async def barred(call: Call, uids: list) -> str:  # type: ignore[type-arg]
    """Answer as JSON, by the ids of users, the ids of the hosts on which their VMs may not be: {"10": [3, 4]}.

    Whoever may use all hosts is left out, as members of group 0 and of a virtual data centre with all of them.
    """
    check(call.caller, Right.MANAGE, "SYSTEM")
    if len(uids) > USERS_MAX or not all(type(uid) is int for uid in uids):
        raise BadRequest(f"uids must be ids of users, {USERS_MAX} at most")
    memory = call.engine.turns.memory
    found = {str(uid): sorted(ids) for uid in uids if (ids := barred_hosts(memory, uid))}
    return msgspec.json.encode(found).decode()
