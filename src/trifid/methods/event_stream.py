"""The journal as a stream: what of it a caller may see, from where it was cut.

Nothing is kept for a stream: it reads on where it is, in memory or in the database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from trifid.core.access import Caller, Right, allowed
from trifid.core.event_filter import Filter, filter_of
from trifid.core.journal import Entry
from trifid.engine.engine import Engine
from trifid.methods.common import POOLS
from trifid.methods.strangers import let_in

READ_AT_ONCE = 500


class Page(msgspec.Struct, frozen=True):
    """What comes next.

    Attributes:
        events: id and JSON of each, oldest first.
        last: id of the newest entry that was looked at: the cursor.
        first_kept: id of the oldest entry that there is, when entries between it and the cursor are lost; else 0.
    """

    events: tuple[tuple[int, str], ...]
    last: int
    first_kept: int = 0


class Feed:
    """The events that one caller may see and wants.

    Attributes:
        uid: of the caller.
    """

    def __init__(self, engine: Engine, session: str, peer: str, caller: Caller, wanted: Filter) -> None:
        self.uid = caller.uid
        self._engine = engine
        self._session = session
        self._peer = peer
        self._caller = caller
        self._user = engine.turns.memory.users.get(caller.uid)
        self._wanted = wanted

    @property
    def newest(self) -> int:
        """The id of the newest entry."""
        return self._engine.turns.memory.journal_id

    @property
    def is_over(self) -> bool:
        """Whether the engine ends."""
        return self._engine.watch.is_closed

    async def wait(self, after: int, seconds: float) -> None:
        """Return when there is an entry after this one, when the time is over, or when the engine ends."""
        await self._engine.watch.later_than(after, seconds)

    async def still_admitted(self) -> None:
        """Return if the caller could open the stream now as well; raises NotAuthenticated.

        What the caller may see from then on is what it may see now: groups may have changed.
        """
        self._user = self._engine.turns.memory.users.get(self.uid)
        self._caller = await _caller(self._engine, self._session, self._peer)

    async def page(self, after: int) -> Page:
        """Return what comes after an entry.

        Raises:
            NotAuthenticated: the caller is not let in any more.
        """
        memory = self._engine.turns.memory
        if memory.users.get(self.uid) is not self._user:
            await self.still_admitted()
        caller = self._caller
        self._caller = replace(caller, rules=memory.rules.of(caller.uid, caller.gids, caller.egid))
        newest = self.newest
        if after > newest:  # of another database, or of one that was restored
            return Page((), newest, first_kept=newest + 1)
        if after == newest:
            return Page((), newest)
        found: Sequence[Entry] | None = self._engine.watch.recent(after)
        if found is None:
            found = await asyncio.to_thread(self._engine.store.journal_after, after, READ_AT_ONCE)
        found = found[:READ_AT_ONCE]
        if not found:
            return Page((), newest)
        wanted = [entry for entry in found if self._wanted.wants(entry)]
        seen = await self._seen(wanted)
        events = tuple((entry.id, msgspec.json.encode(entry).decode()) for entry in seen)
        return Page(events, found[-1].id, first_kept=found[0].id if found[0].id != after + 1 else 0)

    async def _seen(self, entries: Sequence[Entry]) -> Iterable[Entry]:
        """Return the events that the caller may see: those of objects that it may use.

        Of what is gone, administrators see all, and everybody what they did themselves.
        """
        caller = self._caller
        if caller.is_admin:
            return entries
        done = {entry.object_id for entry in entries if entry.kind == "VM"} - self._engine.turns.memory.vms.keys()
        ended = await asyncio.to_thread(self._ended_in_sight, done) if done else {}
        return [entry for entry in entries if self._sees(entry, ended)]

    def _sees(self, entry: Entry, ended: Mapping[int, bool]) -> bool:
        if entry.kind == "VM" and entry.object_id in ended:
            return ended[entry.object_id]
        pool = POOLS.get(entry.kind)
        record = getattr(self._engine.turns.memory, pool).get(entry.object_id) if pool is not None else None
        if record is None:
            return pool is not None and entry.uid == self._caller.uid
        return allowed(self._caller, Right.USE, entry.kind, record)

    def _ended_in_sight(self, vm_ids: set[int]) -> dict[int, bool]:
        """Tell of VMs that are done whether the caller may use them."""
        found = {}
        for vm_id in vm_ids:
            vm = self._engine.store.done_vm(vm_id)
            if vm is not None:
                found[vm_id] = allowed(self._caller, Right.USE, "VM", vm)
        return found


Open = Callable[[str, Mapping[str, Sequence[str]], str], Awaitable[Feed]]
"""(session string, filter, who calls: address and port) -> what it may see; raises NotAuthenticated, BadRequest."""


def opener(engine: Engine) -> Open:
    """Return what opens streams, for callers authenticated as for any call."""

    async def open_feed(session: str, wanted: Mapping[str, Sequence[str]], peer: str) -> Feed:
        caller = await _caller(engine, session, peer)
        return Feed(engine, session, peer, caller, filter_of(wanted))

    return open_feed


async def _caller(engine: Engine, session: str, peer: str) -> Caller:
    return await let_in(engine, session, peer, "GET /events")
