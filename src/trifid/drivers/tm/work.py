"""What the commands of transfer scripts have in common: their operands, and telling how far they are."""

from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm import files
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
