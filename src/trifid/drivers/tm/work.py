"""What the commands of transfer scripts have in common: their operands, and telling how far they are."""

import time
from pathlib import Path

from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files, paths
from trifid.drivers.tm.script import Command

REPORT_FROM_BYTES = 256 << 20
"""Copies of at least this size tell how far they are."""
REPORT_EVERY_S = 3.0
"""How often one tells that takes long."""


def operands(command: Command, number: int) -> tuple[str, ...]:
    """Return the operands of a command.

    Raises:
        Failure: they are more or fewer than `number`.
    """
    if len(command.operands) != number:
        raise Failure(f"expected {number} operands before the numbers, has {len(command.operands)}")
    return command.operands


def progress(request: Request, what: str) -> files.Progress:
    """Return what tells the VM's log how far a copy is, and stops a cancelled one.

    Of a big one it tells about every ten per cent, of a slow one every few seconds, also when nobody knows its size.
    """
    told, last_s = 0, time.monotonic()

    def tell(done: int, size: int) -> None:
        nonlocal told, last_s
        if request.is_cancelled:
            raise Failure("cancelled by the engine")
        tenth = done * 10 // size if size >= REPORT_FROM_BYTES else 0
        is_late = time.monotonic() - last_s >= REPORT_EVERY_S
        if told < tenth < 10 or is_late:
            told, last_s = max(told, tenth), time.monotonic()
            known = f"{done * 100 // size} % of {files.in_mib(size)}" if size else f"{files.in_mib(done)} so far"
            request.log(f"{what}: {known}")

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
