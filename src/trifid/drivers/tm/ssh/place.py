"""Files of one machine, by their paths: looked at, listed, removed, renamed, through its shell and coreutils."""

import stat
from pathlib import Path
from typing import NamedTuple

from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import Stop
from trifid.drivers.remote.host import Host
from trifid.drivers.tm import files, paths

SECRET_DIRECTORY_MODE = 0o700

_ABOUT = '[ -e "$1" ] || [ -L "$1" ] || exit 0; exec stat -c "%f %s %.9Y %i" -- "$1"'
_LIST = 'cd -- "$1" && exec find . -mindepth 1 -printf "%y %m %s %T@ %i %P\\0"'
_MAKE = """
[ ! -L "$1" ] || { echo "$1 is a symbolic link, expected a directory" >&2; exit 1; }
[ -d "$1" ] || { mkdir -p -- "${1%/*}" && mkdir -- "$1" && chmod "$2" "$1"; }
"""
_NAME = """
mv -fT -- "$1" "$2" && sync "${2%/*}"
"""
_FREE = 'while [ ! -d "$1" ]; do set -- "${1%/*}"; [ "$1" ] || set -- /; done; exec df -B1 --output=avail -- "$1"'


class About(NamedTuple):
    """What a machine tells of a file.

    Attributes:
        kind: f, d, l (symbolic link), or something else.
        mtime: seconds since the epoch with nine digits after the point, as text.
    """

    kind: str
    mode: int
    size: int
    mtime: str
    inode: str

    @property
    def identity(self) -> str:
        """The file with these contents: while it is the same, a copy that broke off may go on."""
        return f"{self.size}:{self.mtime}:{self.inode}"

    def is_as(self, other: "About") -> bool:
        """Whether one file is a complete copy of the other, which was given its time when it was whole."""
        return (self.kind, self.size, self.mtime) == (other.kind, other.size, other.mtime)


class Place(NamedTuple):
    """A path on a machine."""

    host: Host
    path: Path
    stop: Stop

    def __str__(self) -> str:
        return f"{self.host.name}:{self.path}"

    def beside(self, suffix: str) -> "Place":
        """Return the place whose name has this at its end as well."""
        return self._replace(path=self.path.with_name(self.path.name + suffix))

    def inside(self, name: str) -> "Place":
        """Return a place in this directory."""
        return self._replace(path=self.path / name)

    def run(self, *argv: str) -> str:
        """Run a command on the machine; raises as Host.run does."""
        return self.host.run(*argv, stop=self.stop)

    def script(self, text: str, *arguments: str) -> str:
        """Run a script of the shell whose first argument is the path."""
        return self.run("sh", "-c", text, "sh", str(self.path), *arguments)

    def about(self) -> About | None:
        """Return what is there, None when nothing is."""
        words = self.script(_ABOUT).split()
        if not words:
            return None
        mode = int(words[0], 16)
        kind = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l"}.get(stat.S_IFMT(mode), "?")
        return About(kind, stat.S_IMODE(mode), int(words[1]), words[2], words[3])

    def is_there(self) -> bool:
        """Tell whether anything is there, a link that leads nowhere too."""
        return self.about() is not None

    def listing(self) -> dict[str, About]:
        """Return what is in the directory and below, {relative path: what it is}, directories before their contents."""
        found = {}
        for line in self.script(_LIST).split("\0"):
            if line:
                kind, mode, size, mtime, inode, name = line.split(" ", 5)
                found[name] = About(kind, int(mode, 8), int(size), _nine_digits(mtime), inode)
        return dict(sorted(found.items()))

    def make_directory(self, mode: int = paths.DIRECTORY_MODE) -> None:
        """Make a directory if there is none; raises CommandFailed if something else is there."""
        self.script(_MAKE, f"{mode:o}")

    def remove(self, *suffixes: str) -> None:
        """Remove what is there, and what has the same name with one of the suffixes; nothing there is as good."""
        self.run("rm", "-rf", "--", str(self.path), *(str(self.beside(suffix).path) for suffix in suffixes))

    def take_name(self, other: "Place") -> None:
        """Give this file or directory another name on its machine, durably, in the place of what has it."""
        self.script(_NAME, str(other.path))

    def need_space(self, size: int) -> None:
        """Raise Failure when less than so many bytes may be written in this directory."""
        words = self.script(_FREE).split()
        free = int(words[-1]) if words and words[-1].isdigit() else size
        if free < size:
            raise Failure(f"needs {files.in_mib(size)}, only {files.in_mib(free)} free in {self}")


def _nine_digits(mtime: str) -> str:
    """Return a time as stat prints it; find prints ten digits."""
    seconds, _, digits = mtime.partition(".")
    return f"{seconds}.{digits[:9].ljust(9, '0')}"
