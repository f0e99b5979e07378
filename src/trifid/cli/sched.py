"""`trifid sched`: what the scheduler decides, tried out and looked at.

Each command is a row in a file of its own; its work is imported when it is asked for.
"""

from trifid.cli.command import CommandTable
from trifid.cli.sched_leases import LEASES
from trifid.cli.sched_options import DECISIONS, REPLAY, SIM
from trifid.cli.sched_replacement import PLAN, SPARE

ROWS = (PLAN, SPARE, SIM, REPLAY, DECISIONS, LEASES)

main = CommandTable(
    "trifid sched",
    "Try the scheduler's decisions out, and look at them.",
    ROWS,
    failed=1,
    calls=True,
)
