"""trifid-fence: switches hosts off by IPMI, Redfish or a program of the administrator's, and tells whether they are.

A host says how, in attributes; several ways are tried in their order:

    FENCE = [ METHOD = ipmi, ADDRESS = 10.0.0.3, USER = admin, SECRET = node3 ]
    FENCE = [ METHOD = script, PROGRAM = pdu, ARGUMENT = outlet-7 ]

FENCE orders the host off and waits until its power is seen off; STATUS looks.  What is a proof the engine decides.
KEEP has the host renew its heartbeat, LEAVE has it cease; the driver's arguments tell how hosts are reached, as those
of trifid-tm-ssh.
"""

import os
import sys
import time
from pathlib import Path

from trifid.drivers.fence.ipmi import IPMI
from trifid.drivers.fence.keeper import engine_id, keep, leave
from trifid.drivers.fence.method import OFF, ON, Method, Target
from trifid.drivers.fence.redfish import REDFISH
from trifid.drivers.fence.script import SCRIPT
from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.remote.host import Hosts
from trifid.drivers.tm.ssh.main import parse as hosts_of
from trifid.errors import DriverFault
from trifid.wire.fence_action import FenceActionData, parse

METHODS: dict[str, Method] = {"ipmi": IPMI, "redfish": REDFISH, "script": SCRIPT}
CONFIRMED_WITHIN_S = 30.0
LOOK_EVERY_S = 1.0


def fence(request: Request) -> str:
    """Switch a host off, by the first of its ways that does, and return which that was."""
    troubles = []
    for name, method, target in _ways(_data(request)):
        try:
            method.off(request, target)
            _wait_until_off(request, method, target)
        except (Failure, OSError) as fault:
            troubles.append(f"{name}: {fault}")
            if request.is_cancelled:
                break
        else:
            return f"STATE={OFF} METHOD={name}"
    raise Failure("; ".join(troubles))


def _wait_until_off(request: Request, method: Method, target: Target) -> None:
    until_s = time.monotonic() + CONFIRMED_WITHIN_S
    while (power := method.power(request, target)) != OFF:
        if time.monotonic() >= until_s:
            raise Failure(f"{CONFIRMED_WITHIN_S:g} s after it was ordered off its power is {power}")
        request.wait(LOOK_EVERY_S)


def status(request: Request) -> str:
    """Return whether a host's power is on or off.

    It is off when one way sees it off and none sees it on; a way that does not answer says nothing.
    """
    found, troubles = {}, []
    for name, method, target in _ways(_data(request)):
        try:
            found[name] = method.power(request, target)
        except (Failure, OSError) as fault:
            troubles.append(f"{name}: {fault}")
    for state in (ON, OFF):
        for name, power in found.items():
            if power == state:
                return f"STATE={state} METHOD={name}"
    raise Failure("; ".join(troubles) or "nothing tells whether it is off")


def _data(request: Request) -> FenceActionData:
    try:
        return parse(request.payload)
    except DriverFault as fault:
        raise Failure(str(fault)) from fault


def _ways(data: FenceActionData) -> list[tuple[str, Method, Target]]:
    place = Path(os.environ.get("TRIFID_HOME", ".")) / "fence"
    found = []
    for told in data.methods:
        name = told.get("METHOD", "").lower()
        if name not in METHODS:
            known = ", ".join(METHODS)
            raise Failure(f"FENCE of host {data.host} has METHOD {name[:40]!r}, it must be one of {known}")
        found.append((name, METHODS[name], Target(data.host, data.host_id, told, place)))
    if not found:
        raise Failure(f"host {data.host} has no FENCE attribute")
    return found


class Driver:
    """What KEEP and LEAVE need; the arguments are read when the engine says INIT, so it hears what is wrong."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._hosts: Hosts | None = None

    def begin(self, kit: Kit) -> None:
        """Read the arguments; raises Failure."""
        self._hosts = hosts_of(self._arguments, Path(os.environ.get("TRIFID_HOME", ".")))

    def keep(self, request: Request) -> str:
        """Have a host's keeper run."""
        return keep(request, _data(request), self._way(), engine_id())

    def leave(self, request: Request) -> str:
        """Have a host's keeper end."""
        return leave(request, _data(request), self._way(), engine_id())

    def _way(self) -> Hosts:
        if self._hosts is None:
            raise Failure("INIT comes first")
        return self._hosts


def main() -> None:
    """Run the driver until the engine ends it."""
    driver = Driver(" ".join(sys.argv[1:]))
    Kit(
        "fence", {"FENCE": fence, "STATUS": status, "KEEP": driver.keep, "LEAVE": driver.leave}, begin=driver.begin
    ).run()


if __name__ == "__main__":
    main()
