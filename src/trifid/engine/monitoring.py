"""What information drivers report: hosts come and go, VMs are seen.

Drivers push (reference/drivers.md §2.3, §5.2): START_MONITOR begins it, then SYSTEM_HOST, MONITOR_HOST,
STATE_VM, MONITOR_VM and BEACON_HOST lines come by themselves.  Volatile figures stay in memory; what
changes a host's or a VM's state goes through a turn like everything else.
"""

import asyncio
import base64
import binascii
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from trifid.core.access import ENGINE
from trifid.core.host import Host, HostObservation, HostState
from trifid.core.host_failure.judge import Signs
from trifid.core.samples import Kind
from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import parse, render
from trifid.core.vm.events import Event
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.host_keys import ACCEPT_KEY, HostKeys
from trifid.engine.host_state import WATCHED, set_host_state
from trifid.engine.life import happen
from trifid.engine.reconcile import FOREIGN, Picture, news_of, picture_of
from trifid.engine.reconcile import whole_number as _integer
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.engine.watched import (
    CAPACITY,
    NOT_TOLD,
    VmObservation,
    Watched,
    capacity_of,
    disk_of,
    domain_of,
    is_another,
)
from trifid.errors import DriverFault, Refused, TrifidError
from trifid.store.interface import Batch
from trifid.wire.lines import Message, monitor_to_driver, unpack

log = logging.getLogger("trifid.monitoring")

AHEAD_MAX_S = 5
"""A message from further in the future is taken for one of so many seconds ahead."""
LOOK_TIMEOUT_S = 30.0
"""So long at most it takes a host to list its domains."""
_NOT_SAID = ("FENCE", "FAILOVER", "FENCED", "ERROR")
"""What a host does not say of itself: how it is switched off, and whether, is the administrator's."""


