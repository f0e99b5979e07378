"""Transfer scripts as transfer drivers read them.

The first line is `# trifid step N`.  Lines `# trifid disk N FORMAT` tell what the source of a disk is, raw or
qcow2; every other is a command (core/vm/transfer.py writes them).  A line that begins with # and is none of
these is a comment.
Source: reference/drivers.md §4.1, §4.3; what a disk's source is, is ours: nothing guesses it from its contents.
"""

import re
from pathlib import Path

import msgspec

from trifid.core.template.types import IMAGE_FORMATS
from trifid.errors import DriverFault

_STEP = re.compile(r"# trifid step ([0-9]{1,18})")
_FORMAT = re.compile(r"# trifid disk ([0-9]{1,9}) (\S+)")
_DISK = re.compile(r".*/disk\.([0-9]{1,9})(?:\.copy)?")


class Command(msgspec.Struct, frozen=True):
    """One line: what to do, its operands, and whose disks they are.

    Attributes:
        word: upper case.
        tm: the transfer driver that it was written for.
        format: of the source of the disk that it is about, raw or qcow2; empty when the script does not tell.
    """

    word: str
    tm: str
    operands: tuple[str, ...]
    vm_id: int
    datastore_id: int
    format: str = ""


class Script(msgspec.Struct, frozen=True):
    """A script.

    Attributes:
        step: orders the transfers of one VM.
        formats: {disk number: format of its source}, of those that are known.
    """

    step: int
    commands: tuple[Command, ...]
    formats: dict[int, str] = {}


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
    formats = _formats(lines, path)
    commands = tuple(_command(line, path, formats) for line in lines if line.strip() and not line.startswith("#"))
    return Script(int(found[1]), commands, formats)


def step_of_script(path: str) -> int:
    """Return a script's step number, for the kit.

    Raises:
        DriverFault: as read_script.
    """
    return read_script(path).step


def _formats(lines: list[str], path: str) -> dict[int, str]:
    formats = {}
    for line in lines:
        if found := _FORMAT.fullmatch(line.strip()):
            if found[2] not in IMAGE_FORMATS:
                expected = " or ".join(IMAGE_FORMATS)
                raise DriverFault(f"transfer script {path}: disk {found[1]} is {found[2][:40]!r}, expected {expected}")
            formats[int(found[1])] = found[2]
    return formats


def _command(line: str, path: str, formats: dict[int, str]) -> Command:
    words = line.split()
    if len(words) < 5 or not (_is_number(words[-1]) and _is_number(words[-2])):
        raise DriverFault(f'transfer script {path}: expected "COMMAND TM OPERAND… VM DATASTORE", is {line[:200]!r}')
    operands = tuple(words[2:-2])
    disks = {int(found[1]) for operand in operands if (found := _DISK.fullmatch(operand))}
    image_format = formats.get(disks.pop(), "") if len(disks) == 1 else ""
    return Command(words[0].upper(), words[1], operands, int(words[-2]), int(words[-1]), image_format)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 19
