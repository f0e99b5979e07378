"""Failover at work: looks at the signs of all hosts, has the silent ones fenced, and lets their VMs go on elsewhere.

Nothing that matters is kept here: the mark on a host is durable, so after a restart a host that was being fenced is
fenced again, and the VMs of one that was proven dead go on where they were left.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping

from trifid.core.cluster import Cluster
from trifid.core.host import Host, HostState
from trifid.core.host_failure.judge import Judgement, Signs, described, is_quiet, judge
from trifid.core.host_failure.policy import choose
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.engine.config import FailoverSettings
from trifid.engine.drivers import Driver
from trifid.engine.failover import marks
from trifid.engine.failover.heartbeats import Heartbeats
from trifid.engine.failover.places import place_name
from trifid.engine.host_state import WATCHED
from trifid.engine.monitoring import Monitoring
from trifid.engine.queries import Queries
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.errors import Refused
from trifid.wire.fence_action import FenceActionData, render
from trifid.wire.lines import Message

log = logging.getLogger("trifid.failover")

LOOK_EVERY_S_MAX, LOOKS = 10.0, 12
"""So often a host is looked at in the time after which it is silent, and every ten seconds at least."""
RELEASE_EVERY_S = 5.0
AGAIN_S = 60.0
"""A host that could not be fenced is tried again after so long."""
RENEWED_EVERY_S = 10.0
"""While a VM of a fenced host waits for a proof of its own, that is sought so often."""
KEPT_EVERY_S = 60.0
"""A host's keeper is asked for so often: it may have been rebooted."""
IS_OFF = "STATE=off"
SIGNS_OF_LIFE = (Judgement.ALIVE, Judgement.CUT_OFF)
"""What contradicts a proof."""
_ENDS_NO_GUESTS = ("XEN", "LXC")
"""A keeper knows the guests of QEMU only."""
_YES, _NO = ("YES", "1", "TRUE"), ("NO", "0", "FALSE")


