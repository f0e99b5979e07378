"""Kills an operation before each thing that it does to the world, and looks whether done again it ends the same.

    def test_…(home):
        table = KillTable(home / "datastores", begin=lambda: …)   # `begin` puts the files there
        assert table.run(lambda: do("CLONE …")) > 3               # kills that it went through

Each kill is a process of its own, forked from the test: nothing is cleaned up in it, as after kill -9.  The
audit hook of the interpreter sees what it is about to do: files opened to be written, renamed, removed, linked,
programs started; beside these the first data that is written to each file, fsync, and truncate.
"""

import hashlib
import io
import os
import shutil
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

KILLS_MAX = 500
_KILLED = 9
_BROKEN = 1
_TOUCHES = (
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.utime",
    "os.setxattr",
    "shutil.",
    "subprocess.Popen",
    "fcntl.ioctl",
    "tests.",
)
_UNSEEN = ("pwrite", "copy_file_range", "fsync")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

Look = Callable[[Path], object]


def contents(path: Path) -> object:
    """What a file holds; for files that are never twice the same give the table another look."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size(path: Path) -> object:
    """How large a file is: for a file system with random numbers in it."""
    return path.stat().st_size


class KillTable:
    """Where it happens.

    Args:
        directory: what the operation changes; emptied before each run.
        begin: makes the things in it as they were before the operation.
        source: file, or directory of files, that the operation must not change; it may be elsewhere.
        look: what of a file must be the same each time.
    """

    def __init__(
        self, directory: Path, begin: Callable[[], object], *, source: Path | None = None, look: Look = contents
    ) -> None:
        self._directory = directory
        self._begin = begin
        self._source = source
        self._look = look

    def run(self, do: Callable[[], object]) -> int:
        """Kill `do` before its first touch, its second … until it survives; return how often it was killed.

        After each kill the source is as it was, and doing it again ends in what an undisturbed run leaves, with no
        file `*.part`.  What survives is done once more, as when the answer was lost: that changes nothing.
        """
        self._restart()
        original = self._original()
        do()
        expected = self.seen()
        assert not [name for name in expected if name.endswith(".part")], expected
        for number in range(KILLS_MAX):
            self._restart()
            was_killed = _run_killed(do, number)
            assert self._original() == original, f"kill {number} changed the source"
            do()
            assert self.seen() == expected, f"after kill {number}"
            assert self._original() == original, f"the source changed after kill {number}"
            if not was_killed:
                return number
        raise AssertionError(f"still not done after {KILLS_MAX} kills")

    def seen(self) -> dict[str, object]:
        """What is in the directory: names, kinds, contents, modes."""
        return _seen(self._directory, self._look)

    def _original(self) -> object:
        return self._source and _seen(self._source, contents)

    def _restart(self) -> None:
        for path in self._directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        self._begin()


def _seen(top: Path, look: Look) -> dict[str, object]:
    if not top.is_dir():
        return {".": _kind(top, look)} if os.path.lexists(top) else {}
    return {str(path.relative_to(top)): _kind(path, look) for path in sorted(top.rglob("*"))}


def _kind(path: Path, look: Look) -> tuple[object, ...]:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "link", str(path.readlink())
    if stat.S_ISDIR(mode):
        return "directory", stat.S_IMODE(mode)
    return "file", stat.S_IMODE(mode), look(path)


def _run_killed(do: Callable[[], object], number: int) -> bool:
    """Do it in a process of its own that dies before touch `number`; tell whether it did."""
    child = os.fork()
    if not child:
        try:
            _die_before(number)
            do()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(_BROKEN)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, _KILLED), f"failed by itself before kill {number}, see its traceback on stderr"
    return status == _KILLED


def _die_before(number: int) -> None:
    sys.dont_write_bytecode = True
    left = number

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if not _touches(event, arguments):
            return
        if left <= 0:
            os._exit(_KILLED)
        left -= 1

    for name in _UNSEEN:
        setattr(os, name, _seen_by_hook(name))
    sys.setprofile(_seen_by_profile())
    sys.addaudithook(hook)


def _touches(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2]
        return arguments[0] != "/dev/null" and isinstance(flags, int) and bool(flags & _WRITES)
    return event.startswith(_TOUCHES)


def _seen_by_hook(name: str) -> Callable[..., object]:
    original: Callable[..., object] = getattr(os, name)

    def call(*arguments: object) -> object:
        sys.audit(f"tests.{name}")
        return original(*arguments)

    return call


def _seen_by_profile() -> Callable[[FrameType, str, object], None]:
    """Return what tells the hook of methods of file objects: nothing else sees these."""
    begun: list[object] = []

    def profile(_: FrameType, event: str, called: object) -> None:
        name = getattr(called, "__name__", "")
        if event != "c_call" or name not in ("write", "truncate"):
            return
        file = getattr(called, "__self__", None)
        if isinstance(file, (io.BufferedWriter, io.BufferedRandom, io.FileIO)) and (
            name == "truncate" or not any(file is one for one in begun)
        ):
            begun.append(file)
            sys.audit(f"tests.{name}")

    return profile
