"""`onevm monitoring` and `onehost monitoring`: the row that declares them."""

import click

from trifid.cli.command import Argument, Command, Given
from trifid.cli.kinds import Kind
from trifid.cli.shell import Shell

SINCE = click.Option(
    ["-s", "--since"], metavar="TIME", default="1h", help="How far back: 90s, 30m, 6h, 7d; 1h by default."
)
AVERAGE = click.Option(
    ["-a", "--average"],
    type=click.Choice(["raw", "5m", "1h"]),
    help="As measured, or averages of 5 minutes or an hour; what fits the time by default.",
)
FIGURES = click.Option(["-l", "--list"], metavar="X,Y", default="", help="The figures to tell; the usual by default.")
AS_JSON = click.Option(["-j", "--json"], is_flag=True, help="All figures as JSON.")
AS_CSV = click.Option(["--csv"], is_flag=True, help="Comma separated values.")


def monitoring_row(kind: Kind, example: str) -> Command:
    """Return the row of `monitoring`."""

    def run(shell: Shell, given: Given) -> None:
        from trifid.cli.monitoring_shown import tell

        tell(shell, kind, given)

    return Command(
        "monitoring",
        f"Draw what was measured of a {kind.label} over time.",
        (Argument(kind.element, kind, many=True),),
        run=run,
        options=(SINCE, AVERAGE, FIGURES, AS_JSON, AS_CSV),
        more="Of what only grows (bytes, operations) the growth each second is drawn; --json and --csv have counts.",
        examples=(f"monitoring {example}", f"monitoring {example} --since 7d", f"monitoring {example} -l CPU --csv"),
    )
