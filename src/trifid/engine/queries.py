"""Questions to drivers that change nothing: STAT of what shall be imported, MONITOR of a datastore's room.

They are no actions: nothing of them is durable, nobody asks again.  Each has a number of its own on the
wire, far above the ids of VMs and images, so that no answer is taken for another's.
"""

import asyncio
import itertools
import logging

import msgspec

from trifid.engine.delivery import CallLater, Timer
from trifid.engine.drivers import Driver, DriverSet
from trifid.errors import Refused
from trifid.wire.image_action import ImageActionData, render
from trifid.wire.lines import NOTHING, Message, to_driver

log = logging.getLogger("trifid.query")

OID_MAX = 2**53
OID_MIN = 2**52
"""Numbers of queries: counted down from the greater, and never below the lower."""
TIMEOUT_S = 60.0


class NoAnswer(Refused):
    """The driver was not asked, or said nothing: it is not configured, down, or silent for too long."""


class Query(msgspec.Struct):
    """A question that waits for its answer.

    Attributes:
        line: as it goes out.
        timer: of its time-out.
    """

    verb: str
    driver: Driver
    line: bytes
    answer: "asyncio.Future[str]"
    timer: Timer | None = None
    is_sent: bool = False


class Queries:
    """Asks drivers and hears what they say.

    Args:
        call_later: as of an event loop; the running one's by default.
    """

    def __init__(self, drivers: DriverSet, *, timeout_s: float = TIMEOUT_S, call_later: CallLater | None = None):
        self._drivers = drivers
        self._timeout_s = timeout_s
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._oids = itertools.count(OID_MAX, -1)
        self._open: dict[int, Query] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked."""
        return not self._open

    async def ask(self, family: str, name: str, verb: str, data: ImageActionData | str) -> str:
        """Return what a driver answers; one that is being started is waited for.

        Args:
            data: what it is told; a text is the payload itself, and the driver's own time-out holds then.

        Raises:
            NoAnswer: it is not configured, does not start, or is silent for too long.
            Refused: it cannot do it.
        """
        driver = self._drivers.get(family, name)
        if driver is None:
            known = ", ".join(self._drivers.names(family)) or "none"
            raise NoAnswer(f"{family} driver {name} is not configured (configured: {known}), see trifid.toml")
        if driver.does_not_start and not driver.is_ready:
            raise NoAnswer(f"{driver} is down: {driver.trouble}")
        oid = next(self._oids)
        payload = data if isinstance(data, str) else render(data)
        timeout_s = self._timeout_s if payload is not data else driver.settings.timeout_s or self._timeout_s
        query = Query(verb, driver, to_driver(verb, oid, payload), asyncio.get_running_loop().create_future())
        query.timer = self._call_later(timeout_s, self._timed_out, oid, timeout_s)
        self._open[oid] = query
        try:
            if driver.is_ready:
                _send(query)
            return await query.answer
        finally:
            self._close(oid)

    def _close(self, oid: int) -> None:
        """Forget a question; when it has no answer nobody waits for one any more: the driver need not go on."""
        query = self._open.pop(oid, None)
        if query is None:
            return
        if query.timer is not None:
            query.timer.cancel()
        is_answered = query.answer.done() and not query.answer.cancelled()
        if query.is_sent and not is_answered and query.driver.is_ready:
            query.driver.send(to_driver("DRIVER_CANCEL", oid, NOTHING))

    def _timed_out(self, oid: int, timeout_s: float) -> None:
        query = self._open[oid]
        self._close(oid)
        if query.is_sent:
            why = f"{query.driver} did not answer {query.verb} within {timeout_s:g} s"
        else:
            why = f"{query.driver} is down: {query.driver.trouble}"
        query.answer.set_exception(NoAnswer(why))

    def ready(self, driver: Driver) -> None:
        """A driver came up: ask it what waited for that."""
        for query in self._open.values():
            if query.driver is driver and not query.is_sent:
                _send(query)

    def down(self, driver: Driver, why: str) -> None:
        """A driver is gone: what it was asked is not answered; what was to be asked waits if that is of use."""
        for query in self._open.values():
            if query.driver is driver and (query.is_sent or driver.does_not_start) and not query.answer.done():
                query.answer.set_exception(NoAnswer(f"{driver} is down: {why}"))

    def said(self, driver: Driver, message: Message) -> None:
        """An answer; LOG lines about a question are of no interest."""
        query = self._open.get(message.oid)
        if query is None or query.driver is not driver or query.verb != message.type or query.answer.done():
            log.debug("%s answered what nobody asks any more: %s %d", driver, message.type, message.oid)
            return
        told = "" if message.payload == NOTHING else message.payload
        if message.status == "SUCCESS":
            query.answer.set_result(told)
        else:
            query.answer.set_exception(Refused(told or f"{driver} gave no reason"))


def is_query(oid: int) -> bool:
    """Tell whether a message is about a question, by its number."""
    return OID_MIN < oid <= OID_MAX


def _send(query: Query) -> None:
    query.is_sent = True
    query.driver.send(query.line)
