"""Carries out scheduled actions when they are due: one timer for the next of all.

What is due lies in a heap, so that looking costs nothing per VM.  An action, its outcome and the time
when it is due again are written in one transaction: a crash neither loses nor repeats one.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from msgspec.structs import replace

from trifid.core.access import ENGINE, Caller
from trifid.core.vm.record import VM
from trifid.core.vm.schedule import Calendar, ScheduledAction, carried_out
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.errors import NotAllowed, NotFound, TrifidError
from trifid.store.interface import Batch

log = logging.getLogger("trifid.schedule")

LOOK_AGAIN_S = 60.0
"""Longest sleep: the clock of the machine may be set meanwhile."""

CarryOut = Callable[[Draft, Caller, VM, ScheduledAction], None]
"""Does in a draft what the caller would have done by a call; raises TrifidError when it is refused."""


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Do not call."""


CallLater = Callable[[float, Callable[[], object]], Timer]


class LocalCalendar:
    """Days and hours as the machine that the engine runs on has them."""

    def day(self, at: int) -> tuple[int, int, int]:
        """Return the day of the week (0 = Sunday), of the month and of the year (from 0)."""
        date = datetime.fromtimestamp(at)
        return date.isoweekday() % 7, date.day, date.timetuple().tm_yday - 1

    def days_later(self, at: int, days: int) -> int:
        """Return the same time of the day some days later, whatever summer time does."""
        return int((datetime.fromtimestamp(at) + timedelta(days=days)).timestamp())


class Schedule:
    """The scheduled actions of all VMs.

    Args:
        call_later: starts a timer; the running loop's own by default.

    Attributes:
        calendar: tells days of the week, month and year.
    """

    def __init__(
        self,
        turns: Turns,
        now: Callable[[], int],
        calendar: Calendar | None = None,
        call_later: CallLater | None = None,
    ) -> None:
        self.calendar: Calendar = calendar or LocalCalendar()
        self._turns = turns
        self._now = now
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._carry_out: CarryOut | None = None
        self._heap: list[tuple[int, int, int]] = []
        self._known: dict[int, tuple[ScheduledAction, ...]] = {}
        self._timer: Timer | None = None
        self._is_closed = False

    def start(self, carry_out: CarryOut) -> None:
        """Begin: what was due while no engine ran is done now, once."""
        self._carry_out = carry_out
        for vm in self._turns.memory.vms.values():
            self._take_in(vm)
        self._sleep()

    def close(self) -> None:
        """Do nothing more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def committed(self, batch: Batch) -> None:
        """Take in what was scheduled, changed or taken back."""
        if self._carry_out is None:
            return
        has_news = False
        for vm_id, vm in batch.vms.items():
            if vm is None or vm_id not in self._turns.memory.vms:
                self._known.pop(vm_id, None)
            elif vm.schedule or vm_id in self._known:
                has_news = self._take_in(vm) or has_news
        if has_news:
            self._sleep()

    def _take_in(self, vm: VM) -> bool:
        """Put what is new of a VM's schedule into the heap; what is no longer true there is passed over later."""
        known = self._known.get(vm.id, ())
        if vm.schedule is known or (not vm.schedule and not known):
            return False
        before = {(one.id, one.time) for one in known if not one.is_over}
        for one in vm.schedule:
            if not one.is_over and (one.id, one.time) not in before:
                heapq.heappush(self._heap, (one.time, vm.id, one.id))
        if vm.schedule:
            self._known[vm.id] = vm.schedule
        else:
            self._known.pop(vm.id, None)
        return True

    def _sleep(self) -> None:
        """Set the timer for the next action."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap and not self._is_closed:
            wait_s = min(max(0.0, float(self._heap[0][0] - self._now())), LOOK_AGAIN_S)
            self._timer = self._call_later(wait_s, self._look)

    def _look(self) -> None:
        """Post what is due."""
        self._timer = None
        now = self._now()
        due: dict[tuple[int, int, int], None] = {}
        while self._heap and self._heap[0][0] <= now:
            due[heapq.heappop(self._heap)] = None
        for time, vm_id, action_id in due:
            self._turns.post(self._command(vm_id, action_id, time))
        self._sleep()

    def _command(self, vm_id: int, action_id: int, time: int) -> Callable[[Draft], None]:
        def command(draft: Draft) -> None:
            vm = draft.find_vm(vm_id)
            one = found(vm, action_id) if vm is not None else None
            if vm is None or one is None or one.is_over or one.time != time:
                return  # it was taken back, or is due at another time now
            self._perform(draft, vm, one)

        return command

    def _perform(self, draft: Draft, vm: VM, one: ScheduledAction) -> None:
        """Do it as its owner would, and note how it went; a refusal leaves nothing but its text."""
        assert self._carry_out is not None
        attempt = draft.child()
        message = ""
        try:
            self._carry_out(attempt, _caller(draft, one.uid), vm, one)
        except NotFound as missing:
            message = f"Error getting {missing.message} [{missing.object_id}]."
        except TrifidError as refusal:
            message = refusal.message
        else:
            attempt.fold()
        words = " ".join([one.action, *one.arguments])
        log.info("VM %d: scheduled action %d (%s): %s", vm.id, one.id, words, message or "carried out")
        after = carried_out(one, draft.now, message, self.calendar)
        put_schedule(draft, draft.vm(vm.id), after)
        who = Caller(one.uid, "", ENGINE.gids)
        what = "schedule-failed" if message else "schedule-done"
        draft.note("VM", vm.id, who, what, text=f"{words}: {message}" if message else words)


def found(vm: VM, action_id: int) -> ScheduledAction | None:
    """Return a scheduled action of a VM, or None."""
    return next((one for one in vm.schedule if one.id == action_id), None)


def put_schedule(draft: Draft, vm: VM, changed: ScheduledAction) -> None:
    """Write a VM with one of its scheduled actions changed."""
    schedule = tuple(changed if one.id == changed.id else one for one in vm.schedule)
    draft.put(replace(vm, schedule=schedule))


def _caller(draft: Draft, uid: int) -> Caller:
    """Return the user on whose behalf an action is done, with the groups of today; raises NotFound, NotAllowed."""
    user = draft.user(uid)
    if not user.enabled:
        raise NotAllowed(f"user {user.name} [{uid}], who scheduled it, is disabled")
    return draft.memory.caller(user)
