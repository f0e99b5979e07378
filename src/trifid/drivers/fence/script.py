"""The administrator's own program, in HOME/fence: `PROGRAM off|status HOST HOST_ID [ARGUMENT]`.

Exit status 0 says, of both words, that the host is off now and does not come back by itself.  Any other says that it
is not known to be.
"""

import os

from trifid.drivers.fence.method import OFF, UNKNOWN, Method, Target, named_file
from trifid.drivers.kit import Failure, Request

DONE_WITHIN_S = 60.0


def _off(request: Request, target: Target) -> None:
    _run(request, target, "off")


def _power(request: Request, target: Target) -> str:
    try:
        _run(request, target, "status")
    except Failure as failure:
        request.log(str(failure), "W")
        return UNKNOWN
    return OFF


def _run(request: Request, target: Target, word: str) -> None:
    path = named_file(target, "PROGRAM")
    if not os.access(path, os.X_OK):
        raise Failure(f"{path} is not there, or not executable: FENCE/PROGRAM of host {target.host} names it")
    more = (target.told["ARGUMENT"],) if target.told.get("ARGUMENT") else ()
    request.run(str(path), word, target.host, str(target.host_id), *more, timeout_s=DONE_WITHIN_S)


SCRIPT = Method(_off, _power)
