"""one.vmpool.accounting, one.vmpool.showback and one.vmpool.calculateshowback: where VMs were, and what they cost.

VMs that are DONE are read from the database in pages, by a thread of its own.
"""

import asyncio
from collections.abc import Callable, Iterator

from trifid.core.accounting import stays_within
from trifid.core.showback import asked_month, showback
from trifid.core.vm.record import VM
from trifid.errors import NotAllowed, Refused
from trifid.methods.common import FILTER_MINE, wanted_by
from trifid.methods.registry import Call, method
from trifid.wire.bodies.accounting import accounted, shown_back
from trifid.wire.bodies.parts import escaped_pool
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

PAGE = 500
ANSWER_CHARS_MAX = 256 << 20


@method("one.vmpool.accounting")
async def accounting(call: Call, filter_flag: int, start_time: int, end_time: int) -> Escaped:
    """Answer the stays on hosts, each with its VM, that overlap a span of epoch seconds; -1 is no bound."""
    names = call.engine.documents

    def entries(vm: VM) -> Iterator[str]:
        return (accounted(vm, stay, names) for stay in stays_within(vm, start_time, end_time))

    return await _answered(call, filter_flag, "HISTORY_RECORDS", entries, ended_since=max(start_time, 0))


@method("one.vmpool.showback")
async def showback_list(
    call: Call, filter_flag: int, start_month: int, start_year: int, end_month: int, end_year: int
) -> Escaped:
    """Answer what VMs cost in each month from the first to the last; -1 and -1 is no bound."""
    first, last = asked_month(start_month, start_year), asked_month(end_month, end_year)
    now, prices, names = call.engine.now(), call.engine.config.showback, call.engine.documents

    def entries(vm: VM) -> Iterator[str]:
        return (shown_back(vm, of, names) for of in showback(vm, prices, now, first, last))

    ended_since = first.begins_at if first is not None else 0
    return await _answered(call, filter_flag, "SHOWBACK_RECORDS", entries, ended_since=ended_since)


@method("one.vmpool.calculateshowback")
async def calculate_showback(call: Call, start_month: int, start_year: int, end_month: int, end_year: int) -> str:
    """Do nothing but look at the arguments: what VMs cost is worked out when somebody asks; answer one blank."""
    if not call.caller.is_admin:
        raise NotAllowed(f"User [{call.caller.uid}] : Not authorized to calculate showback: members of group 0 are.")
    asked_month(start_month, start_year)
    asked_month(end_month, end_year)
    return " "


async def _answered(
    call: Call, filter_flag: int, root: str, entries: Callable[[VM], Iterator[str]], *, ended_since: int
) -> Escaped:
    """Answer a document with the entries of all VMs that a filter selects, by the ids of the VMs."""
    wanted = wanted_by(call.caller, "VM", filter_flag)
    owner = filter_flag if filter_flag >= 0 else call.caller.uid if filter_flag == FILTER_MINE else None
    alive = list(call.engine.turns.memory.vms.values())

    def rendered() -> list[str]:
        found: dict[int, list[str]] = {}
        chars = 0
        for vm in (*filter(wanted, alive), *filter(wanted, _done(call, owner, ended_since))):
            # One that ended meanwhile is in both: it is told once, as the database has it.
            if own := [escape(entry) for entry in entries(vm)]:
                found[vm.id] = own
                chars += sum(map(len, own))
            if chars > ANSWER_CHARS_MAX:
                raise Refused(f"the answer would be larger than {ANSWER_CHARS_MAX >> 20} MiB: ask for a shorter time")
        return [entry for vm_id in sorted(found) for entry in found[vm_id]]

    return escaped_pool(root, await asyncio.to_thread(rendered))


def _done(call: Call, uid: int | None, ended_since: int) -> Iterator[VM]:
    """Yield the VMs that are DONE, newest first, reading one page of them at a time."""
    last_id: int | None = None
    while True:
        page = call.engine.store.done_vms(uid=uid, last_id=last_id, ended_since=ended_since, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        last_id = page[-1].id - 1
