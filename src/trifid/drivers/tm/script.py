"""Transfer scripts as transfer drivers read them.

The first line is `# trifid step N`; every other is a command (core/vm/transfer.py writes them).
Source: reference/drivers.md §4.1, §4.3.
"""

import re
from pathlib import Path

import msgspec

from trifid.errors import DriverFault

_STEP = re.compile(r"# trifid step ([0-9]{1,18})")


class Command(msgspec.Struct, frozen=True):
    """One line: what to do, its operands, and whose disks they are.

    Attributes:
        word: upper case.
        tm: the transfer driver that it was written for.
    """

    word: str
    tm: str
    operands: tuple[str, ...]
    vm_id: int
    datastore_id: int


class Script(msgspec.Struct, frozen=True):
    """A script; its step number orders the transfers of one VM."""

    step: int
    commands: tuple[Command, ...]


def read_script(path: str) -> Script:
    """Read a script.

    Raises:
        DriverFault: it cannot be read, or it is not a script; the text names the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as fault:
        raise DriverFault(f"transfer script {path}: {fault.strerror}") from fault
    except ValueError as fault:
        raise DriverFault(f"transfer script {path}: {fault}") from fault
    first, *lines = text.split("\n")
    found = _STEP.fullmatch(first.strip())
    if found is None:
        raise DriverFault(f'transfer script {path}: first line must be "# trifid step N", is {first[:80]!r}')
    commands = tuple(_command(line, path) for line in lines if line.strip() and not line.startswith("#"))
    return Script(int(found[1]), commands)


def step_of_script(path: str) -> int:
    """Return a script's step number, for the kit.

    Raises:
        DriverFault: as read_script.
    """
    return read_script(path).step


def _command(line: str, path: str) -> Command:
    words = line.split()
    if len(words) < 5 or not (_is_number(words[-1]) and _is_number(words[-2])):
        raise DriverFault(f'transfer script {path}: expected "COMMAND TM OPERAND… VM DATASTORE", is {line[:200]!r}')
    return Command(words[0].upper(), words[1], tuple(words[2:-2]), int(words[-2]), int(words[-1]))


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 19
