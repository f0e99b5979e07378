"""What of a file system images leave free, for everybody else: mostly the engine's home, and its store, are in it.

The door for uploads leaves as much.
"""

import os
from pathlib import Path

from trifid.drivers.tm import files

KEEP_FREE_PERCENT = 5


def reserve_bytes(directory: Path) -> int:
    """Return how much of a directory's file system stays free.

    Raises:
        OSError: it cannot be asked.
    """
    about = os.statvfs(directory)
    return about.f_blocks * about.f_frsize * KEEP_FREE_PERCENT // 100


def free_bytes(directory: Path) -> int:
    """Return how much images may still take in a directory's file system; raises as `reserve_bytes`."""
    return max(0, files.free_bytes(directory) - reserve_bytes(directory))


def need_space(directory: Path, size: int) -> None:
    """Raise Failure when a directory's file system has less than `size` bytes free for images."""
    files.need_space(directory, size, reserve_bytes(directory))
