"""The scheduler's rounds: look, plan, carry out, and wait for news.

It keeps nothing that matters: whoever starts it again gets the same plans.  All it knows of the engine
comes through the public API.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from trifid.client.errors import ApiError, ClientError
from trifid.placement.lease_rules import DEFAULT_PACE, Pace
from trifid.placement.order import ordered, totals_of
from trifid.placement.plan import Plan
from trifid.placement.policy import Planner, planner_of
from trifid.placement.reading import waiting_vms
from trifid.placement.settings import Replacement, Settings
from trifid.placement.timeline import FOREVER
from trifid.placement.view import HostView, View, WaitingVm
from trifid.scheduler.backoff import EVERYBODY, BackOff
from trifid.scheduler.considered import Considered
from trifid.scheduler.dispatch import NO_LIMITS, Binder, Limits, asked_by, carry_out
from trifid.scheduler.leasing import Leasing, Turn
from trifid.scheduler.look import Caller, Looks
from trifid.scheduler.messages import Messages, not_yet
from trifid.scheduler.news import Event, News
from trifid.scheduler.replacement import Replacement as Policy
from trifid.scheduler.replacing import Replacing
from trifid.wire.elements import BadDocument

log = logging.getLogger("trifid.scheduler")

NO_REPLACEMENT = Replacement()

EVENTS_MAX = 1000
WAIT_S_MAX = 50
"""Longest wait of one call; below the client's timeout."""
OUTAGE_DELAYS_S = (0.2, 0.5, 1.0, 2.0, 5.0)
PAUSE_S, PAUSE_S_MAX = 0.02, 1.0
WARM_S_MIN, WARM_SHARE, WARM_HOSTS_MIN = 5.0, 0.01, 200
"""Many hosts are read while nothing waits, so that a VM that comes waits for little; at most this share of the time."""

