"""The outbox at work: committed actions go out to drivers, their answers come back as events.

An action is a row that stays until its answer has been committed, so after a crash, or when a driver
died, it is simply sent again: drivers take "already so" for success.

The wire carries the VM's id but no step number, and the same word stands for many actions (TRANSFER).
So a VM has at most one action under way: a newer one, also of another driver, waits until the older one,
cancelled, is answered.  Otherwise a transfer that is no longer wanted could take away the disks that the
next action starts the VM with.  Our own drivers always answer and say so when they greet; those of others may be silent
about what was cancelled, so they are not waited for long.  An answer thus belongs to what is under way,
and it carries the step number of that: to a VM that has gone on, it means nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from trifid.core.vm.events import Absent, Done, Event, Failed, Found
from trifid.core.vm.record import VM, Action
from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.life import happen
from trifid.engine.orders import Order, Orders
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.store.interface import Batch
from trifid.wire.lines import LINE_BYTES_MAX, Message, to_driver

log = logging.getLogger("trifid.outbox")

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


class Sent(msgspec.Struct):
    """An action under way.

    Attributes:
        driver: that has it.
        word: the word on the wire that the answer will repeat.
        timer: of its time-out; once it is cancelled, of the end of the grace.
    """

    action: Action
    driver: Driver
    word: str
    timer: Timer | None = None
    is_cancelled: bool = False


class Outbox:
    """Sends actions and understands answers.

    Args:
        call_later: as of an event loop; the running one's by default.
    """

    def __init__(
        self,
        turns: Turns,
        drivers: DriverSet,
        orders: Orders,
        *,
        cancel_grace_s: float = CANCEL_GRACE_S,
        call_later: CallLater | None = None,
    ) -> None:
        self._turns = turns
        self._drivers = drivers
        self._orders = orders
        self._cancel_grace_s = cancel_grace_s
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._under_way: dict[int, Sent] = {}
        self._next: dict[int, tuple[Action, Timer | None]] = {}
        self._losses: dict[int, tuple[int, int]] = {}
        turns.after_commit.append(self.committed)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, waits, or is remembered of what is over."""
        return not any((self._under_way, self._next, self._losses))

    def is_undecided(self, vm_id: int) -> bool:
        """Whether a hypervisor driver still works at what is no longer wanted of it: a VM seen now may move yet."""
        sent = self._under_way.get(vm_id)
        return sent is not None and sent.is_cancelled and sent.driver.family == "vmm"

    def committed(self, batch: Batch) -> None:
        """Send what the batch asks for."""
        for vm_id, action in batch.actions.items():
            if vm_id in self._losses and (action is None or action.step != self._losses[vm_id][0]):
                del self._losses[vm_id]
            if action is not None:
                self.send(action)

    def send(self, action: Action) -> None:
        """Hand one action to its driver; what cannot be sent has failed at once, or waits for its driver."""
        vm = self._turns.memory.vms.get(action.vm_id)
        if vm is None or vm.step != action.step:
            return  # the VM has gone on
        family, name = action.family, driver_name(vm, action)
        driver = self._drivers.get(family, name)
        if driver is None:
            known = ", ".join(self._drivers.names(family)) or "none"
            self._fail(action, f"{family} driver {name} is not configured (configured: {known}), see trifid.toml")
        elif driver.is_ready:
            self._send_to(driver, vm, action)
        elif driver.does_not_start:
            self._fail(action, f"{driver} is down: {driver.trouble}")

    def _send_to(self, driver: Driver, vm: VM, action: Action) -> None:
        older = self._under_way.get(vm.id)
        if older is not None:
            self._wait_for(driver, older, action)
            return
        if self._lost(action) >= SENDINGS_MAX:
            self._fail(action, f"{driver} died {SENDINGS_MAX} times over this action, see its log")
            return
        order = self._rendered(vm, action)
        if order is None:
            return
        line = to_driver(order.word, vm.id, order.payload)
        if len(line) > LINE_BYTES_MAX:
            size = f"{len(line)} bytes, {LINE_BYTES_MAX} are possible"
            self._fail(action, f"the {order.word} request would be a line of {size}: make the template smaller")
            return
        sent = self._under_way[vm.id] = Sent(action, driver, order.word)
        timeout_s = driver.settings.timeout_s
        if timeout_s > 0:
            sent.timer = self._call_later(timeout_s, self._timed_out, sent)
        driver.send(line)

    def _wait_for(self, driver: Driver, older: Sent, action: Action) -> None:
        """Cancel what is under way and keep a newer action until that is over, or until its own time is."""
        self._forget_next(action.vm_id)
        timer = None
        timeout_s = driver.settings.timeout_s
        if timeout_s > 0:
            why = f"{older.driver} was still busy with {older.word} after {timeout_s:g} s"
            timer = self._call_later(timeout_s, self._fail, action, why)
        self._next[action.vm_id] = (action, timer)
        self._cancel(older)

    def _forget_next(self, vm_id: int) -> Action | None:
        action, timer = self._next.pop(vm_id, (None, None))
        if timer is not None:
            timer.cancel()
        return action

    def _rendered(self, vm: VM, action: Action) -> Order | None:
        """Return the order for an action; one that cannot be rendered has failed."""
        try:
            return self._orders.render(vm, action)
        except OSError as fault:
            self._fail(action, f"cannot write {fault.filename}: {fault.strerror}")
        except Exception as bug:  # a bug of ours about one VM must not keep the others' actions back
            log.exception("bug while rendering %s.%s of vm %d", action.family, action.verb, vm.id)
            self._fail(action, f"internal error ({type(bug).__name__}), see the engine's log")
        return None

    def _cancel(self, sent: Sent) -> None:
        """Tell a driver that an action is not wanted any more, once; it is waited for a little longer."""
        if sent.is_cancelled:
            return
        sent.is_cancelled = True
        if sent.timer is not None:
            sent.timer.cancel()
        if not sent.driver.answers_all:
            sent.timer = self._call_later(self._cancel_grace_s, self._over, sent)
        sent.driver.send(to_driver("DRIVER_CANCEL", sent.action.vm_id, "-"))

    def _timed_out(self, sent: Sent) -> None:
        self._cancel(sent)
        self._fail(sent.action, f"{sent.driver} did not answer {sent.word} within {sent.driver.settings.timeout_s:g} s")

    def _over(self, sent: Sent) -> None:
        """An action is no longer under way; send what waited for that."""
        del self._under_way[sent.action.vm_id]
        if sent.timer is not None:
            sent.timer.cancel()
        waiting = self._forget_next(sent.action.vm_id)
        if waiting is not None:
            self.send(waiting)

    def ready(self, driver: Driver) -> None:
        """A driver came up: send it, again, everything that it has to do."""
        for action in self._actions_of(driver):
            self.send(action)

    def down(self, driver: Driver, why: str) -> None:
        """A driver is gone.  One that died is up again soon; one that does not start fails its actions."""
        for sent in [sent for sent in self._under_way.values() if sent.driver is driver]:
            if self._turns.memory.actions.get(sent.action.vm_id) == sent.action:
                self._losses[sent.action.vm_id] = (sent.action.step, self._lost(sent.action) + 1)
            self._over(sent)
        if driver.does_not_start:
            for action in self._actions_of(driver):
                self._fail(action, f"{driver} is down: {why}")

    def _lost(self, action: Action) -> int:
        """Return how often a driver died while it had this action."""
        step, losses = self._losses.get(action.vm_id, (action.step, 0))
        return losses if step == action.step else 0

    def _actions_of(self, driver: Driver) -> list[Action]:
        memory, found = self._turns.memory, []
        for action in memory.actions.values():
            vm = memory.vms.get(action.vm_id)
            if vm is not None and action.family == driver.family and driver_name(vm, action) == driver.name:
                found.append(action)
        return found

    def said(self, driver: Driver, message: Message) -> None:
        """An answer, or a line for a VM's log."""
        if message.type == "LOG":
            log.info("vm %d  %s: %s", message.oid, driver, message.payload)
            return
        sent = self._under_way.get(message.oid)
        if sent is None or sent.driver is not driver or sent.word != message.type:
            log.warning("%s answered what was not asked, ignored: %s %s", driver, message.type, message.oid)
            return
        self._happen(sent.action, _event(sent.action, message))
        self._over(sent)

    def _fail(self, action: Action, why: str) -> None:
        self._happen(action, Failed(step=action.step, why=why))

    def _happen(self, action: Action, event: Event) -> None:
        def command(draft: Draft) -> None:
            vm = draft.find_vm(action.vm_id)
            if vm is not None:
                happen(draft, vm, event)

        self._turns.post(command)


def driver_name(vm: VM, action: Action) -> str:
    """Return the name of the driver that serves an action: that of the stay it concerns."""
    record = vm.previous if action.previous else vm.current
    return record.vmm if action.family == "vmm" else record.tm


def _event(action: Action, message: Message) -> Event:
    """Return what an answer means."""
    if message.status != "SUCCESS":
        return Failed(step=action.step, why=message.payload if message.payload != "-" else "the driver gave no reason")
    if action.verb == "POLL":
        running = any(word in ("STATE=a", "STATE=p") for word in message.payload.split())
        return Found(step=action.step) if running else Absent(step=action.step)
    return Done(step=action.step, info="" if message.payload == "-" else message.payload)
