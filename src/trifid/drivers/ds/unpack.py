"""Images that come compressed (gzip, xz, bzip2), unpacked on the way piece by piece, told by their first bytes."""

import bz2
import itertools
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from trifid.drivers.kit import Failure

PIECE_BYTES = 1 << 20
MEMORY_BYTES_MAX = 256 << 20
"""What unpacking xz may take: xz -9 needs a quarter of it."""


class _Engine(Protocol):
    """What lzma and bz2 have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib with the face of the other two."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(31)  # 31 = a gzip header, and no other
        self._more = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._engine.decompress(self._more + data, max_length)
        self._more = self._engine.unconsumed_tail
        self.needs_input = not self._more and len(out) < max_length
        return out


_ENGINES: dict[bytes, tuple[str, Callable[[], _Engine]]] = {
    b"\x1f\x8b\x08": ("gzip", _Gzip),
    b"\xfd7zXZ\0": ("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_BYTES_MAX)),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
}


def packing_of(head: bytes) -> str:
    """Return how a file with these first bytes is compressed; empty when it is not, as far as it is known here."""
    return next((name for magic, (name, _) in _ENGINES.items() if head.startswith(magic)), "")


def unpacked(blocks: Iterable[bytes], packing: str) -> Iterator[bytes]:
    """Yield what is in a compressed file, in pieces of no more than a MiB, however much that is in all.

    Several compressed parts one after the other are one file, as for the programs of these names.

    Raises:
        Failure: it is damaged or cut short.
    """
    begin = next(begin for name, begin in _ENGINES.values() if name == packing)
    engine = begin()
    try:
        for block in blocks:
            data = block
            while True:
                if engine.eof:
                    data = data.lstrip(b"\0")  # padding between parts
                    if not data:
                        break
                    engine = begin()
                piece = engine.decompress(data, PIECE_BYTES)
                data = engine.unused_data if engine.eof else b""
                if piece:
                    yield piece
                if not data and (engine.eof or engine.needs_input):
                    break
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as fault:
        raise Failure(f"its {packing} data is damaged: {fault}") from fault
    if not engine.eof:
        raise Failure(f"its {packing} data is cut short")


def head_of(blocks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of a stream, `size` if it has as many, and the whole stream with them."""
    begun: list[bytes] = []
    done = 0
    for block in blocks:
        begun.append(block)
        done += len(block)
        if done >= size:
            break
    head = b"".join(begun)
    return head[:size], itertools.chain([head] if head else [], blocks)
