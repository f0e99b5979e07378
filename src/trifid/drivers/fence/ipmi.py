"""IPMI: through ipmitool, whose password comes from a file and is on no command line.

Source: ipmitool(1): -I lanplus, -f FILE, `chassis power off`, `chassis power status`.
"""

from trifid.drivers.fence.method import ASKED_WITHIN_S, OFF, ON, UNKNOWN, Method, Target, address, secret_file, user
from trifid.drivers.kit import Failure, Request

PORT_MAX = 65535
_STATES = {"chassis power is on": ON, "chassis power is off": OFF}


def _off(request: Request, target: Target) -> None:
    _ipmitool(request, target, "off")


def _power(request: Request, target: Target) -> str:
    return _STATES.get(_ipmitool(request, target, "status").strip().lower(), UNKNOWN)


def _ipmitool(request: Request, target: Target, word: str) -> str:
    port = target.told.get("PORT", "623")
    if not port.isdecimal() or not 0 < int(port[:6]) <= PORT_MAX:
        raise Failure(f"FENCE/PORT of host {target.host} must be a port, is {port[:16]!r}")
    return request.run(
        *("ipmitool", "-I", "lanplus", "-H", address(target), "-p", port, "-U", user(target)),
        *("-f", str(secret_file(target)), "chassis", "power", word),
        timeout_s=ASKED_WITHIN_S,
    )


IPMI = Method(_off, _power)
