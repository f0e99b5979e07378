"""Several VMs at once: `--multiple`, and what each of them is called."""

import click

from trifid.cli.command import WholeNumber

_COUNT_MAX = 1000

MULTIPLE = click.Option(
    ["-m", "--multiple"], type=WholeNumber(1, _COUNT_MAX), default=1, metavar="N", help="Make so many VMs."
)


def numbered(name: str, index: int, count: int) -> str:
    """Return the name of one of several VMs: %i is its number, which follows the name when there is none."""
    if "%i" not in name and name and count > 1:
        name += "-%i"
    return name.replace("%i", str(index))
