"""The dummies' world: which domain is on which host, kept in a file so that it outlives the drivers.

The file is a log, one line a change: `VM HOST STATE STEP`, HOST `-` for none.  The hypervisor driver
writes it, the information driver reads what was added since it last looked, and a test may append to
it: `12 - gone 0` makes the domain of VM 12 vanish, `12 host1 paused 0` pauses it.  Nothing is
synchronised to disk: a domain does not survive its machine either.
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
        self.domains: dict[int, Domain] = {}
        self._on_host: dict[str, set[int]] = {}
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
        return sorted(self._on_host.get(host, ()))

    def get(self, vm_id: int) -> Domain:
        """Return what is known of a VM."""
        return self.domains.get(vm_id) or Domain()

    def _read_anew(self) -> None:
        """Begin with an empty world: this is the first look, or the log was written anew."""
        if self._reader >= 0:
            os.close(self._reader)
        self._reader, self._offset = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC), 0
        self.domains.clear()
        self._on_host.clear()

    def _apply(self, line: str) -> None:
        words = line.split()
        if len(words) == 4 and words[0].isdigit() and words[3].isdigit():
            host = "" if words[1] == NOWHERE else words[1]
            self._set(int(words[0]), Domain(host, words[2], int(words[3])))

    def _set(self, vm_id: int, domain: Domain) -> None:
        before = self.domains.get(vm_id)
        if before is not None:
            self._on_host.get(before.host, set()).discard(vm_id)
            domain.step = max(domain.step, before.step)
        if domain.state in ACTIVE:
            self._on_host.setdefault(domain.host, set()).add(vm_id)
        self.domains[vm_id] = domain

    # -- writing -------------------------------------------------------------------------------

    def begin(self) -> None:
        """Become the writer: read the log and write it anew, short."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.refresh()
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(_line(vm_id, domain) for vm_id, domain in self.domains.items()), encoding="utf-8")
        fresh.rename(self._path)
        self._writer = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def put(self, vm_id: int, domain: Domain) -> None:
        """Change a domain; in the file after `flush`."""
        self._set(vm_id, domain)
        self._pending.append(_line(vm_id, domain))

    def flush(self) -> None:
        """Write what changed."""
        data = "".join(self._pending).encode()
        self._pending.clear()
        while data:
            data = data[os.write(self._writer, data) :]


def _line(vm_id: int, domain: Domain) -> str:
    return f"{vm_id} {domain.host or NOWHERE} {domain.state} {domain.step}\n"
