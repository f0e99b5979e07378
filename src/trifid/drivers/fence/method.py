"""What every way to switch a host off has in common."""

import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from trifid.drivers.kit import Failure, Request

ON, OFF, UNKNOWN = "on", "off", "unknown"
"""States of a host's power."""
ASKED_WITHIN_S = 20.0
"""So long a management controller may take for one answer."""
SECRET_BYTES_MAX = 4096
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9._:\]-]{0,254}", re.ASCII)


class Target(NamedTuple):
    """A host and one way to it.

    Attributes:
        told: the FENCE vector.
        place: the directory of secrets and scripts, HOME/fence.
    """

    host: str
    host_id: int
    told: Mapping[str, str]
    place: Path


class Method(NamedTuple):
    """A way to switch a host off.

    Attributes:
        off: orders it; done already is a success.  It need not wait until it is.
        power: returns ON, OFF or UNKNOWN.
    """

    off: Callable[[Request, Target], None]
    power: Callable[[Request, Target], str]


def named_file(target: Target, key: str) -> Path:
    """Return the file in HOME/fence that an attribute names.

    Raises:
        Failure: it names none, or one elsewhere.
    """
    name = target.told.get(key, "")
    if not _NAME.fullmatch(name):
        raise Failure(
            f"FENCE/{key} of host {target.host} must be the name of a file in {target.place}, is {name[:64]!r}"
        )
    return target.place / name


def secret_file(target: Target) -> Path:
    """Return the file that holds the password, which nobody else may read.

    Raises:
        Failure: it is not there, or others may read it.
    """
    path = named_file(target, "SECRET")
    try:
        about = path.stat()
    except OSError as fault:
        raise Failure(f"{path}: {fault.strerror}: it holds the password for host {target.host}") from fault
    if not stat.S_ISREG(about.st_mode) or about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Failure(f"{path} holds a password: it must be a file that only its owner may read (chmod 600)")
    return path


def secret(target: Target) -> str:
    """Return the password, the first line of its file; raises Failure."""
    with secret_file(target).open(encoding="utf-8", errors="surrogateescape") as file:
        return file.readline(SECRET_BYTES_MAX).rstrip("\n")


def address(target: Target) -> str:
    """Return the name or address of a host's management controller; raises Failure."""
    text = target.told.get("ADDRESS", "")
    if not _ADDRESS.fullmatch(text):
        raise Failure(f"FENCE/ADDRESS of host {target.host} must be a name or an address, is {text[:64]!r}")
    return text


def user(target: Target) -> str:
    """Return the name to log in with; raises Failure."""
    text = target.told.get("USER", "")
    if not text or not text.isprintable() or text.startswith("-") or ":" in text:
        raise Failure(f"FENCE/USER of host {target.host} must be a name to log in with, is {text[:64]!r}")
    return text
