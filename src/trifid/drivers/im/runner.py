"""The loop that runs probes on a host: started once, told what to run, heard.

One session of the way to the host (drivers/remote) is all that this takes, and this machine is no exception: its
loop is a child of the driver.  No process is started here when probes are run.
"""

import base64
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from trifid.drivers.im.probes import Kind, Probe
from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import PROGRAM, Stream
from trifid.drivers.remote.faults import CommandFailed, ConnectionLost
from trifid.drivers.remote.host import LOCALHOST, Host

LOOP_TEXT = (Path(__file__).parent / "loop.sh").read_text()
PROBE_LIMIT_S = 10.0
"""A probe that is not done by then is killed."""
OUTPUT_BYTES_MAX = 1 << 20
"""What a probe may print; one that prints more is killed."""
OPEN_LIMIT_S = 30.0
"""The loop of a host that is reached stands by then."""
SILENT_S = 10.0
"""So much longer than a probe may take a host may be silent while its probes run."""
FRAME_BYTES_MAX = OUTPUT_BYTES_MAX + (1 << 16)
READ_BYTES = 1 << 18
OPENING_MAX = 8
"""Hosts that sessions are opened with at the same time …"""
OPENING_HELD_S, OPENING_HELD_AGAIN_S = 5.0, 1.0
""" … but one that takes longer is not waited for by others, still less when it was not reached the last time."""
_BASE64_LINE = 4096
_KILLED_ABOVE, _CLEANED_AWAY = 128, 75


class Told(NamedTuple):
    """What probes find in their environment.

    Attributes:
        datastores: DATASTORE_LOCATION, the directory of the datastores; empty when it is not known.
        pci_filter: PCI_FILTER, which PCI devices VMs may have; empty for none.
    """

    datastores: str = ""
    pci_filter: str = ""


class Ran(NamedTuple):
    """What came of a probe.

    Attributes:
        status: its exit status, 128 + the signal when it was killed; None: it is still at work, beside the others.
        text: what it printed, or the end of its error text when it failed.
        took_s: how long it took, with the way there and back.
    """

    probe: Probe
    status: int | None
    text: bytes
    took_s: float


def here() -> Host:
    """Return this machine, with loops that are not killed along with the driver.

    They end with their input, which is the driver's, and remove their directories then.
    """
    return Host(LOCALHOST, ["setsid", "sh", "-c", PROGRAM], is_here=True)


class Openings:
    """Keeps a front-end with hundreds of hosts from opening all their sessions in one moment."""

    def __init__(self, most: int = OPENING_MAX) -> None:
        self._places = threading.BoundedSemaphore(most)

    def enter(self, check: Callable[[], None]) -> Callable[[], None]:
        """Wait for a place, looking at `check`, which may raise; return what gives it back, once."""
        while not self._places.acquire(timeout=0.2):
            check()
        lock = threading.Lock()
        given: list[bool] = []

        def leave() -> None:
            with lock:
                if not given:
                    given.append(True)
                    self._places.release()

        return leave


