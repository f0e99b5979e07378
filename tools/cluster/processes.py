"""Processes that stand for machines: a lab, a host.

Each is an unshare(1) that waits for the first process of the namespaces it made, so whoever knows its process id
can enter these, or end all that is in them.
"""

import contextlib
import os
import select
import signal
import subprocess
from pathlib import Path

ENDS_IN_S = 30.0
UNSHARE = ("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
LOG_LINES = 20
READY = "ready"


class Failed(Exception):
    """Something of the lab did not work: what, and what to do."""


class Machine:
    """Namespaces that belong together, with process 1 and all others in them.

    Args:
        name: for messages.
        pid_file: where the process id of its unshare is kept while it is there.
        init: the program that becomes its process 1; by its path a machine is told from other processes.
        log: what it says on standard error.
    """

    def __init__(self, name: str, pid_file: Path, init: Path, log: Path) -> None:
        self.name = name
        self._pid_file, self._init, self._log = pid_file, init, log

    @property
    def pid(self) -> int:
        """Of its unshare, 0 when it is not there."""
        try:
            pid = int(self._pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return 0
        return pid if words[0] == b"unshare" and os.fsencode(self._init) in words else 0

    @property
    def namespace(self) -> str:
        """Of its processes, in the kernel's words."""
        return str(Path(f"/proc/{self.pid}/ns/pid_for_children").readlink())

    def start(self, *argv: str) -> "subprocess.Popen[str]":
        """Start it; the pipes of what is returned are those of process 1 (said)."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("w") as log:
            started = subprocess.Popen(
                [*UNSHARE, str(self._init), *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                cwd="/",
            )
        self._pid_file.write_text(f"{started.pid}\n")
        return started

    def expect(self, started: "subprocess.Popen[str]", word: str) -> None:
        """Wait for process 1 to say a word.

        Raises:
            Failed: it ended instead.
        """
        assert started.stdout  # noqa: S101  (for mypy)
        if (said := started.stdout.readline().strip()) != word:
            self.end()
            last = "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_LINES:])
            raise Failed(f"{self.name} did not start{f', it said {said!r}' if said else ''}:\n{last}")

    def tell(self, started: "subprocess.Popen[str]", word: str) -> None:
        """Say a word to process 1."""
        assert started.stdin  # noqa: S101  (for mypy)
        print(word, file=started.stdin, flush=True)

    def leave(self, started: "subprocess.Popen[str]") -> None:
        """Let it run on by itself."""
        for pipe in (started.stdin, started.stdout):
            if pipe:
                pipe.close()
        started.returncode = 0  # its end is nothing to be waited for

    def argv(self, *argv: str) -> list[str]:
        """Return the command that runs another one inside.

        Raises:
            Failed: it is not there.
        """
        pid = self.pid
        if not pid:
            raise Failed(f"{self.name} does not run")
        of_processes = f"--pid=/proc/{pid}/ns/pid_for_children"
        return ["nsenter", f"--target={pid}", "--mount", "--net", "--uts", "--ipc", of_processes, *argv]

    def end(self) -> None:
        """End every process in it at once, as a power cut does; return when they are gone.

        Raises:
            Failed: they are still there after ENDS_IN_S.
        """
        if pid := self.pid:
            self._end(pid, _children(pid) or [pid])
        self._pid_file.unlink(missing_ok=True)

    def end_rest(self, namespace: str) -> None:
        """End what is left of it when its unshare was killed: process 1, which goes after all others.

        Args:
            namespace: of its processes.  Numbers of namespaces are given again, so it does not say enough alone.

        Raises:
            Failed: it is still there after ENDS_IN_S.
        """
        for link in Path("/proc").glob("[0-9]*/ns/pid"):
            with contextlib.suppress(OSError):
                pid = int(link.parts[2])
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if str(link.readlink()) == namespace and (words == [b""] or os.fsencode(self._init) in words):
                    self._end(pid, [pid])

    def _end(self, pid: int, killed: list[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            for process in killed:
                os.kill(process, signal.SIGKILL)
            gone, _, _ = select.select([descriptor], [], [], ENDS_IN_S)
            os.close(descriptor)
            if not gone:
                raise Failed(f"{self.name} does not end: process {pid} is still there after {ENDS_IN_S:g} s")


def _children(pid: int) -> list[int]:
    """Return the processes whose parent is a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program stands in parentheses and may have any characters.
            if int(status.read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(status.parent.name))
    return found


def run(*argv: str, **more: object) -> str:
    """Run a command of this machine, return what it prints.

    Raises:
        Failed: it is not there, or did not work; in its own words.
    """
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **more)  # type: ignore[call-overload]
    except OSError as fault:
        raise Failed(f"{argv[0]} cannot be run: {fault.strerror}") from fault
    if done.returncode:
        raise Failed(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    text: str = done.stdout
    return text
