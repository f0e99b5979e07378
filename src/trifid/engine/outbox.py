"""The outbox at work: committed actions go out to drivers, their answers come back as events.

An action is a row that stays until its answer has been committed, so after a crash, or when a driver
died, it is simply sent again: drivers take "already so" for success.  How actions are delivered, and why
a VM has at most one under way, is told in engine/delivery.py.  An answer belongs to what is under way,
and it carries the step number of that: to a VM that has gone on, it means nothing.
"""

import logging
import re
from collections.abc import Mapping

from trifid.core.vm.events import Absent, Done, Event, Failed, Found
from trifid.core.vm.record import VM, Action
from trifid.engine.delivery import CANCEL_GRACE_S, CallLater, Delivery, Sent
from trifid.engine.drivers import DriverSet
from trifid.engine.host_networks import HostNetworks
from trifid.engine.life import happen
from trifid.engine.orders import Order, Orders
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.store.interface import Batch
from trifid.wire.lines import Message

log = logging.getLogger("trifid.outbox")

OFF = "STATE=d"
"""Answer to MIGRATECOPY: it ended on its source, and has never run on the target."""
_TELL_PROGRESS = ("MIGRATE", "MIGRATECOPY")
_FIGURE = re.compile(r"([A-Z][A-Z_]{0,31})=([0-9]{1,12})", re.ASCII)
_FIGURES_MAX = 16


class Outbox(Delivery[Action]):
    """Sends actions and understands answers.

    Args:
        call_later: as of an event loop; the running one's by default.

    Attributes:
        networks: what some actions wait for; None = nothing.
        progress: VM id to how far its live migration is, by names of figures.
    """

    kind = "vm"
    too_long = "make the template smaller"

    def __init__(
        self,
        turns: Turns,
        drivers: DriverSet,
        orders: Orders,
        *,
        cancel_grace_s: float = CANCEL_GRACE_S,
        call_later: CallLater | None = None,
    ) -> None:
        super().__init__(drivers, log, cancel_grace_s=cancel_grace_s, call_later=call_later)
        self._turns = turns
        self._orders = orders
        self.networks: HostNetworks | None = None
        self.progress: dict[int, dict[str, str]] = {}
        turns.after_commit.append(self.committed)

    def send(self, action: Action) -> None:
        """Hand one action to its driver, once its VM's networks are on its host if it needs them."""
        vm = self._turns.memory.vms.get(action.vm_id)
        is_current = vm is not None and vm.step == action.step
        if (
            vm is None
            or not is_current
            or self.networks is None
            or self.networks.passes(vm, action, lambda: self.send(action), lambda why: self._fail(action, why))
        ):
            super().send(action)

    def is_undecided(self, vm_id: int) -> bool:
        """Whether a hypervisor driver still works at what is no longer wanted of it: a VM seen now may move yet."""
        sent = self._under_way.get(vm_id)
        return sent is not None and sent.is_cancelled and sent.driver.family == "vmm"

    def committed(self, batch: Batch) -> None:
        """Send what the batch asks for; how far something was that is over is nothing any more."""
        for vm_id in batch.actions:
            self.progress.pop(vm_id, None)
        self._send_all(batch.actions)

    def _id(self, action: Action) -> int:
        return action.vm_id

    @property
    def _wanted(self) -> Mapping[int, Action]:
        return self._turns.memory.actions

    def _driver_of(self, action: Action) -> tuple[str, str] | None:
        vm = self._turns.memory.vms.get(action.vm_id)
        if vm is None or vm.step != action.step:
            return None
        return action.family, driver_name(vm, action)

    def _render(self, action: Action) -> Order:
        return self._orders.render(self._turns.memory.vms[action.vm_id], action)

    def _goes_on(self, sent: Sent[Action], text: str) -> None:
        super()._goes_on(sent, text)
        action = sent.action
        if action.verb in _TELL_PROGRESS and self._wanted.get(action.vm_id) == action:
            self.progress[action.vm_id] = _figures(text)

    def _answered(self, action: Action, message: Message) -> None:
        self._happen(action, _event(action, message))

    def _fail(self, action: Action, why: str) -> None:
        self._happen(action, Failed(step=action.step, why=why))

    def _happen(self, action: Action, event: Event) -> None:
        def command(draft: Draft) -> None:
            vm = draft.find_vm(action.vm_id)
            if vm is not None:
                happen(draft, vm, event)

        self._turns.post(command)


def _figures(text: str) -> dict[str, str]:
    """Return the figures that a driver tells, PERCENT=43 LEFT_MIB=120; what is none, or one too many, is left out."""
    found = (_FIGURE.fullmatch(word) for word in text.split(maxsplit=_FIGURES_MAX)[:_FIGURES_MAX])
    return {figure[1]: figure[2] for figure in found if figure is not None}


def driver_name(vm: VM, action: Action) -> str:
    """Return the name of the driver that serves an action: that of the stay it concerns."""
    record = vm.previous if action.previous else vm.current
    return record.vmm if action.family == "vmm" else record.tm


def _event(action: Action, message: Message) -> Event:
    """Return what an answer means."""
    if message.status != "SUCCESS":
        return Failed(step=action.step, why=message.payload if message.payload != "-" else "the driver gave no reason")
    if action.verb == "MIGRATECOPY" and message.payload == OFF:
        return Absent(step=action.step)
    if action.verb == "POLL":
        running = any(word in ("STATE=a", "STATE=p") for word in message.payload.split())
        return Found(step=action.step) if running else Absent(step=action.step)
    return Done(step=action.step, info="" if message.payload == "-" else message.payload)
