"""The newest part of the journal in memory, for those who wait for news."""

import asyncio
from collections import deque
from itertools import islice

from trifid.core.journal import Entry
from trifid.store.interface import Batch

KEPT_MAX = 20_000


class Watch:
    """Hears every commit and wakes whoever waits.

    Args:
        journal_id: id of the newest entry at start.

    Attributes:
        is_closed: nobody waits any more.
    """

    def __init__(self, journal_id: int) -> None:
        self._kept: deque[Entry] = deque(maxlen=KEPT_MAX)
        self._first = journal_id + 1
        self._last = journal_id
        self._news = asyncio.Event()
        self.is_closed = False

    def close(self) -> None:
        """Wake all waiters for good: the engine ends."""
        self.is_closed = True
        self._news.set()

    def committed(self, batch: Batch) -> None:
        """Take in a batch's entries and wake all waiters."""
        if not batch.journal:
            return
        self._kept.extend(batch.journal)
        self._first = self._kept[0].id
        self._last = self._kept[-1].id
        self._news.set()
        self._news = asyncio.Event()

    async def later_than(self, entry_id: int, wait_s: float) -> None:
        """Return when there is an entry after `entry_id`, when the time is over, or when the engine ends."""
        try:
            async with asyncio.timeout(wait_s):
                while self._last <= entry_id and not self.is_closed:
                    await self._news.wait()
        except TimeoutError:
            return

    def recent(self, after: int) -> list[Entry] | None:
        """Return the entries after `after`, or None when some of them are no longer in memory."""
        if after + 1 < self._first:
            return None
        return list(islice(reversed(self._kept), max(0, self._last - after)))[::-1]
