"""Files that are complete or not there: copied, or made, beside their place, then renamed.

A file of many holes stays one; where the file system can share blocks (reflink), a copy costs nothing.
"""

import collections
import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from trifid.drivers.kit import Failure
from trifid.drivers.tm.paths import PART_SUFFIX

DISK_MODE = 0o660
PIECE_BYTES = 4 << 20
"""So much is copied, then the disk begins to write it."""
READ_AHEAD_BYTES = 16 << 20
BLOCK_BYTES = 1 << 16
FICLONE = 0x40049409
"""ioctl that makes a file share another's blocks."""

_ZEROS = bytes(BLOCK_BYTES)
_NO_COPY_RANGE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY)

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) after every piece; may raise Failure to stop."""


@contextlib.contextmanager
def arriving(target: Path, mode: int = DISK_MODE) -> Iterator[BinaryIO]:
    """Give a file to write; it gets its name, durably, when the block ends well, and is gone when not.

    Until then its name is `file.name`.

    Raises:
        Failure: the disk is full.
        OSError: anything else.
    """
    part = target.with_name(target.name + PART_SUFFIX)
    part.unlink(missing_ok=True)
    try:
        with part.open("x+b") as file:
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
        sync_directory(target.parent)
    except OSError as fault:
        part.unlink(missing_ok=True)
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Failure(f"no space left: {in_mib(free_bytes(target.parent))} free in {target.parent}") from fault
        raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy contents, nothing else, from a file or a block device.

    Raises:
        Failure: neither file nor device, or no space for it.
        OSError: it cannot be read or written.
    """
    original = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block for ever
    try:
        kind = os.fstat(original).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):
            raise Failure(f"{source} is neither a file nor a block device")
        with arriving(target) as file:
            copy_into(file, original, progress)
    finally:
        os.close(original)


def copy_into(file: BinaryIO, original: int, progress: Progress, reserve_bytes: int = 0) -> None:
    """Copy the contents of an open file or block device into one that is arriving.

    Args:
        reserve_bytes: that must stay free.

    Raises:
        Failure: no space for it.
        OSError: it cannot be read or written.
    """
    about = os.fstat(original)
    size = os.lseek(original, 0, os.SEEK_END)
    if _share_blocks(original, file.fileno()):
        return
    taken = size if stat.S_ISBLK(about.st_mode) else min(size, about.st_blocks * 512)
    need_space(Path(file.name).parent, taken, reserve_bytes)
    os.ftruncate(file.fileno(), size)
    behind = _WriteBehind(file.fileno())
    for begin, end in _read_ahead(original, _pieces(_data(original, size))):
        for at, length in _copied(original, file.fileno(), begin, end):
            behind.written(at, length)
            progress(at + length, size)


class Sparse:
    """Writes what comes piece by piece; blocks of zeros become holes.

    Attributes:
        size: bytes that came.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self._file = file

    def write(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            OSError: it cannot be written.
        """
        view, begin = memoryview(piece), 0
        while begin < len(view):
            block = view[begin : begin + BLOCK_BYTES - self.size % BLOCK_BYTES]
            if block == _ZEROS[: len(block)]:
                self._file.seek(len(block), os.SEEK_CUR)
            else:
                self._file.write(block)
            begin += len(block)
            self.size += len(block)

    def end(self) -> None:
        """Give the file its length: the last block may have been a hole."""
        self._file.truncate(self.size)


def need_space(directory: Path, size: int, reserve_bytes: int = 0) -> None:
    """Raise Failure when a directory's file system has less than `size` bytes free, besides those that must stay so."""
    free = free_bytes(directory)
    if free - reserve_bytes < size:
        stays = f", of which {in_mib(reserve_bytes)} stay so" if reserve_bytes else ""
        raise Failure(f"needs {in_mib(size)}, only {in_mib(free)} free in {directory}{stays}")


def free_bytes(directory: Path) -> int:
    """Return how much may be written."""
    about = os.statvfs(directory)
    return about.f_bavail * about.f_frsize


def in_mib(size: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{size / (1 << 20):.1f} MiB"


def sync_directory(directory: Path) -> None:
    """Make renames in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _share_blocks(original: int, file: int) -> bool:
    try:
        fcntl.ioctl(file, FICLONE, original)
    except OSError:
        return False  # this file system cannot, or not between these two: it is copied
    return True


def _data(original: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of what is not a hole."""
    at = 0
    while at < size:
        try:
            begin = os.lseek(original, at, os.SEEK_DATA)
        except OSError as fault:
            if fault.errno == errno.ENXIO:
                return  # only a hole is left
            yield at, size  # it does not know about holes
            return
        at = min(size, os.lseek(original, begin, os.SEEK_HOLE))
        yield begin, at


def _pieces(extents: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for begin, end in extents:
        for at in range(begin, end, PIECE_BYTES):
            yield at, min(end, at + PIECE_BYTES)


def _read_ahead(original: int, pieces: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield pieces of a file, each some time after it was asked for: what lies apart, nobody reads ahead otherwise."""
    asked: collections.deque[tuple[int, int]] = collections.deque()
    asked_bytes = 0
    for begin, end in pieces:
        os.posix_fadvise(original, begin, end - begin, os.POSIX_FADV_WILLNEED)
        asked.append((begin, end))
        asked_bytes += end - begin
        while asked_bytes > READ_AHEAD_BYTES:
            first = asked.popleft()
            asked_bytes -= first[1] - first[0]
            yield first
    yield from asked


class _WriteBehind:
    """Has the disk write a copy while more of it comes, so that the sync at its end has little left to wait for."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._begin = 0
        self._bytes = 0

    def written(self, at: int, length: int) -> None:
        """Take notice of what was written, in rising order; holes need no notice."""
        self._begin = self._begin if self._bytes else at
        self._bytes += length
        if self._bytes >= PIECE_BYTES:
            # Linux begins to write what is dirty; it can drop only what is on the disk by then.
            os.posix_fadvise(self._file, self._begin, at + length - self._begin, os.POSIX_FADV_DONTNEED)
            self._bytes = 0


def _copied(original: int, file: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Copy a part of a file; yield (begin, length) of each piece that was copied."""
    at = begin
    while at < end:
        wanted = min(PIECE_BYTES, end - at)
        try:
            length = os.copy_file_range(original, file, wanted, at, at)
        except OSError as fault:
            if fault.errno not in _NO_COPY_RANGE:
                raise
            length = 0
        length = length or _copy_piece(original, file, at, wanted)
        yield at, length
        at += length


def _copy_piece(original: int, file: int, at: int, length: int) -> int:
    """Copy a piece by reading and writing, leaving out what is zero; return its length."""
    end = at + length
    while at < end:
        block = os.pread(original, min(BLOCK_BYTES, end - at), at)
        if not block:
            raise Failure("the source became shorter while it was copied")
        if block != _ZEROS[: len(block)]:
            written = 0
            while written < len(block):
                written += os.pwrite(file, block[written:], at + written)
        at += len(block)
    return length
