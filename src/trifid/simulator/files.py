"""Disks and other files, on every machine; and the rule that no disk is lost.

A disk is known by a token that it keeps wherever it is moved.  Once a guest has run on it, its last copy
may only go after somebody asked for its end.  So may an image, from its first moment on.
"""

from collections import defaultdict

import msgspec
from msgspec.structs import replace

from trifid.simulator.broken import Broken
from trifid.simulator.clock import Clock

SHARED = "*"
"""The machine that a directory is on which all of them see."""

Directory = tuple[str, str]
"""(machine, path of a VM's directory there, or of a datastore)"""

NO_VM = NO_IMAGE = -1


class File(msgspec.Struct, eq=False):
    """One copy of something.

    Attributes:
        token: what it is a copy of.
        vm_id: whose it is; NO_VM for an image.
        name: of the file when it was made: `disk.0`.
        made_s: when its content began to be.
        writes: counts what a guest did to it.
        precious: a guest has run on it.
        saw: of a checkpoint, what `writes` of the disks beside it were when it was made.
        image_id: the image that it is; a disk that is a copy of one is none.
        step: of a copy that a hypervisor made of a disk, the VM's step then.
        snapshots: of the disk, those that were made; one that was removed may be among them.
    """

    token: int
    vm_id: int
    name: str
    made_s: float
    writes: int = 0
    precious: bool = False
    saw: dict[str, int] | None = None
    image_id: int = NO_IMAGE
    step: int = 0
    snapshots: frozenset[int] = frozenset()


class Missing(Exception):
    """There is no such file."""


class Files:
    """All files.

    Args:
        datastores: directory that is shared by all machines; empty when nothing is.

    Attributes:
        directories: VM directories that exist, each with its files by name.
        asked_s: (VM id, name of a disk, or "" for all) to when somebody last asked for its end.
        deleted: images whose end somebody asked for.
    """

    def __init__(self, clock: Clock, datastores: str = "") -> None:
        self.directories: dict[Directory, dict[str, File]] = {}
        self.asked_s: dict[tuple[int, str], float] = {}
        self.deleted: set[int] = set()
        self._clock = clock
        self._shared = datastores
        self._copies: dict[int, list[File]] = defaultdict(list)
        self._ended: dict[int, int] = {}
        """Token to the newest content whose end somebody asked for: older copies are worth nothing then."""
        self._tokens = 0

    def place(self, machine: str, path: str) -> Directory:
        """Return a VM's directory as it is known here."""
        return (SHARED if self._shared and path.startswith(self._shared) else machine, path)

    def of(self, machine: str, directory: str) -> dict[str, File]:
        """Return the files in a directory, none when it is not there."""
        return self.directories.get(self.place(machine, directory), {})

    def make(self, machine: str, path: str, vm_id: int, saw: dict[str, int] | None = None, *, step: int = 0) -> None:
        """Make a file, over an older one of its name."""
        self._tokens += 1
        name = path.rpartition("/")[2]
        self._put(machine, path, File(self._tokens, vm_id, name, self._clock.now_s, saw=saw, step=step))

    def make_image(self, machine: str, path: str, image_id: int, *, is_whole: bool = True) -> None:
        """Make the file of an image, or what is there of it while it is written."""
        self._tokens += 1
        name = path.rpartition("/")[2]
        made = File(self._tokens, NO_VM, name, self._clock.now_s, precious=is_whole, image_id=image_id)
        self._put(machine, path, made)

    def at(self, machine: str, path: str) -> File | None:
        """Return the file of a path, None when there is none."""
        directory, _, name = path.rpartition("/")
        return self.of(machine, directory).get(name)

    def has(self, machine: str, path: str) -> bool:
        """Tell whether a file is there."""
        return self.at(machine, path) is not None

    # -- images as disks of VMs ------------------------------------------------------------------

    def link(self, image: File, machine: str, path: str) -> None:
        """Let a VM's disk be an image, in its place: what is written to one is written to the other."""
        if self.at(machine, path) is not image:
            self._put(machine, path, image)

    def hold(self, image: File, machine: str, path: str, vm_id: int) -> None:
        """Give a VM a copy of its persistent image, which is to come back."""
        if not self.has(machine, path):
            name, now_s = path.rpartition("/")[2], self._clock.now_s
            self._put(machine, path, replace(image, vm_id=vm_id, name=name, made_s=now_s, image_id=NO_IMAGE))

    def bring_back(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Let an image be what the disk made of it became; a disk that is gone has come back already.

        Raises:
            Missing: there is neither.
        """
        disk, image = self.at(*source), self.at(*target)
        if image is None:
            raise Missing(f"{target[0]}:{target[1]} does not exist")
        if disk is None:
            return
        if disk.token != image.token:
            raise Broken(f"image {image.image_id} is overwritten with {disk.name} of vm {disk.vm_id}, another disk")
        if disk is not image:
            self._put(*target, replace(image, writes=disk.writes, snapshots=disk.snapshots))
        self.remove(*source)

    def links_of(self, image: File) -> list[Directory]:
        """Return the VM directories in which a file is a disk, in its place."""
        return [
            place
            for place, files in self.directories.items()
            if any(file is image and name != image.name for name, file in files.items())
        ]

    # -- copies, moves, ends ---------------------------------------------------------------------

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
            if file.image_id == NO_IMAGE:
                self._put(target[0], f"{target[1]}/{name}", replace(file))
            else:
                self.link(file, target[0], f"{target[1]}/{name}")

    def copy_one(self, file: File, machine: str, path: str) -> None:
        """Copy one file to a place, over what is there."""
        self._put(machine, path, replace(file))

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
        if not file.precious or any(copy.writes >= file.writes for copy in copies):
            return
        if file.image_id != NO_IMAGE:
            if file.image_id not in self.deleted:
                raise Broken(f"image {file.image_id}: its only copy is gone, and nobody asked for that: {how}")
        elif file.writes > self._ended.get(file.token, -1):
            asked_s = max(self.asked_s.get((file.vm_id, which), -1.0) for which in ("", file.name))
            if asked_s < file.made_s:
                raise Broken(f"vm {file.vm_id}: the only copy of a disk is gone, and nobody asked for that: {how}")
        self._ended[file.token] = max(file.writes, self._ended.get(file.token, -1))


def vm_of(directory: str) -> int:
    """Return the id of the VM whose files a directory holds, by its path: `…/0/7` and `…/vms/7/images`."""
    return next(int(part) for part in reversed(directory.split("/")) if part.isdigit())


def _take_out(copies: list[File], file: File) -> None:
    """Take one out, which may be there twice while it is moved."""
    del copies[next(number for number, copy in enumerate(copies) if copy is file)]
