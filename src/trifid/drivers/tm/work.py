"""What the commands of transfer scripts have in common: their operands, and telling how far they are."""

from pathlib import Path

from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files, paths
from trifid.drivers.tm.script import Command

REPORT_FROM_BYTES = 256 << 20
"""Copies of at least this size tell how far they are."""


def operands(command: Command, number: int) -> tuple[str, ...]:
    """Return the operands of a command.

    Raises:
        Failure: they are more or fewer than `number`.
    """
    if len(command.operands) != number:
        raise Failure(f"expected {number} operands before the numbers, has {len(command.operands)}")
    return command.operands


def progress(request: Request, what: str) -> files.Progress:
    """Return what tells the VM's log, about every ten per cent, how far a big copy is, and stops a cancelled one."""
    told = 0

    def tell(done: int, size: int) -> None:
        nonlocal told
        if request.is_cancelled:
            raise Failure("cancelled by the engine")
        tenth = done * 10 // size if size >= REPORT_FROM_BYTES else 0
        if told < tenth < 10:
            told = tenth
            request.log(f"{what}: {tenth * 10} % of {files.in_mib(size)}")

    return tell


def arrival(operand: str, command: Command) -> Path:
    """Return where a disk goes, its directory made.

    Raises:
        Failure: it is not in the directory of the command's VM.
        OSError: that cannot be made.
    """
    place = paths.path_of(operand)
    directory = paths.vm_directory(place, command.vm_id)
    if place == directory:
        raise Failure("it is the directory of the vm, expected a file in it")
    paths.make_directory(directory)
    return place
