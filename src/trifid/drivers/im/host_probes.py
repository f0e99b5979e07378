"""What the probes of one host said: which of them are run when, and what is made of what they print.

All of it comes from a host and is not to be trusted: its size is bounded, its form is checked.
"""

import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from trifid.core.template.model import Template, Value
from trifid.core.template.scanner import parse
from trifid.drivers.im.probes import Kind, Probe, Shelf
from trifid.drivers.im.runner import OUTPUT_BYTES_MAX, Ran, Runner
from trifid.drivers.kit import Failure
from trifid.drivers.remote.faults import ConnectionLost
from trifid.errors import BadTemplate

DESCRIBED_EVERY_S = 600.0
"""What a host is is found out anew so often, and whenever a probe changes."""
SLOW_S = 2.0
"""A probe that takes longer runs beside the others from then on …"""
SLOW_RUNS = 20
""" … for so many runs."""
ATTRIBUTES_MAX = 1 << 14
TROUBLE_LENGTH_MAX = 400
_KILLED, _TOO_LARGE = 128 + signal.SIGKILL, 128 + signal.SIGXFSZ
_NOT_RUN = (126, 127)
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)

Pairs = tuple[tuple[str, Value], ...]


class VmName(msgspec.Struct, frozen=True):
    """A VM of this engine on the host, as probes of VMs are told of it."""

    id: int
    name: str
    uuid: str


class Probed(msgspec.Struct):
    """What the probes of a host said.

    Attributes:
        system: what the host is.
        is_described: whether that is news.
        monitor: how loaded it is.
        vms: what was said of each VM, by its id.
        troubles: a text for each probe that failed.
    """

    system: Pairs = ()
    is_described: bool = False
    monitor: Pairs = ()
    vms: Mapping[int, Mapping[str, str]] = {}
    troubles: tuple[str, ...] = ()


class _Known(msgspec.Struct):
    """What a probe said last.

    Attributes:
        probe: as it was then.
        pairs: none when it failed.
        trouble: why it failed; empty when it did not.
        slow_runs: so many more times it runs beside the others.
        is_awaited: whether it does, and has not been heard of yet.
        at_s: when it was run, by a clock that does not jump.
    """

    probe: Probe
    pairs: Pairs = ()
    trouble: str = ""
    slow_runs: int = 0
    is_awaited: bool = False
    at_s: float = 0.0


