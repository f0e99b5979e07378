"""`trifid start` and `trifid stop`: the daemon as a process of its own."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from trifid.cli.command import Given
from trifid.cli.failure import Failure
from trifid.cli.home import Home, existing_home
from trifid.cli.shell import Shell
from trifid.client.session import endpoint_of

_LOOK_EVERY_S = 0.02
_TOLD_MAX = 64 * 1024
_LOG_LINES = 5
_DRIVERS_WAIT_S = 1.0
BEING_STARTED = "it is being started"
"""The trouble that the engine reports of a driver that has not failed yet."""


def start(shell: Shell, given: Given) -> None:
    """Start the engine, and return when it serves."""
    home = existing_home(shell)
    if pid := home.pid():
        shell.say(f"The engine runs already: process {pid}, {endpoint_of(home.path)}")
        return
    with home.writing():
        for file in (home.lock_file, home.log_file):
            file.parent.mkdir(exist_ok=True)
            file.open("ab").close()
    command = [sys.executable, "-m", "trifid.engine.main", "--home", str(home.path)]
    if given.foreground:
        os.execv(command[0], command)  # noqa: S606 (no shell is wanted)
    if home.is_locked():
        raise Failure(f"an engine is just starting or ending in {home.path}", "try again in a moment")
    told = _started(home, command, given.timeout)
    if told != "READY":
        raise Failure(told.removeprefix("FAILED "), f"mend it and start again; more is in {home.log_file}")
    shell.say(f"The engine serves at {endpoint_of(home.path)}")
    shell.say(f"  export TRIFID_HOME={home.path}")
    shell.say("  trifid status")
    shell.say("  onehost list")
    warn_of_drivers(shell, home)


def warn_of_drivers(shell: Shell, home: Home) -> None:
    """Tell which drivers do not come up, as far as that shows within a moment.

    The engine serves without them, and goes on trying; what they are needed for waits.
    """
    deadline = shell.clock() + _DRIVERS_WAIT_S
    while True:
        children = home.children()
        troubles = {child["name"]: child["trouble"] for child in children if child["name"] != "scheduler"}
        if (children and BEING_STARTED not in troubles.values()) or shell.clock() >= deadline:
            break
        shell.sleep(_LOOK_EVERY_S)
    down = {name: trouble for name, trouble in troubles.items() if trouble not in ("", BEING_STARTED)}
    for name, trouble in down.items():
        shell.tell(f"Warning: the {name} is down: {trouble}")
    if down:
        shell.tell(f'  it is tried again by itself; "trifid status --home {home.path}" tells how it is')


def _started(home: Home, command: list[str], timeout_s: float) -> str:
    """Start the daemon; return what it says: READY, or FAILED and why."""
    with home.writing():
        home.children_file.unlink(missing_ok=True)  # that of the last run would be taken for the present one
    reading, writing = os.pipe()
    with home.log_file.open("ab") as log:
        daemon = subprocess.Popen(
            [*command, "--ready-fd", str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            start_new_session=True,
        )
    os.close(writing)
    try:
        told = _first_line(reading, timeout_s)
    finally:
        os.close(reading)
    if told is None:
        daemon.terminate()
        raise Failure(
            f"the engine did not serve within {timeout_s:g} s and was stopped",
            f"see {home.log_file}; if it only needs longer, give --timeout",
        )
    if told:
        return told
    status = daemon.wait()
    last = _last_lines(home.log_file)
    raise Failure(f"the engine ended with status {status} before it served:\n{last}", f"more is in {home.log_file}")


def _first_line(descriptor: int, timeout_s: float) -> str | None:
    """Return the first line that is written, empty when the writer ended without, None when it takes too long."""
    data = b""
    deadline = time.monotonic() + timeout_s
    while b"\n" not in data and len(data) < _TOLD_MAX:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return None
        piece = os.read(descriptor, 4096)
        if not piece:
            break
        data += piece
    return data.decode("utf-8", errors="replace").partition("\n")[0].strip()


def _last_lines(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])


def stop(shell: Shell, given: Given) -> None:
    """Tell the engine to end, and return when it has."""
    home = existing_home(shell)
    pid = home.pid()
    if not pid:
        if home.is_locked():
            raise Failure(f"an engine is just starting or ending in {home.path}", "try again in a moment")
        shell.say(f"No engine runs from {home.path}")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = shell.clock() + given.timeout
    while home.is_locked():
        if shell.clock() >= deadline:
            raise Failure(
                f"the engine, process {pid}, was told to end and still runs after {given.timeout:g} s",
                f'see {home.log_file}; "kill -9 {pid}" loses nothing: it goes on where it was when started again',
            )
        shell.sleep(_LOOK_EVERY_S)
    shell.say("The engine has ended.")
