"""Following VMs until they are where they were sent.

The journal is asked for news (`trifid.event.list`, a call that waits); an engine that has none, or a
caller who may not read it, is asked for the VM itself again and again.
"""

import json
import sys
from typing import Any, NamedTuple

import click

from trifid.cli.failure import INTERRUPTED, Failure
from trifid.cli.kinds import HOST, VM
from trifid.cli.shell import Shell

DEFAULT_TIMEOUT_S = 600.0
_NEWS_WAIT_S = 20
_PROGRESS_WAIT_S = 2
_EVENTS_MAX = 1000
_LOOK_EVERY_S = 0.5

_PENDING, _HOLD, _SUSPENDED = "1", "2", "5"

_RESTING = frozenset({"HOLD", "RUNNING", "STOPPED", "SUSPENDED", "DONE", "POWEROFF", "UNDEPLOYED", "UNKNOWN"})
"""States that a VM does not leave by itself."""


class Goal(NamedTuple):
    """Where VMs shall be.

    Attributes:
        state: the name that errors show: the LCM name when ACTIVE.
        is_strict: a VM that comes to rest anywhere else has failed.
        host_id: the host where it shall be there; None = any.
    """

    state: str
    is_strict: bool = True
    host_id: int | None = None


def is_state(word: str) -> bool:
    """Tell whether a word is the name of a state of a VM."""
    from trifid.core.vm.states import VmState

    return word.upper() in VmState.__members__ and word.upper() == VmState[word.upper()].printable


def printable(name: str) -> str:
    """Return the name of a state as users know it; the journal tells finer ones apart."""
    from trifid.core.vm.states import VmState

    return VmState[name].printable if name in VmState.__members__ else name


def failed(state: str, goal: Goal) -> bool:
    """Tell whether a VM in `state`, which is not the goal, will not come to the goal by itself."""
    return state.endswith("FAILURE") or state == "DONE" or (goal.is_strict and state in _RESTING)


def why(vm: dict[str, Any]) -> str:
    """Return what went wrong with a VM, or why it waits: ERROR, else SCHED_MESSAGE; may be empty."""
    told = vm.get("USER_TEMPLATE") or {}
    return str(told.get("ERROR") or waits_for(vm))


def waits_for(vm: dict[str, Any]) -> str:
    """Return what the scheduler says of a VM that waits, is to move, or is a lease that it rejected or suspended.

    Any other VM keeps what was said while it waited; that tells nothing about now, and is left out.
    """
    told = vm.get("USER_TEMPLATE") or {}
    is_lease = vm["STATE"] in (_HOLD, _SUSPENDED) and "HAIZEA" in told
    is_told = vm["STATE"] == _PENDING or vm.get("RESCHED") == "1" or is_lease
    return str(told.get("SCHED_MESSAGE") or "") if is_told else ""


def how_far(vm: dict[str, Any]) -> str:
    """Return how far a live migration is, empty when there is none or nothing is known yet."""
    told = (vm.get("USER_TEMPLATE") or {}).get("LIVE_MIGRATION")
    if not isinstance(told, dict) or "PERCENT" not in told:
        return ""
    said = f"{told['PERCENT']} %"
    if "LEFT_MIB" in told:
        said += f", {told['LEFT_MIB']} of {told.get('TOTAL_MIB', '?')} MiB left, {told.get('MIB_S', '?')} MiB/s"
    if told.get("THROTTLE", "0") != "0":
        said += f", the guest is slowed down by {told['THROTTLE']} %"
    return said


def state_of(vm: dict[str, Any]) -> str:
    """Return the name of a VM's state."""
    from trifid.core.vm.states import printable_state

    return printable_state(int(vm["STATE"]), int(vm["LCM_STATE"]))