class HostProbes:
    """The probes of one host.

    Args:
        name: of the host, for messages.
        shelf: where the probes are.
        runner: runs them.
        is_child: whether the loop is a child of this process, whose end is waited for.
        clock: seconds, by a clock that does not jump.
    """

    def __init__(
        self,
        name: str,
        shelf: Shelf,
        runner: Runner,
        *,
        is_child: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._shelf = shelf
        self._runner = runner
        self._is_child = is_child
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def open(self) -> None:
        """Reach the host, unless it is reached.

        Raises:
            Failure: it cannot be.
        """
        if not self._runner.is_open:
            self._known.clear()
            self._runner.open()

    def run(self, vms: Sequence[VmName] = ()) -> Probed:
        """Run those that are due.

        Raises:
            Failure: the host is not reached, is silent, or no probe works.
        """
        was_open = self._runner.is_open
        try:
            return self._run(vms)
        except ConnectionLost:
            if not was_open:
                raise
        return self._run(vms)  # the connection broke while nobody looked: once more on a new one

    def end(self) -> None:
        """End what runs on the host."""
        if self._is_child:
            self._runner.end()
        else:
            self._runner.close()

    def _run(self, vms: Sequence[VmName]) -> Probed:
        self.open()
        probes, troubles = self._shelf.look()
        there = {probe.path for probe in probes}
        self._known = {path: known for path, known in self._known.items() if path in there}
        due = [probe for probe in probes if self._is_due(probe, vms)]
        slow = frozenset(path for path, known in self._known.items() if known.slow_runs)
        lines = [f"{vm.id} {vm.name} {vm.uuid}" for vm in vms]
        gone = [ran.probe for ran in self._runner.run(due, slow, lines) if self._note(ran)]
        if gone:  # what is still missing then, was removed twice within a moment
            for ran in self._runner.run(gone, frozenset(), lines):
                self._note(ran)
        return self._said({vm.id for vm in vms}, due, troubles)

    def _is_due(self, probe: Probe, vms: Sequence[VmName]) -> bool:
        known = self._known.get(probe.path)
        if known is None or known.probe != probe:
            self._known.pop(probe.path, None)
            return probe.kind is not Kind.VM or bool(vms)
        if probe.kind is Kind.SYSTEM:
            return known.is_awaited or self._clock() - known.at_s >= DESCRIBED_EVERY_S
        return probe.kind is Kind.MONITOR or bool(vms)

    def _note(self, ran: Ran) -> bool:
        """Keep what came of a probe; return whether it was not there and is to be run again."""
        known = self._known.setdefault(ran.probe.path, _Known(ran.probe))
        known.at_s = self._clock()
        known.is_awaited = ran.status is None
        if ran.status is None:
            return not known.slow_runs
        known.slow_runs = max(0, known.slow_runs - 1)
        if ran.status == _KILLED or ran.took_s > SLOW_S:
            known.slow_runs = SLOW_RUNS
        known.trouble, known.pairs = _trouble(ran, self._runner.limit_s), ()
        if not known.trouble:
            try:
                known.pairs = _parsed(ran.text).pairs
            except BadTemplate as bad:
                known.trouble = f"printed no NAME=VALUE lines: {bad.message}"
        return False

    def _said(self, vm_ids: set[int], due: Sequence[Probe], troubles: Sequence[str]) -> Probed:
        known = sorted(self._known.values(), key=lambda known: (known.probe.name, known.probe.path))
        failed = [f"probe {one.probe.name}: {one.trouble}"[:TROUBLE_LENGTH_MAX] for one in known if one.trouble]
        of_host = [one for one in known if one.probe.kind is not Kind.VM]
        if not any(one.at_s and not one.trouble for one in of_host):
            said = "; ".join([*troubles, *failed]) or "there are none"
            raise Failure(f"no probe worked on host {self._name}: {said}")
        vms, strange = _of_vms([one for one in known if one.probe.kind is Kind.VM], vm_ids)
        return Probed(
            system=_joined(of_host, Kind.SYSTEM),
            is_described=any(probe.kind is Kind.SYSTEM for probe in due),
            monitor=_joined(of_host, Kind.MONITOR),
            vms=vms,
            troubles=(*troubles, *failed, *strange),
        )


def _trouble(ran: Ran, limit_s: float) -> str:
    """Return why a probe failed, nothing when it did not."""
    if ran.status == _TOO_LARGE or len(ran.text) >= OUTPUT_BYTES_MAX:
        return f"printed more than {OUTPUT_BYTES_MAX >> 20} MiB, and was ended"
    if not ran.status:
        return ""
    if ran.status == _KILLED:
        return f"not done after {limit_s:g} s, and was ended"
    said = " ".join(ran.text.decode(errors="replace").split())
    what = "cannot be run" if ran.status in _NOT_RUN else f"exit status {ran.status}"
    return f"{what}: {said}" if said else f"{what}, and said nothing"


def _parsed(text: bytes) -> Template:
    return parse(text.decode(errors="replace"), attributes_max=ATTRIBUTES_MAX)


def _joined(known: Sequence[_Known], kind: Kind) -> Pairs:
    return tuple(pair for one in known if one.probe.kind is kind for pair in one.pairs)


def _of_vms(known: Sequence[_Known], vm_ids: set[int]) -> tuple[dict[int, dict[str, str]], list[str]]:
    """Return what probes said of each VM of ours on the host, and a text for each that spoke of others only."""
    said: dict[int, dict[str, str]] = {}
    strange = []
    for one in known:
        vectors = [value for name, value in one.pairs if name == "VM" and isinstance(value, dict)]
        for vector in vectors:
            number = vector.get("ID", "")
            if _NUMBER.fullmatch(number) and int(number) in vm_ids:
                said.setdefault(int(number), {}).update((name, text) for name, text in vector.items() if name != "ID")
        if one.pairs and not vectors:
            strange.append(f"probe {one.probe.name}: printed no VM=[ID=…, KEY=VALUE]")
    return said, strange
