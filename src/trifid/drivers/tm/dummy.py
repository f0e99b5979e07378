"""A transfer driver that moves nothing: it reads the script and says that it is done.

For scale and faults; see drivers/dummy/faults.py for the options.
"""

import sys

from trifid.drivers.dummy.actions import Actions, home
from trifid.drivers.dummy.faults import BadOptions, parse_options
from trifid.drivers.dummy.loop import Loop
from trifid.drivers.dummy.room import room
from trifid.drivers.dummy.world import Domain, World
from trifid.drivers.kit import Failure
from trifid.drivers.tm.script import read_script


class Transfers:
    """Remembers, in the file of a world of its own, which step was seen for each VM."""

    def __init__(self, seen: World) -> None:
        self._seen = seen

    def act(self, verb: str, vm_id: int, payload: str) -> str:
        """Take a script for done, unless it is out of date.

        Raises:
            Failure: it is out of date.
            DriverFault: it cannot be read.
        """
        step = read_script(payload).step
        seen = self._seen.get(vm_id).step
        if step < seen:
            raise Failure(f"step {step} is out of date, step {seen} was seen already")
        if step > seen:
            self._seen.put(vm_id, Domain(step=step))
        return ""


def main() -> None:
    """Run the driver until the engine ends it."""
    try:
        options = parse_options(sys.argv[1] if len(sys.argv) > 1 else "")
    except BadOptions as fault:
        sys.exit(f"trifid-tm-dummy: {fault}")
    seen = World(home() / "dummy" / "transfers.log")
    seen.begin()
    loop = Loop("tm-dummy")
    verbs = {"TRANSFER": Transfers(seen).act, "MONITOR": lambda verb, oid, payload: room()}
    loop.run(Actions(loop, options, verbs, seen).take)


if __name__ == "__main__":
    main()
