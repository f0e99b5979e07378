"""The dummies' world: which domain is on which host, kept in a file so that it outlives the drivers.

The file is a log, one line a change: `VM HOST STATE STEP`, HOST `-` for none.  The hypervisor driver
writes it, the information driver reads what was added since it last looked, and a test may append to
it: `12 - gone 0` makes the domain of VM 12 vanish, `12 host1 paused 0` pauses it, `legacy host1 running 0` is
a domain that no engine made.  Nothing is synchronised to disk: a domain does not survive its machine either.
"""

import os
from pathlib import Path

import msgspec

NOWHERE = "-"
RUNNING = "running"
PAUSED = "paused"
SAVED = "saved"
GONE = "gone"
ACTIVE = (RUNNING, PAUSED)
"""States of a domain that is on its host."""
STATES = (*ACTIVE, SAVED, GONE)

Key = int | str
"""A VM's number, or the name of a domain that no engine made."""


class Domain(msgspec.Struct):
    """What is known of one VM.

    Attributes:
        host: where it runs, or where it was; empty when it never was anywhere.
        state: running, paused, saved or gone.
        step: highest step number that was seen for it.
    """

    host: str = ""
    state: str = GONE
    step: int = 0


class World:
    """All domains.

    Args:
        path: of the log; its directory is made.
    """

    def __init__(self, path: Path) -> None:
        self.domains: dict[Key, Domain] = {}
        self._on_host: dict[str, set[Key]] = {}
        self._path = path
        self._reader = -1  # kept open: the number of a file that is open is not given to another
        self._offset = 0
        self._pending: list[str] = []
        self._writer = -1

    # -- reading -------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take in what was added to the log since the last time."""
        self.flush()
        try:
            about = self._path.stat()
        except FileNotFoundError:
            return
        if self._reader < 0 or not os.path.samestat(about, os.fstat(self._reader)):
            self._read_anew()
        if about.st_size <= self._offset:
            return
        data = os.pread(self._reader, about.st_size - self._offset, self._offset)
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode("utf-8", errors="replace").splitlines():
            self._apply(line)

    def running_on(self, host: str) -> list[int]:
        """Return the VMs whose domains are on a host, running or paused, by number."""
        return sorted(key for key in self._on_host.get(host, ()) if isinstance(key, int))

    def foreign_on(self, host: str) -> list[str]:
        """Return the names of the domains on a host, running or paused, that no engine made."""
        return sorted(key for key in self._on_host.get(host, ()) if isinstance(key, str))

    def get(self, key: Key) -> Domain:
        """Return what is known of a VM, or of a foreign domain."""
        return self.domains.get(key) or Domain()

    def _read_anew(self) -> None:
        """Begin with an empty world: this is the first look, or the log was written anew."""
        if self._reader >= 0:
            os.close(self._reader)
        self._reader, self._offset = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC), 0
        self.domains.clear()
        self._on_host.clear()

    def _apply(self, line: str) -> None:
        words = line.split()
        if len(words) == 4 and words[2] in STATES and words[3].isdigit():
            host = "" if words[1] == NOWHERE else words[1]
            self._set(key_of(words[0]), Domain(host, words[2], int(words[3])))

    def _set(self, key: Key, domain: Domain) -> None:
        before = self.domains.get(key)
        if before is not None:
            self._on_host.get(before.host, set()).discard(key)
            domain.step = max(domain.step, before.step)
        if domain.state in ACTIVE:
            self._on_host.setdefault(domain.host, set()).add(key)
        self.domains[key] = domain

    # -- writing -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Become the writer: read the log and write it anew, short."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.refresh()
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(_line(key, domain) for key, domain in self.domains.items()), encoding="utf-8")
        fresh.rename(self._path)
        self._writer = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def put(self, key: Key, domain: Domain) -> None:
        """Change a domain; in the file after `flush`."""
        self._set(key, domain)
        self._pending.append(_line(key, domain))

    def flush(self) -> None:
        """Write what changed."""
        data = "".join(self._pending).encode()
        self._pending.clear()
        while data:
            data = data[os.write(self._writer, data) :]


def key_of(name: str) -> Key:
    """Return the key of a name in the log: a number is a VM, anything else a foreign domain."""
    return int(name) if name.isdigit() else name


def name_of(key: Key) -> str:
    """Return the name of a domain, as the hypervisor would give it."""
    return f"one-{key}" if isinstance(key, int) else key


def _line(key: Key, domain: Domain) -> str:
    return f"{key} {domain.host or NOWHERE} {domain.state} {domain.step}\n"
