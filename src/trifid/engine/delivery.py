"""Delivering actions to drivers: at most one under way for an object, sent until it is answered.

The wire carries the object's id but no step number, and the same word may stand for many actions (TRANSFER).
So an object has at most one action under way: a newer one, also of another driver, waits until the older
one, cancelled, is answered.  Otherwise what is no longer wanted could undo what the next action did.
Our own drivers always answer and say so when they greet; those of others may be silent about what was
cancelled, so they are not waited for long.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

import msgspec

from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.meters import Meters
from trifid.engine.orders import Order
from trifid.wire.lines import LINE_BYTES_MAX, Message, to_driver

PROGRESS = "PROGRESS"
"""Word of a driver that says how far it is."""
SENDINGS_MAX = 3
"""How often an action is sent to a driver that keeps dying over it."""
CANCEL_GRACE_S = 5.0
"""How long a driver that may be silent about what was cancelled is waited for, before the next action is sent."""


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None:
        """Let it not happen."""


CallLater = Callable[..., Timer]
"""(seconds, function, arguments …) -> timer"""


class Numbered(Protocol):
    """An action: whatever it is about, it carries a step number."""

    @property
    def step(self) -> int:
        """Of the object, when it was asked for."""


A = TypeVar("A", bound=Numbered)


class Sent(msgspec.Struct, Generic[A]):
    """An action under way.

    Attributes:
        driver: that has it.
        word: the word on the wire that the answer will repeat.
        sent_s: when it was sent, by the clock of the meters.
        timer: of its time-out; once it is cancelled, of the end of the grace.
        is_counted: the meters know how it ended.
    """

    action: A
    driver: Driver
    word: str
    sent_s: float
    timer: Timer | None = None
    is_cancelled: bool = False
    is_counted: bool = False


class Delivery(ABC, Generic[A]):
    """Sends the actions of one kind of object and hears the answers.

    Args:
        log: where it tells what it cannot make sense of.
        call_later: as of an event loop; the running one's by default.

    Attributes:
        meters: counts the actions that are over.
    """

    kind: str
    """What messages call an object."""
    too_long: str
    """What to do when a request fits on no line."""

    def __init__(
        self,
        drivers: DriverSet,
        log: logging.Logger,
        *,
        cancel_grace_s: float = CANCEL_GRACE_S,
        call_later: CallLater | None = None,
    ) -> None:
        self._drivers = drivers
        self._log = log
        self.meters = Meters()
        self._cancel_grace_s = cancel_grace_s
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._under_way: dict[int, Sent[A]] = {}
        self._next: dict[int, tuple[A, Timer | None]] = {}
        self._losses: dict[int, tuple[int, int]] = {}

    # -- what an object is -----------------------------------------------------------------------

    @abstractmethod
    def _id(self, action: A) -> int:
        """Return the id of the object that an action is about."""

    @property
    @abstractmethod
    def _wanted(self) -> Mapping[int, A]:
        """Return all actions that are not answered, by the object's id."""

    @abstractmethod
    def _driver_of(self, action: A) -> tuple[str, str] | None:
        """Return family and name of the driver that serves an action; None when the object has gone on."""

    @abstractmethod
    def _render(self, action: A) -> Order:
        """Return what is sent; raises OSError when a file that goes with it cannot be written."""

    @abstractmethod
    def _answered(self, action: A, message: Message) -> None:
        """Have the object know what its driver says."""

    @abstractmethod
    def _fail(self, action: A, why: str) -> None:
        """Have the object know that an action cannot be carried out."""

    # -- sending ---------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, waits, or is remembered of what is over."""
        return not any((self._under_way, self._next, self._losses))

    @property
    def under_way(self) -> int:
        """How many actions drivers have been given and not answered."""
        return len(self._under_way)

    def _send_all(self, actions: dict[int, A | None]) -> None:
        """Send what was committed; what is over is forgotten."""
        for object_id, action in actions.items():
            if object_id in self._losses and (action is None or action.step != self._losses[object_id][0]):
                del self._losses[object_id]
            if action is not None:
                self.send(action)

    def send(self, action: A) -> None:
        """Hand one action to its driver; what cannot be sent has failed at once, or waits for its driver."""
        whose = self._driver_of(action)
        if whose is None:
            return
        family, name = whose
        driver = self._drivers.get(family, name)
        if driver is None:
            known = ", ".join(self._drivers.names(family)) or "none"
            self._fail(action, f"{family} driver {name} is not configured (configured: {known}), see trifid.toml")
        elif driver.is_ready:
            self._send_to(driver, action)
        elif driver.does_not_start:
            self._fail(action, f"{driver} is down: {driver.trouble}")

    def _send_to(self, driver: Driver, action: A) -> None:
        object_id = self._id(action)
        older = self._under_way.get(object_id)
        if older is not None:
            self._wait_for(driver, older, action)
            return
        if self._lost(action) >= SENDINGS_MAX:
            self._fail(action, f"{driver} died {SENDINGS_MAX} times over this action, see its log")
            return
        order = self._rendered(action)
        if order is None:
            return
        line = to_driver(order.word, object_id, order.payload)
        if len(line) > LINE_BYTES_MAX:
            size = f"{len(line)} bytes, {LINE_BYTES_MAX} are possible"
            self._fail(action, f"the {order.word} request would be a line of {size}: {self.too_long}")
            return
        sent = self._under_way[object_id] = Sent(action, driver, order.word, self.meters.clock())
        self._start_timer(sent)
        driver.send(line)

    def _start_timer(self, sent: Sent[A]) -> None:
        timeout_s = sent.driver.settings.timeout_s
        if timeout_s > 0:
            sent.timer = self._call_later(timeout_s, self._timed_out, sent)

    def _wait_for(self, driver: Driver, older: Sent[A], action: A) -> None:
        """Cancel what is under way and keep a newer action until that is over, or until its own time is."""
        self._forget_next(self._id(action))
        timer = None
        timeout_s = driver.settings.timeout_s
        if timeout_s > 0:
            why = f"{older.driver} was still busy with {older.word} after {timeout_s:g} s"
            timer = self._call_later(timeout_s, self._fail, action, why)
        self._next[self._id(action)] = (action, timer)
        self._cancel(older)

    def _forget_next(self, object_id: int) -> A | None:
        action, timer = self._next.pop(object_id, (None, None))
        if timer is not None:
            timer.cancel()
        return action

    def _rendered(self, action: A) -> Order | None:
        """Return the order for an action; one that cannot be rendered has failed."""
        try:
            return self._render(action)
        except OSError as fault:
            self._fail(action, f"cannot write {fault.filename}: {fault.strerror}")
        except Exception as bug:  # a bug of ours about one object must not keep the others' actions back
            self._log.exception("bug while rendering %s of %s %d", action, self.kind, self._id(action))
            self._fail(action, f"internal error ({type(bug).__name__}), see the engine's log")
        return None

    def _cancel(self, sent: Sent[A]) -> None:
        """Tell a driver that an action is not wanted any more, once; it is waited for a little longer."""
        if sent.is_cancelled:
            return
        sent.is_cancelled = True
        if sent.timer is not None:
            sent.timer.cancel()
        if not sent.driver.answers_all:
            sent.timer = self._call_later(self._cancel_grace_s, self._over, sent)
        sent.driver.send(to_driver("DRIVER_CANCEL", self._id(sent.action), "-"))

    def _timed_out(self, sent: Sent[A]) -> None:
        self._count(sent, "late")
        self._cancel(sent)
        self._fail(sent.action, f"{sent.driver} did not answer {sent.word} within {sent.driver.settings.timeout_s:g} s")

    def _over(self, sent: Sent[A]) -> None:
        """An action is no longer under way; send what waited for that."""
        self._count(sent, "dropped")
        object_id = self._id(sent.action)
        del self._under_way[object_id]
        if sent.timer is not None:
            sent.timer.cancel()
        waiting = self._forget_next(object_id)
        if waiting is not None:
            self.send(waiting)

    # -- hearing ---------------------------------------------------------------------------------

    def ready(self, driver: Driver) -> None:
        """A driver came up: send it, again, everything that it has to do."""
        for action in self._actions_of(driver):
            self.send(action)

    def down(self, driver: Driver, why: str) -> None:
        """A driver is gone.  One that died is up again soon; one that does not start fails its actions."""
        for sent in [sent for sent in self._under_way.values() if sent.driver is driver]:
            if self._wanted.get(self._id(sent.action)) == sent.action:
                self._losses[self._id(sent.action)] = (sent.action.step, self._lost(sent.action) + 1)
            self._count(sent, "lost")
            self._over(sent)
        if driver.does_not_start:
            for action in self._actions_of(driver):
                self._fail(action, f"{driver} is down: {why}")

    def _lost(self, action: A) -> int:
        """Return how often a driver died while it had this action."""
        step, losses = self._losses.get(self._id(action), (action.step, 0))
        return losses if step == action.step else 0

    def _actions_of(self, driver: Driver) -> list[A]:
        return [action for action in self._wanted.values() if self._driver_of(action) == (driver.family, driver.name)]

    def said(self, driver: Driver, message: Message) -> None:
        """An answer, or a line for an object's log."""
        sent = self._under_way.get(message.oid)
        if message.type == "LOG":
            self._log.info("%s %d  %s: %s", self.kind, message.oid, driver, message.payload)
            if sent is not None and sent.driver is driver:
                self._heard_of(sent, message.payload)
            return
        if message.type == PROGRESS:
            if sent is not None and sent.driver is driver and not sent.is_cancelled:
                self._goes_on(sent, message.payload)
            return
        if sent is None or sent.driver is not driver or sent.word != message.type:
            self._log.warning("%s answered what was not asked, ignored: %s %s", driver, message.type, message.oid)
            return
        self._count(sent, "dropped" if sent.is_cancelled else "done" if message.status == "SUCCESS" else "failed")
        self._answered(sent.action, message)
        self._over(sent)

    def _count(self, sent: Sent[A], outcome: str) -> None:
        """Count how an action ended, once: one that came too late is answered after that as well."""
        if not sent.is_counted:
            sent.is_counted = True
            driver, seconds = sent.driver, self.meters.clock() - sent.sent_s
            self.meters.action(driver.family, driver.name, sent.word, outcome, seconds)

    def _goes_on(self, sent: Sent[A], text: str) -> None:
        """A driver says how far it is, so that its time begins anew: what takes long is not what hangs."""
        if sent.timer is not None:
            sent.timer.cancel()
        self._start_timer(sent)

    def _heard_of(self, sent: Sent[A], text: str) -> None:
        """A driver says something of what it is doing."""
