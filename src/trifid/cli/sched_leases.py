"""The row of `trifid sched leases`."""

import click

from trifid.cli.command import Command, Given, WholeNumber
from trifid.cli.shell import Shell

HOURS = 12


def _leases(shell: Shell, given: Given) -> None:
    from trifid.cli.sched_leases_shown import leases

    leases(shell, given)


LEASES = Command(
    "leases",
    "List leases in time, and draw who has which host in the next hours.",
    run=_leases,
    options=(
        click.Option(
            ["--hours"],
            type=WholeNumber(min=1),
            default=HOURS,
            metavar="H",
            help=f"How far the picture goes ({HOURS}).",
        ),
        click.Option(["-j", "--json"], is_flag=True, help="As JSON, without the picture."),
    ),
    more="A lease is a VM with HAIZEA in its template; all times are UTC.",
    examples=("leases", "leases --hours 48", "leases --json"),
)
