"""Redfish: HTTP to the management controller, its certificate checked unless the host says INSECURE=YES.

Source: DMTF DSP0266 and DSP0268: /redfish/v1/Systems, PowerState, Actions/#ComputerSystem.Reset with ResetType.
"""

import base64
import http.client
import json
import ssl
from typing import Any

from trifid.drivers.fence.method import (
    ASKED_WITHIN_S,
    OFF,
    ON,
    UNKNOWN,
    Method,
    Target,
    address,
    named_file,
    secret,
    user,
)
from trifid.drivers.kit import Failure, Request

SYSTEMS = "/redfish/v1/Systems"
ANSWER_BYTES_MAX = 1 << 20
PATH_LENGTH_MAX = 1024
_RESET = "#ComputerSystem.Reset"
_YES = "YES"
_OK = range(200, 300)
_STATES = {"On": ON, "Off": OFF}


def _off(request: Request, target: Target) -> None:
    path, system = _system(target)
    if system.get("PowerState") == "Off":
        return
    action = _part(_part(system, "Actions"), _RESET).get("target")
    reset = _path(target, action if action is not None else f"{path}/Actions/ComputerSystem.Reset")
    _ask(target, "POST", reset, {"ResetType": "ForceOff"})


def _power(request: Request, target: Target) -> str:
    _, system = _system(target)
    state = system.get("PowerState")
    return _STATES.get(state, UNKNOWN) if isinstance(state, str) else UNKNOWN


def _system(target: Target) -> tuple[str, dict[str, Any]]:
    """Return path and document of the machine: the one that SYSTEM names, or the only one that there is."""
    name = target.told.get("SYSTEM", "")
    if name:
        path = _path(target, f"{SYSTEMS}/{name}")
    else:
        members = _ask(target, "GET", SYSTEMS).get("Members")
        found = [one.get("@odata.id") for one in members if isinstance(one, dict)] if isinstance(members, list) else []
        if len(found) != 1:
            raise Failure(f"{address(target)} manages {len(found)} systems: name that of host {target.host} as SYSTEM")
        path = _path(target, found[0])
    return path, _ask(target, "GET", path)


def _part(document: dict[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _path(target: Target, text: Any) -> str:
    """Return a path that a controller or a template names, if it is one of Redfish."""
    is_fit = isinstance(text, str) and text.startswith("/redfish/") and len(text) <= PATH_LENGTH_MAX
    if not is_fit or not all("!" <= char <= "~" for char in text) or ".." in text or "?" in text or "#" in text:
        raise Failure(f"{address(target)} names {str(text)[:80]!r}, which is no path of Redfish")
    return str(text)


def _ask(target: Target, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    connection = _connection(target)
    login = base64.b64encode(f"{user(target)}:{secret(target)}".encode(errors="surrogateescape")).decode()
    headers = {"Authorization": f"Basic {login}", "Accept": "application/json", "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        data = answer.read(ANSWER_BYTES_MAX + 1)
    except (OSError, http.client.HTTPException) as fault:
        raise Failure(f"{address(target)} is not reached: {fault}") from fault
    finally:
        connection.close()
    if answer.status not in _OK:
        raise Failure(f"{address(target)} answered {answer.status} {answer.reason[:80]} to {method} {path}")
    if len(data) > ANSWER_BYTES_MAX:
        raise Failure(f"{address(target)} answers more than {ANSWER_BYTES_MAX} bytes to {method} {path}")
    if method != "GET":
        return {}
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as fault:
        raise Failure(f"{address(target)} answers {path} with what is no JSON") from fault
    return document if isinstance(document, dict) else {}


def _connection(target: Target) -> http.client.HTTPConnection:
    """Return a connection; it is not made yet."""
    place, port = address(target), target.told.get("PORT", "")
    if port and not port.isdecimal():
        raise Failure(f"FENCE/PORT of host {target.host} must be a port, is {port[:16]!r}")
    number = int(port[:5]) if port else None
    is_insecure = target.told.get("INSECURE", "").upper() == _YES
    if target.told.get("TLS", _YES).upper() != _YES:
        if not is_insecure:
            raise Failure(f"FENCE/TLS=NO of host {target.host} shows the password to the network: say INSECURE=YES too")
        return http.client.HTTPConnection(place, number, timeout=ASKED_WITHIN_S)
    context = ssl.create_default_context(cafile=str(named_file(target, "CA")) if target.told.get("CA") else None)
    if is_insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(place, number, timeout=ASKED_WITHIN_S, context=context)


REDFISH = Method(_off, _power)
