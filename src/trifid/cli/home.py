"""An engine's home on this machine: whether an engine runs from it, and which process it is."""

import contextlib
import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from trifid.cli.failure import Failure
from trifid.cli.shell import Shell


class Home(NamedTuple):
    """The directory that holds all of one engine.

    Attributes:
        path: absolute, links followed.
    """

    path: Path

    @property
    def settings_file(self) -> Path:
        """trifid.toml: a directory that has it is a home."""
        return self.path / "trifid.toml"

    @property
    def lock_file(self) -> Path:
        """Locked by the engine for as long as it runs."""
        return self.path / "run" / "lock"

    @property
    def pid_file(self) -> Path:
        """Has the number of the engine's process; gone after an orderly end."""
        return self.path / "run" / "trifidd.pid"

    @property
    def log_file(self) -> Path:
        """What the daemon says."""
        return self.path / "log" / "trifidd.log"

    @property
    def children_file(self) -> Path:
        """Has the processes that the engine keeps running."""
        return self.path / "run" / "children.json"

    def settings(self) -> dict[str, Any]:
        """Return what is in trifid.toml.

        Raises:
            Failure: it cannot be read.
        """
        try:
            return tomllib.loads(self.settings_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as fault:
            why = getattr(fault, "strerror", None) or str(fault)
            raise Failure(f"{self.settings_file}: {why}", "mend the file") from fault

    def children(self) -> list[dict[str, Any]]:
        """Return name, pid (0 = none) and trouble of each process that the engine keeps running."""
        try:
            found: list[dict[str, Any]] = json.loads(self.children_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return found

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what keeps this user from writing here into a failure that says who can.

        Raises:
            Failure: with the file, the reason, and what to do.
        """
        try:
            yield
        except OSError as fault:
            advice = f"an engine must be able to write in {self.path}"
            if isinstance(fault, PermissionError) and self.path.stat().st_uid != os.geteuid():
                advice = f"run this command as the owner of {self.path}"
            raise Failure(f"{fault.filename or self.path}: {fault.strerror}", advice) from fault

    def pid(self) -> int:
        """Return the process that runs from here, 0 when there is none.

        The number in the pid file may be old and belong to somebody else by now: it counts only when
        that process has the lock file open.
        """
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return 0
        return pid if self.is_locked() and self._has_lock_open(pid) else 0

    def is_locked(self) -> bool:
        """Tell whether an engine runs from here, or is just starting or ending."""
        import fcntl

        try:
            with self.lock_file.open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _has_lock_open(self, pid: int) -> bool:
        try:
            descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
        except FileNotFoundError:
            return False
        except PermissionError as refused:
            raise Failure(
                f"process {pid} belongs to another user", f"run this command as the owner of {self.path}"
            ) from refused
        for descriptor in descriptors:
            with contextlib.suppress(OSError):  # closed meanwhile
                if descriptor.readlink() == self.lock_file:
                    return True
        return False


def chosen_path(shell: Shell) -> Path:
    """Return the directory that --home or TRIFID_HOME names.

    Raises:
        Failure: neither does.
    """
    named = shell.home or os.environ.get("TRIFID_HOME")
    if not named:
        raise Failure("which engine?", "give --home DIR, or set TRIFID_HOME")
    return Path(named).expanduser().resolve()


def existing_home(shell: Shell) -> Home:
    """Return the home that is meant.

    Raises:
        Failure: it is not a home.
    """
    home = Home(chosen_path(shell))
    try:
        is_home = home.settings_file.exists()
    except PermissionError as refused:
        raise Failure(f"{home.path}: {refused.strerror}", f"run this command as the owner of {home.path}") from refused
    if not is_home:
        raise Failure(f"{home.path} is not the home of an engine", f'make one with "trifid init --home {home.path}"')
    return home
