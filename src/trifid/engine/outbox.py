"""The outbox at work: committed actions go out to drivers, their answers come back as events.

An action is a row that stays until its answer has been committed, so after a crash, or when a driver
died, it is simply sent again: drivers take "already so" for success.  A driver answers the actions of
one VM in the order in which it got them; what was sent is remembered in that order, so that an answer
finds its step number although the wire carries only the VM's id.
"""

import asyncio
import logging
from collections import defaultdict, deque

import msgspec

from trifid.core.vm.events import Absent, Done, Event, Failed, Found
from trifid.core.vm.record import VM, Action
from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.life import happen
from trifid.engine.orders import Orders
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.store.interface import Batch
from trifid.wire.lines import Message, to_driver

log = logging.getLogger("trifid.outbox")

SENDINGS_MAX = 3
"""How often an action is sent to a driver that keeps dying over it."""


class Sent(msgspec.Struct):
    """An action under way.

    Attributes:
        word: the word on the wire that the answer will repeat.
    """

    action: Action
    word: str
    deadline: asyncio.TimerHandle | None = None


class Outbox:
    """Sends actions and understands answers."""

    def __init__(self, turns: Turns, drivers: DriverSet, orders: Orders) -> None:
        self._turns = turns
        self._drivers = drivers
        self._orders = orders
        self._sent: dict[tuple[str, str, int], deque[Sent]] = defaultdict(deque)
        self._sendings: dict[tuple[int, int], int] = {}
        turns.after_commit.append(self.committed)

    def committed(self, batch: Batch) -> None:
        """Send what the batch asks for."""
        for vm_id, action in batch.actions.items():
            if action is not None:
                self.send(action)
            elif vm_id in batch.vms:
                self._sendings = {k: v for k, v in self._sendings.items() if k[0] != vm_id} if self._sendings else {}

    def send(self, action: Action) -> None:
        """Hand one action to its driver; what cannot be sent has failed at once, or waits for its driver."""
        vm = self._turns.memory.vms.get(action.vm_id)
        if vm is None or vm.step != action.step:
            return  # superseded in the same turn
        family, name = action.family, driver_name(vm, action)
        driver = self._drivers.get(family, name)
        if driver is None:
            known = ", ".join(self._drivers.names(family)) or "none"
            self._fail(action, f"{family} driver {name} is not configured (configured: {known}), see trifid.toml")
        elif driver.is_ready:
            self._send_to(driver, vm, action)
        elif driver.failures:
            self._fail(action, f"{driver} is down: {driver.trouble}")

    def _send_to(self, driver: Driver, vm: VM, action: Action) -> None:
        key = (driver.family, driver.name, vm.id)
        attempt = self._sendings.get((vm.id, action.step), 0) + 1
        if attempt > SENDINGS_MAX:
            self._fail(action, f"{driver} died {SENDINGS_MAX} times over this action, see its log")
            return
        try:
            order = self._orders.render(vm, action)
        except OSError as fault:
            self._fail(action, f"cannot write {fault.filename}: {fault.strerror}")
            return
        if attempt > 1:
            self._sendings[(vm.id, action.step)] = attempt
        if self._sent[key]:
            driver.send(to_driver("DRIVER_CANCEL", vm.id, "-"))
        sent = Sent(action, order.word)
        timeout_s = driver.settings.timeout_s
        if timeout_s > 0:
            why = f"{driver} did not answer {order.word} within {timeout_s:g} s"
            sent.deadline = asyncio.get_running_loop().call_later(timeout_s, self._fail, action, why)
        self._sent[key].append(sent)
        driver.send(to_driver(order.word, vm.id, order.payload))

    def ready(self, driver: Driver) -> None:
        """A driver came up: send it, again, everything that it has to do."""
        self._forget(driver, count=True)
        for action in list(self._turns.memory.actions.values()):
            vm = self._turns.memory.vms.get(action.vm_id)
            if vm is not None and action.family == driver.family and driver_name(vm, action) == driver.name:
                self.send(action)

    def down(self, driver: Driver, why: str) -> None:
        """A driver is gone.  One that just died is up again soon; one that does not come up fails its actions."""
        if driver.failures <= 1:
            return
        self._forget(driver, count=False)
        for action in list(self._turns.memory.actions.values()):
            vm = self._turns.memory.vms.get(action.vm_id)
            if vm is not None and action.family == driver.family and driver_name(vm, action) == driver.name:
                self._fail(action, f"{driver} is down: {why}")

    def _forget(self, driver: Driver, count: bool) -> None:
        for key in [key for key in self._sent if key[:2] == (driver.family, driver.name)]:
            for sent in self._sent.pop(key):
                if sent.deadline is not None:
                    sent.deadline.cancel()
                if count:
                    step = (sent.action.vm_id, sent.action.step)
                    self._sendings[step] = self._sendings.get(step, 0) + 1

    def said(self, driver: Driver, message: Message) -> None:
        """An answer, or a line for a VM's log."""
        if message.type == "LOG":
            log.info("vm %d  %s: %s", message.oid, driver, message.payload)
            return
        key = (driver.family, driver.name, message.oid)
        waiting = self._sent.get(key)
        sent = next((s for s in waiting if s.word == message.type), None) if waiting else None
        if waiting is None or sent is None:
            log.warning("%s answered what was not asked, ignored: %s %s", driver, message.type, message.oid)
            return
        waiting.remove(sent)
        if not waiting:
            del self._sent[key]
        if sent.deadline is not None:
            sent.deadline.cancel()
        self._happen(sent.action, _event(sent.action, message))

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
