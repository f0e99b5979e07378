"""The turn: take what arrived, decide, write once, and only then let the effects out.

Everything that changes anything is a command: a function of a draft.  Commands queue while a commit
is under way and are then decided together, so that one durable write serves all of them.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from msgspec.structs import replace

from trifid.engine.access_rules import settle
from trifid.engine.memory import Memory
from trifid.engine.meters import Meters
from trifid.engine.transaction import Draft
from trifid.errors import Internal, TrifidError
from trifid.store.interface import Batch, Store, StoreFault

log = logging.getLogger("trifid.turn")

COMMANDS_PER_TURN_MAX = 256

T = TypeVar("T")
Command = Callable[[Draft], T]


class Turns:
    """The one writer.

    Attributes:
        memory: changed here and nowhere else.
        after_commit: called with each committed batch, in order; what sends actions, wakes watchers
            and drops cached documents hangs here.
        meters: counts what is written.
        failed: set with the fault when the store refuses to write; nothing is decided from then on,
            since memory and store could differ.
    """

    def __init__(self, memory: Memory, store: Store, now: Callable[[], int], meters: Meters | None = None) -> None:
        self.memory = memory
        self.meters = meters or Meters()
        self.after_commit: list[Callable[[Batch], None]] = []
        self.failed: asyncio.Future[StoreFault] = asyncio.get_running_loop().create_future()
        self._store = store
        self._now = now
        self._inbox: deque[tuple[Command[Any], asyncio.Future[Any]]] = deque()
        self._arrived = asyncio.Event()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._task = asyncio.create_task(self._run(), name="turns")

    @property
    def waiting(self) -> int:
        """How many commands are queued."""
        return len(self._inbox)

    async def ask(self, command: Command[T]) -> T:
        """Return what `command` returns, once everything that it changed is durable.

        Raises:
            TrifidError: the command refused; nothing was changed.
            Internal: the database refused the write, now or earlier.
        """
        return await self.post(command)

    def post(self, command: Command[T]) -> "asyncio.Future[T]":
        """Queue `command`; its result comes through the future, which nobody has to await."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self.failed.done():
            _refuse(future, _not_written(self.failed.result()))
        else:
            self._inbox.append((command, future))
            self._arrived.set()
        return future

    async def close(self) -> None:
        """Decide what is queued, write it, and stop."""
        with contextlib.suppress(TrifidError):  # the database refuses: that is known already
            await self.ask(lambda draft: None)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.shutdown(wait=True)

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._inbox:
                answers: list[tuple[asyncio.Future[Any], Any]] = []
                try:
                    await self._turn(answers)
                except Exception as bug:  # memory may be behind the store: nothing is decided from it any more
                    log.exception("bug in a turn")
                    self._give_up(StoreFault(f"internal error ({type(bug).__name__}), start the engine again"), answers)

    async def _turn(self, answers: list[tuple["asyncio.Future[Any]", Any]]) -> None:
        draft = Draft(self.memory, self._now())
        for _ in range(min(len(self._inbox), COMMANDS_PER_TURN_MAX)):
            command, future = self._inbox.popleft()
            self._decide(draft, command, future, answers)
        batch = draft.batch
        batch.journal = [replace(e, id=self.memory.journal_id + n) for n, e in enumerate(batch.journal, start=1)]
        batch.audit = [replace(e, id=self.memory.audit_id + n) for n, e in enumerate(batch.audit, start=1)]
        if not batch.is_empty:
            begun_s = self.meters.clock()
            fault = await self._write(batch)
            if fault is not None:
                self._give_up(fault, answers)
                return
            self.meters.turn(len(answers), self.meters.clock() - begun_s)
            self.memory.adopt(batch)
            self._tell(batch)
        for future, value in answers:
            if not future.done():
                future.set_result(value)

    async def _write(self, batch: Batch) -> StoreFault | None:
        """Make a batch durable; return what went wrong, whatever it was: memory must not go ahead of the store."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._store.commit, batch)
        except StoreFault as fault:
            return fault
        except Exception as bug:  # the store did not foresee it: the outcome is the same
            log.exception("bug while writing to the database")
            return StoreFault(f"unexpected {type(bug).__name__}: {bug}")
        return None

    def _tell(self, batch: Batch) -> None:
        for hear in self.after_commit:
            try:
                hear(batch)
            except Exception:  # the change is durable; one who cannot use the news must not stop the others
                log.exception("bug after a commit, in %s", getattr(hear, "__qualname__", hear))

    def _decide(self, draft: Draft, command: Command[Any], future: "asyncio.Future[Any]", answers: list[Any]) -> None:
        """Run one command on a draft of its own; a refusal goes back at once and leaves nothing."""
        mine = draft.child()
        try:
            value = command(mine)
            settle(mine)
        except TrifidError as refusal:
            _refuse(future, refusal)
        except Exception as bug:  # a bug of ours: this command is undone, all others go on
            log.exception("bug while deciding a command; it was undone")
            _refuse(future, Internal(f"internal error ({type(bug).__name__}); nothing was changed, see the log"))
        else:
            mine.fold()
            answers.append((future, value))

    def _give_up(self, fault: StoreFault, answers: list[tuple["asyncio.Future[Any]", Any]]) -> None:
        log.critical("a turn could not be written, no further changes are accepted: %s", fault)
        if not self.failed.done():
            self.failed.set_result(fault)
        waiting = [future for future, _ in answers] + [future for _, future in self._inbox]
        self._inbox.clear()
        for future in waiting:
            _refuse(future, _not_written(fault))


def _not_written(fault: StoreFault) -> Internal:
    return Internal(f"the change could not be written, look whether it happened before you ask again: {fault}")


def _refuse(future: "asyncio.Future[Any]", error: Exception) -> None:
    if future.done():
        return
    future.set_exception(error)
    future.exception()  # nobody has to await it: do not report it as never retrieved
