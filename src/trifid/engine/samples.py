"""Samples of hosts and VMs, taken in by the engine's loop and kept by a thread.

The loop only puts what it hears into a queue.  A thread with a connection of its own writes it every few
seconds, so that no change of a VM ever waits for a sample.  When the database cannot follow, the oldest samples
in the queue are lost, and counted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from trifid.core.samples import Kind, Sample, bounded
from trifid.engine.sample_keeper import Kept, SampleKeeper, Taken
from trifid.errors import Refused
from trifid.store.interface import StoreFault
from trifid.store.samples import Samples as Table

log = logging.getLogger("trifid.samples")
T = TypeVar("T")

QUEUE_MAX = 100_000
"""Samples that wait to be written: those of 10,000 VMs for five minutes."""
SAMPLES_PER_ANSWER_MAX = 50_000
WRITE_EVERY_S = 10.0
ROWS_PER_WRITE = 5000


class SampleSeries:
    """The samples of all hosts and VMs.

    Args:
        table: where they are kept; None = nowhere.
        now: epoch seconds.

    Attributes:
        written, lost: samples since the start.
    """

    def __init__(self, table: Table | None, kept: Kept, now: Callable[[], int]) -> None:
        self.written = 0
        self.lost = 0
        self._table = table
        self._keeper = SampleKeeper(table, kept, now) if table is not None else None
        self._queue: deque[Taken] = deque(maxlen=QUEUE_MAX)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="samples")
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""
        self._pushed_out = 0

    @property
    def waiting(self) -> int:
        """How many samples wait to be written."""
        return len(self._queue)

    def take(self, kind: Kind, object_id: int, at: int, told: Mapping[str, str]) -> None:
        """Take in what was measured of an object; `told` must not change any more."""
        if self._keeper is None:
            return
        if len(self._queue) == QUEUE_MAX:
            self.lost += 1
            self._pushed_out += 1
        self._queue.append(Taken(kind, object_id, at, bounded(told)))

    def start(self) -> None:
        """Begin to write."""
        if self._keeper is not None:
            self._task = asyncio.create_task(self._run(), name="samples")

    async def close(self) -> None:
        """Write what waits, and close the table."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._flush()
        self._thread.shutdown(wait=True)
        if self._table is not None:
            self._table.close()

    async def read(
        self, kind: Kind, ids: Sequence[int], resolution_s: int = 0, since: int = 0
    ) -> list[tuple[int, Sample]]:
        """Return the samples of objects, by id, oldest first, what is still to be written included.

        Args:
            resolution_s: one of `trifid.core.samples.RESOLUTIONS_S`.
            since: epoch seconds.

        Raises:
            Refused: they are more than one answer takes, cannot be read, or are not kept.
        """
        keeper = self._keeper
        if keeper is None:
            raise Refused("samples are not kept: see the engine's log, and [monitoring] of trifid.toml")
        if self._queue:
            await self._flush()
        most = SAMPLES_PER_ANSWER_MAX
        try:
            found = await self._do(lambda: keeper.read(kind, ids, resolution_s, since, most))
        except StoreFault as fault:
            raise Refused(f"samples cannot be read: {fault}") from None
        if len(found) > most:
            raise Refused(f"these are more than {most} samples: ask for fewer seconds, or for one object at a time")
        return found

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self._flush()

    async def _flush(self) -> None:
        """Write what waits now; what a fault keeps from being written is lost, and counted."""
        keeper = self._keeper
        if keeper is None:
            return
        if self._pushed_out:
            log.warning("the database is too slow for all samples: the oldest %d were lost", self._pushed_out)
            self._pushed_out = 0
        left = len(self._queue)
        while True:
            some = [self._queue.popleft() for _ in range(min(ROWS_PER_WRITE, left, len(self._queue)))]
            left -= len(some)
            try:
                await self._do(partial(keeper.write, some))
            except StoreFault as fault:
                self.lost += len(some)
                self._tell(str(fault))
            else:
                self.written += len(some)
                self._tell("")
            if left <= 0 or not self._queue:
                return

    def _tell(self, trouble: str) -> None:
        """Say once that samples cannot be written, and once that they can again."""
        if trouble and trouble != self._trouble:
            log.error("samples cannot be written, and are lost: %s", trouble)
        elif self._trouble and not trouble:
            log.info("samples are written again; %d were lost since the start", self.lost)
        self._trouble = trouble

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
