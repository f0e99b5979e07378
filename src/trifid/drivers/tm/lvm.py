"""The transfer driver `lvm`: disks as thin volumes of the volume groups that images are in.

It runs on the machine that runs the VMs, which is the front-end: of a thin pool only one machine may have volumes in
use (lvmlockd(8)).  Its arguments are those of drivers/lvm/settings.py.

A script may tell the volume group of a system datastore, which swap and data disks are made in, among its first lines:
`# trifid datastore N /dev/GROUP`.  Source: reference/drivers.md §4; lvmthin(7).
"""

import re
import sys
from pathlib import Path

import msgspec

from trifid.drivers.kit import Failure, Kit, Request
from trifid.drivers.lvm.disks import commands_with
from trifid.drivers.lvm.names import group_of
from trifid.drivers.lvm.room import room
from trifid.drivers.lvm.settings import Settings, parse
from trifid.drivers.lvm.tools import Lvm
from trifid.drivers.tm.room import step_of
from trifid.drivers.tm.shared import WORKERS, transfer
from trifid.errors import DriverFault
from trifid.wire import image_action

_DATASTORE = re.compile(r"^# trifid datastore [0-9]{1,9} (/\S+)$", re.MULTILINE)


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
        self._settings = parse("trifid-tm-lvm", self._arguments)

    def transfer(self, request: Request) -> str:
        """Carry out a script."""
        return transfer(request, commands_with(_with_group(self._settings, request.payload)))

    def monitor(self, request: Request) -> str:
        """Return how much room the datastore has."""
        try:
            base_path = image_action.parse(request.payload).base_path
        except DriverFault as fault:
            raise Failure(str(fault)) from fault
        return room(Lvm(request, self._settings), group_of(base_path))


def _with_group(settings: Settings, script: str) -> Settings:
    """Return what the driver is told, with the volume group that a script tells instead of its argument's."""
    try:
        found = _DATASTORE.search(Path(script).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return settings  # reading its commands says what is wrong with it
    return msgspec.structs.replace(settings, group=group_of(found[1])) if found else settings


def main() -> None:
    """Run the driver until the engine ends it."""
    driver = Driver(" ".join(sys.argv[1:]))
    verbs = {"TRANSFER": driver.transfer, "MONITOR": driver.monitor}
    Kit("tm-lvm", verbs, step_of=step_of, begin=driver.begin, workers=WORKERS).run()


if __name__ == "__main__":
    main()
