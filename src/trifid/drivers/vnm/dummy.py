"""A network driver that changes nothing: it reads a host's document and says that the host looks like it.

For scale and faults; see drivers/dummy/faults.py for the options.
"""

import sys

from trifid.drivers.dummy.actions import Actions, home
from trifid.drivers.dummy.faults import BadOptions, parse_options
from trifid.drivers.dummy.loop import Loop
from trifid.drivers.dummy.world import World
from trifid.wire.host_networks import parse


def _apply(verb: str, host_id: int, payload: str) -> str:
    """Return the version of the document; raises DriverFault when it cannot be read."""
    return str(parse(payload).version)


def main() -> None:
    """Run the driver until the engine ends it."""
    try:
        options = parse_options(sys.argv[1] if len(sys.argv) > 1 else "")
    except BadOptions as fault:
        sys.exit(f"trifid-vnm-dummy: {fault}")
    seen = World(home() / "dummy" / "networks.log")
    seen.begin()
    loop = Loop("vnm-dummy")
    loop.run(Actions(loop, options, {"APPLY": _apply}, seen).take)


if __name__ == "__main__":
    main()
