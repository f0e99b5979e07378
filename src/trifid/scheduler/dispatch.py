"""Carrying out a plan: many placements in one call, each taken or refused on its own, within limits."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from trifid.scheduler.look import Caller
from trifid.wire.elements import BadDocument

AT_ONCE = 256
"""Asked in one call: as many as the engine decides in one turn, so that one commit serves them all."""

Placement = tuple[int, int, int]
"""(VM id, host id, datastore id)"""


class Limits(msgspec.Struct, frozen=True):
    """How much is done in one round; 0 = no limit.

    Upstream's scheduler places one VM per host and round (MAX_HOST 1), since all its figures of a host are as old
    as the last monitoring.  Here the engine charges a host when a VM is placed, and refuses what has no room: there is
    nothing to be gained from waiting.  A limit may still be wanted where many starts at once are too much for the
    storage.  Source: reference/templates.md §6.1.

    Attributes:
        max_vm: VMs that are considered.
        max_dispatch: VMs that are placed; what the engine refuses does not count.
        max_host: the same for each host.
    """

    max_vm: int = 0
    max_dispatch: int = 0
    max_host: int = 0


NO_LIMITS = Limits()


class Outcome(msgspec.Struct, frozen=True):
    """What the engine said to a placement.

    Attributes:
        code: of the error, 0 when the VM was placed.
        message: why it was not.
    """

    placement: Placement
    code: int = 0
    message: str = ""


class Answered(msgspec.Struct, frozen=True):
    """An element of the answer of a call that does many things at once."""

    code: int = 0
    message: str = ""


Binder = Callable[[Caller, Sequence[Placement], Limits], Iterator[Outcome]]
"""What carries placements out, and tells what became of each."""


def carry_out(client: Caller, placements: Sequence[Placement], limits: Limits) -> Iterator[Outcome]:
    """Place VMs, best wish first, and yield what became of each; those beyond a limit are left for the next round.

    Raises:
        ClientError, BadDocument: the engine is away, or answers nonsense; what was asked may have happened.
    """
    left = list(placements)
    done: Counter[int] = Counter()
    while batch := _next(left, done, limits):
        asked = set(batch)
        left = [one for one in left if one not in asked]
        for placement, answer in zip(batch, answers(client, "trifid.vm.place_all", batch), strict=True):
            if not answer.code:
                done[placement[1]] += 1
            yield Outcome(placement, answer.code, answer.message)


def _next(left: Sequence[Placement], done: Counter[int], limits: Limits) -> list[Placement]:
    """Return what to ask next: no more than would keep the limits if all of it is taken."""
    room = limits.max_dispatch - done.total() if limits.max_dispatch else len(left)
    on_host = done.copy()
    found: list[Placement] = []
    for placement in left:
        if len(found) >= min(room, AT_ONCE):
            break
        if not limits.max_host or on_host[placement[1]] < limits.max_host:
            on_host[placement[1]] += 1
            found.append(placement)
    return found


def answers(client: Caller, method: str, asked: Sequence[Sequence[Any]]) -> Iterator[Answered]:
    """Yield what the engine says to each of many things that are asked together.

    Raises:
        ClientError, BadDocument: the engine is away, or answers nonsense.
    """
    for begin in range(0, len(asked), AT_ONCE):
        some = asked[begin : begin + AT_ONCE]
        try:
            found = msgspec.json.decode(client.call(method, msgspec.json.encode(some).decode()), type=list[Answered])
        except (msgspec.DecodeError, TypeError) as bad:
            raise BadDocument(f"{method} answered what is not a list of outcomes: {bad}") from None
        if len(found) != len(some):
            raise BadDocument(f"{method} was asked {len(some)} things and answered {len(found)}")
        yield from found
