"""Runs a command and buries the processes that it leaves behind.

    python reaper.py COMMAND [ARGUMENT…]

libvirt waits for the end of each QEMU, whose parent is process 1.  Where process 1 is no init and never
collects its children, as in many containers, they stay as zombies and libvirt waits for minutes.
"""

import ctypes
import os
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphaned descendants become children of this process, not of process 1."""


def main() -> int:
    """Return the exit status of the command."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        print(f"reaper: prctl: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return 1
    command = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(command, number))
    while True:
        pid, status = os.wait()
        if pid == command:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
