"""What one hook has to do: its events in their order, how far it is, and what it has still to read of the journal.

Everything up to the cursor of a hook, which is durable, was dealt with.  An engine that ended in between begins again
there, so that an event is dealt with at least once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from trifid.core.hook import Hook, HookType
from trifid.core.hook_define import Wants, entered, wants
from trifid.core.journal import Entry
from trifid.engine.hooks.messages import CallMade
from trifid.errors import TrifidError
from trifid.store.interface import StoreFault

log = logging.getLogger("trifid.hook")

WAITING_MAX = 500
"""Events that wait in memory; more are read in the journal later, of calls the oldest are lost."""
CALLS_LENGTH_MAX = 16 << 20
"""Characters of all calls that wait for one hook; of more, too, the oldest are lost."""
READ_AT_ONCE = 500

Work = Entry | CallMade
Journal = Callable[[int, int], Awaitable[Sequence[Entry]]]
"""(after this id, so many at most) -> entries, oldest first."""
Execute = Callable[["Follower", Work], Awaitable[None]]
"""Deals with one event to the end; raises only what ends the engine."""


class Follower:
    """One hook, followed.

    Args:
        last_id: tells the newest entry of the journal that was heard of.
        at_once: so many events are dealt with at the same time; one = in order.

    Attributes:
        hook: as it is now.
    """

    def __init__(
        self, hook: Hook, execute: Execute, journal: Journal, last_id: Callable[[], int], at_once: int
    ) -> None:
        self.hook = hook
        self.wants: Wants = wants(hook)
        self._execute = execute
        self._journal = journal
        self._last_id = last_id
        self._at_once = 1 if hook.type is HookType.WEBHOOK else at_once
        self._read_from = hook.cursor if hook.type is not HookType.API and hook.cursor < last_id() else None
        self._waiting: deque[Work] = deque()
        self._running: dict[asyncio.Task[None], Work] = {}
        self._task: asyncio.Task[None] | None = None
        self._lost = self._calls_length = 0

    def change(self, hook: Hook) -> None:
        """Take in the hook as it is now."""
        if hook.template is not self.hook.template:
            self.wants = wants(hook)
        self.hook = hook

    def matches(self, entry: Entry) -> bool:
        """Tell whether the hook waits for an event."""
        if self.hook.type is HookType.WEBHOOK:
            return self.wants.events.wants(entry)
        if entry.kind != self.wants.kind or (states := entered(entry)) is None:
            return False
        return self.wants.state == states[0] and self.wants.lcm_state in ("", states[1])

    def offer(self, entry: Entry) -> None:
        """Take in an event that the hook waits for; one that has too many already reads it in the journal later."""
        if self._read_from is None:
            if len(self._waiting) < WAITING_MAX:
                self._waiting.append(entry)
            else:
                self._read_from = entry.id - 1
        self.go_on()

    def call(self, made: CallMade) -> None:
        """Take in a call that the hook waits for."""
        self._waiting.append(made)
        self._calls_length += len(made.info)
        while len(self._waiting) > WAITING_MAX or (self._calls_length > CALLS_LENGTH_MAX and len(self._waiting) > 1):
            self._next()
            self._lost += 1
            if self._lost % WAITING_MAX == 1:
                log.error("hook %d: %d calls were too many: they are lost to it", self.hook.id, self._lost)
        self.go_on()

    def _next(self) -> Work:
        work = self._waiting.popleft()
        if isinstance(work, CallMade):
            self._calls_length -= len(work.info)
        return work

    def dealt_with(self) -> int:
        """Return up to which entry everything was dealt with."""
        open_ids = [work.id for work in (*self._running.values(), *self._waiting) if isinstance(work, Entry)]
        if open_ids:
            return min(open_ids) - 1
        return self._last_id() if self._read_from is None else self._read_from

    def go_on(self) -> None:
        """Deal with what there is."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on(), name=f"hook {self.hook.id}")

    def close(self) -> None:
        """Do nothing more."""
        for task in (self._task, *self._running):
            if task is not None:
                task.cancel()

    async def _go_on(self) -> None:
        while self._waiting or self._read_from is not None:
            if self._read_from is not None and len(self._waiting) < WAITING_MAX // 2:
                try:
                    await self._read(self._read_from)
                except StoreFault as fault:
                    log.warning("hook %d: the journal cannot be read now: %s", self.hook.id, fault)
                    return
            while self._waiting and len(self._running) < self._at_once:
                work = self._next()
                task = asyncio.create_task(self._one(work), name=f"hook {self.hook.id}")
                self._running[task] = work
            if len(self._running) >= self._at_once:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _read(self, after: int) -> None:
        """Read on in the journal; at its end the hook hears of events at once again."""
        last_id = self._last_id()
        found = await self._journal(after, READ_AT_ONCE)
        self._waiting.extend(entry for entry in found if self.matches(entry))
        reached = found[-1].id if found else last_id
        self._read_from = None if reached >= self._last_id() else reached

    async def _one(self, work: Work) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await self._execute(self, work)
        except (TrifidError, StoreFault) as fault:
            log.warning("hook %d: what came of it could not be kept: %s", self.hook.id, fault)
        finally:
            self._running.pop(task, None)
            self.go_on()

    def finished(self) -> None:
        """Take note that the running task has dealt with its event; what it writes next may say so."""
        task = asyncio.current_task()
        if task is not None:
            self._running.pop(task, None)