class Failover:
    """Judges hosts, and acts.

    Args:
        monotonic: seconds of a clock that does not jump.

    Attributes:
        why_not: why silent hosts are not fenced, by host; for people.
    """

    def __init__(
        self,
        turns: Turns,
        monitoring: Monitoring,
        queries: Queries,
        settings: FailoverSettings,
        heartbeats: Heartbeats,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.why_not: dict[int, str] = {}
        self._turns, self._monitoring, self._queries = turns, monitoring, queries
        self._settings, self._heartbeats, self._monotonic = settings, heartbeats, monotonic
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._not_before_s: dict[int, float] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._keep_not_before_s: dict[int, float] = {}
        self._released_s = 0.0
        self._judges_from_s = float("-inf")
        self._look_every_s = min(LOOK_EVERY_S_MAX, settings.after_s / LOOKS)
        self._watching: asyncio.Task[None] | None = None

    # -- judging -------------------------------------------------------------------------------

    def signs(self, host: Host) -> Signs:
        """Return all signs of life of a host."""
        return self._heartbeats.added(host.id, self._monitoring.signs(host))

    def judgement(self, host: Host) -> Judgement:
        """Return what they say."""
        return judge(self.signs(host), self._settings.after_s)

    def is_wanted(self, host: Host) -> bool:
        """Tell whether a host is fenced by itself when it is silent: as it says, or its cluster, or the settings."""
        cluster: Cluster | None = self._turns.memory.clusters.get(host.cluster_id)
        for template in (host.template, *((cluster.template,) if cluster is not None else ())):
            word = template.single("FAILOVER").upper()
            if word in _YES or word in _NO:
                return word in _YES
        return self._settings.enabled

    def refuse_word(self, host: Host) -> None:
        """Raise Refused when there are signs that a host runs that somebody says to be dead."""
        signs = self.signs(host)
        if judge(signs, self._settings.after_s) in SIGNS_OF_LIFE:
            text = f"host {host.name} [{host.id}] shows signs of life ({described(signs)}): switch it off, then wait"
            raise Refused(f"{text} until these are older than {self._settings.after_s} s", host.id)

    # -- at work -------------------------------------------------------------------------------

    def start(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Begin to look, for ever."""
        self._watching = asyncio.create_task(self._watch(sleep), name="failover")

    def close(self) -> None:
        """Look no more."""
        for task in (*self._tasks.values(), *self._keeping, *((self._watching,) if self._watching is not None else ())):
            task.cancel()

    async def _watch(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        while True:
            begun_s = self._monotonic()
            await sleep(self._look_every_s)
            if self._settings.heartbeat_s:
                await self._heartbeats.read()
            self.look_after(self._monotonic() - begun_s)

    def look_after(self, passed_s: float) -> None:
        """Look at all hosts, unless so much time passed since the last look that this process was stopped.

        Nobody was heard meanwhile, whoever lives: all hosts get the time to be heard again.
        """
        now_s = self._monotonic()
        if passed_s > self._settings.after_s / 2:
            log.warning(
                "this process stood still for %.0f s: no host is judged for %d s", passed_s, self._settings.after_s
            )
            self._judges_from_s = now_s + self._settings.after_s
        if now_s >= self._judges_from_s:
            self.look()

    def look(self) -> None:
        """Look at all hosts once, and begin what follows from that."""
        hosts = self._turns.memory.hosts.values()
        signs = {host.id: self.signs(host) for host in hosts}
        judged = {host_id: judge(one, self._settings.after_s) for host_id, one in signs.items()}
        self._hold_contradicted()
        for host_id in self._chosen(signs, judged):
            self._begin_fencing(self._turns.memory.hosts[host_id])
        self._keep_beating(judged)
        for host in hosts:
            if self._lacks_proof(host, judged[host.id]):
                self._begin_fencing(host)
        self._contradict(judged)
        if self._monotonic() - self._released_s >= RELEASE_EVERY_S:
            self._release({host_id for host_id, one in judged.items() if one in SIGNS_OF_LIFE})

    def _chosen(self, signs: dict[int, Signs], judged: dict[int, Judgement]) -> list[int]:
        """Mark the hosts that shall be fenced; return those that are marked and not yet proven dead."""
        hosts, vms_on = self._turns.memory.hosts, self._turns.memory.vms_on
        asked = {host.id for host in hosts.values() if host.fence is not None and not host.fence.is_confirmed}
        silent = {host_id for host_id, one in judged.items() if one is Judgement.SILENT}
        unasked = {one for one in silent if hosts[one].fence is None and vms_on.get(one)}
        wanted = (asked & silent) | {one for one in unasked if self.is_wanted(hosts[one])}
        watched = [host for host in hosts.values() if host.state in WATCHED and _counts(host, vms_on)]
        quiet = {host.id for host in watched if is_quiet(signs[host.id], self._settings.after_s)}
        choice = choose(wanted, len(watched), len(quiet - wanted), self._settings.hosts_max)
        self.why_not = dict.fromkeys(wanted - set(choice.fence), choice.why)
        for host_id in set(choice.fence) - asked:
            why = described(signs[host_id])
            log.warning("host %d  is silent, it is fenced: %s", host_id, why)
            self._turns.post(functools.partial(_ask, host_id=host_id, why=why))
        return sorted(asked & set(choice.fence))

    def _keep_beating(self, judged: dict[int, Judgement]) -> None:
        """See to it, now and then, that hosts that are well renew their heartbeats.

        One that is not to be fenced by itself any more keeps no lease any more: it would end its VMs for nothing.
        """
        places = tuple(str(place) for place in self._heartbeats.places().values()) if self._settings.heartbeat_s else ()
        for host in self._turns.memory.hosts.values() if places else ():
            is_wanted = self.is_wanted(host)
            is_well = judged[host.id] is Judgement.ALIVE and host.fence is None
            is_due = is_well and (is_wanted or self._heartbeats.has_lease(host.id))
            if is_due and self._monotonic() >= self._keep_not_before_s.get(host.id, 0.0):
                self._keep_not_before_s[host.id] = self._monotonic() + KEPT_EVERY_S
                keep = self._keep(host, places, self._settings.lease_s if is_wanted else 0)
                self._begin_keeping(host, keep)

    def leave(self, host: Host) -> None:
        """Have a host that was deleted renew its heartbeat no more: a keeper with a lease would go on ending guests."""
        if self._settings.heartbeat_s:
            self._begin_keeping(host, self._leave(host))

    def _begin_keeping(self, host: Host, work: Coroutine[None, None, None]) -> None:
        self._keeping.add(task := asyncio.create_task(work, name=f"keeper {host.id}"))
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, host: Host, places: tuple[str, ...], lease_s: int) -> None:
        payload = render(FenceActionData(host.id, host.name, (), places, self._settings.heartbeat_s, lease_s))
        try:
            await self._queries.ask("fence", self._settings.driver, "KEEP", payload)
        except Refused as refusal:
            log.warning("host %d  has no heartbeat: %s", host.id, refusal.message)

    async def _leave(self, host: Host) -> None:
        try:
            payload = render(FenceActionData(host.id, host.name))
            await self._queries.ask("fence", self._settings.driver, "LEAVE", payload)
        except Refused as refusal:
            log.warning("host %d  %s was deleted, its keeper may run on: %s", host.id, host.name, refusal.message)

    def _hold_contradicted(self) -> None:
        """Keep VMs that wait to start elsewhere from that when their fenced host shows that it has them after all."""
        vms = self._turns.memory.vms
        for host in self._turns.memory.hosts.values():
            seen = self._monitoring.hosts.get(host.id) if host.fence is not None else None
            for wild in seen.wilds if seen is not None else ():
                vm = vms.get(wild.vm_id)
                if vm is not None and vm.state is VmState.PENDING_UNDEPLOYED and vm.current.host_id == host.id:
                    self._turns.post(functools.partial(marks.hold, vm_id=vm.id, host=host, domain=wild.name))

    def _lacks_proof(self, host: Host, judgement: Judgement) -> bool:
        """Tell whether VMs of a fenced host came to rest after its proof was sought, so that they need another."""
        memory, fence = self._turns.memory, host.fence
        if (
            fence is None
            or not fence.is_confirmed
            or judgement in SIGNS_OF_LIFE
            or not (_can_be_asked(host) or self._settings.lease_s)
        ):
            return False
        draft = Draft(memory, 0)
        return any(not fence.does_cover(*one) for one in marks.coverable(draft, host.id, self._monitoring.is_undecided))

    def _contradict(self, judged: Mapping[int, Judgement]) -> None:
        """Let no proof count, not even later, that signs of life have contradicted: another one is sought then."""
        for host in self._turns.memory.hosts.values():
            if host.fence is not None and host.fence.covers and judged.get(host.id) in SIGNS_OF_LIFE:
                why = f"it was fenced, and yet it shows signs of life: {described(self.signs(host))}"
                self._turns.post(functools.partial(_contradict, host_id=host.id, why=why))

    def _release(self, alive: Collection[int]) -> None:
        """Let the next VMs of proven hosts go on."""
        ready = [
            host.id
            for host in self._turns.memory.hosts.values()
            if host.fence is not None and host.fence.is_confirmed and host.fence.covers and host.id not in alive
        ]
        if ready:
            self._released_s = self._monotonic()
            limit = self._settings.restarts_at_once
            self._turns.post(lambda draft: _release_some(draft, ready, limit))

    # -- what the driver tells -----------------------------------------------------------------

    def ready(self, driver: Driver) -> None:
        """A fence driver came up: what it is to do is asked at the next look."""

    def said(self, driver: Driver, message: Message) -> None:
        """It says something of its own accord."""
        log.info("host %d  %s: %s", message.oid, driver, message.payload)

    def down(self, driver: Driver, why: str) -> None:
        """It is gone; what it was asked has failed, and is asked again."""

    # -- fencing -------------------------------------------------------------------------------

    def _begin_fencing(self, host: Host) -> None:
        task = self._tasks.get(host.id)
        if (task is None or task.done()) and self._monotonic() >= self._not_before_s.get(host.id, 0.0):
            self._tasks[host.id] = asyncio.create_task(self._fence(host), name=f"fence host {host.id}")

    async def _fence(self, host: Host) -> None:
        """Have a host switched off and that confirmed; note the proof, or what it came to."""
        self._not_before_s[host.id] = self._monotonic() + RENEWED_EVERY_S
        try:
            found = await self._proof(host)
        except Refused as refusal:
            found = refusal.message
        if isinstance(found, str):
            self._not_before_s[host.id] = self._monotonic() + AGAIN_S
            log.error("host %d  could not be fenced: %s", host.id, found)
            await self._turns.ask(functools.partial(_fail, host_id=host.id, trouble=found))
            return
        covers, proof = found
        log.warning("host %d  is fenced: %s", host.id, proof)
        limit = self._settings.restarts_at_once

        def command(draft: Draft) -> None:
            now = draft.find_host(host.id)
            if now is None:
                return
            if (now.name, now.template.vectors("FENCE")) != (host.name, host.template.vectors("FENCE")):
                marks.fail(
                    draft, host.id, "how it is reached was changed meanwhile: the proof may be of another machine"
                )
            elif self.judgement(now) in SIGNS_OF_LIFE:
                marks.contradict(
                    draft, host.id, f"{proof}, and yet it shows signs of life: {described(self.signs(now))}"
                )
            else:
                marks.confirm(draft, host.id, covers, proof)
                marks.release(draft, host.id, limit)

        await self._turns.ask(command)

    async def _proof(self, host: Host) -> tuple[marks.Covers, str] | str:
        """Return whom a proof covers, and the proof: its power is seen off, or its lease is over; else why not."""
        try:
            found = await self._seen_off(host)
        except Refused as refusal:
            found = refusal.message
        return (await self._lease_over(host) or found) if isinstance(found, str) else found

    async def _lease_over(self, host: Host) -> tuple[marks.Covers, str] | None:
        """Return the VMs that a host has ended itself, because it could not renew its lease on their datastores."""
        if not self._settings.lease_s or _ends_no_guests(host):
            return None
        covers = await self._coverable(host)
        await self._heartbeats.read()
        fresh_s = 3.0 * self._settings.heartbeat_s + self._look_every_s
        ended = self._heartbeats.ended(host.id, self._settings.margin_s, fresh_s)
        vms = self._turns.memory.vms
        proven = tuple(one for one in covers if (vm := vms.get(one[0])) is not None and _is_leased(vm, ended))
        places = ", ".join(sorted(ended))
        return (proven, f"it did not renew its lease on {places}, and ends its VMs then") if proven else None

    async def _coverable(self, host: Host) -> marks.Covers:
        return await self._turns.ask(lambda draft: marks.coverable(draft, host.id, self._monitoring.is_undecided))

    async def _seen_off(self, host: Host) -> tuple[marks.Covers, str] | str:
        """Have a host switched off, and return whom it covers that its power is seen off; else why it is not.

        Raises:
            Refused: the driver is not there, or cannot.
        """
        if not _can_be_asked(host):
            return f'it has no FENCE attribute: switch it off, then say "onehost fenced {host.id}"'
        payload = render(FenceActionData(host.id, host.name, tuple(host.template.vectors("FENCE"))))
        if host.fence is None or not host.fence.is_confirmed:
            await self._queries.ask("fence", self._settings.driver, "FENCE", payload)
        covers = await self._coverable(host)
        told = await self._queries.ask("fence", self._settings.driver, "STATUS", payload)
        if IS_OFF not in told.split():
            return f"its power is not seen off: {told[:200] or 'no answer'}"
        return covers, f"its power was seen off{_by(told)}"


def _fail(draft: Draft, host_id: int, trouble: str) -> None:
    marks.fail(draft, host_id, trouble)


def _contradict(draft: Draft, host_id: int, why: str) -> None:
    marks.contradict(draft, host_id, why)


def _ask(draft: Draft, host_id: int, why: str) -> bool:
    return marks.ask(draft, host_id, why)


def _counts(host: Host, vms_on: Mapping[int, Collection[int]]) -> bool:
    """Tell whether a host says something about the network: one that is in error for long and empty does not."""
    if host.fence is not None and host.fence.is_confirmed:
        return False
    return host.state is HostState.MONITORED or bool(vms_on.get(host.id))


def _is_leased(vm: VM, places: Collection[str]) -> bool:
    """Tell whether a VM's host ends it when it loses its lease on one of these datastores: it knows it by its disks."""
    has_disks = bool(vm.template.vectors("DISK") or vm.template.vector("CONTEXT"))
    return has_disks and bool(vm.history) and place_name(vm.current.datastore_id) in places


def _ends_no_guests(host: Host) -> bool:
    """Tell whether a host's keeper could not end its guests, whatever it promises."""
    words = (host.template.single("HYPERVISOR"), host.vmm)
    return any(word.upper().startswith(_ENDS_NO_GUESTS) for word in words)


def _can_be_asked(host: Host) -> bool:
    return "FENCE" in host.template


def _by(told: str) -> str:
    found = [word.partition("=")[2] for word in told.split() if word.startswith("METHOD=")]
    return f" by {found[0][:40]}" if found else ""


def _release_some(draft: Draft, host_ids: list[int], limit: int) -> None:
    for host_id in host_ids:
        limit -= marks.release(draft, host_id, limit)