class Runner:
    """Runs probes on one host.

    Args:
        host: where.
        told: to the probes.
        openings: shared by all hosts.
        is_stopped: whether nothing is wanted any more; looked at several times a second.

    Attributes:
        limit_s: of one probe.
    """

    def __init__(
        self,
        host: Host,
        told: Told,
        openings: Openings,
        is_stopped: Callable[[], bool] = lambda: False,
        limit_s: float = PROBE_LIMIT_S,
    ) -> None:
        self._host = host
        self._told = told
        self._openings = openings
        self._is_stopped = is_stopped
        self.limit_s: Final = limit_s
        self._word = ""
        self._stream: Stream | None = None
        self._buffer = bytearray()
        self._there: dict[str, Probe] = {}
        self._turn = 0
        self._was_reached = True  # the last time, for all that is known
        self._until_s = 0.0
        self._doing = ""

    @property
    def is_open(self) -> bool:
        """Whether the loop stands, as far as it is known here."""
        return self._stream is not None

    def open(self) -> None:
        """Start the loop, unless it stands.

        Raises:
            ConnectionLost: the host is not reached.
            Failure: its shell cannot do it; it does not answer in time; nothing is wanted any more.
        """
        if self._stream is not None:
            return
        leave = self._openings.enter(self._check_wanted)
        begun_s, held_s = time.monotonic(), OPENING_HELD_S if self._was_reached else OPENING_HELD_AGAIN_S
        self._was_reached = False

        def check() -> None:
            if time.monotonic() - begun_s > held_s:
                leave()
            self._check()

        self._expect(OPEN_LIMIT_S, "its session opens")
        self._word, self._there, self._turn = secrets.token_hex(16), {}, 0
        self._buffer.clear()
        arguments = (self._word, f"{self.limit_s:g}", str(OUTPUT_BYTES_MAX), *self._told)
        try:
            self._stream = self._host.stream("sh", "-c", LOOP_TEXT, "sh", *arguments, stop=check)
            self._frame(("ready",))
            self._stream.stop, self._was_reached = self._check, True
        except BaseException:
            self.close()
            raise
        finally:
            leave()

    def run(self, probes: Sequence[Probe], slow: frozenset[str], vms: Sequence[str]) -> Iterator[Ran]:
        """Run probes one after the other, and yield what came of each.

        Args:
            slow: paths of those that run beside the others and are told of at the next run.
            vms: lines that probes of VMs read.

        Raises:
            ConnectionLost: the connection broke; it is opened anew by `open`.
            Failure: the host is silent, or says what no host would.
        """
        try:
            yield from self._run(probes, slow, vms)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the loop, which removes its directory."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.__exit__()

    def end(self) -> None:
        """End the loop and wait a moment until its directory is gone: it is a child of this process."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._expect(1.0, "its loop ends")
        with stream:
            try:
                stream.stop = self._check_time
                stream.finish()
            except Failure:
                pass  # the next loop on the host removes what this one has left

    # -- telling -------------------------------------------------------------------------------

    def _run(self, probes: Sequence[Probe], slow: frozenset[str], vms: Sequence[str]) -> Iterator[Ran]:
        lines = self._news(probes)
        if any(probe.kind is Kind.VM for probe in probes):
            lines += [f"vms {len(vms)}".encode(), *(vm.encode() for vm in vms)]
        lines += [f"{'later' if probe.path in slow else 'run'} {probe.path}".encode() for probe in probes]
        self._turn += 1
        self._expect(self.limit_s + SILENT_S, "probes are sent")
        self._write([*lines, f"end {self._turn}".encode()])
        for probe in probes:
            yield self._one(probe)
        self._frame(("end", str(self._turn)))

    def _one(self, probe: Probe) -> Ran:
        begun_s = time.monotonic()
        self._expect(self.limit_s + SILENT_S, f"probe {probe.name} runs")
        while True:
            words, text = self._frame()
            match words:
                case ["ran", probe.path, status] if status.isdigit():
                    return Ran(probe, int(status), text, time.monotonic() - begun_s)
                case ["busy", probe.path]:
                    return Ran(probe, None, b"", 0.0)
                case ["gone", probe.path]:  # somebody has cleaned up there
                    del self._there[probe.path]
                    return Ran(probe, None, b"", 0.0)
            raise self._strange(words)

    def _news(self, probes: Sequence[Probe]) -> list[bytes]:
        """Return the lines that tell the loop of probes that are new to it or have changed."""
        lines: list[bytes] = []
        for probe in probes:
            if self._there.get(probe.path) != probe:
                lines += _pushed(probe)
                self._there[probe.path] = probe
        return lines

    def _write(self, lines: Sequence[bytes]) -> None:
        assert self._stream is not None  # noqa: S101  (for mypy)
        try:
            self._stream.write(b"".join(line + b"\n" for line in lines))
        except CommandFailed as failed:
            raise self._failed(failed) from None

    # -- hearing -------------------------------------------------------------------------------

    def _frame(self, expected: tuple[str, ...] = ()) -> tuple[list[str], bytes]:
        """Return the words of the loop's next line of its own, and what was printed before it."""
        assert self._stream is not None  # noqa: S101  (for mypy)
        mark = f"\n{self._word} ".encode()
        looked = 0
        while True:
            begin = self._buffer.find(mark, looked)
            end = self._buffer.find(b"\n", begin + len(mark)) if begin >= 0 else -1
            if end >= 0:
                words = self._buffer[begin + len(mark) : end].decode(errors="replace").split(" ")
                text = bytes(self._buffer[:begin])
                del self._buffer[: end + 1]
                if expected and tuple(words) != expected:
                    raise self._strange(words)
                return words, text
            looked = begin if begin >= 0 else max(0, len(self._buffer) - len(mark))
            if len(self._buffer) > FRAME_BYTES_MAX:
                raise Failure(
                    f"host {self._host.name} sends what no probe may: {len(self._buffer)} bytes without an end while "
                    f"{self._doing}: its login shell, or what sshd runs in its place, prints without being asked"
                )
            data = self._stream.read(READ_BYTES)
            if not data:
                raise self._ended()
            self._buffer += data

    def _ended(self) -> Failure:
        stream, self._stream = self._stream, None
        assert stream is not None  # noqa: S101  (for mypy)
        with stream:
            try:
                stream.finish()
            except ConnectionLost as lost:
                return lost
            except CommandFailed as failed:
                return self._failed(failed)
        return ConnectionLost(f"{self._host.name}: the loop that runs probes was ended while {self._doing}")

    def _failed(self, failed: CommandFailed) -> Failure:
        if failed.status > _KILLED_ABOVE or failed.status == _CLEANED_AWAY:
            what = "its directory was removed" if failed.status == _CLEANED_AWAY else "it was killed"
            return ConnectionLost(f"{self._host.name}: the loop that runs probes ended: {what}")
        return Failure(f"probes cannot be run on host {failed}")

    def _strange(self, words: Sequence[str]) -> Failure:
        said = " ".join(words)[:80]
        return Failure(f"host {self._host.name} answers what was not asked ({said!r}) while {self._doing}")

    # -- limits --------------------------------------------------------------------------------

    def _expect(self, limit_s: float, doing: str) -> None:
        self._until_s, self._doing = time.monotonic() + limit_s, doing

    def _check(self) -> None:
        self._check_wanted()
        self._check_time()

    def _check_wanted(self) -> None:
        if self._is_stopped():
            raise Failure("not wanted any more")

    def _check_time(self) -> None:
        if time.monotonic() > self._until_s:
            raise Failure(f"host {self._host.name} is silent: nothing came in time while {self._doing}")


def _pushed(probe: Probe) -> list[bytes]:
    """Return the lines that put a probe on a host: as it is if it is a text, which takes no process there."""
    content = probe.content
    if b"\0" not in content and content.endswith(b"\n"):
        lines = content[:-1].split(b"\n")
        return [f"put {probe.path} {len(lines)}".encode(), *lines]
    text = base64.b64encode(content)
    lines = [text[at : at + _BASE64_LINE] for at in range(0, len(text), _BASE64_LINE)]
    return [f"put64 {probe.path} {len(lines)}".encode(), *lines]
