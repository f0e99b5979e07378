"""The domains of one host: looked at all at once, told as STATE_VM and MONITOR_VM.

Domains without the mark of any engine are listed apart, as WILD: the engine knows whether one was imported.

A domain that is gone is missing from the list; when libvirt told why it stopped, it is listed with the
REASON for a while, in the state in which it would have been missed.

Source: reference/drivers.md §5.2.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence

import libvirt
import msgspec

from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import render
from trifid.drivers.libvirt.connection import Connection
from trifid.drivers.libvirt.connector import Gauge, Stats
from trifid.drivers.libvirt.figures import Sampler
from trifid.drivers.libvirt.mark import Owners
from trifid.drivers.libvirt.options import Options
from trifid.drivers.libvirt.place import uri_for
from trifid.drivers.libvirt.reasons import STOPPED, why_paused
from trifid.drivers.libvirt.states import is_news, vm_id_of, word_of
from trifid.drivers.remote.way import Way

FOREIGN = -1
REASON_KEPT_S = 60.0
"""So long after a domain stopped, lists say why."""
RUNS = ("RUNNING", "SUSPENDED")


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

    @property
    def is_ours_and_runs(self) -> bool:
        """Whether it is a VM of our engine that runs, or is paused."""
        return self.vm_id != FOREIGN and self.word in RUNS


class HostDomains:
    """All domains of the libvirt of one host.

    Args:
        name: of the host.
        options: where libvirt is.
        way: to hosts.
        news: called when something has happened to a domain, from libvirt's thread.
        lost: called when the connection broke, from libvirt's thread.

    Attributes:
        facts: what libvirt says of the host; empty before the first look.
    """

    def __init__(
        self, name: str, options: Options, way: Way, news: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        self.facts: dict[str, str] = {}
        self._name = name
        self._options = options
        self._way = way
        self._news = news
        self._lost = lost
        self._connection: Connection | None = None
        self._gauge: Gauge | None = None
        self._sampler = Sampler()
        self._owners = Owners()
        self._ours: frozenset[int] = frozenset()
        self._looked_s = 0.0
        self._stopped: dict[int, tuple[float, str]] = {}  # VM to when, by a clock that does not jump, and why

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def look(self) -> list[Seen]:
        """Return every domain of our engine, and every one of nobody.

        Raises:
            Failure: libvirt cannot be reached, or asked.
        """
        if self._connection is None:
            uri = uri_for(self._options.uri, self._name)
            self._connection = Connection(
                uri, self._options, heard=self._heard, lost=self._lost, way=self._way, host=self._name
            )
        self._looked_s = time.monotonic()
        with self._connection.open() as opened:
            if not self.facts:
                self.facts = self._connection.connector.facts(opened.getCapabilities())
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

    def measured(self) -> dict[str, str]:
        """Return what libvirt knows better than the probes of how loaded the host is.

        Raises:
            Failure: libvirt cannot be reached, or asked.
        """
        if self._connection is None:
            return {}
        with self._connection.open() as opened:
            self._gauge = self._gauge or self._connection.connector.gauge()
            return self._gauge(opened)

    def states(self, domains: Sequence[Seen]) -> str:
        """Return the text of STATE_VM."""
        sync: tuple[tuple[str, Value], ...] = (("SYNC_STATE", "YES"), ("MISSING_STATE", "POWEROFF"))
        states: list[tuple[str, Value]] = [("WILD" if s.vm_id == FOREIGN else "VM", s.about) for s in domains]
        for vm_id, reason in self._missing(domains, time.monotonic()):
            states.append(("VM", {"ID": str(vm_id), "STATE": "POWEROFF", "REASON": reason}))
        return render(Template((*sync, *states)))

    def figures(self, domains: Sequence[Seen], probed: Mapping[int, Mapping[str, str]]) -> str:
        """Return the text of MONITOR_VM, empty when nothing runs.

        Args:
            probed: what probes say of VMs; it goes before libvirt's figures of the same name.
        """
        now_s = time.monotonic()
        figures: list[tuple[str, Value]] = []
        for seen in domains:
            if seen.word in RUNS:
                measured = self._sampler.figures(seen.uuid, seen.stats, now_s)
                pairs: tuple[tuple[str, Value], ...] = tuple({**measured, **probed.get(seen.vm_id, {})}.items())
                monitor = base64.b64encode(render(Template(pairs)).encode()).decode()
                about = {"ID": str(seen.vm_id), "DEPLOY_ID": seen.name, "UUID": seen.uuid, "MONITOR": monitor}
                figures.append(("VM", about))
        self._sampler.forget_others({seen.uuid for seen in domains})
        return render(Template(tuple(figures))) if figures else ""

    def _vm_of(self, domain: "libvirt.virDomain", name: str) -> int | None:
        """Return the VM of a domain, FOREIGN for one that no engine has marked, None for another engine's."""
        vm_id = vm_id_of(name)
        if vm_id is None:
            return FOREIGN  # no engine gives such a name: that is not worth a question
        owner = self._owners.of(domain)
        if owner == self._options.engine_id:
            return vm_id
        return None if owner else FOREIGN

    def _missing(self, domains: Sequence[Seen], now_s: float) -> list[tuple[int, str]]:
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

    def _heard(self, domain_name: str, event: int, detail: int) -> None:
        """Take in what happened to a domain; called from libvirt's thread: nothing here may call libvirt."""
        vm_id = vm_id_of(domain_name)
        if vm_id is not None and event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            self._stopped.pop(vm_id, None)
            if detail in STOPPED and vm_id in self._ours:
                self._stopped[vm_id] = (time.monotonic(), STOPPED[detail])
        if is_news(event, detail):
            self._news()


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
