"""Images that a guest is told with: ISO 9660 with a label, Joliet and Rock Ridge.

Source: reference/drivers.md §8.2 (contents), §4.3 (label and extensions).
"""

import itertools
import stat
from pathlib import Path
from typing import BinaryIO

import msgspec
import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

from trifid.core.template.validate import shown
from trifid.drivers.kit import Failure

LABEL = "CONTEXT"
ENTRIES_MAX = 10_000


class Entry(msgspec.Struct, frozen=True):
    """A file or directory for the image.

    Attributes:
        name: its path in the image, parts with `/` between.
        path: where its contents are; None for a directory.
        mode: permission bits that a guest sees.
    """

    name: str
    path: Path | None
    mode: int


def write_iso(entries: list[Entry], file: BinaryIO, label: str = LABEL) -> None:
    """Write an image.

    Raises:
        Failure: two entries have one name, or a name cannot be in an image.
        OSError: something cannot be read or written.
    """
    names = [entry.name for entry in entries]
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise Failure(f"two files for the context are called {shown(twice)}")
    if len(entries) > ENTRIES_MAX:
        raise Failure(f"{len(entries)} files for the context, at most {ENTRIES_MAX} are taken")
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    try:
        _fill(image, entries)
        image.write_fp(file)
    except PyCdlibException as fault:
        raise Failure(f"the context does not fit into an ISO image: {fault}") from fault
    finally:
        image.close()


def _fill(image: pycdlib.PyCdlib, entries: list[Entry]) -> None:
    numbers = itertools.count(1)
    short = {"": ""}  # path in the image -> its path of short ISO 9660 names
    for entry in entries:
        above, _, last = entry.name.rpartition("/")
        if entry.path is None:
            short[entry.name] = f"{short[above]}/D{next(numbers):07d}"
            image.add_directory(
                short[entry.name], rr_name=last, joliet_path=f"/{entry.name}", file_mode=stat.S_IFDIR | entry.mode
            )
        else:
            image.add_file(
                str(entry.path),
                f"{short[above]}/F{next(numbers):07d}.;1",
                rr_name=last,
                joliet_path=f"/{entry.name}",
                file_mode=stat.S_IFREG | entry.mode,
            )
