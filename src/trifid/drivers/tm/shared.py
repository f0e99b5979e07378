"""The transfer driver for datastores that the front-end and all hosts see under one path.

`TRANSFER vm script`: the commands of the script in order, up to the first that fails; `MONITOR`: how much room
a datastore has.  It runs on the front-end.  Source: reference/drivers.md §4.
"""

from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.tm.commands import COMMANDS, Commands, carry_out
from trifid.drivers.tm.room import monitor, step_of
from trifid.drivers.tm.saving import size_told
from trifid.drivers.tm.script import read_script
from trifid.errors import DriverFault

WORKERS = 8
"""Transfers at the same time: more make a disk slower, not faster."""


def transfer(request: Request, commands: Commands = COMMANDS) -> str:
    """Carry out a script; return what the engine is told of an image that it made, see `size_told`.

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
        carry_out(request, command, commands)
    return "".join(size_told(command) for command in script.commands[-1:])


def serve(name: str, commands: Commands) -> None:
    """Run a driver of these commands until the engine ends it."""
    verbs = {"TRANSFER": lambda request: transfer(request, commands), "MONITOR": monitor}
    Kit(name, verbs, step_of=step_of, workers=WORKERS).run()


def main() -> None:
    """Run the driver until the engine ends it."""
    serve("tm-shared", COMMANDS)


if __name__ == "__main__":
    main()
