"""`onehost fenced`, and what `onehost show` tells of a host's signs of life."""

import json
import sys

import click

from trifid.cli.command import Argument, Command, Given
from trifid.cli.failure import Failure
from trifid.cli.kinds import HOST
from trifid.cli.listing import pairs, section
from trifid.cli.shell import Shell

_YES = click.Option(["-y", "--yes"], is_flag=True, help="Do not ask whether it is so.")
_CONFIRMED = "yes"


def _fenced(shell: Shell, given: Given) -> None:
    for host_id in given.host:
        name = shell.name(HOST, host_id) or str(host_id)
        if not given.yes:
            _ask(name)
        shell.call("trifid.host.fenced", host_id)


def _ask(name: str) -> None:
    """Have somebody at a terminal say that it is so."""
    if not sys.stdin.isatty():
        raise Failure(f"nobody is here to say that host {name} is off", "say it with --yes")
    click.echo(f"The VMs of host {name} will be started on other hosts.", err=True)
    click.echo("If it still runs them, they run twice and destroy their disks.", err=True)
    said = click.prompt(f"Have you seen to it that {name} is off (yes or no)?", err=True)
    if str(said).strip().lower() != _CONFIRMED:
        raise Failure(f"host {name} is not taken for fenced", "switch it off first, then say yes")


def print_signs(shell: Shell, host_id: int) -> None:
    """Print which signs of life a host shows, what they say, and what follows."""
    told = json.loads(shell.call("trifid.host.signs", host_id))
    section(shell, "SIGNS OF LIFE")
    lines = {"JUDGEMENT": told["judgement"], "SIGNS": told["signs"], "FENCE": told["fence"], "THEN": told["follows"]}
    pairs(shell, {name: text for name, text in lines.items() if text})


FAILURE_ROWS = (
    Command(
        "fenced",
        "Say that a host is off: its VMs start on others on the strength of your word.",
        (Argument("HOST", HOST, many=True),),
        run=_fenced,
        options=(_YES,),
        more=(
            "For a host that nothing can switch off by itself, such as one without power.  See to it that it is off "
            'and stays off; it is refused while there are signs that it runs ("onehost show").  Once it is well again, '
            '"onehost enable HOST" takes the mark off.'
        ),
        examples=("fenced host1", "fenced host1 --yes"),
    ),
)
