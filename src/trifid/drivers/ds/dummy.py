"""A datastore driver that keeps nothing: it says where an image would lie, and how large it would be.

For scale and faults; see drivers/dummy/faults.py for the options.
"""

import sys

from trifid.drivers.dummy.actions import Actions, home
from trifid.drivers.dummy.faults import BadOptions, parse_options
from trifid.drivers.dummy.loop import Loop
from trifid.drivers.dummy.room import room
from trifid.drivers.dummy.world import Domain, World
from trifid.drivers.kit import Failure
from trifid.wire.image_action import ImageActionData, parse

_SIZE_MIB = 1
"""Of what names no size."""
MAKES = ("CP", "MKFS", "CLONE")
SAYS_NOTHING = ("RM", "SNAP_DELETE", "SNAP_REVERT", "SNAP_FLATTEN")
VERBS = (*MAKES, *SAYS_NOTHING, "RESIZE", "STAT", "MONITOR")


class Images:
    """Remembers, in the file of a world of its own, which step was seen for each image."""

    def __init__(self, seen: World) -> None:
        self._seen = seen

    def act(self, verb: str, oid: int, payload: str) -> str:
        """Take what is asked for done, unless it is out of date.

        Raises:
            Failure: it is out of date.
            DriverFault: it cannot be read.
        """
        data = parse(payload)
        if data.step:
            self._refuse_old(oid, data.step)
        if verb in MAKES:
            return f"{data.source} {_format(data)} {data.size_mib or _SIZE_MIB}"
        if verb == "STAT":
            return f"{data.size_mib or _SIZE_MIB} {_format(data)}"
        if verb == "MONITOR":
            return room()
        return str(data.size_mib) if verb == "RESIZE" else ""

    def _refuse_old(self, image_id: int, step: int) -> None:
        seen = self._seen.get(image_id).step
        if step < seen:
            raise Failure(f"step {step} is out of date, step {seen} was seen already")
        if step > seen:
            self._seen.put(image_id, Domain(step=step))


def _format(data: ImageActionData) -> str:
    return data.format or data.clone_format or "raw"


def main() -> None:
    """Run the driver until the engine ends it."""
    try:
        options = parse_options(sys.argv[1] if len(sys.argv) > 1 else "")
    except BadOptions as fault:
        sys.exit(f"trifid-ds-dummy: {fault}")
    seen = World(home() / "dummy" / "images.log")
    seen.begin()
    loop = Loop("ds-dummy")
    loop.run(Actions(loop, options, dict.fromkeys(VERBS, Images(seen).act), seen).take)


if __name__ == "__main__":
    main()
