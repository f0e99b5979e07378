"""Which VMs there are: HOME/web/HOST/ID is a file that the VM's process has locked, as long as it lives."""

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from trifid.drivers.kit import Failure

ENDS_WITHIN_S = 10.0
LOOK_EVERY_S = 0.05
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,253}")


def directory(host: str) -> Path:
    """Return where the files of a host's VMs are.

    Raises:
        Failure: that is no name of a host.
    """
    if not _HOST.fullmatch(host):
        raise Failure(f"a host cannot be called {host!r}")
    return Path(os.environ["TRIFID_HOME"]) / "web" / host


def running(host: str) -> Iterator[int]:
    """Yield the ids of the VMs that run on a host."""
    place = directory(host)
    for file in sorted(place.iterdir()) if place.is_dir() else ():
        if file.name.isdigit() and (machine := Machine(host, int(file.name))).runs():
            yield machine.vm_id


class Machine:
    """One VM on one host."""

    def __init__(self, host: str, vm_id: int) -> None:
        self.vm_id = vm_id
        self.file = directory(host) / str(vm_id)

    def runs(self) -> bool:
        """Tell whether its process lives."""
        try:
            with self.file.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def start(self, page: str) -> None:
        """Start its process, which outlives this one, and return when its page can be fetched.

        Raises:
            Failure: it did not come up.
        """
        argv = [sys.executable, "-P", "-m", "trifid_web.server", str(self.file), page]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        process = subprocess.Popen(argv, stdin=null, stdout=pipe, start_new_session=True)
        with process.stdout or Path(os.devnull).open("rb") as said:
            if said.readline() != b"up\n":
                raise Failure(f"the web server of VM {self.vm_id} did not come up, see the driver's log")

    def end(self, how: signal.Signals) -> None:
        """Return when its process has ended, by force when it does not follow.

        Raises:
            Failure: it lives on.
        """
        deadline = time.monotonic() + ENDS_WITHIN_S
        while self.runs():
            with contextlib.suppress(ValueError, ProcessLookupError):
                os.kill(json.loads(self.file.read_text())["pid"], how)
            if time.monotonic() > deadline:
                raise Failure(f"the web server of VM {self.vm_id} does not end")
            time.sleep(LOOK_EVERY_S)
        self.file.unlink(missing_ok=True)
