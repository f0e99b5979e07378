"""MONITOR of a system datastore whose files the front-end sees: how much room there is.

Source: reference/drivers.md §4.3 (the answer's form).
"""

import os

from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import paths
from trifid.drivers.tm.script import step_of_script
from trifid.errors import DriverFault
from trifid.wire import image_action

MIB = 1 << 20


def monitor(request: Request) -> str:
    """Return `USED_MB=… TOTAL_MB=… FREE_MB=…` of a datastore's directory, which is made when there is none.

    Free is what the driver's user may still write, so used and free need not make the total.

    Raises:
        Failure: the request cannot be read, or names no directory.
        OSError: it cannot be made or looked at.
    """
    try:
        base = paths.path_of(image_action.parse(request.payload).base_path)
    except DriverFault as fault:
        raise Failure(str(fault)) from fault
    base.mkdir(mode=paths.DIRECTORY_MODE, parents=True, exist_ok=True)
    about = os.statvfs(base)
    total, free = about.f_blocks * about.f_frsize, about.f_bavail * about.f_frsize
    used = total - about.f_bfree * about.f_frsize
    return f"USED_MB={used // MIB} TOTAL_MB={total // MIB} FREE_MB={free // MIB}"


def step_of(payload: str) -> int:
    """Return the step number of a script, 0 for a MONITOR: that is about no VM, and nothing supersedes it.

    Raises:
        DriverFault: it is neither.
    """
    try:
        image_action.parse(payload)
    except DriverFault:
        return step_of_script(payload)
    return 0
