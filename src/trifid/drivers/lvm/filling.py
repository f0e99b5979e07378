"""Data for a volume that is arriving: blocks of zeros are left out, so that they take no room in the pool."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from trifid.drivers.ds import qemu
from trifid.drivers.kit import Failure, Request
from trifid.drivers.lvm.tools import Volume
from trifid.drivers.tm import files
from trifid.drivers.tm.work import progress

BLOCK_BYTES = 1 << 16
_ZEROS = bytes(BLOCK_BYTES)


def size_of(path: Path) -> int:
    """Return how many bytes a file or a device holds.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.seek(0, os.SEEK_END)


def fill(request: Request, volume: Volume, source: Path) -> None:
    """Write what is in a file, or on a device, to a new volume.

    Raises:
        Failure: it does not fit, or the request was cancelled.
        OSError: it cannot be read or written.
    """
    tell = progress(request, str(source))
    original = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    device = -1
    try:
        size = os.lseek(original, 0, os.SEEK_END)
        if size > volume.size:
            raise Failure(f"{source} has {files.in_mib(size)}, its volume only {files.in_mib(volume.size)}")
        device = os.open(volume.place.path, os.O_WRONLY | os.O_CLOEXEC)
        for begin, end in _data(original, size) if volume.is_zeroed else [(0, size)]:
            _copy(original, device, begin, end, leave_out_zeros=volume.is_zeroed)
            tell(end, size)
        os.fsync(device)
    except OSError as fault:
        raise _full(fault, volume) from fault
    finally:
        os.close(original)
        if device >= 0:
            os.close(device)


def fill_from_qcow2(request: Request, volume: Volume, image: Path) -> None:
    """Write the disk in a qcow2 image, which was looked at before, to a new volume.

    Raises:
        Failure: it cannot be read, does not fit, or the request was cancelled.
        OSError: it cannot be written.
    """
    size = qemu.info_of(request, image).size
    if size > volume.size:
        raise Failure(f"{image} has {files.in_mib(size)}, its volume only {files.in_mib(volume.size)}")
    zeroed = ("--target-is-zero",) if volume.is_zeroed else ()
    words = ("convert", "-q", "-n", *zeroed, "-f", "qcow2", "-O", "raw", str(image), str(volume.place.path))
    request.run("qemu-img", *words)
    sync(volume.place.path)


def sync(device: Path) -> None:
    """Make what was written to a device, by whomever on this machine, durable.

    Raises:
        OSError: it cannot be.
    """
    with device.open("rb") as file:
        os.fsync(file.fileno())


def _copy(original: int, device: int, begin: int, end: int, *, leave_out_zeros: bool) -> None:
    at = begin
    while at < end:
        block = os.pread(original, min(BLOCK_BYTES - at % BLOCK_BYTES, end - at), at)
        if not block:
            raise Failure("the source became shorter while it was copied")
        if not (leave_out_zeros and block == _ZEROS[: len(block)]):
            written = 0
            while written < len(block):
                written += os.pwrite(device, block[written:], at + written)
        at += len(block)


def _data(original: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of what is not a hole, in pieces after which progress is told."""
    at = 0
    while at < size:
        end = size
        try:
            at = os.lseek(original, at, os.SEEK_DATA)
            end = os.lseek(original, at, os.SEEK_HOLE)
        except OSError as fault:
            if fault.errno == errno.ENXIO:
                return  # only a hole is left
            if fault.errno != errno.EINVAL:  # a device does not know about holes
                raise
        while at < end:
            piece_end = min(end, at + files.PIECE_BYTES)
            yield at, piece_end
            at = piece_end


def _full(fault: OSError, volume: Volume) -> OSError | Failure:
    if fault.errno in (errno.ENOSPC, errno.EIO):
        where = f"{volume.group}/{volume.pool}"
        return Failure(f"{volume.place.path}: {fault.strerror}: is the thin pool {where} full?")
    return fault