class Monitoring:
    """Keeps information drivers at work and takes in what they say.

    Args:
        now: epoch seconds; may jump.
        monotonic: seconds of a clock that does not jump, for silence.
        datastores: directory of the datastores, whose room hosts report; empty = they need not.

    Attributes:
        hosts, vms: newest observation by id.
        measured: hears what was measured of a host or a VM, and when; what it is told does not change later.
        keys: the ssh keys of hosts.
        is_undecided: whether a driver may still move a VM, so that what is seen of it may be over in a moment.
    """

    def __init__(
        self,
        turns: Turns,
        drivers: DriverSet,
        now: Callable[[], int],
        interval_s: int,
        lost_after_s: int,
        monotonic: Callable[[], float] = time.monotonic,
        datastores: str = "",
    ) -> None:
        self.hosts: dict[int, HostObservation] = {}
        self.vms: dict[int, VmObservation] = {}
        self.measured: Callable[[Kind, int, int, Mapping[str, str]], None] = lambda kind, object_id, at, told: None
        self.keys = HostKeys(drivers, now)
        self.is_undecided: Callable[[int], bool] = lambda vm_id: False
        self._turns = turns
        self._drivers = drivers
        self._clock = now
        self._monotonic = monotonic
        self._interval_s = interval_s
        self._lost_after_s = lost_after_s
        self._datastores = datastores
        self._newest_now = now()
        self._watched: dict[int, Watched] = {}
        # VM id to the step of its last move and when that was; nothing seen before this start counts.
        self._moves = {vm.id: (vm.step, self._newest_now - 1) for vm in turns.memory.vms.values()}
        self._ended: dict[int, int] = {}  # VM id to when it ended, for a while
        self._imported = {vm.id: domain_of(vm) for vm in turns.memory.vms.values() if vm.is_imported and vm.history}
        self._looks: dict[int, list[asyncio.Future[Picture]]] = {}  # by host: who waits for a picture
        turns.after_commit.append(self.committed)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept of any host or VM."""
        return not any((self.hosts, self.vms, self._watched, self._moves))

    def _now(self) -> int:
        """Return the time; when it went back, all earlier stamps are from a future that was none."""
        now = self._clock()
        if now < self._newest_now:
            log.warning("the clock went back by %d s", self._newest_now - now)
            self._moves = {vm_id: (step, now) for vm_id, (step, _) in self._moves.items()}
            for watched in self._watched.values():
                watched.latest.clear()
                watched.named_at = min(watched.named_at, now)
        self._newest_now = now
        return now

    def committed(self, batch: Batch) -> None:
        """Follow hosts that were added, changed, switched off or deleted, and remember when VMs moved."""
        now = self._now()
        for vm_id, vm in batch.vms.items():
            if vm is None or vm.state is VmState.DONE:
                self._moves.pop(vm_id, None)
                self.vms.pop(vm_id, None)
                self._imported.pop(vm_id, None)
                self._ended[vm_id] = now
            elif vm_id not in self._moves or self._moves[vm_id][0] != vm.step:
                self._moves[vm_id] = (vm.step, now)
                if vm.is_imported and vm_id not in self._imported and vm.history:
                    self._adopted(vm)
        for host_id, host in batch.hosts.items():
            if host is None or host.state not in WATCHED:
                self.hosts.pop(host_id, None)
                if (watched := self._watched.pop(host_id, None)) is not None:
                    self._stop(watched.told)
            elif host_id not in self._watched or is_another(host, self._watched[host_id]):
                self.start(host)

    def _adopted(self, vm: VM) -> None:
        """A wild domain is a VM's from now on."""
        host_id, name = self._imported[vm.id] = domain_of(vm)
        if (seen := self.hosts.get(host_id)) is not None:
            seen.wilds = tuple(one for one in seen.wilds if one.name != name)

    def start(self, host: Host) -> None:
        """Ask the host's information driver to begin, or to begin anew; when it is not up, it is asked once it is."""
        watched = self._watched.setdefault(host.id, Watched(host, 0.0))
        before, watched.told, watched.heard_s = watched.told, host, self._monotonic()
        watched.is_answered = watched.was_heard = False
        if before.im != host.im:
            self._stop(before)
        if (before.name, before.im) != (host.name, host.im):
            watched.named_at = self._now()
        driver = self._drivers.get("im", host.im)
        if driver is None:
            self._host_failed(host.id, f"im driver {host.im} is not configured, see trifid.toml")
        elif driver.is_ready:
            about: tuple[tuple[str, Value], ...] = (
                ("HOST", {"ID": str(host.id), "NAME": host.name}),
                ("PERIOD_S", str(self._interval_s)),
                *((("DATASTORE_LOCATION", self._datastores),) if self._datastores else ()),
            )
            text = render(Template(about + host.template.without(*NOT_TOLD).pairs))
            driver.send(monitor_to_driver("START_MONITOR", host.id, self._now(), text))

    def _stop(self, host: Host) -> None:
        driver = self._drivers.get("im", host.im)
        if driver is not None and driver.is_ready:
            driver.send(monitor_to_driver("STOP_MONITOR", host.id, self._now(), ""))

    def ready(self, driver: Driver) -> None:
        """An information driver came up: start all its hosts."""
        for host in self._turns.memory.hosts.values():
            if host.im == driver.name and host.state in WATCHED:
                self.start(host)

    def down(self, driver: Driver, why: str) -> None:
        """An information driver does not come up: its hosts cannot be seen."""
        if driver.does_not_start:
            for host in self._turns.memory.hosts.values():
                if host.im == driver.name and host.state in WATCHED:
                    self._host_failed(host.id, f"{driver} is down: {why}")

    # -- messages ------------------------------------------------------------------------------

    def said(self, driver: Driver, message: Message) -> None:
        """Take in one message of an information driver."""
        if message.type == "LOG":
            log.info("host %d  %s: %s", message.oid, driver, message.payload)
            return
        host = self._turns.memory.hosts.get(message.oid)
        if host is None or host.im != driver.name:
            return
        if message.type == ACCEPT_KEY:
            self.keys.answered(message)
            return
        if host.state not in WATCHED:
            return
        try:
            text = unpack(message.payload) if message.payload not in ("", "-") else ""
            said = parse(text) if message.status == "SUCCESS" else Template()
        except (DriverFault, TrifidError) as fault:
            log.warning("%s: %s of host %d cannot be read, ignored: %s", driver, message.type, host.id, fault)
            return
        watched = self._watched.setdefault(host.id, Watched(host, self._monotonic()))
        now = self._now()
        at = min(message.timestamp or now, now + AHEAD_MAX_S)
        if at <= watched.named_at or at < watched.latest.get(message.type, 0):
            return
        watched.latest[message.type] = at
        if message.status != "SUCCESS":
            watched.has_failed = True
            self._host_failed(host.id, text or f"{message.type} failed without a reason")
            return
        watched.heard_s = self._monotonic()
        watched.was_heard, watched.has_failed = message.type != "START_MONITOR" or watched.was_heard, False
        self.hosts.setdefault(host.id, HostObservation()).at = now
        match message.type:
            case "START_MONITOR":
                watched.is_answered = True
            case "SYSTEM_HOST":
                watched.probed |= {name for name, _ in said if name not in _NOT_SAID}
                self._system(host, said)
            case "MONITOR_HOST":
                self._capacity(host, said, at)
            case "STATE_VM":
                watched.listed_s = watched.heard_s
                self._states(host, said, at)
            case "MONITOR_VM":
                self._figures(host, said, at)

    def _system(self, host: Host, said: Template) -> None:
        said = said.without(*_NOT_SAID)
        total_cpu_percent = _integer(said.single("TOTALCPU"), host.total_cpu_percent)
        total_memory_kib = _integer(said.single("TOTALMEMORY"), host.total_memory_kib)
        merged = host.template.merged(said)
        if (
            merged.by_name() == host.template.by_name()
            and total_cpu_percent == host.total_cpu_percent
            and total_memory_kib == host.total_memory_kib
        ):
            return

        def command(draft: Draft) -> None:
            now = draft.find_host(host.id)
            if now is None:
                return
            total = {"total_cpu_percent": total_cpu_percent, "total_memory_kib": total_memory_kib}
            draft.put(replace(now, template=now.template.merged(said), **total))
            if (now.total_cpu_percent, now.total_memory_kib) != (total_cpu_percent, total_memory_kib):
                draft.note("HOST", host.id, ENGINE, "capacity")

        self._turns.post(command)

    def _capacity(self, host: Host, said: Template, at: int) -> None:
        seen = self.hosts[host.id]
        seen.free_cpu_percent = _integer(said.single("FREECPU"), 0)
        seen.used_cpu_percent = _integer(said.single("USEDCPU"), 0)
        seen.free_memory_kib = _integer(said.single("FREEMEMORY"), 0)
        seen.used_memory_kib = _integer(said.single("USEDMEMORY"), 0)
        seen.disk = disk_of(said, seen.at)
        seen.more = {name: value for name, value in said if isinstance(value, str) and name not in CAPACITY}
        self.measured(Kind.HOST, host.id, at, capacity_of(seen) | seen.more)
        if host.state in (HostState.INIT, HostState.ERROR) or host.template.single("ERROR"):
            self._turns.post(lambda draft: set_host_state(draft, host.id, HostState.MONITORED, ""))

    def _states(self, host: Host, said: Template, at: int) -> None:
        imported = {key: vm_id for vm_id, key in self._imported.items()}
        picture = picture_of(
            said, host, self._turns.memory, at, imported, lambda vm_id: at <= self._ended.get(vm_id, -1)
        )
        if picture.wilds is not None and picture.wilds != self.hosts[host.id].wilds:
            self.hosts[host.id].wilds = picture.wilds
        if picture.wilds is not None and self._watched[host.id].is_answered and self._looks.get(host.id):
            for look in self._looks.pop(host.id):
                if not look.done():
                    look.set_result(picture)
            return  # whoever asked decides what is made of it; the next report is taken as it comes
        for vm_id, event in picture.events:
            self._seen(host.id, vm_id, event, at)

    def _seen(self, host_id: int, vm_id: int, event: Event, at: int) -> None:
        """Tell a VM that it was seen, unless that was before its last move or on a host that it left."""
        vm = self._turns.memory.vms.get(vm_id)
        news = news_of(vm, host_id, event) if vm is not None else None
        if vm is None or news is None or self.is_open(vm_id, at):
            return
        told, seen_step = news, vm.step

        def command(draft: Draft) -> None:
            now = draft.find_vm(vm_id)
            if now is not None and now.step == seen_step:
                happen(draft, now, told)

        self._turns.post(command)

    def is_open(self, vm_id: int, at: int) -> bool:
        """Tell whether what was seen of a VM may be over: it moved since then, or a driver may still move it."""
        return (vm_id in self._moves and at <= self._moves[vm_id][1]) or self.is_undecided(vm_id)

    async def look(self, host: Host, timeout_s: float = LOOK_TIMEOUT_S) -> Picture:
        """Return a host's domains as they are now; nothing is made of them.

        Raises:
            Refused: the host is not watched, its driver is not up, it fails, or it does not answer in time.
        """
        driver = self._drivers.get("im", host.im)
        if host.state not in WATCHED or driver is None or not driver.is_ready:
            why = f"im driver {host.im} is not up" if host.state in WATCHED else f"it is {host.state.name}"
            raise Refused(f"host {host.name} [{host.id}] cannot be looked at: {why}", host.id)
        look: asyncio.Future[Picture] = asyncio.get_running_loop().create_future()
        self._looks.setdefault(host.id, []).append(look)
        self.start(host)
        try:
            return await asyncio.wait_for(look, timeout_s)
        except TimeoutError:
            text = f"host {host.name} [{host.id}] did not list its domains within {timeout_s:g} s: try again"
            raise Refused(text, host.id) from None
        finally:
            if look in (waiting := self._looks.get(host.id, [])):
                waiting.remove(look)
                if not waiting:
                    del self._looks[host.id]

    def _figures(self, host: Host, said: Template, at: int) -> None:
        imported = {name: vm_id for vm_id, (host_id, name) in self._imported.items() if host_id == host.id}
        for vector in said.vectors("VM"):
            vm_id = imported.get(vector.get("DEPLOY_ID", ""), _integer(vector.get("ID", ""), FOREIGN))
            vm = self._turns.memory.vms.get(vm_id)
            if vm is None or not vm.history or vm.current.host_id != host.id:
                continue
            try:
                figures = parse(base64.b64decode(vector.get("MONITOR", ""), validate=True).decode())
            except (binascii.Error, UnicodeDecodeError, TrifidError):
                log.warning("host %d: monitoring of vm %d cannot be read, ignored", host.id, vm_id)
                continue
            told = {name: value for name, value in figures if isinstance(value, str)}
            self.vms[vm_id] = VmObservation(at, told)
            self.measured(Kind.VM, vm_id, at, told)

    # -- hosts that fail -----------------------------------------------------------------------

    def signs(self, host: Host) -> Signs:
        """Return the signs of life that monitoring has of a host."""
        watched, driver = self._watched.get(host.id), self._drivers.get("im", host.im)
        if watched is None or host.state not in WATCHED or driver is None or not driver.is_ready:
            return Signs(is_watched=False, monitored_s=0.0)
        now_s = self._monotonic()
        return Signs(
            is_watched=True,
            monitored_s=now_s - watched.heard_s,
            was_heard=watched.was_heard and not watched.has_failed,
            domains_s=None if watched.listed_s is None else now_s - watched.listed_s,
        )

    def _host_failed(self, host_id: int, why: str) -> None:
        for look in self._looks.pop(host_id, ()):
            if not look.done():
                look.set_exception(Refused(f"host [{host_id}] cannot be looked at: {why}", host_id))
        self._turns.post(lambda draft: set_host_state(draft, host_id, HostState.ERROR, why))

    async def watch_for_silence(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Expect to hear of every host, and put those that have been silent for too long into ERROR, for ever."""
        for host in self._turns.memory.hosts.values():
            if host.state in WATCHED and host.id not in self._watched:
                self.start(host)
        while True:
            await sleep(max(1.0, self._lost_after_s / 6))
            self.check_silence()

    def check_silence(self) -> None:
        """Put hosts that have been silent for too long into ERROR, once."""
        recent = self._now() - self._lost_after_s
        self._ended = {vm_id: at for vm_id, at in self._ended.items() if at > recent}
        now_s = self._monotonic()
        for host_id, watched in self._watched.items():
            host = self._turns.memory.hosts.get(host_id)
            is_silent = now_s - watched.heard_s > self._lost_after_s
            if host is not None and host.state != HostState.ERROR and is_silent:
                # The text does not count the seconds: it would be another change at every look.
                self._host_failed(host_id, f"no monitoring for more than {self._lost_after_s} s")
