"""The transfer driver for datastores that the front-end and all hosts see under one path.

`TRANSFER vm script`: the commands of the script in order, up to the first that fails.  It runs on the
front-end.  Source: reference/drivers.md §4.
"""

from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.tm.commands import carry_out
from trifid.drivers.tm.script import read_script, step_of_script
from trifid.errors import DriverFault

WORKERS = 8
"""Transfers at the same time: more make a disk slower, not faster."""


def transfer(request: Request) -> str:
    """Carry out a script.

    Raises:
        Failure: at the first command that fails, or when the script was replaced since it was asked for.
    """
    try:
        script = read_script(request.payload)
    except DriverFault as fault:
        raise Failure(str(fault)) from fault
    if script.step != request.step:
        raise Failure(f"{request.payload} is now of step {script.step}, it was asked for in step {request.step}")
    for command in script.commands:
        if request.is_cancelled:
            raise Failure(f"cancelled by the engine before {command.word}")
        carry_out(request, command)
    return ""


def main() -> None:
    """Run the driver until the engine ends it."""
    Kit("tm-shared", {"TRANSFER": transfer}, step_of=step_of_script, workers=WORKERS).run()


if __name__ == "__main__":
    main()
