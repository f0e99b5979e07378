"""quota, batchquota and defaultquota of `oneuser` and `onegroup`, and what their show commands tell of quotas.

Source: reference/api-modern.md §4 (user.quota), §5.5 (the QUOTA types).
"""

from typing import Any

from trifid.cli.command import Argument, Command, Given
from trifid.cli.editing import edited, read
from trifid.cli.kinds import Kind
from trifid.cli.quota_shown import limits_text
from trifid.cli.shell import Shell

_HELP = """\
# Limits, one line for each thing:
#
#   VM = [ VMS = 10, CPU = 4.5, MEMORY = 8192, RUNNING_VMS = 5, RUNNING_CPU = 4, RUNNING_MEMORY = 4096,
#          SYSTEM_DISK_SIZE = 20480 ]
#   VM = [ CLUSTER_IDS = "0,101", VMS = 5 ]
#   DATASTORE = [ ID = 1, IMAGES = 20, SIZE = 102400 ]
#   NETWORK = [ ID = 3, LEASES = 4 ]
#   IMAGE = [ ID = 7, RVMS = 2 ]
#
# MEMORY and sizes are in MiB.  -1 is the default of all, -2 is no limit, 0 is none at all.
# What you leave out stays as it is.
"""


def quota_commands(kind: Kind, argument: str) -> tuple[Command, ...]:
    """Return the rows of `quota`, `batchquota` and `defaultquota`.

    Args:
        kind: USER or GROUP.
        argument: how the usage calls one.
    """
    label = kind.label
    name = argument.lower()
    file = Argument("FILE", optional=True)
    defaults = f"one.{label}quota"

    def quota(shell: Shell, given: Given) -> None:
        object_id = getattr(given, name)
        new = _asked(shell, given, lambda: shell.one(kind, object_id))
        if new is not None:
            shell.call(f"{kind.methods}.quota", object_id, new)
            shell.done(kind, object_id)

    def batch(shell: Shell, given: Given) -> None:
        new = _asked(shell, given, dict)
        if new is not None:
            for object_id in getattr(given, name):
                shell.attempt(kind, object_id, f"{kind.methods}.quota", object_id, new)

    def default(shell: Shell, given: Given) -> None:
        from trifid.wire.elements import one_element

        root = f"DEFAULT_{label.upper()}_QUOTAS"
        new = _asked(shell, given, lambda: one_element(shell.call(f"{defaults}.info"), root))
        if new is not None:
            shell.call(f"{defaults}.update", new)

    return (
        Command(
            "quota",
            f"Set limits of a {label}: from FILE, - for standard input, or in your editor.",
            (Argument(argument, kind), file),
            run=quota,
            examples=("quota 3 limits.txt", "quota 3"),
        ),
        Command(
            "batchquota",
            f"Set the same limits of several {label}s: from FILE, - for standard input, or in your editor.",
            (Argument(argument, kind, many=True), file),
            run=batch,
            examples=("batchquota 3,5..7 limits.txt",),
        ),
        Command(
            "defaultquota",
            f"Set the limits of all {label}s that have none of their own: from FILE, or in your editor.",
            (file,),
            run=default,
            examples=("defaultquota limits.txt",),
        ),
    )


def _asked(shell: Shell, given: Given, present: Any) -> str | None:
    """Return the limits that were given, in a file or in the editor with those of now; None = nothing to do."""
    if given.file is not None:
        return read(given.file)
    new = edited(f"{_HELP}\n{limits_text(present())}")
    if new is None:
        shell.say("Nothing was changed.")
    return new
