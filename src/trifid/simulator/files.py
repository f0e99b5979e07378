"""Disks and other files, on every machine; and the rule that no disk is lost.

A disk is known by a token that it keeps wherever it is moved.  Once a guest has run on it, its last copy
may only go after somebody asked for its end.
"""

from collections import defaultdict

import msgspec
from msgspec.structs import replace

from trifid.simulator.broken import Broken
from trifid.simulator.clock import Clock

SHARED = "*"
"""The machine that a directory is on which all of them see."""

Directory = tuple[str, str]
"""(machine, path of a VM's directory there)"""


class File(msgspec.Struct, eq=False):
    """One copy of something.

    Attributes:
        token: what it is a copy of.
        vm_id: whose it is.
        name: of the file when it was made: `disk.0`.
        made_s: when its content began to be.
        writes: counts what a guest did to it.
        precious: a guest has run on it.
        saw: of a checkpoint, what `writes` of the disks beside it were when it was made.
    """

    token: int
    vm_id: int
    name: str
    made_s: float
    writes: int = 0
    precious: bool = False
    saw: dict[str, int] | None = None


class Missing(Exception):
    """There is no such file."""


class Files:
    """All files.

    Args:
        datastores: directory that is shared by all machines; empty when nothing is.

    Attributes:
        directories: VM directories that exist, each with its files by name.
        asked_s: (VM id, name of a disk, or "" for all) to when somebody last asked for its end.
    """

    def __init__(self, clock: Clock, datastores: str = "") -> None:
        self.directories: dict[Directory, dict[str, File]] = {}
        self.asked_s: dict[tuple[int, str], float] = {}
        self._clock = clock
        self._shared = datastores
        self._copies: dict[int, list[File]] = defaultdict(list)
        self._tokens = 0

    def place(self, machine: str, path: str) -> Directory:
        """Return a VM's directory as it is known here."""
        return (SHARED if self._shared and path.startswith(self._shared) else machine, path)

    def of(self, machine: str, directory: str) -> dict[str, File]:
        """Return the files in a directory, none when it is not there."""
        return self.directories.get(self.place(machine, directory), {})

    def make(self, machine: str, path: str, vm_id: int, saw: dict[str, int] | None = None) -> None:
        """Make a file, over an older one of its name."""
        self._tokens += 1
        name = path.rpartition("/")[2]
        self._put(machine, path, File(self._tokens, vm_id, name, self._clock.now_s, saw=saw))

    def has(self, machine: str, path: str) -> bool:
        """Tell whether a file is there."""
        directory, _, name = path.rpartition("/")
        return name in self.of(machine, directory)

    def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Copy the content of a directory over what is there.

        Raises:
            Missing: there is no such directory.
        """
        key = self.place(*source)
        if key == self.place(*target):
            return
        if key not in self.directories:
            raise Missing(f"{source[0]}:{source[1]} does not exist")
        for name, file in list(self.directories[key].items()):
            self._put(target[0], f"{target[1]}/{name}", replace(file))

    def _put(self, machine: str, path: str, file: File) -> None:
        directory, _, name = path.rpartition("/")
        inside = self.directories.setdefault(self.place(machine, directory), {})
        old = inside.get(name)
        self._copies[file.token].append(file)
        inside[name] = file
        if old is not None:
            self._gone(old, f"overwritten at {machine}:{path}")

    def remove(self, machine: str, path: str) -> None:
        """Remove a file or a directory; what is not there is gone already."""
        key = self.place(machine, path)
        if key in self.directories:
            for name, file in self.directories.pop(key).items():
                self._gone(file, f"{name} deleted with {machine}:{path}")
            return
        directory, _, name = path.rpartition("/")
        key = self.place(machine, directory)
        file_there = self.directories.get(key, {}).pop(name, None)
        if file_there is not None:
            self._gone(file_there, f"deleted at {machine}:{path}")
            self._tidy(key)

    def move(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Move a file, or the content of a directory; what has arrived already has arrived.

        Raises:
            Missing: it is in neither place.
        """
        (machine, path), (to_machine, to_path) = source, target
        key, to_key = self.place(machine, path), self.place(to_machine, to_path)
        if key == to_key:
            return
        if key in self.directories:
            for name in list(self.directories[key]):
                self._move_file(key, name, to_machine, f"{to_path}/{name}")
            self._tidy(key)
            return
        directory, _, name = path.rpartition("/")
        from_key = self.place(machine, directory)
        if name in self.directories.get(from_key, {}):
            if from_key == self.place(to_machine, to_path.rpartition("/")[0]):
                return
            self._move_file(from_key, name, to_machine, to_path)
            self._tidy(from_key)
        elif to_key not in self.directories and not self.has(to_machine, to_path):
            raise Missing(f"neither {machine}:{path} nor {to_machine}:{to_path} exists")

    def _move_file(self, key: Directory, name: str, machine: str, path: str) -> None:
        file = self.directories[key][name]
        self._put(machine, path, file)
        del self.directories[key][name]
        _take_out(self._copies[file.token], file)

    def _tidy(self, key: Directory) -> None:
        if not self.directories.get(key, True):
            del self.directories[key]

    def _gone(self, file: File, how: str) -> None:
        copies = self._copies[file.token]
        _take_out(copies, file)
        if not copies:
            del self._copies[file.token]
        asked_s = max(self.asked_s.get((file.vm_id, which), -1.0) for which in ("", file.name))
        if not file.precious or asked_s >= file.made_s:
            return
        if all(copy.writes < file.writes for copy in copies):
            raise Broken(f"vm {file.vm_id}: the only copy of a disk is gone, and nobody asked for that: {how}")


def _take_out(copies: list[File], file: File) -> None:
    """Take one out, which may be there twice while it is moved."""
    del copies[next(number for number, copy in enumerate(copies) if copy is file)]