class Follower:
    """Follows VMs; made before they are sent anywhere, so that nothing is missed."""

    def __init__(self, shell: Shell) -> None:
        from trifid.client import ApiError, ApiFault

        self._shell = shell
        self._shown: dict[int, str] = {}
        self._progress: dict[int, str] = {}
        try:
            self._after: int | None = json.loads(shell.call("trifid.event.list", -1, 0, 1))["last"]
        except (ApiError, ApiFault):
            self._after = None

    def until(self, ids: list[int], goal: Goal, timeout_s: float) -> None:
        """Return when every VM has reached the goal; complain about each that cannot or is not there in time.

        Raises:
            click.exceptions.Exit: the user does not want to wait any longer.
        """
        waiting = set(ids)
        try:
            self._follow(waiting, goal, timeout_s)
        except KeyboardInterrupt:
            self._left_alone(waiting)
            raise click.exceptions.Exit(INTERRUPTED) from None

    def _follow(self, waiting: set[int], goal: Goal, timeout_s: float) -> None:
        deadline = self._shell.clock() + timeout_s
        while waiting:
            left_s = deadline - self._shell.clock()
            if left_s <= 0:
                self._too_late(waiting, timeout_s)
                return
            self._tell_progress(waiting)
            for vm_id, state in self._news(waiting, left_s):
                if vm_id in waiting and self._is_over(vm_id, state, goal):
                    waiting.discard(vm_id)

    def _is_over(self, vm_id: int, state: str, goal: Goal) -> bool:
        if self._shown.get(vm_id) != state and self._shell.watches():
            self._shell.tell(f"VM {vm_id}: {state}")
        self._shown[vm_id] = state
        if state == goal.state and self._is_in_place(vm_id, goal):
            self._shell.done(VM, vm_id, state)
            return True
        if state != goal.state and not failed(state, goal):
            return False
        if state == goal.state:
            self._complain(vm_id, f"is {state}, but not on host {self._host_name(goal)}")
        else:
            self._complain(vm_id, f"is {state}, not {goal.state}")
        return True

    def _host_name(self, goal: Goal) -> str:
        return str(goal.host_id) if goal.host_id is None else self._shell.name(HOST, goal.host_id) or str(goal.host_id)

    def _moving(self, waiting: set[int]) -> list[int]:
        """Return those that move live while somebody looks on: how far they are is no news of the journal."""
        return [vm_id for vm_id in sorted(waiting) if self._shown.get(vm_id) == "MIGRATE" and self._shell.watches()]

    def _tell_progress(self, waiting: set[int]) -> None:
        for vm_id in self._moving(waiting):
            said = how_far(self._shell.one(VM, vm_id))
            if said and self._progress.get(vm_id) != said:
                self._shell.tell(f"VM {vm_id}: MIGRATE {said}")
                self._progress[vm_id] = said

    def _is_in_place(self, vm_id: int, goal: Goal) -> bool:
        if goal.host_id is None:
            return True
        from trifid.wire.elements import several

        records = several((self._shell.one(VM, vm_id).get("HISTORY_RECORDS") or {}).get("HISTORY"))
        return bool(records) and int(records[-1]["HID"]) == goal.host_id

    def _news(self, waiting: set[int], left_s: float) -> list[tuple[int, str]]:
        """Return (VM, state) in the order in which they came about; empty when nothing is new."""
        from trifid.client import EngineUnreachable

        try:
            if self._after is None:
                found = [(vm_id, state_of(self._shell.one(VM, vm_id))) for vm_id in sorted(waiting)]
                self._shell.sleep(min(_LOOK_EVERY_S, left_s))
                return found
            wait_s = max(1, min(_PROGRESS_WAIT_S if self._moving(waiting) else _NEWS_WAIT_S, int(left_s)))
            answer = json.loads(self._shell.call("trifid.event.list", self._after, wait_s, _EVENTS_MAX))
        except EngineUnreachable as gone:
            # An engine that is restarted carries on where it was, and so does this.
            self._shell.tell(str(gone))
            self._shell.sleep(min(2.0, left_s))
            return []
        self._after = answer["last"]
        return [(e["object_id"], printable(e["new"])) for e in answer["events"] if e["kind"] == "VM" and e["new"]]

    def _too_late(self, waiting: set[int], timeout_s: float) -> None:
        for vm_id in sorted(waiting):
            self._complain(vm_id, f"is still {self._shown.get(vm_id, 'where it was')} after {timeout_s:g} s")

    def _left_alone(self, waiting: set[int]) -> None:
        """Tell that nothing was taken back, on a line of its own: a terminal shows ^C before it."""
        lines = [f'VM {vm_id} goes on; see "onevm show {vm_id}"' for vm_id in sorted(waiting)]
        self._shell.tell("\n".join(["", *lines] if sys.stderr.isatty() else lines))

    def _complain(self, vm_id: int, what: str) -> None:
        told = why(self._shell.one(VM, vm_id))
        advice = f'see "onevm show {vm_id}"'
        if "FAILURE" in what:
            advice += f', then "onevm recover --retry {vm_id}" or "onevm recover --delete {vm_id}"'
        text = f"VM {vm_id} {what}" + (f": {told}" if told else "")
        self._shell.complain(Failure(text, advice, object_id=vm_id))
