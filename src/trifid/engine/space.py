"""How much room the datastores have: asked of their drivers every now and then, kept in memory.

An image datastore is asked for through its datastore driver, a system datastore through its transfer
driver, both with the word MONITOR and the payload of wire/image_action.py.  A driver that cannot tell
hinders nothing: what is known stays known, and the reason is kept for whoever looks.
"""

import asyncio
import functools
import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from trifid.core.image.datastore import Datastore, DatastoreType, Space
from trifid.core.image.record import ImageState
from trifid.engine.delivery import CallLater, Timer
from trifid.engine.drivers import Driver
from trifid.engine.images import base_path
from trifid.engine.memory import Memory
from trifid.engine.queries import Queries
from trifid.errors import Refused
from trifid.store.interface import Batch
from trifid.wire.image_action import ImageActionData

log = logging.getLogger("trifid.space")

_FIGURE = re.compile(r"(USED_MB|TOTAL_MB|FREE_MB)=([0-9]{1,15})(?:\.[0-9]*)?\Z")
_SETTLED = (ImageState.READY, ImageState.ERROR)
_NONE = Space()


class Spaces:
    """Knows what room there is.

    Args:
        datastores: directory of those that name no place of their own.
        now: epoch seconds.
        interval_s: each is asked for so often.
        call_later: as of an event loop; the running one's by default.

    Attributes:
        troubles: datastore id to why its driver could not tell, when it was asked last.
    """

    def __init__(
        self,
        memory: Memory,
        queries: Queries,
        datastores: Path,
        now: Callable[[], int],
        interval_s: float,
        *,
        call_later: CallLater | None = None,
    ) -> None:
        self.troubles: dict[int, str] = {}
        self._spaces: dict[int, Space] = {}
        self._memory = memory
        self._queries = queries
        self._datastores = datastores
        self._now = now
        self._interval_s = interval_s
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._timer: Timer | None = None
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()

    def of(self, datastore_id: int) -> Space:
        """Return the newest that is known of a datastore; the same object while it is."""
        return self._spaces.get(datastore_id, _NONE)

    # -- when to ask -----------------------------------------------------------------------------

    def start(self) -> None:
        """Ask for all datastores, now and again and again."""
        self.look(self._memory.datastores)
        self._timer = self._call_later(self._interval_s, self.start)

    def close(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._asking.values():
            task.cancel()

    def committed(self, batch: Batch) -> None:
        """Ask for datastores that are new or changed, or whose images came, grew or went."""
        if self._timer is None:
            return
        for datastore_id, datastore in batch.datastores.items():
            if datastore is None:
                self._spaces.pop(datastore_id, None)
                self.troubles.pop(datastore_id, None)
        changed = {image.datastore_id for image in batch.images.values() if image and image.state in _SETTLED}
        if None in batch.images.values():
            changed.update(self._memory.datastores)  # whose it was is not told any more
        self.look({*batch.datastores, *changed})

    def ready(self, driver: Driver) -> None:
        """A driver came up: ask it for its datastores."""
        if self._timer is not None:
            whose = (driver.family, driver.name)
            self.look([one.id for one in self._memory.datastores.values() if _driver_of(one) == whose])

    def look(self, datastore_ids: Iterable[int]) -> None:
        """Ask for datastores; what is asked already is asked once more when that is answered."""
        for datastore_id in datastore_ids:
            if datastore_id in self._asking:
                self._again.add(datastore_id)
            elif datastore_id in self._memory.datastores:
                task = asyncio.create_task(self._ask(datastore_id), name=f"room of datastore {datastore_id}")
                self._asking[datastore_id] = task
                task.add_done_callback(functools.partial(self._asked, datastore_id))

    def _asked(self, datastore_id: int, task: "asyncio.Task[None]") -> None:
        del self._asking[datastore_id]
        if datastore_id in self._again:
            self._again.discard(datastore_id)
            self.look([datastore_id])

    # -- asking ----------------------------------------------------------------------------------

    async def _ask(self, datastore_id: int) -> None:
        datastore = self._memory.datastores[datastore_id]
        family, name = _driver_of(datastore)
        data = ImageActionData(base_path=base_path(self._datastores, datastore))
        try:
            told = await self._queries.ask(family, name, "MONITOR", data)
            space = _space_of(told, self._now())
        except Refused as refusal:
            self._trouble(datastore_id, refusal.message)
        except ValueError as fault:
            self._trouble(datastore_id, f"{family} driver {name} told no room: {fault}")
        else:
            if datastore_id in self._memory.datastores:
                self._spaces[datastore_id] = space
                if self.troubles.pop(datastore_id, None):
                    log.info("datastore %d  its room is known again", datastore_id)

    def _trouble(self, datastore_id: int, why: str) -> None:
        if datastore_id in self._memory.datastores and self.troubles.get(datastore_id) != why:
            self.troubles[datastore_id] = why
            log.warning("datastore %d  its room is not known: %s", datastore_id, why)


def _driver_of(datastore: Datastore) -> tuple[str, str]:
    """Return family and name of the driver that knows a datastore's room."""
    return ("tm", datastore.tm_mad) if datastore.type is DatastoreType.SYSTEM else ("ds", datastore.ds_mad)


def _space_of(told: str, now: int) -> Space:
    """Read `USED_MB=… TOTAL_MB=… FREE_MB=…`; raises ValueError."""
    found = {match[1]: int(match[2]) for word in told.split() if (match := _FIGURE.match(word))}
    if len(found) < 3:
        raise ValueError(f"expected USED_MB, TOTAL_MB and FREE_MB, is {told[:200]!r}")
    return Space(found["TOTAL_MB"], found["USED_MB"], found["FREE_MB"], now)
