"""One host under watch: probes and libvirt every period, and what happens to its domains at once.

Every host has a thread of its own, so that one that hangs delays no other.  A message is stamped with
the time before its look: what happened in between is newer (the engine drops what is older than a VM's
last transition).  So an event itself tells nothing, it may be old when it comes: all domains are looked
at, at once and twice a little later, since its VM's transition may fall into the same second.

Domains without the mark of any engine are listed apart, as WILD: the engine knows whether one was imported.

A domain that is gone is missing from the list; when libvirt told why it stopped, it is listed with the
REASON for a while, in the state in which it would have been missed.

Source: reference/drivers.md §5.2.
"""

import base64
import math
import threading
import time
from collections.abc import Callable, Mapping

import libvirt
import msgspec

from trifid import __version__
from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import render
from trifid.drivers.im.back_off import BackOff
from trifid.drivers.im.host_probes import HostProbes, Probed, VmName
from trifid.drivers.im.probes import Shelf
from trifid.drivers.im.runner import Openings, Runner, Told
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connection import Connection
from trifid.drivers.libvirt.connector import Gauge, Stats
from trifid.drivers.libvirt.figures import Sampler
from trifid.drivers.libvirt.mark import Owners
from trifid.drivers.libvirt.options import NO_LIBVIRT, Options
from trifid.drivers.libvirt.place import is_this_machine, uri_for
from trifid.drivers.libvirt.reasons import STOPPED, why_paused
from trifid.drivers.libvirt.states import is_news, vm_id_of, word_of
from trifid.drivers.remote.host import Hosts
from trifid.drivers.remote.way import Way

FOREIGN = -1
NOTHING_TOLD = Told()
TROUBLES_LENGTH_MAX = 1000
REASON_KEPT_S = 60.0
"""So long after a domain stopped, lists say why."""
LOOK_AGAIN_S = (1.1, 2.2)
"""After an event, all domains are looked at so much later as well; when the connection broke, for the first time.

More than a second: the first look is in another second than the event; the second one is for an engine that was slow
to take in what came before the event."""


class Seen(msgspec.Struct):
    """A domain at one look.

    Attributes:
        vm_id: FOREIGN for a domain without our engine's mark; those of other engines are not looked at.
        name: libvirt's.
        word: of STATE_VM.
        reason: why it is paused, empty when it is not.
    """

    vm_id: int
    name: str
    word: str
    reason: str
    uuid: str
    stats: Stats

    @property
    def about(self) -> dict[str, str]:
        """Its keys in STATE_VM; a foreign one has no ID."""
        said = {"DEPLOY_ID": self.name, "UUID": self.uuid, "STATE": self.word}
        if self.vm_id != FOREIGN:
            said = {"ID": str(self.vm_id), **said}
        for name, key in (("VCPU", "vcpu.maximum"), ("MEMORY", "balloon.maximum")):
            if key in self.stats:
                said[name] = str(self.stats[key])
        return {**said, "REASON": self.reason} if self.reason else said


Say = Callable[[str, str, int, int, str], None]
"""Told type, status, host id, epoch seconds and text of a message."""


class Means(msgspec.Struct, frozen=True):
    """What the watches of all hosts share.

    Attributes:
        options: where libvirt is.
        way: to hosts.
        shelf: of probes.
        chance: a number from 0 up to 1, another one each time.
    """

    options: Options
    way: Way
    shelf: Shelf
    chance: Callable[[], float]
    openings: Openings
    hosts: Hosts