_NOT_FOUND = 0x0400


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
        binder: carries a plan out.
        decided: told of every plan, once it was carried out.
        interval_s: longest time between two looks.
        clock: seconds from anywhere, never going back.
        sleep: waits that many seconds.
        now: seconds since 1970.
        limits: how much is done in one round.
        pace: how fast VMs come and go, for leases in time.
        replacement: what runs already is moved by these settings.
    """

    def __init__(
        self,
        client: Caller,
        *,
        policy: str = "striping",
        datastore_policy: str = "striping",
        planner: Planner | None = None,
        binder: Binder = carry_out,
        decided: Callable[[View, Plan], None] = lambda view, plan: None,
        interval_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        now: Callable[[], float],
        limits: Limits = NO_LIMITS,
        pace: Pace = DEFAULT_PACE,
        replacement: Replacement = NO_REPLACEMENT,
    ) -> None:
        self._client = client
        self._planner = planner or planner_of(Settings(policy=policy, datastore_policy=datastore_policy))
        self._binder = binder
        self._decided = decided
        self._interval_s = interval_s
        self._clock = clock
        self._sleep = sleep
        self._now = now
        self._limits = limits
        self._looks = Looks(client)
        self._messages = Messages(client, interval_s)
        self._after: int | None = None
        self._news = News()
        self._leasing = Leasing(client, placer=self._planner, wrote=self._news.wrote, pace=pace)
        self._replacing = Replacing(client, self._looks, Policy(replacement), quiet_s=interval_s, clock=clock, now=now)
        self._wake_at = FOREVER
        self._back_off = BackOff()
        self._considered = Considered(limits.max_vm)
        self._waiting: frozenset[int] = frozenset()
        self._is_unfinished = False
        self._warm_at = 0.0
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
            elif self._is_unfinished:
                self._listen(0)
            began = self._clock()
            self.cycle()
            if self._outages:
                log.info("engine is back")
                self._outages, self._outage = 0, ""
            # What comes meanwhile is planned together; an engine that is busy is not asked all the time.
            self._sleep(min(PAUSE_S_MAX, self._clock() - began))
            if not self._is_unfinished:
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
        self._back_off.lost_track()
        everything = self._looks.everything()
        self._news.moving = {vm.id for vm in waiting_vms(everything) if vm.host_id >= 0}
        self._leasing.catch_up(everything)
        self._warm_up()

    # -- one round ---------------------------------------------------------------------------------

    def cycle(self) -> None:
        """Place every VM that can be placed, tell the others why not, and move what shall move."""
        self._replacing.round(self._placing())

    def _placing(self) -> Sequence[HostView] | None:
        """Place VMs; return the hosts with what leases leave unused, None when there are no leases."""
        vms = {vm.id: vm for vm in (*self._looks.pending(), *self._moving())}
        now = self._clock()
        self._waiting = frozenset(vms)
        self._is_unfinished = False
        self._back_off.tidy(vms.keys(), now)
        self._messages.tidy(vms.keys())
        has_leases = self._leasing.is_needed(vms.values())
        self._wake_at = FOREVER
        ready = {vm.id for vm in vms.values() if self._back_off.is_ready(vm.id, now)}
        seen = [self._with_bans(vm, now) for vm in vms.values() if has_leases or vm.id in ready]
        if not seen and not has_leases:
            return None
        view = self._looks.view(seen, math.floor(self._now()))
        turn = self._leasing.round(view) if has_leases else Turn(view)
        self._wake_at = turn.wake_at
        view = self._limited(replace(turn.view, vms=tuple(vm for vm in turn.view.vms if vm.id in ready)))
        plan = self._planner(view)
        placed = self._carry_out(plan, view)
        self._explain(plan, turn, placed, vms)
        self._news.wants_networks = any(vm.nics for vm in view.vms if vm.id in plan.refusals)
        self._decided(view, plan)
        return turn.view.hosts if has_leases else None

    def _moving(self) -> Iterable[WaitingVm]:
        """Yield the VMs that are to move; those that need not any more are forgotten."""
        for vm_id in sorted(self._news.moving):
            try:
                found = self._looks.vm(vm_id)
            except ApiError as refused:
                log.info("vm %d  is not moved: %s", vm_id, refused)
                found = None
            if found is None or found.host_id < 0:
                self._news.moving.discard(vm_id)
            else:
                yield found

    def _with_bans(self, vm: WaitingVm, now: float) -> WaitingVm:
        banned = self._back_off.banned(vm.id, now, vm.uid)
        return replace(vm, banned_host_ids=frozenset(banned)) if banned else vm

    def _limited(self, view: View) -> View:
        """Return the view with as many VMs as are considered in one round; the next ones have their turn later."""
        if not self._limits.max_vm or len(view.vms) <= self._limits.max_vm:
            return view
        vms, self._is_unfinished = self._considered.next(ordered(view.vms, view.usages, totals_of(view.hosts)))
        return replace(view, vms=tuple(vms))

    def _carry_out(self, plan: Plan, view: View) -> list[int]:
        """Return the VMs that were placed; why others were not is added to the plan."""
        for vm_id, text in plan.warnings.items():
            log.warning("vm %d  %s", vm_id, text)
        placed = []
        outcomes = 0
        owners = {vm.id: vm.uid for vm in view.vms}
        for outcome in self._binder(self._client, asked_by(plan, view, self._at()), self._limits):
            vm_id, host_id, datastore_id = outcome.placement[:3]
            outcomes += 1
            if not outcome.code:
                log.info("vm %d  placed on host %d, in datastore %d", vm_id, host_id, datastore_id)
                self._back_off.placed(vm_id, host_id, owners.get(vm_id, 0))
                placed.append(vm_id)
                continue
            delay_s = self._back_off.refused(vm_id, host_id, self._clock())
            log.warning("vm %d  not placed on host %d, next try in %g s: %s", vm_id, host_id, delay_s, outcome.message)
            if outcome.code != _NOT_FOUND:
                plan.refusals[vm_id] = f"Host {host_id} was chosen, but the engine refused: {outcome.message}"
        self._is_unfinished |= outcomes < len(plan.placements)
        return placed

    def _at(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def _explain(self, plan: Plan, turn: Turn, placed: list[int], vms: dict[int, WaitingVm]) -> None:
        now = self._clock()

        def reason(vm_id: int) -> str:
            if vm_id in turn.refusals:
                return turn.refusals[vm_id]
            banned = self._back_off.banned(vm_id, now, vms[vm_id].uid)
            return plan.refusals[vm_id] + turn.remark + not_yet(banned, self._now())

        for vm_id in self._messages.write([*plan.refusals, *turn.refusals], reason, placed, vms, now):
            self._news.wrote(vm_id)
        self._is_unfinished |= self._messages.is_unfinished

    # -- waiting -----------------------------------------------------------------------------------

    def _wait(self, due: float) -> None:
        """Return when there is news, or at `due`, or when a VM may be tried again."""
        due = min(due, self._back_off.next_at(self._waiting, self._clock()))
        due = min(due, self._clock() + self._wake_at - self._now(), self._replacing.next_at())
        while (left_s := due - self._clock()) > 0:
            wait_s = math.floor(max(1, min(left_s, WAIT_S_MAX, self._warm_s())))
            events, is_news = self._listen(wait_s)
            if is_news:
                return
            if events:
                self._sleep(PAUSE_S)
            elif self._warm_s() <= 0:
                self._warm_up()

    def _listen(self, wait_s: int) -> tuple[int, bool]:
        """Return how many events there were, and whether one of them may let a VM be placed."""
        heard = self._hear(self._after, wait_s, EVENTS_MAX)
        self._after = heard.last
        # Each one is looked at: they also tell which VMs move, which failed, and which updates were ours.
        mattering = [event for event in heard.events if self._follows(event)]
        return len(heard.events), bool(mattering)

    def _follows(self, event: Event) -> bool:
        """Take in an event; tell whether something may be placed now that could not before."""
        if event.kind == "VM":
            now = self._clock()
            host_id = self._back_off.moved(event.object_id, event.old, event.new, now, self._looks.hosts_seen)
            if host_id is not None:
                left_s, uid = self._back_off.row(host_id, now)
                whose = "" if uid == EVERYBODY else f" for VMs of user {uid}"
                log.warning("host %d  left out for %g s%s: different VMs failed there in a row", host_id, left_s, whose)
        return self._leasing.follows(event, self._news.matters(event))

    def _warm_s(self) -> float:
        """Return in how long the hosts should be read though nobody waits."""
        is_wanted = self._looks.hosts_seen >= WARM_HOSTS_MIN and not self._waiting
        return self._warm_at - self._clock() if is_wanted else math.inf

    def _warm_up(self) -> None:
        """Read the hosts: what has changed by monitoring is known then when a VM comes."""
        began = self._clock()
        self._looks.hosts()
        ended = self._clock()
        self._warm_at = ended + max(WARM_S_MIN, (ended - began) / WARM_SHARE)

    def _hear(self, after: int | None, wait_s: int, limit: int) -> _Heard:
        answer = self._client.call("trifid.event.list", after, wait_s, limit)
        try:
            return msgspec.json.decode(answer, type=_Heard)
        except (msgspec.DecodeError, TypeError) as bad:
            raise BadDocument(f"trifid.event.list answered what is not a list of events: {bad}") from None
