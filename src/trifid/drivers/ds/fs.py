"""The datastore driver `fs`: images as plain files in a directory of the front-end.

Its arguments are none; it needs qemu-img and prlimit for qcow2 images, and the mkfs programs of the file systems
that are asked for.  Source: reference/drivers.md §1, §4.
"""

from trifid.drivers.ds.commands import COMMANDS, carry_out
from trifid.drivers.ds.slots import WORKERS
from trifid.drivers.kit import Kit
from trifid.wire.image_action import parse


def step_of(payload: str) -> int:
    """Return the step number of a request; 0 for a question.

    Raises:
        DriverFault: it cannot be read.
    """
    return parse(payload).step


def main() -> None:
    """Run the driver until the engine ends it."""
    verbs = dict.fromkeys(COMMANDS, carry_out)
    Kit("ds-fs", verbs, step_of=step_of, workers=WORKERS, kept_in="images").run()


if __name__ == "__main__":
    main()
