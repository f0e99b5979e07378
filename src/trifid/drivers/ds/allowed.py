"""Which files of the front-end may become images.

The engine reads what its users cannot, so a path is held against directories, after symbolic links.  The deepest
directory that holds it decides; SAFE_DIRS win over RESTRICTED_DIRS of the same name.

* Never, unless SAFE_DIRS names a directory below it: the engine's home, /proc, /sys, /dev; HOME/uploads is excepted.
* Never: the datastore itself, whose images belong to someone.
* SAFE_DIRS given: only what is in one of them.
* RESTRICTED_DIRS given: nothing in one of them.
* Neither: everything but the directories of `SENSITIVE`.  (Upstream's oned.conf has RESTRICTED_DIRS="/" and
  SAFE_DIRS="/var/tmp", which can be said here too; who may name a path at all was decided by the engine before.)

Source: reference/api-modern.md (attributes of datastores).
"""

import os
from collections.abc import Iterable

from trifid.drivers.ds.probe import is_regular
from trifid.drivers.kit import Failure

ALWAYS = ("/proc", "/sys", "/dev")
SENSITIVE = ("/etc", "/root", "/boot", "/run", "/var/log", "/var/spool", "/var/mail", "/var/backups")
UPLOADS = "uploads"


class Places:
    """The rules of one datastore.

    Args:
        safe_dirs, restricted_dirs: absolute directories, blanks between.
        base_path: of the datastore.
        home: of the engine; empty = none.
    """

    def __init__(self, safe_dirs: str, restricted_dirs: str, base_path: str, home: str) -> None:
        safe, restricted = _real(safe_dirs.split()), _real(restricted_dirs.split())
        self._only_safe = bool(safe)
        if not safe and not restricted:
            restricted = _real(SENSITIVE)
        self._rules = dict.fromkeys(_real(ALWAYS), False) | dict.fromkeys(restricted, False)
        if home:
            self._rules |= {os.path.realpath(home): False, os.path.realpath(f"{home}/{UPLOADS}"): True}
        self._rules |= dict.fromkeys(safe, True)
        if home:
            self._rules[os.path.realpath(home)] = False
        if base_path:
            self._rules[os.path.realpath(base_path)] = False
        self._uploads = os.path.realpath(f"{home}/{UPLOADS}") if home else ""

    def open(self, path: str) -> int:
        """Return a descriptor of a plain file to read, which lies where it may.

        What is opened is looked at again by the name that the kernel knows: a link that was turned meanwhile
        leads nowhere.

        Raises:
            Failure: not absolute, not allowed, or no plain file.
            OSError: it is not there, or cannot be read.
        """
        if not path.startswith("/") or "\0" in path:
            raise Failure(f"{path[:200]!r} is neither an absolute path nor an http(s) URL")
        real = os.path.realpath(path, strict=False)
        self.check(real)
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}") != real:  # noqa: PTH115  (no Path: it is not a real link)
                raise Failure(f"{path} was changed while it was opened")
            if not is_regular(descriptor):
                raise Failure(f"{path} is not a plain file")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def check(self, real: str) -> None:
        """Refuse a path, without links in it, that is not allowed.

        Raises:
            Failure: with what the administrator can do.
        """
        place = next((above for above in _above(real) if above in self._rules), None)
        if place is not None and not self._rules[place]:
            raise Failure(f"{real} is in {place}, nothing is taken from there unless the datastore's SAFE_DIRS says so")
        if place is None and self._only_safe:
            raise Failure(f"{real} is in none of the datastore's SAFE_DIRS")

    def is_upload(self, path: str) -> bool:
        """Tell whether a file was uploaded to become an image: HOME/uploads/UID/NAME."""
        real = os.path.realpath(path)
        return bool(self._uploads) and os.path.dirname(os.path.dirname(real)) == self._uploads  # noqa: PTH120


def _real(directories: Iterable[str]) -> list[str]:
    return [os.path.realpath(directory) for directory in directories if directory.startswith("/")]


def _above(path: str) -> Iterable[str]:
    """Yield a path, and the directories above it, to the top."""
    while path != "/":
        yield path
        path = path.rpartition("/")[0] or "/"
    yield path
