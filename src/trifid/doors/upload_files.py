"""The files behind uploads: HOME/uploads/UID/NAME, and NAME.part while one is on its way.  Blocking; for threads.

Nothing of what users name reaches a path before it is checked, nothing is followed, and what they may fill is
bounded: bytes of one file, bytes and number of files of one user, and room that stays free for everybody else.
"""

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trifid.doors.http import Refused

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII)
FILES_PER_USER_MAX = 100
KEEP_FREE_PERCENT = 5
PART_KEPT_S = 24 * 3600
FILE_KEPT_S = 7 * 24 * 3600
SWEEP_EVERY_S = 3600
_PART = ".part"
_LOOK_EVERY_BYTES = 64 << 20
"""How often the limits are looked at while a file comes whose length nobody told; its data is flushed then, too."""


class Limits(NamedTuple):
    """What users may fill, bytes; 0 = nothing."""

    file_bytes_max: int
    user_bytes_max: int


class Progress(NamedTuple):
    """How far an upload is."""

    size: int
    is_complete: bool


class Uploads:
    """The directory of uploads.

    Args:
        free: returns (bytes there are, bytes free) of the file system of a path.
    """

    def __init__(
        self,
        directory: Path,
        limits: Limits,
        *,
        free: Callable[[Path], tuple[int, int]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits
        self._directory = directory
        self._free = free or _free
        self._now = now
        self._swept_at = 0.0

    def progress(self, uid: int, name: str) -> Progress | None:
        """Return how far an upload is, None when there is nothing of it; raises Refused for a bad name."""
        path = self._path(uid, name)
        for found, is_complete in ((_part(path), False), (path, True)):
            with contextlib.suppress(FileNotFoundError):
                return Progress(found.lstat().st_size, is_complete)
        return None

    def begin(self, uid: int, name: str, offset: int, length: int) -> "Upload":
        """Open an upload.

        Args:
            offset: where what comes belongs; 0 = begin anew, else what is there must end there.
            length: of what comes, bytes; 0 = not known.

        Raises:
            Refused: a bad name or offset, no right to so much, no room.
        """
        self._sweep_now_and_then()
        path = self._path(uid, name)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        part = _part(path)
        there = part.lstat().st_size if part.exists() else 0
        if offset and offset != there:
            raise Refused(
                409,
                f"{name}: {there} bytes are here, not {offset}: go on from there",
                (b"upload-offset", b"%d" % there),
            )
        self.check_room(uid, name, offset, length)
        return Upload(self, uid, name, path, offset)

    def check_room(self, uid: int, name: str, size: int, more: int) -> None:
        """Raise Refused if a file of `size` bytes may not become larger by `more`."""
        limits = self.limits
        if size + more > limits.file_bytes_max:
            raise Refused(413, f"{name} is too large: at most {limits.file_bytes_max} bytes are taken")
        files = [entry for entry in os.scandir(self._directory / str(uid)) if entry.name != f"{name}{_PART}"]
        if len(files) >= FILES_PER_USER_MAX:
            raise Refused(413, f"you have {len(files)} uploads: make images of them, or delete some")
        held = sum(entry.stat(follow_symlinks=False).st_size for entry in files)
        if held + size + more > limits.user_bytes_max:
            raise Refused(
                413, f"your uploads hold {held} of {limits.user_bytes_max} bytes: make images of them, or delete some"
            )
        total, free = self._free(self._directory)
        if free - more < total * KEEP_FREE_PERCENT // 100:
            raise Refused(507, f"no room for {name}: {free} bytes are free, and {KEEP_FREE_PERCENT} % stay so")

    def remove(self, uid: int, name: str) -> bool:
        """Remove an upload, complete or not; tell whether there was one.  Raises Refused for a bad name."""
        path = self._path(uid, name)
        is_there = False
        for found in (path, _part(path)):
            with contextlib.suppress(FileNotFoundError):
                found.unlink()
                is_there = True
        return is_there

    def sweep(self) -> list[str]:
        """Remove what nobody went on with for a day, and what no image was made of for a week; return the names."""
        self._swept_at = self._now()
        removed = []
        for path in self._directory.glob("*/*"):
            kept_s = PART_KEPT_S if path.name.endswith(_PART) else FILE_KEPT_S
            with contextlib.suppress(FileNotFoundError):
                if self._swept_at - path.lstat().st_mtime > kept_s:
                    path.unlink()
                    removed.append(f"{path.parent.name}/{path.name}")
        return removed

    def _sweep_now_and_then(self) -> None:
        if self._now() - self._swept_at > SWEEP_EVERY_S:
            self.sweep()

    def _path(self, uid: int, name: str) -> Path:
        if not NAME.fullmatch(name) or name.endswith(_PART):
            raise Refused(
                400, f"{name[:200]!r} cannot be the name of an upload: letters, digits, . _ -, at most 128, no . first"
            )
        return self._directory / str(uid) / name


class Upload:
    """One upload on its way; for one thread at a time.

    Attributes:
        size: bytes that are there.
    """

    def __init__(self, uploads: Uploads, uid: int, name: str, path: Path, offset: int) -> None:
        self.size = offset
        self._uploads = uploads
        self._uid, self._name = uid, name
        self._path = path
        self._looked_at = offset
        # Of what was there before, the digest is made at the end: reading it first would keep the client waiting.
        self._digest = None if offset else hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (0 if offset else os.O_TRUNC)
        self._file = os.open(_part(path), flags, 0o600)
        os.lseek(self._file, offset, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Append; raises Refused when it becomes too much, OSError when the disk says so."""
        if self.size + len(data) > self._uploads.limits.file_bytes_max:
            self._uploads.check_room(self._uid, self._name, self.size, len(data))
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self.size += len(data)
        if self._digest:
            self._digest.update(data)
        if self.size - self._looked_at >= _LOOK_EVERY_BYTES:
            self._looked_at = self.size
            os.fdatasync(self._file)
            self._uploads.check_room(self._uid, self._name, self.size, 0)

    def finish(self, expected_sha256: str = "") -> str:
        """Give the file its name, for good; return its SHA-256 as hex.

        Raises:
            Refused: it is not what was expected; nothing of it is kept.
        """
        part = _part(self._path)
        digest = self._digest.hexdigest() if self._digest else _sha256(part)
        if expected_sha256 and digest != expected_sha256:
            part.unlink()
            raise Refused(422, f"{self._name} did not arrive as it was sent: its SHA-256 is {digest}: send it again")
        os.fsync(self._file)
        part.rename(self._path)
        _sync(self._path.parent)
        return digest

    def close(self) -> None:
        """Close the file; what is there stays, to go on with."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


def _part(path: Path) -> Path:
    return path.with_name(path.name + _PART)


def _free(path: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(path)
    return usage.total, usage.free


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
