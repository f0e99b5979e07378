"""Small file systems for tests of full disks."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_file_system(place: Path, size: str = "4m") -> Iterator[Path]:
    """Mount a tmpfs of this size at `place`; mounting needs root or sudo, and without either the test fails."""
    place.mkdir()
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size={size},mode=0755,uid={os.geteuid()},gid={os.getegid()}"
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run([*sudo, "umount", "-l", str(place)], check=True)
