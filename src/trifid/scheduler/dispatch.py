"""Carrying out a plan: many placements in one call, each taken or refused on its own, within limits."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from trifid.core.network.auto import choice_text
from trifid.placement.decision import decision_text
from trifid.placement.plan import Plan
from trifid.placement.view import View
from trifid.scheduler.look import Caller
from trifid.wire.elements import BadDocument

AT_ONCE = 256
"""Asked in one call: as many as the engine decides in one turn, so that one commit serves them all."""

Placement = tuple[int, int, int] | tuple[int, int, int, str, str]
"""(VM id, host id, datastore id); then also why, and the networks that were chosen, as trifid.vm.place takes them."""


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


def asked_by(plan: Plan, view: View, at: str) -> list[Placement]:
    """Return the placements of a plan as the engine is asked for them: with why, and the networks that were chosen.

    Args:
        at: when it was decided, for people.
    """
    names = {host.id: host.name for host in view.hosts}
    return [
        (*one, _why(plan, names, one, at), choice_text(plan.networks[one[0]]) if one[0] in plan.networks else "")
        for one in plan.placements
    ]


def _why(plan: Plan, names: Mapping[int, str], placement: tuple[int, int, int], at: str) -> str:
    taken = plan.taken.get(placement[0])
    if taken is None:
        return ""
    next_one = taken.runner_up
    return decision_text(
        at,
        (names.get(placement[1], ""), placement[1]),
        fitting=taken.fitting,
        hosts=len(names),
        rank=taken.rank,
        value=round(taken.value),
        runner_up=(names.get(next_one[0], ""), round(next_one[1])) if next_one is not None else None,
    )


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
