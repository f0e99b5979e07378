"""The datastore driver `lvm`: images as thin volumes of a volume group, BASE_PATH=/dev/GROUP.

Its arguments are those of drivers/lvm/settings.py.  Images are raw; what is brought as qcow2 is written out.
Source: reference/drivers.md §1, §4.3 (datastore scripts); lvmthin(7).
"""

import sys

from trifid.drivers.ds.commands import stat
from trifid.drivers.ds.fs import step_of
from trifid.drivers.ds.slots import WORKERS, slot_for
from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.lvm import images
from trifid.drivers.lvm.names import group_of
from trifid.drivers.lvm.room import room
from trifid.drivers.lvm.settings import Settings, parse
from trifid.drivers.lvm.tools import Lvm
from trifid.errors import DriverFault
from trifid.wire import image_action
from trifid.wire.image_action import ImageActionData


def _stat(lvm: Lvm, data: ImageActionData) -> str:
    return stat(lvm.request, data)


def _monitor(lvm: Lvm, data: ImageActionData) -> str:
    return room(lvm, group_of(data.base_path))


COMMANDS = {**images.COMMANDS, "STAT": _stat, "MONITOR": _monitor}


def carry_out(request: Request, settings: Settings) -> str:
    """Do what a request asks; return what the engine is told.

    Raises:
        Failure: it cannot be read or done.
        OSError: a file or a device cannot be read or written.
    """
    try:
        data = image_action.parse(request.payload)
    except DriverFault as fault:
        raise Failure(str(fault)) from fault
    with slot_for(request, data):
        return COMMANDS[request.verb](Lvm(request, settings), data)


class Driver:
    """What the verbs have in common; the arguments are read when the engine says INIT, so it hears what is wrong."""

    def __init__(self, arguments: str) -> None:
        self._arguments = arguments
        self._settings = Settings("")

    def begin(self, _: Kit) -> None:
        """Read the arguments.

        Raises:
            Failure: an unknown or wrong one, or no engine's id.
        """
        self._settings = parse("trifid-ds-lvm", self._arguments)

    def carry_out(self, request: Request) -> str:
        """Do what a request asks."""
        return carry_out(request, self._settings)


def main() -> None:
    """Run the driver until the engine ends it."""
    driver = Driver(" ".join(sys.argv[1:]))
    verbs = dict.fromkeys(COMMANDS, driver.carry_out)
    Kit("ds-lvm", verbs, step_of=step_of, begin=driver.begin, workers=WORKERS, kept_in="images").run()


if __name__ == "__main__":
    main()
