"""Probes: small programs that print what a host is, how loaded it is, and what its VMs do, as `NAME=VALUE` lines.

Those in probes.d beside this file come with the driver.  An administrator's own lie in the engine's home:

    probes.d/NAME, probes.d/host.d/NAME    of hosts: monitor… are measures, run every period; others are run less often
    probes.d/vm.d/NAME                     of VMs: they read `ID NAME UUID` lines, and print VM=[ID=…, KEY=VALUE]

They are of any language that their hosts can run, and are run there (loop.sh).

Source: reference/drivers.md §5.1 (one working probe is enough), §5.2 (attributes).
"""

import os
import re
import stat
import threading
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import msgspec

SHIPPED = Path(__file__).parent / "probes.d"
PROBE_BYTES_MAX = 4 << 20
PROBES_MAX = 100
"""Most that are read out of one directory."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", re.ASCII)


class Kind(Enum):
    """What a probe is about."""

    SYSTEM = "what the host is"
    MONITOR = "how loaded the host is"
    VM = "what the VMs of the host do"


class Probe(msgspec.Struct, frozen=True):
    """One program.

    Attributes:
        path: on hosts, below their directory of probes.
        name: for messages.
        content: the program.
    """

    path: str
    name: str
    kind: Kind
    content: bytes


class _Kept(msgspec.Struct, frozen=True):
    """A file as it was read last."""

    identity: tuple[int, int, int]
    probe: Probe


class Shelf:
    """The probes there are, read again when they change; for all hosts at once.

    Args:
        home: whose probes.d has the administrator's; None = the shipped ones only.
    """

    def __init__(self, home: Path | None) -> None:
        self._directories = [(SHIPPED, "shipped")]
        if home is not None:
            own = home / "probes.d"
            self._directories += [(own, "own"), (own / "host.d", "host"), (own / "vm.d", "vm")]
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def look(self) -> tuple[list[Probe], list[str]]:
        """Return the probes as they are now, by name, and a text for each that cannot be used."""
        probes: list[Probe] = []
        troubles: list[str] = []
        with self._lock:
            for directory, place in self._directories:
                try:
                    files = sorted(_files(directory, is_shipped=place == "shipped"))
                except OSError as fault:
                    troubles.append(f"probes: {directory} cannot be read: {fault.strerror}")
                    continue
                if len(files) > PROBES_MAX:
                    troubles.append(f"{directory} has {len(files)} probes: the first {PROBES_MAX} are run")
                for path in files[:PROBES_MAX]:
                    try:
                        probes.append(self._read(path, place))
                    except OSError as fault:
                        troubles.append(f"probe {path.name}: cannot be read: {fault.strerror}")
                    except ValueError as fault:
                        troubles.append(f"probe {path.name}: {fault}")
        return sorted(probes, key=lambda probe: (probe.name, probe.path)), troubles

    def _read(self, path: Path, place: str) -> Probe:
        """Return a probe; raises ValueError for one that is not sent to hosts."""
        if not _NAME.fullmatch(path.name):
            raise ValueError("its name has other characters than letters, digits and _ . + -, or more than 100")
        about = path.stat()
        identity = (about.st_mtime_ns, about.st_size, about.st_ino)
        key = f"{place}/{path.name}"
        kept = self._kept.get(key)
        if kept is None or kept.identity != identity:
            if about.st_size > PROBE_BYTES_MAX:
                raise ValueError(f"it has {about.st_size} bytes, at most {PROBE_BYTES_MAX} are sent to hosts")
            kind = Kind.VM if place == "vm" else Kind.MONITOR if path.name.startswith("monitor") else Kind.SYSTEM
            kept = self._kept[key] = _Kept(identity, Probe(key, path.name, kind, path.read_bytes()))
        return kept.probe


def _files(directory: Path, *, is_shipped: bool) -> Iterator[Path]:
    """Yield the programs in a directory; of a home's, those that may be executed."""
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return
    for entry in entries:
        path = Path(entry.path)
        try:
            mode = path.stat().st_mode
        except OSError:
            continue  # gone by now, or a link that leads nowhere
        if stat.S_ISREG(mode) and (is_shipped or mode & 0o111):
            yield path
