"""The files of a context, gathered before they become an image: opened once, checked as opened, copied.

What they are called elsewhere may change meanwhile, by the hand of whoever may write there; what was
looked at is what is taken.
Source: reference/drivers.md §8.2 (FILES), §4.3.
"""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from trifid.core.template.validate import shown as as_shown
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files, paths
from trifid.drivers.tm.fetch import fetch, is_url, shown
from trifid.drivers.tm.iso import ENTRIES_MAX, Entry
from trifid.drivers.tm.sources import refuse_leading_out
from trifid.drivers.tm.work import progress

BYTES_MAX = 256 << 20
"""What the files of one context may have together."""
NAME_LENGTH_MAX = 64
"""Characters of a name; Joliet has no more."""
STAGED_MODE = 0o600
_PIECE_BYTES = 1 << 20
_READABLE = 0o444
_EXECUTABLE = 0o111
_OF_CATALOGUE = _READABLE | _EXECUTABLE
"""Mode of a file of the catalogue, which keeps no modes: INIT_SCRIPTS may name it."""


class Gathering:
    """Copies the files that the operands of a CONTEXT line name into a directory, up to what one image takes."""

    def __init__(self, request: Request, stage: Path, vm_directory: Path, within: Collection[str] = ()) -> None:
        """Begin.

        Args:
            stage: an empty directory of ours, for the copies.
            vm_directory: of the VM, in its datastore or on the front-end: see paths.check_readable.
            within: directories whose files any user may name: see sources.refuse_leading_out.
        """
        self._request = request
        self._stage = stage
        self._vm_directory = vm_directory
        self._within = within
        self._bytes = 0
        self._count = 0

    def entries(self, operand: str) -> Iterator[Entry]:
        """Yield what one operand puts into the image: a URL, a path, or `machine:path#name` of the catalogue.

        A directory comes with everything in it, parents first.  Links to files are followed, links to
        directories are not.

        Raises:
            Failure: something is neither file nor directory, may not be given to a VM, has a name that an
                image cannot have, or is too big.
            OSError: it cannot be read.
        """
        if is_url(operand):
            yield self._fetched(operand)
        elif (named := _named(operand)) is not None:
            source, name = named
            yield self._copied(source, check_name(name), _OF_CATALOGUE)
        else:
            path = paths.path_of(operand)
            yield from self._walked(path, check_name(path.name))

    def _fetched(self, url: str) -> Entry:
        name = check_name(unquote(PurePosixPath(urlsplit(url).path).name) or "index.html")
        place = self._next_place()
        tell = progress(self._request, shown(url))

        def limited(done: int, size: int) -> None:
            self._check_size(max(done, size), name)
            tell(done, size)

        fetch(url, place, limited, STAGED_MODE)
        self._bytes += place.stat().st_size
        return Entry(name, place, _READABLE)

    def _walked(self, path: Path, name: str) -> Iterator[Entry]:
        about = path.stat()
        if not stat.S_ISDIR(about.st_mode):
            yield self._copied(path, name, _READABLE | (about.st_mode & _EXECUTABLE))
            return
        self._check_readable(Path(os.path.realpath(path)), path)
        self._count_one()
        yield Entry(name, None, _READABLE | _EXECUTABLE)
        for inside in sorted(path.iterdir()):
            if inside.is_symlink() and inside.is_dir():
                raise Failure(f"{inside} is a symbolic link to a directory, put the directory itself there")
            yield from self._walked(inside, f"{name}/{check_name(inside.name)}")

    def _copied(self, path: Path, name: str, mode: int) -> Entry:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block for ever
        with os.fdopen(handle, "rb") as original:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise Failure(f"{path} is neither a file nor a directory")
            self._check_readable(Path(f"/proc/self/fd/{handle}").readlink(), path)
            self._check_size(about.st_size, name)
            place = self._next_place()
            files.need_space(self._stage, about.st_size)
            with place.open("xb") as copy:
                left = about.st_size
                while left and (piece := original.read(min(left, _PIECE_BYTES))):
                    copy.write(piece)
                    left -= len(piece)
        self._bytes += about.st_size
        return Entry(name, place, mode)

    def _check_readable(self, real: Path, path: Path) -> None:
        """Refuse what belongs to others.

        Args:
            real: what was opened, whatever `path` leads to by now.
        """
        refuse_leading_out(path, real, self._within)
        try:
            paths.check_readable(real, self._vm_directory)
        except Failure as failure:
            raise Failure(f"{path}: {failure}" if real != path else str(failure)) from failure

    def _next_place(self) -> Path:
        self._count_one()
        return self._stage / str(self._count)

    def _count_one(self) -> None:
        self._count += 1
        if self._count > ENTRIES_MAX:
            raise Failure(f"more than {ENTRIES_MAX} files for the context, make an archive of them")

    def _check_size(self, size: int, name: str) -> None:
        if self._bytes + size > BYTES_MAX:
            raise Failure(
                f"the files for the context have more than {files.in_mib(BYTES_MAX)} with {as_shown(name)}: "
                "put what is big on a disk"
            )


def check_name(name: str) -> str:
    """Return a name that a file of an image can have.

    Raises:
        Failure: it is none.
    """
    if not name or name in (".", "..") or "/" in name or not name.isprintable():
        raise Failure(f"{as_shown(name) or 'an empty text'} is no name for a file of the context")
    if len(name) > NAME_LENGTH_MAX:
        raise Failure(f"{as_shown(name)} is too long a name, at most {NAME_LENGTH_MAX} characters fit into an image")
    return name


def _named(operand: str) -> tuple[Path, str] | None:
    """Return (path, name) of `machine:path#name`, a file of the catalogue; None for anything else.

    A path without a machine may have a # in it.
    """
    if operand.startswith("/") or "#" not in operand:
        return None
    source, _, name = operand.rpartition("#")
    return paths.path_of(source), unquote(name)
