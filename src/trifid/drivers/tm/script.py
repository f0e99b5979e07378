"""Transfer scripts as transfer drivers read them.

The first line is `# trifid step N`.  Lines `# trifid disk N …` tell what the source of a disk is: raw or qcow2, an
image of the catalogue (`image`).  Lines `# trifid within /DIR` name directories whose files may not lead out of them.
Every other is a command (core/vm/transfer.py writes them).  Other lines that begin with # are comments.
Source: reference/drivers.md §4.1, §4.3; what a disk's source is, is ours: nothing guesses it from its contents.
"""

import re
from pathlib import Path

import msgspec
from msgspec.structs import replace

from trifid.core.template.types import IMAGE_FORMATS
from trifid.errors import DriverFault

_STEP = re.compile(r"# trifid step ([0-9]{1,18})")
_TOLD = re.compile(r"# trifid disk ([0-9]{1,9}) (\S.*)")
_WITHIN = re.compile(r"# trifid within (/.*)")
_IMAGE = "image"
_DISK = re.compile(r".*/disk\.([0-9]{1,9})(?:\.copy)?")


class Command(msgspec.Struct, frozen=True):
    """One line: what to do, its operands, and whose disks they are.

    Attributes:
        word: upper case.
        tm: the transfer driver that it was written for.
        format: of the source of the disk that it is about, raw or qcow2; empty when the script does not tell.
        is_image: whether that source is an image of the catalogue, which the VM was given.
        within: directories of files that any user may name: what is named in one must lie in one.
    """

    word: str
    tm: str
    operands: tuple[str, ...]
    vm_id: int
    datastore_id: int
    format: str = ""
    is_image: bool = False
    within: tuple[str, ...] = ()


class _Disk(msgspec.Struct, frozen=True):
    """What a script's head tells of one disk; as in Command."""

    format: str = ""
    is_image: bool = False


_UNTOLD = _Disk()


class Script(msgspec.Struct, frozen=True):
    """A script.

    Attributes:
        step: orders the transfers of one VM.
    """

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
    disks = _disks(lines, path)
    within = tuple(place[1] for line in lines if (place := _WITHIN.fullmatch(line)))
    written = (line for line in lines if line.strip() and not line.startswith("#"))
    commands = tuple(_command(line, path, disks, within) for line in written)
    return Script(int(found[1]), commands)


def step_of_script(path: str) -> int:
    """Return a script's step number, for the kit.

    Raises:
        DriverFault: as read_script.
    """
    return read_script(path).step


def _disks(lines: list[str], path: str) -> dict[int, _Disk]:
    """Return {disk number: what is told of it}."""
    disks: dict[int, _Disk] = {}
    for line in lines:
        if found := _TOLD.fullmatch(line.strip()):
            number, word = int(found[1]), found[2]
            disk = disks.get(number, _UNTOLD)
            if word == _IMAGE:
                disk = replace(disk, is_image=True)
            elif word in IMAGE_FORMATS:
                disk = replace(disk, format=word)
            else:
                expected = f"{' or '.join(IMAGE_FORMATS)}, or {_IMAGE}"
                raise DriverFault(f"transfer script {path}: disk {number} is {word[:40]!r}, expected {expected}")
            disks[number] = disk
    return disks


def _command(line: str, path: str, disks: dict[int, _Disk], within: tuple[str, ...]) -> Command:
    words = line.split()
    if len(words) < 5 or not (_is_number(words[-1]) and _is_number(words[-2])):
        raise DriverFault(f'transfer script {path}: expected "COMMAND TM OPERAND… VM DATASTORE", is {line[:200]!r}')
    operands = tuple(words[2:-2])
    numbers = {int(found[1]) for operand in operands if (found := _DISK.fullmatch(operand))}
    about = disks.get(numbers.pop(), _UNTOLD) if len(numbers) == 1 else _UNTOLD
    return Command(
        words[0].upper(), words[1], operands, int(words[-2]), int(words[-1]), about.format, about.is_image, within
    )


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 19
