"""The scheduler's rounds: look, plan, carry out, and wait for news.

It keeps nothing that matters: whoever starts it again gets the same plans.  All it knows of the engine
comes through the public API.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

import msgspec

from trifid.client.errors import ApiError, ClientError
from trifid.core.template.model import Template
from trifid.core.template.scanner import render
from trifid.placement.place import Plan, place
from trifid.placement.policy import Planner
from trifid.placement.reading import datastores, hosts, waiting_vms
from trifid.placement.view import View, WaitingVm
from trifid.scheduler.news import Event, News
from trifid.wire.elements import BadDocument

log = logging.getLogger("trifid.scheduler")

EVENTS_MAX = 1000
WAIT_S_MAX = 50
"""Longest wait of one call; below the client's timeout."""
OUTAGE_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 5.0)
BACK_OFF_S, BACK_OFF_S_MAX = 1.0, 300.0
PAUSE_S, PAUSE_S_MAX = 0.05, 1.0
MESSAGES_MAX = 200
"""SCHED_MESSAGEs written in one round, so that explaining never keeps VMs from being placed."""

_FILTER_ALL, _STATE_PENDING, _STATE_ACTIVE = -2, 1, 3
_NOT_FOUND = 0x0400


class Caller(Protocol):
    """The part of the API client that is used."""

    def call(self, method: str, *args: Any) -> Any:
        """Return the result of a method; raises ClientError."""


class _BackOff(msgspec.Struct, frozen=True):
    """A VM whose deploy was refused: not tried again before `until`."""

    until: float
    delay_s: float


class _Heard(msgspec.Struct, frozen=True):
    """An answer of trifid.event.list."""

    last: int
    events: list[Event] = []


