"""How images, hosts, networks, security groups and VMs that are to move come to rest (trifid.cli.settle).

Source: reference/api-modern.md §5.6 (the numbers of states).
"""

from typing import Any

from trifid.cli.kinds import HOST, IMAGE, NETWORK, SECURITY_GROUP, VM
from trifid.cli.settle import Course, Document


def _of_template(document: Document, name: str) -> str:
    template: Any = document.get("TEMPLATE")
    return str(template.get(name) or "") if isinstance(template, dict) else ""


def error_of(document: Document) -> str:
    """Return what went wrong with an object last, empty for nothing."""
    return _of_template(document, "ERROR")


def _image_under_way(image: Document) -> str:
    from trifid.core.image.record import ImageState

    busy = (ImageState.LOCKED, ImageState.LOCKED_USED, ImageState.LOCKED_USED_PERS, ImageState.DELETE)
    return (_of_template(image, "PROGRESS") or _image_state(image)) if int(image["STATE"]) in busy else ""


def _image_state(image: Document) -> str:
    from trifid.cli.image_columns import word
    from trifid.core.image.record import ImageState

    return word(ImageState, image["STATE"])


IMAGE_COURSE = Course(
    IMAGE,
    _image_under_way,
    lambda image: image["STATE"] == "5",
    error_of,
    _image_state,
    '"oneimage delete {}"',
)

_HOST_STATES = {"0": "INIT", "2": "MONITORED", "3": "ERROR", "4": "DISABLED", "8": "OFFLINE"}


def _host_state(host: Document) -> str:
    return _HOST_STATES.get(host["STATE"], str(host["STATE"]))


HOST_COURSE = Course(
    HOST,
    # Before its first look a host is INIT; a driver that cannot look says so in ERROR.
    lambda host: "is looked at for the first time" if host["STATE"] == "0" else "",
    lambda host: host["STATE"] == "3",
    error_of,
    _host_state,
    '"onehost enable {}" once that is mended',
)

_NETWORK_STATES = ("INIT", "READY", "LOCK_CREATE", "LOCK_DELETE", "DONE", "ERROR", "UPDATE_FAILURE")


def _network_state(network: Document) -> str:
    state = str(network["STATE"])
    return _NETWORK_STATES[int(state)] if state.isdecimal() and int(state) < len(_NETWORK_STATES) else state


def _vms(document: Document, *states: str) -> int:
    from trifid.wire.elements import numbers

    return sum(len(numbers(document.get(f"{state}_VMS"))) for state in states)


def _vms_left(document: Document) -> str:
    left = _vms(document, "OUTDATED", "UPDATING")
    return f"{left} VM{'' if left == 1 else 's'} to be updated" if left else ""


NETWORK_COURSE = Course(
    NETWORK,
    lambda network: _network_state(network) if network["STATE"] in ("0", "2", "3") else _vms_left(network),
    lambda network: network["STATE"] in ("5", "6") or bool(_vms(network, "ERROR")),
    error_of,
    _network_state,
    '"onevnet recover {} --retry"',
)


def _vms_in_error(group: Document) -> str:
    count = _vms(group, "ERROR")
    return f"{count} VM{'' if count == 1 else 's'} could not be updated" if count else ""


SECURITY_GROUP_COURSE = Course(
    SECURITY_GROUP,
    _vms_left,
    lambda group: bool(_vms(group, "ERROR")),
    _vms_in_error,
    lambda group: "UPDATED",
    '"onesecgroup commit --recover {}"',
)


def _move_under_way(vm: Document) -> str:
    from trifid.cli.follow import state_of

    state = state_of(vm)
    if vm.get("RESCHED") == "1":
        told = (vm.get("USER_TEMPLATE") or {}).get("SCHED_MESSAGE")
        return f"waits for the scheduler{f': {told}' if told else ''}"
    return state if vm["STATE"] == "3" and not _is_at_rest(state) else ""


def _is_at_rest(state: str) -> bool:
    return state in ("RUNNING", "UNKNOWN") or state.endswith("FAILURE")


def _vm_state(vm: Document) -> str:
    from trifid.cli.follow import state_of

    return state_of(vm)


MOVE_COURSE = Course(
    VM,
    _move_under_way,
    lambda vm: _vm_state(vm).endswith("FAILURE") or _vm_state(vm) == "UNKNOWN",
    lambda vm: str((vm.get("USER_TEMPLATE") or {}).get("ERROR") or ""),
    _vm_state,
    '"onevm recover {} --retry"',
)
"""Of VMs that the scheduler is to move: none is marked any more, and it runs."""
