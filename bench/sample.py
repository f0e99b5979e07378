"""An image to copy: mostly holes, its data in a few large extents and many small ones, as a guest leaves them."""

import os
import random
from pathlib import Path

MIB = 1 << 20
LARGE_BYTES, LARGE_EXTENTS = 32 * MIB, 4
SMALL_BYTES = range(64 << 10, MIB + 1, 64 << 10)
_ALIGNMENT = 64 << 10


def make(path: Path, size: int, data: int) -> None:
    """Write an image of `size` bytes with about `data` bytes that are no holes, the same ones each time."""
    chance = random.Random(4711)  # noqa: S311  (nothing depends on nobody knowing it)
    extents = [min(LARGE_BYTES, data // 8)] * LARGE_EXTENTS
    while (left := data - sum(extents)) > 0:
        extents.append(min(left, chance.choice(SMALL_BYTES)))
    chance.shuffle(extents)
    gap = (size - data) // len(extents) // _ALIGNMENT * _ALIGNMENT
    with path.open("wb") as file:
        file.truncate(size)
        for length in extents:
            file.seek(gap, os.SEEK_CUR)
            file.write(chance.randbytes(length))
        file.flush()
        os.fsync(file.fileno())


def check_same(original: Path, copy: Path) -> None:
    """Stop the bench unless a copy has the same contents and, within 1 %, as many blocks.

    Raises:
        RuntimeError: it has not.
    """
    with original.open("rb") as one, copy.open("rb") as other:
        while block := one.read(MIB):
            if other.read(MIB) != block:
                raise RuntimeError(f"{copy} is no copy of {original}")
        if other.read(1):
            raise RuntimeError(f"{copy} is longer than {original}")
    blocks = [path.stat().st_blocks for path in (original, copy)]
    if abs(blocks[0] - blocks[1]) > blocks[0] / 100:
        raise RuntimeError(f"{copy} takes {blocks[1]} blocks, {original} {blocks[0]}: it is not as sparse")
