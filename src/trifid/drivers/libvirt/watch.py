"""One host under watch: probes and libvirt every period, and what happens to its domains at once.

Every host has a thread of its own, so that one that hangs delays no other.  A message is stamped with
the time before its look: what happened in between is newer (the engine drops what is older than a VM's
last transition).  So an event itself tells nothing, it may be old when it comes: all domains are looked
at, at once and twice a little later, since its VM's transition may fall into the same second.

Source: reference/drivers.md §5.2.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from trifid import __version__
from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import render
from trifid.drivers.im.back_off import BackOff
from trifid.drivers.im.host_probes import HostProbes, Probed, VmName
from trifid.drivers.im.probes import Shelf
from trifid.drivers.im.runner import Openings, Runner, Told
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.host_domains import HostDomains, Seen
from trifid.drivers.libvirt.options import NO_LIBVIRT, Options
from trifid.drivers.libvirt.place import is_this_machine
from trifid.drivers.remote.host import Host, Hosts
from trifid.drivers.remote.way import Way

NOTHING_TOLD = Told()
TROUBLES_LENGTH_MAX = 1000
LOOK_AGAIN_S = (1.1, 2.2)
"""After an event, all domains are looked at so much later as well; when the connection broke, for the first time.

More than a second: the first look is in another second than the event; the second one is for an engine that was slow
to take in what came before the event."""


Say = Callable[[str, str, int, int, str], None]
"""Told type, status, host id, epoch seconds and text of a message."""


class Means(msgspec.Struct, frozen=True):
    """What the watches of all hosts share.

    Attributes:
        options: where libvirt is.
        way: to hosts.
        shelf: of probes.
        chance: a number from 0 up to 1, another one each time.
        hosts: other machines.
        here: this one.
    """

    options: Options
    way: Way
    shelf: Shelf
    chance: Callable[[], float]
    openings: Openings
    hosts: Hosts
    here: Host


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
        self._owes_description = True
        self._probed_vms: Mapping[int, Mapping[str, str]] = {}
        self._domains: HostDomains | None = None
        if self._options.uri != NO_LIBVIRT:
            self._domains = HostDomains(name, self._options, means.way, self._look_at_once, self._look_soon)
        self._troubles: frozenset[str] = frozenset()

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
        if self._domains is not None:
            self._domains.close()
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
            names = [VmName(seen.vm_id, seen.name, seen.uuid) for seen in domains if seen.is_ours_and_runs]
            probed = probes.run(names)  # even then: it tells whether the way still stands, which is the better reason
            self._owes_description |= probed.is_described
            if fault is not None:
                raise fault
            measured = self._domains.measured() if self._domains else {}
        except (Failure, OSError) as failure:
            self._answer("FAILURE", str(failure))
            self._say("MONITOR_HOST", at, str(failure), status="FAILURE")
            return was_reached
        self._answer("SUCCESS", "")
        self._say_probed(at, probed, measured)
        self._probed_vms = probed.vms
        self._say_domains(at, domains)
        return True

    def _reached(self) -> HostProbes:
        """Return the probes of the host, which is reached then."""
        if self._probes is None:
            self._is_here = is_this_machine(self._name)
            host = self._means.here if self._is_here else self._means.hosts.named(self._name)
            runner = Runner(host, self._told, self._means.openings, lambda: self._is_stopped)
            self._probes = HostProbes(self._name, self._means.shelf, runner, is_child=self._is_here)
        self._probes.open()
        return self._probes

    def _say_probed(self, at: int, probed: Probed, measured: Mapping[str, str]) -> None:
        for trouble in probed.troubles:
            if trouble not in self._troubles:
                self._say("LOG", at, trouble, status="W")
        self._troubles = frozenset(probed.troubles)
        if self._owes_description:
            facts = self._domains.facts if self._domains else {}
            said = [pair for pair in probed.system if pair[0] not in facts]
            about: list[tuple[str, Value]] = [*said, ("VERSION", __version__), *facts.items()]
            self._say("SYSTEM_HOST", at, render(Template(tuple(about))))
            self._owes_description = False
        monitor = [pair for pair in probed.monitor if pair[0] not in measured] + list(measured.items())
        if probed.troubles:
            monitor.append(("PROBE_TROUBLES", "; ".join(probed.troubles)[:TROUBLES_LENGTH_MAX]))
        self._say("MONITOR_HOST", at, render(Template(tuple(monitor))))

    def _look_again(self) -> None:
        """Say which domains run, out of turn; the next report says why, should it not be possible until then."""
        at = int(time.time())
        try:
            if self._domains:
                self._say_domains(at, self._domains.look())
        except (Failure, OSError):
            self._looks_at = self._looks_at or [time.monotonic() + LOOK_AGAIN_S[-1]]

    def _domains_or_fault(self) -> tuple[list[Seen], Failure | OSError | None]:
        try:
            return self._domains.look() if self._domains else [], None
        except (Failure, OSError) as fault:
            return [], fault

    def _say_domains(self, at: int, domains: list[Seen]) -> None:
        if self._domains is None:
            return
        self._say("STATE_VM", at, self._domains.states(domains))
        if figures := self._domains.figures(domains, self._probed_vms):
            self._say("MONITOR_VM", at, figures)

    # -- called from libvirt's thread: nothing here may call libvirt ------------------------------------

    def _look_at_once(self) -> None:
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
