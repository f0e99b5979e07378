"""The rows of `trifid sched plan` and `spare`."""

import click

from trifid.cli.command import Command, Given, Number, WholeNumber
from trifid.cli.shell import Shell

AT_ONCE = 2
MIB_PER_S = 100.0
TIMEOUT_S = 600.0

_CLUSTER = click.Option(
    ["-c", "--cluster"], metavar="CLUSTER", help="Only the hosts of this cluster; all of them otherwise."
)
_JSON = click.Option(["-j", "--json"], is_flag=True, help="As JSON.")


def _plan(shell: Shell, given: Given) -> None:
    from trifid.cli.sched_plan import plan

    plan(shell, given)


def _spare(shell: Shell, given: Given) -> None:
    from trifid.cli.sched_spare import spare

    spare(shell, given)


PLAN = Command(
    "plan",
    "Tell which running VMs should move where, in which order, what it costs and what it gains; --apply moves them.",
    run=_plan,
    options=(
        click.Option(
            ["--goal"],
            type=click.Choice(["balance", "consolidate"]),
            required=True,
            help="balance: the fullest host as little full as possible.  consolidate: as few hosts as possible in use.",
        ),
        _CLUSTER,
        click.Option(["--max-migrations"], type=WholeNumber(min=1), metavar="N", help="At most so many, in all."),
        click.Option(
            ["--at-once"],
            type=WholeNumber(min=1),
            default=AT_ONCE,
            metavar="N",
            help=f"At most so many at the same time ({AT_ONCE}); on one host never more than one.",
        ),
        click.Option(
            ["--bandwidth"],
            type=Number(min=1),
            default=MIB_PER_S,
            metavar="MIB",
            help=f"What a migration copies in a second, for the estimate ({MIB_PER_S:g}).",
        ),
        click.Option(["--apply"], is_flag=True, help="Move them, live; ends when one fails or the cluster changed."),
        click.Option(
            ["--timeout"],
            type=Number(min=0),
            default=TIMEOUT_S,
            metavar="SECONDS",
            help=f"With --apply, the longest that one wave may take ({TIMEOUT_S:g}).",
        ),
        _JSON,
    ),
    more="Exit status 1: with --apply, not everything was done.",
    examples=("plan --goal balance", "plan --goal consolidate --max-migrations 20", "plan --goal balance --apply"),
)

SPARE = Command(
    "spare",
    "Tell whether the hosts can lose any one of them: where its VMs could not be started again, and what is missing.",
    run=_spare,
    options=(_CLUSTER, _JSON),
    more="Exit status 1: there is a host that cannot be lost.",
    examples=("spare", "spare --cluster default --json"),
)
