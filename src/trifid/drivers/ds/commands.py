"""The verbs of a datastore driver for plain files, as the engine asks for them and hears from them.

Each ends in the same place when it is done again.  Source: reference/drivers.md §4.3 (datastore scripts).
"""

import os
from collections.abc import Callable
from pathlib import Path

from trifid.drivers.download import is_url, shown
from trifid.drivers.ds import changes, importing, making, own
from trifid.drivers.ds.probe import MIB, Found
from trifid.drivers.ds.slots import slot_for
from trifid.drivers.kit import Failure, Request
from trifid.errors import DriverFault
from trifid.wire.image_action import ImageActionData, parse


def copy(request: Request, data: ImageActionData) -> str:
    """Import an image from PATH; the failure names it."""
    try:
        return _told(data, importing.bring(request, data))
    except Failure as failure:
        raise Failure(_about_path(data, failure)) from failure


def make(request: Request, data: ImageActionData) -> str:
    """Make an empty image."""
    return _told(data, making.make(request, data))


def clone(request: Request, data: ImageActionData) -> str:
    """Make a copy of an image."""
    return _told(data, making.clone(request, data))


def remove(request: Request, data: ImageActionData) -> str:
    """Remove an image."""
    changes.remove(request, data)
    return ""


def resize(request: Request, data: ImageActionData) -> str:
    """Make an image larger."""
    return str(changes.resize(request, data))


def delete_snapshot(request: Request, data: ImageActionData) -> str:
    """Remove a snapshot."""
    changes.delete_snapshot(request, data)
    return ""


def revert(request: Request, data: ImageActionData) -> str:
    """Bring an image back to a snapshot."""
    changes.revert(request, data)
    return ""


def flatten(request: Request, data: ImageActionData) -> str:
    """Bring an image back to a snapshot, and remove all snapshots."""
    changes.flatten(request, data)
    return ""


def stat(request: Request, data: ImageActionData) -> str:
    """Say how large PATH is, and what it is."""
    try:
        size_mib, found_format = importing.learn(request, data)
    except Failure as failure:
        raise Failure(_about_path(data, failure)) from failure
    return f"{size_mib} {found_format or '-'}"


def monitor(_: Request, data: ImageActionData) -> str:
    """Say how much room there is."""
    return room_in(own.make_base(data))


def room_in(directory: Path) -> str:
    """Return the room in a directory's file system, as the engine reads it.

    Raises:
        OSError: it cannot be asked.
    """
    about = os.statvfs(directory)
    total, unused = about.f_blocks * about.f_frsize, about.f_bfree * about.f_frsize
    free = about.f_bavail * about.f_frsize
    return f"USED_MB={(total - unused) // MIB} TOTAL_MB={total // MIB} FREE_MB={free // MIB}"


COMMANDS: dict[str, Callable[[Request, ImageActionData], str]] = {
    "CP": copy,
    "MKFS": make,
    "CLONE": clone,
    "RM": remove,
    "RESIZE": resize,
    "SNAP_DELETE": delete_snapshot,
    "SNAP_REVERT": revert,
    "SNAP_FLATTEN": flatten,
    "STAT": stat,
    "MONITOR": monitor,
}


def carry_out(request: Request) -> str:
    """Do what a request asks; return what the engine is told.

    Raises:
        Failure: it cannot be read or done.
        OSError: the file system refuses.
    """
    try:
        data = parse(request.payload)
    except DriverFault as fault:
        raise Failure(str(fault)) from fault
    with slot_for(request, data):
        return COMMANDS[request.verb](request, data)


def _told(data: ImageActionData, found: Found) -> str:
    return f"{data.source} {found.format} {found.size_mib}"


def _about_path(data: ImageActionData, failure: Failure) -> str:
    """Return what went wrong, with the path or URL in front unless the text begins with it."""
    about = shown(data.path) if is_url(data.path) else data.path
    text = str(failure)
    return text if text.startswith(about) else f"{about}: {text}"