class Loop:
    """The scheduler of one engine.

    Args:
        policy: the rank of hosts for VMs without their own, see place.POLICIES.
        datastore_policy: that of system datastores, see storage.POLICIES.
        planner: decides instead of the matchmaker with these policies.
        decided: told of every plan, once it was carried out.
        interval_s: longest time between two looks.
        clock: seconds from anywhere, never going back.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        client: Caller,
        *,
        policy: str = "striping",
        datastore_policy: str = "striping",
        planner: Planner | None = None,
        decided: Callable[[View, Plan], None] = lambda view, plan: None,
        interval_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._planner = planner or partial(place, policy=policy, datastore_policy=datastore_policy)
        self._decided = decided
        self._interval_s = interval_s
        self._clock = clock
        self._sleep = sleep
        self._after: int | None = None
        self._news = News()
        self._back_off: dict[int, _BackOff] = {}
        self._explained_at: dict[int, float] = {}
        self._outages = 0
        self._outage = ""

    def run(self) -> None:
        """Schedule for ever."""
        while True:
            self.round()

    def round(self) -> None:
        """Plan once and wait for news; an engine that is away, or answers nonsense, is waited for."""
        try:
            if self._after is None:
                self._catch_up()
            began = self._clock()
            self.cycle()
            if self._outages:
                log.info("engine is back")
                self._outages, self._outage = 0, ""
            self._sleep(min(PAUSE_S_MAX, self._clock() - began))
            self._wait(began + self._interval_s)
        except (ClientError, BadDocument) as fault:
            self._after = None
            if str(fault) != self._outage:
                log.warning("cannot schedule: %s", fault)
                self._outage = str(fault)
            self._sleep(OUTAGE_DELAYS_S[min(self._outages, len(OUTAGE_DELAYS_S) - 1)])
            self._outages += 1

    def _catch_up(self) -> None:
        """Begin to listen, then learn what was asked before: no event between the two is missed."""
        self._after = self._hear(-1, 0, 1).last
        self._news.forget()
        active = self._client.call("one.vmpool.info", _FILTER_ALL, -1, -1, _STATE_ACTIVE)
        self._news.moving = {vm.id for vm in waiting_vms(active)}

    def cycle(self) -> None:
        """Place every VM that can be placed, and tell the others why not."""
        pool = self._client.call("one.vmpool.info", _FILTER_ALL, -1, -1, _STATE_PENDING)
        vms = {vm.id: vm for vm in (*waiting_vms(pool), *self._moving())}
        self._back_off = {vm_id: one for vm_id, one in self._back_off.items() if vm_id in vms}
        self._explained_at = {vm_id: at for vm_id, at in self._explained_at.items() if vm_id in vms}
        now = self._clock()
        ready = tuple(vm for vm in vms.values() if vm.id not in self._back_off or self._back_off[vm.id].until <= now)
        if not ready:
            return
        view = View(
            ready,
            tuple(hosts(self._client.call("one.hostpool.info"), self._client.call("one.clusterpool.info"))),
            tuple(datastores(self._client.call("one.datastorepool.info"))),
        )
        plan = self._planner(view)
        self._carry_out(plan, vms)
        self._explain(plan.refusals, vms)
        self._decided(view, plan)

    def _moving(self) -> Iterable[WaitingVm]:
        """Yield the VMs that are to move; those that need not any more are forgotten."""
        for vm_id in sorted(self._news.moving):
            try:
                found = waiting_vms(self._client.call("one.vm.info", vm_id, False))
            except ApiError as refused:
                log.info("vm %d  is not moved: %s", vm_id, refused)
                found = []
            wanting = [vm for vm in found if vm.host_id >= 0]
            if not wanting:
                self._news.moving.discard(vm_id)
            yield from wanting

    def _carry_out(self, plan: Plan, vms: dict[int, WaitingVm]) -> None:
        for vm_id, text in plan.warnings.items():
            log.warning("vm %d  %s", vm_id, text)
        for vm_id, host_id, datastore_id in plan.placements:
            vm = vms[vm_id]
            try:
                self._client.call("trifid.vm.place", vm_id, host_id, datastore_id)
            except ApiError as refused:
                self._refused(vm_id, host_id, refused, plan)
                continue
            log.info("vm %d  placed on host %d, in datastore %d", vm_id, host_id, datastore_id)
            self._back_off.pop(vm_id, None)
            if vm.message:
                self._write(vm_id, "")

    def _refused(self, vm_id: int, host_id: int, refused: ApiError, plan: Plan) -> None:
        """Leave a VM alone for a while, twice as long each time, so that it does not keep others waiting."""
        before = self._back_off.get(vm_id)
        delay_s = min(BACK_OFF_S_MAX, before.delay_s * 2) if before else BACK_OFF_S
        self._back_off[vm_id] = _BackOff(self._clock() + delay_s, delay_s)
        log.warning("vm %d  not placed on host %d, next try in %g s: %s", vm_id, host_id, delay_s, refused)
        if refused.code != _NOT_FOUND:
            plan.refusals[vm_id] = f"Host {host_id} was chosen, but the engine refused: {refused.message}"

    def _explain(self, refusals: Mapping[int, str], vms: dict[int, WaitingVm]) -> None:
        """Write reasons to VMs that have none yet first; a reason is not replaced more often than once an interval."""
        now = self._clock()
        changed = [vm_id for vm_id, text in refusals.items() if text != vms[vm_id].message]
        due = [
            vm_id
            for vm_id in changed
            if not vms[vm_id].message or self._explained_at.get(vm_id, -math.inf) + self._interval_s <= now
        ]
        due.sort(key=lambda vm_id: vms[vm_id].message != "")
        for vm_id in due[:MESSAGES_MAX]:
            log.info("vm %d  waits: %s", vm_id, refusals[vm_id])
            self._explained_at[vm_id] = now
            self._write(vm_id, refusals[vm_id])

    def _write(self, vm_id: int, text: str) -> None:
        text = text.replace("]]>", "] ]>")
        try:
            self._client.call("one.vm.update", vm_id, render(Template((("SCHED_MESSAGE", text),))), 1)
        except ApiError as refused:
            log.warning("vm %d  SCHED_MESSAGE was not written: %s", vm_id, refused)
        else:
            self._news.wrote(vm_id)

    def _wait(self, due: float) -> None:
        """Return when there is news, or at `due`, or when a VM may be tried again."""
        due = min((due, *(one.until for one in self._back_off.values())))
        while (left_s := due - self._clock()) > 0:
            wait_s = max(1, math.floor(min(left_s, WAIT_S_MAX)))
            heard = self._hear(self._after, wait_s, EVENTS_MAX)
            self._after = heard.last
            # Each one is looked at: they also tell which VMs move and which updates were ours.
            mattering = [event for event in heard.events if self._news.matters(event)]
            if mattering:
                return
            if heard.events:
                self._sleep(PAUSE_S)

    def _hear(self, after: int | None, wait_s: int, limit: int) -> _Heard:
        answer = self._client.call("trifid.event.list", after, wait_s, limit)
        try:
            return msgspec.json.decode(answer, type=_Heard)
        except (msgspec.DecodeError, TypeError) as bad:
            raise BadDocument(f"trifid.event.list answered what is not a list of events: {bad}") from None