class HostWatch:
    """Watches one host until it is stopped.

    Args:
        host_id, name: of the host.
        period_s: between two reports.
        means: shared by all.
        say: gets every message.
        told: to the probes.
    """

    def __init__(
        self, host_id: int, name: str, period_s: float, means: Means, say: Say, told: Told = NOTHING_TOLD
    ) -> None:
        self._host_id = host_id
        self._name = name
        self._period_s = period_s
        self._means = means
        self._options = means.options
        self._tell = say
        self._told = told
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_stopped = False
        self._is_answered = False
        self._is_asked_anew = False
        self._looks_at_once = False
        self._looks_at: list[float] = []
        self._thread: threading.Thread | None = None
        self._is_here = False
        self._back_off = BackOff(means.chance)
        self._probes: HostProbes | None = None
        self._connection: Connection | None = None
        self._facts: dict[str, str] = {}
        self._gauge: Gauge | None = None
        self._are_facts_told = False
        self._troubles: frozenset[str] = frozenset()
        self._sampler = Sampler()
        self._owners = Owners()
        self._ours: frozenset[int] = frozenset()
        self._looked_s = 0.0
        self._stopped: dict[int, tuple[float, str]] = {}  # VM to when, by a clock that does not jump, and why

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = threading.Thread(target=self._run, name=f"host-{self._host_id}", daemon=True)
        self._thread.start()

    def is_of(self, name: str, period_s: float, told: Told) -> bool:
        """Tell whether it watches just that."""
        return (self._name, self._period_s, self._told) == (name, period_s, told)

    def report_now(self) -> None:
        """Answer START_MONITOR again, with a new report; a host that was not reached is tried at once."""
        with self._lock:
            self._is_asked_anew = True
            self._is_answered = True  # but not by a report that has begun already
        self._wake.set()

    def stop(self) -> None:
        """End; when this returns, nothing more is said."""
        with self._lock:
            if self._is_asked_anew:
                self._is_asked_anew = self._is_answered = False
        self._answer("SUCCESS", "")
        with self._lock:
            self._is_stopped = True
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        """Wait, after `stop`, until what it started on this machine is gone; on others it goes by itself."""
        if self._thread is not None and self._is_here:
            self._thread.join(timeout_s)

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        due_s, was_reached = time.monotonic(), False
        while not self._is_stopped:
            with self._lock:
                if self._is_asked_anew:
                    self._is_asked_anew = self._is_answered = False
                    due_s = time.monotonic()
            was_reached, before = self._report(), was_reached
            if was_reached:
                due_s = self._due_after(due_s, is_first=not before)
            else:
                due_s = time.monotonic() + self._back_off.after_failure()
            self._wait(due_s)
        if self._connection is not None:
            self._connection.close()
        if self._probes is not None:
            self._probes.end()

    def _due_after(self, due_s: float, *, is_first: bool) -> float:
        """Return when the report after one is due: hosts that were all reached in one moment are not all asked in one.

        A slow report costs reports, and does not shift them.
        """
        now_s = time.monotonic()
        if is_first:
            return now_s + self._period_s * self._means.chance()
        return due_s + self._period_s * max(1, math.ceil((now_s - due_s) / self._period_s))

    def _wait(self, due_s: float) -> None:
        while not self._is_stopped and not self._is_asked_anew and (left := self._seconds_left(due_s)) > 0:
            self._wake.wait(left)
            self._wake.clear()
            if self._looks_at_once:
                self._looks_at_once = False
                self._look_again()
            elif (looks := self._looks_at) and time.monotonic() >= looks[0]:
                looks.pop(0)  # of this list: libvirt's thread may have put another in its place
                self._look_again()

    def _seconds_left(self, due: float) -> float:
        now = time.monotonic()
        if now >= due:
            return 0.0
        return max(0.001, min([due, *self._looks_at]) - now)

    def _report(self) -> bool:
        """Say everything, or why it cannot be said; return whether the host was reached."""
        at, was_reached = int(time.time()), False
        try:
            probes = self._reached()
            was_reached = True
            self._back_off.reset()
            domains, fault = self._domains_or_fault()
            probed = probes.run(_names_of(domains))  # also tells whether the way still stands, the better reason
            if fault is not None:
                raise fault
            measured = self._measured()
        except Failure as failure:
            self._answer("FAILURE", str(failure))
            self._say("MONITOR_HOST", at, str(failure), status="FAILURE")
            return was_reached
        self._answer("SUCCESS", "")
        self._say_probed(at, probed, measured)
        self._say_domains(at, domains, probed.vms)
        return True

    def _reached(self) -> HostProbes:
        """Return the probes of the host, which is reached then."""
        if self._probes is None:
            self._is_here = is_this_machine(self._name)
            host = self._means.hosts.here if self._is_here else self._means.hosts.named(self._name)
            runner = Runner(host, self._told, self._means.openings, lambda: self._is_stopped)
            self._probes = HostProbes(self._name, self._means.shelf, runner, is_child=self._is_here)
        self._probes.open()
        return self._probes

    def _say_probed(self, at: int, probed: Probed, measured: Mapping[str, str]) -> None:
        for trouble in probed.troubles:
            if trouble not in self._troubles:
                self._say("LOG", at, trouble, status="W")
        self._troubles = frozenset(probed.troubles)
        if probed.is_described or not self._are_facts_told:
            said = [pair for pair in probed.system if pair[0] not in self._facts]
            about: list[tuple[str, Value]] = [*said, ("VERSION", __version__), *self._facts.items()]
            self._say("SYSTEM_HOST", at, render(Template(tuple(about))))
            self._are_facts_told = True
        monitor = [pair for pair in probed.monitor if pair[0] not in measured] + list(measured.items())
        if probed.troubles:
            monitor.append(("PROBE_TROUBLES", "; ".join(probed.troubles)[:TROUBLES_LENGTH_MAX]))
        self._say("MONITOR_HOST", at, render(Template(tuple(monitor))))

    def _look_again(self) -> None:
        """Say which domains run, out of turn; the next report says why, should it not be possible until then."""
        at = int(time.time())
        try:
            self._say_domains(at, self._domains(), {})
        except Failure:
            self._looks_at = self._looks_at or [time.monotonic() + LOOK_AGAIN_S[-1]]

    def _domains_or_fault(self) -> tuple[list[Seen], Failure | None]:
        try:
            return self._domains(), None
        except Failure as fault:
            return [], fault

    def _domains(self) -> list[Seen]:
        """Return every domain of our engine, and every one of nobody."""
        if self._options.uri == NO_LIBVIRT:
            return []
        if self._connection is None:
            uri = uri_for(self._options.uri, self._name)
            self._connection = Connection(
                uri, self._options, heard=self._heard, lost=self._look_soon, way=self._means.way, host=self._name
            )
        self._looked_s = time.monotonic()
        with self._connection.open() as opened:
            if not self._facts:
                self._facts = self._connection.connector.facts(opened.getCapabilities())
            found = []
            everything = self._connection.connector.statistics(opened, None)
            self._owners.forget_others({domain.UUIDString() for domain, _ in everything})
            for domain, stats in everything:
                name = domain.name()
                if (vm_id := self._vm_of(domain, name)) is None:
                    continue
                word = word_of(stats.get("state.state", 0), stats.get("state.reason", 0))
                reason = _why_paused(domain) if word == "SUSPENDED" else ""
                if vm_id == FOREIGN and "balloon.maximum" not in stats:
                    stats = {**_size(domain), **stats}
                found.append(Seen(vm_id, name, word, reason, domain.UUIDString(), stats))
        self._ours = frozenset(seen.vm_id for seen in found if seen.vm_id != FOREIGN)
        return found

    def _measured(self) -> dict[str, str]:
        """Return what libvirt knows better than the probes of how loaded the host is."""
        if self._connection is None:
            return {}
        with self._connection.open() as opened:
            self._gauge = self._gauge or self._connection.connector.gauge()
            return self._gauge(opened)

    def _vm_of(self, domain: "libvirt.virDomain", name: str) -> int | None:
        """Return the VM of a domain, FOREIGN for one that no engine has marked, None for another engine's."""
        vm_id = vm_id_of(name)
        if vm_id is None:
            return FOREIGN  # no engine gives such a name: that is not worth a question
        owner = self._owners.of(domain)
        if owner == self._options.engine_id:
            return vm_id
        return None if owner else FOREIGN

    def _say_domains(self, at: int, domains: list[Seen], probed: Mapping[int, Mapping[str, str]]) -> None:
        """Say what runs; figures of a VM that probes say go before libvirt's of the same name."""
        if self._options.uri == NO_LIBVIRT:
            return
        now_s = time.monotonic()
        sync: tuple[tuple[str, Value], ...] = (("SYNC_STATE", "YES"), ("MISSING_STATE", "POWEROFF"))
        states: list[tuple[str, Value]] = [("WILD" if s.vm_id == FOREIGN else "VM", s.about) for s in domains]
        for vm_id, reason in self._missing(domains, now_s):
            states.append(("VM", {"ID": str(vm_id), "STATE": "POWEROFF", "REASON": reason}))
        self._say("STATE_VM", at, render(Template((*sync, *states))))
        figures: list[tuple[str, Value]] = []
        for seen in domains:
            if seen.word in ("RUNNING", "SUSPENDED"):
                measured = self._sampler.figures(seen.uuid, seen.stats, now_s)
                pairs: tuple[tuple[str, Value], ...] = tuple({**measured, **probed.get(seen.vm_id, {})}.items())
                text = render(Template(pairs))
                monitor = base64.b64encode(text.encode()).decode()
                about = {"ID": str(seen.vm_id), "DEPLOY_ID": seen.name, "UUID": seen.uuid, "MONITOR": monitor}
                figures.append(("VM", about))
        self._sampler.forget_others({seen.uuid for seen in domains})
        if figures:
            self._say("MONITOR_VM", at, render(Template(tuple(figures))))

    def _missing(self, domains: list[Seen], now_s: float) -> list[tuple[int, str]]:
        """Return the VMs whose domains stopped not long ago and are not there, with why."""
        active = {seen.vm_id for seen in domains if seen.word != "POWEROFF"}
        listed = {seen.vm_id for seen in domains}
        missing = []
        for vm_id, (stopped_s, reason) in list(self._stopped.items()):
            runs_again = vm_id in active and stopped_s < self._looked_s
            if runs_again or now_s - stopped_s > REASON_KEPT_S:
                self._stopped.pop(vm_id, None)
            elif vm_id not in listed:
                missing.append((vm_id, reason))
        return missing

    # -- called from libvirt's thread: nothing here may call libvirt ------------------------------------

    def _heard(self, domain_name: str, event: int, detail: int) -> None:
        vm_id = vm_id_of(domain_name)
        if vm_id is not None and event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            self._stopped.pop(vm_id, None)
            if detail in STOPPED and vm_id in self._ours:
                self._stopped[vm_id] = (time.monotonic(), STOPPED[detail])
        if is_news(event, detail):
            self._looks_at_once = True
            self._look_soon()

    def _look_soon(self) -> None:
        now_s = time.monotonic()
        self._looks_at = [now_s + later_s for later_s in LOOK_AGAIN_S]
        self._wake.set()

    # -- saying --------------------------------------------------------------------------------

    def _answer(self, status: str, text: str) -> None:
        """Answer START_MONITOR, once."""
        with self._lock:
            if self._is_answered:
                return
            self._is_answered = True
            self._tell("START_MONITOR", status, self._host_id, int(time.time()), text)

    def _say(self, type: str, at: int, text: str, status: str = "SUCCESS") -> None:
        with self._lock:
            if not self._is_stopped:
                self._tell(type, status, self._host_id, at, text)


def _names_of(domains: list[Seen]) -> list[VmName]:
    """Return the VMs of ours that run."""
    ours = [seen for seen in domains if seen.vm_id != FOREIGN and seen.word in ("RUNNING", "SUSPENDED")]
    return [VmName(seen.vm_id, seen.name, seen.uuid) for seen in ours]


def _size(domain: "libvirt.virDomain") -> Stats:
    """Return what statistics say of a domain that runs in QEMU: whoever imports another needs to know it, too."""
    try:
        _, memory_kib, _, vcpus, _ = domain.info()
    except libvirt.libvirtError:
        return {}  # it is gone by now
    return {"balloon.maximum": memory_kib, "vcpu.maximum": vcpus}


def _why_paused(domain: "libvirt.virDomain") -> str:
    try:
        return why_paused(domain)
    except libvirt.libvirtError:
        return ""  # it goes on, or is gone, by now: the next look tells
