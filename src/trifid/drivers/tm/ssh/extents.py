"""Which parts of a file are to be sent: what is not a hole, in pieces after each of which a copy may go on."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from trifid.drivers.remote.faults import CommandFailed
from trifid.drivers.tm.ssh.place import Place

PIECE_BYTES = 64 << 20
"""At most as much of a copy is done again when it was broken off."""
GAP_BYTES = 1 << 20
"""A hole smaller than this is sent as zeros (and becomes a hole again): a piece costs as much."""

Extent = tuple[int, int]
"""(begin, end), bytes."""


class _Mapped(msgspec.Struct):
    start: int
    length: int
    data: bool


def extents(place: Place, size: int) -> list[Extent]:
    """Return what is not a hole in a file, as far as its machine can tell."""
    if place.host.is_here:
        return list(_here(place.path, size))
    try:
        told = place.run("qemu-img", "map", "-U", "-f", "raw", "--output=json", "--", str(place.path))
        mapped = msgspec.json.decode(told, type=list[_Mapped])
    except (CommandFailed, msgspec.DecodeError):
        return [(0, size)]  # no qemu-img there: all is sent, and zeros become holes where it arrives
    return [(one.start, min(size, one.start + one.length)) for one in mapped if one.data and one.start < size]


def pieces(of: Iterable[Extent], begin: int = 0) -> Iterator[Extent]:
    """Yield extents from `begin` on, those close to each other joined, none larger than a piece."""
    joined: list[Extent] = []
    for start, end in of:
        if end <= begin:
            continue
        start = max(start, begin)
        if joined and start - joined[-1][1] < GAP_BYTES:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    for start, end in joined:
        for at in range(start, end, PIECE_BYTES):
            yield at, min(end, at + PIECE_BYTES)


def _here(path: Path, size: int) -> Iterator[Extent]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        at = 0
        while at < size:
            try:
                begin = os.lseek(handle, at, os.SEEK_DATA)
            except OSError:
                return  # only a hole is left
            at = min(size, os.lseek(handle, begin, os.SEEK_HOLE))
            yield begin, at
    finally:
        os.close(handle)
