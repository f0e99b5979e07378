"""Leases in time, carried out: the part of a round that reserves, suspends, resumes and ends.

What was decided is written to the VMs, so that whoever starts the scheduler again goes on with it.  Which VMs
have leases is learned once and followed by events: where there are none, nothing is asked.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from trifid.client.errors import ApiError
from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import render
from trifid.placement.fields import branch, integer, lease_of
from trifid.placement.lease_end import CUT_OFF, POWEROFF, TERMINATE, Ending, is_shutting_down
from trifid.placement.lease_room import chooser, without_kept
from trifid.placement.lease_rules import ACCEPTED, DEFAULT_PACE, Pace
from trifid.placement.leases import Decisions, decide
from trifid.placement.plan import Plan
from trifid.placement.reading import ACTIVE
from trifid.placement.reading_placed import SUSPENDED, placed_vms
from trifid.placement.timeline import FOREVER
from trifid.placement.view import LeaseMark, PlacedVm, View, WaitingVm
from trifid.scheduler.look import Caller
from trifid.scheduler.news import Event
from trifid.wire.elements import iter_elements, one_element

log = logging.getLogger("trifid.scheduler")

RETRY_S = 5
"""How long a VM is left alone when the engine refused something that was to be done to it."""

AGAIN_S, AGAIN_S_MAX = 5, 300
"""How long a word that was taken is not said to a VM again: at first, and at most when nothing comes of it."""

_HOLD, _DONE = 2, 6


class _Said(msgspec.Struct, frozen=True):
    """When a word was said to a VM, and for how long it is not said again."""

    at: int
    pause_s: int

    @property
    def again_at(self) -> int:
        return self.at + self.pause_s

    @property
    def forgotten_at(self) -> int:
        """When it is as if it had never been said."""
        return self.at + 3 * self.pause_s


class Turn(msgspec.Struct, frozen=True):
    """What leases leave to ordinary placement.

    Attributes:
        view: the VMs that it decides about, and hosts with what they may use.
        refusals: VM id to why a lease waits.
        remark: what is to be added to the reason when no host takes a VM; empty when leases keep no room.
        wake_at: when leases must be looked at again, seconds since 1970; FOREVER when nothing is known.
    """

    view: View
    refusals: dict[int, str] = {}
    remark: str = ""
    wake_at: int = FOREVER


class Leasing:
    """The leases of one engine.

    Args:
        placer: ordinary placement, which chooses among the hosts that have room in time.
        wrote: told of every VM that is updated here, since that is no news.
        pace: how fast VMs come and go.
    """

    def __init__(
        self,
        client: Caller,
        *,
        placer: Callable[[View], Plan],
        wrote: Callable[[int], None],
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self._client = client
        self._placer = placer
        self._wrote = wrote
        self._pace = pace
        self._known: set[int] = set()
        self._stale: set[int] = set()
        self._placed: dict[int, PlacedVm] = {}
        self._retry_at: dict[int, int] = {}
        self._endings: dict[int, Ending] = {}
        self._said: dict[tuple[str, int], _Said] = {}
        self._later: list[int] = []

    # -- what there is -----------------------------------------------------------------------------

    def catch_up(self, document: str) -> None:
        """Learn which VMs have leases.

        Args:
            document: the pool of all VMs that are not done.

        Raises:
            BadDocument: not XML.
        """
        self._known.clear()
        self._placed.clear()
        if "<HAIZEA>" in document:
            self._known = {
                integer(element.get("ID"))
                for element in iter_elements(document, "VM")
                if lease_of(branch(element, ("USER_TEMPLATE",))) is not None
            }
        self._stale = set(self._known)

    def follows(self, event: Event, matters: bool) -> bool:
        """Take in an event; tell whether it is a reason to look.

        Args:
            matters: whether it is one for other VMs.
        """
        if event.kind != "VM":
            return matters
        if event.object_id in self._known:
            self._stale.add(event.object_id)
            return matters or event.new == "RUNNING"
        if matters and event.what == "updated":
            self._stale.add(event.object_id)  # it may have become a lease
        return matters

    def is_needed(self, vms: Iterable[WaitingVm]) -> bool:
        """Tell whether there is anything to do for leases, when these VMs wait."""
        return bool(self._known or self._stale) or any(vm.lease is not None for vm in vms)

    def _read_again(self, now: int) -> None:
        stale, self._stale = self._stale, set()
        for vm_id in sorted(stale):
            self._placed.pop(vm_id, None)
            try:
                document = self._client.call("one.vm.info", vm_id, False)
            except ApiError as refused:
                log.info("vm %d  has no lease any more: %s", vm_id, refused)
                self._known.discard(vm_id)
                continue
            element = one_element(document, "VM")
            lease = lease_of(branch(element, ("USER_TEMPLATE",)))
            state = integer(element.get("STATE"))
            if lease is None or state == _DONE:
                self._known.discard(vm_id)
                continue
            self._known.add(vm_id)
            self._placed.update((vm.id, vm) for vm in placed_vms(document, (ACTIVE, SUSPENDED, POWEROFF)))
            is_held = state == _HOLD and lease.mark.state == ACCEPTED
            if is_held and self._try(vm_id, now, self._update, vm_id, mark=LeaseMark()):
                log.info("vm %d  was put on hold, its reservation is given up", vm_id)

    # -- one round ---------------------------------------------------------------------------------

    def round(self, view: View) -> Turn:
        """Decide about leases, carry it out, and return what is left to ordinary placement.

        Args:
            view: every VM that waits, whether or not it may be tried just now; all hosts; its `now`.

        Raises:
            ClientError, BadDocument: the engine is away, or answers nonsense.
        """
        self._retry_at = {vm_id: at for vm_id, at in self._retry_at.items() if at > view.now}
        self._read_again(view.now)
        self._known |= {vm.id for vm in view.vms if vm.lease is not None}
        # One that was placed since the pool was read does not wait any more.
        view = replace(view, vms=tuple(vm for vm in view.vms if vm.host_id >= 0 or vm.id not in self._placed))
        everything = replace(view, placed=tuple(self._placed.values()))
        done = decide(everything, chooser(view, self._placer), self._pace, self._endings)
        self._endings = {vm_id: self._ending(vm_id, view.now) for vm_id in done.ended}
        self._carry_out(done, view)
        return Turn(
            view=replace(view, vms=tuple(done.others), hosts=without_kept(view.hosts, done.held_back)),
            refusals=done.waiting,
            remark=_remark(len(done.held_back)),
            wake_at=min((done.wake_at, *self._retry_at.values(), *self._later)),
        )

    def _ending(self, vm_id: int, now: int) -> Ending:
        """Return what is remembered of a lease that is over; one that shuts down already was asked by somebody."""
        known = self._endings.get(vm_id)
        if known is None:
            known = Ending(now)
            log.info("vm %d  its lease is over", vm_id)
        is_asked = known.asked_at is not None or not is_shutting_down(self._placed[vm_id])
        return known if is_asked else replace(known, asked_at=now)

    def _carry_out(self, done: Decisions, view: View) -> None:
        now, self._later = view.now, []
        self._said = {key: said for key, said in self._said.items() if now < said.forgotten_at}
        names = {host.id: host.name for host in view.hosts}
        for vm_id, mark in done.marks.items():
            if vm_id in self._retry_at:
                continue
            message = done.waiting.get(vm_id) if mark.state == ACCEPTED else self._no_message(vm_id)
            if self._try(vm_id, now, self._update, vm_id, mark=mark, message=message) and mark.state == ACCEPTED:
                log.info("vm %d  %s is reserved for it", vm_id, names.get(mark.host_id, "a host"))
                done.waiting.pop(vm_id, None)
        for word, vm_ids in (
            ("suspend", done.suspend),
            (TERMINATE, done.over),
            (CUT_OFF, done.overdue),
            ("resume", done.resume),
        ):
            for vm_id in vm_ids:
                if self._may_say(word, vm_id, now) and self._try(
                    vm_id, now, self._client.call, "one.vm.action", word, vm_id
                ):
                    log.info("vm %d  %s, for its lease or another's", vm_id, word)
                    if word == TERMINATE and self._endings[vm_id].asked_at is None:
                        self._endings[vm_id] = replace(self._endings[vm_id], asked_at=now)
        for vm_id, text in (done.resting | done.late).items():
            if self._placed[vm_id].message != text:
                self._try(vm_id, now, self._update, vm_id, message=text)
        messages = {vm.id: vm.message for vm in view.vms}
        for vm_id, host_id, datastore_id in done.starts:
            if self._try(vm_id, now, self._client.call, "trifid.vm.place", vm_id, host_id, datastore_id):
                log.info("vm %d  placed on host %d, in datastore %d, for its lease", vm_id, host_id, datastore_id)
                if messages[vm_id]:
                    self._try(vm_id, now, self._update, vm_id, message="")
            else:
                done.waiting[vm_id] = f"Host {host_id} was chosen, but the engine refused: see the scheduler's log"
        for vm_id, text in done.rejected.items():
            if self._try(vm_id, now, self._update, vm_id, mark=LeaseMark(), message=text):
                self._try(vm_id, now, self._client.call, "one.vm.action", "hold", vm_id)
                log.info("vm %d  put on hold: %s", vm_id, text)

    def _may_say(self, word: str, vm_id: int, now: int) -> bool:
        """Tell whether a word may be said to a VM, and note that it is.

        The engine takes a word before the hypervisor does.  What comes to nothing there would be said at once again.
        """
        before = self._said.get((word, vm_id))
        if before is not None and before.at <= now < before.again_at:
            self._later.append(before.again_at)
            return False
        is_soon = before is not None and before.at <= now < before.forgotten_at
        pause_s = min(AGAIN_S_MAX, 2 * before.pause_s) if before is not None and is_soon else AGAIN_S
        self._said[word, vm_id] = _Said(now, pause_s)
        return True

    def _no_message(self, vm_id: int) -> str | None:
        """Return what takes away the message of a VM that was started; None when it has none."""
        return "" if vm_id in self._placed and self._placed[vm_id].message else None

    def _try(self, vm_id: int, now: int, what: Callable[..., Any], *args: Any, **more: Any) -> bool:
        """Do something to a VM and tell whether it was done; one that was refused is left alone for a while."""
        if vm_id in self._retry_at:
            return False
        self._stale.add(vm_id)
        try:
            what(*args, **more)
        except ApiError as refused:
            log.warning("vm %d  next try in %d s: %s", vm_id, RETRY_S, refused)
            self._retry_at[vm_id] = now + RETRY_S
            return False
        return True

    def _update(self, vm_id: int, *, mark: LeaseMark | None = None, message: str | None = None) -> None:
        pairs: list[tuple[str, Value]] = []
        if mark is not None:
            pairs.append(("SCHED_LEASE", _vector(mark)))
        if message is not None:
            pairs.append(("SCHED_MESSAGE", message.replace("]]>", "] ]>")))
        self._client.call("one.vm.update", vm_id, render(Template(tuple(pairs))), 1)
        self._wrote(vm_id)


def _vector(mark: LeaseMark) -> Value:
    """Return a mark as it is written; an empty text for none."""
    if not mark.state:
        return ""
    if mark.state != ACCEPTED:
        return {"STATE": mark.state}
    return {"STATE": mark.state, "HOST_ID": str(mark.host_id), "START": str(mark.start), "END": str(mark.end)}


def _remark(hosts: int) -> str:
    if not hosts:
        return ""
    return f"; {hosts} {'host keeps' if hosts == 1 else 'hosts keep'} room for leases (trifid sched leases)"
