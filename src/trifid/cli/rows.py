"""Commands as data: a sub-command is one row.

It has its word, its arguments, and the API method that each object is sent to, or a function when it does more.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from trifid.cli.failure import Failure
from trifid.cli.follow import DEFAULT_TIMEOUT_S, Goal, is_state
from trifid.cli.kinds import Kind
from trifid.cli.shell import Shell


class Given:
    """What the user gave: arguments and options by name, kinds already turned into ids."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the command declares no argument or option {name}")


class Argument(NamedTuple):
    """One positional argument.

    Attributes:
        name: as the usage line shows it; lower case in `Given`.
        kind: what its words are names or ids of; None = text.
        many: takes lists and ranges, and several words when it is the only argument.
        optional: may be left out.
    """

    name: str
    kind: Kind | None = None
    many: bool = False
    optional: bool = False


Send = Callable[[int, Given], tuple[Any, ...]]
Run = Callable[[Shell, Given], None]


class Command(NamedTuple):
    """One sub-command.

    Attributes:
        word: what is typed.
        about: one sentence for the help.
        method: called once for each id of the first argument, with what `send` returns.
        run: instead of `method`, for what is more than a call.
        instead: does something else when what was given asks for it, and tells whether it did.
        goal: the state that `--wait` waits for; no `--wait` when empty.
        goal_of: returns that state where it depends on what was given.
        aliases: other words for the same, those of earlier releases.
        more: further text for the help.
        examples: command lines without the program's name.
    """

    word: str
    about: str
    arguments: tuple[Argument, ...] = ()
    method: str = ""
    send: Send = lambda object_id, given: (object_id,)
    run: Run | None = None
    instead: Callable[[Shell, Given], bool] | None = None
    options: tuple[click.Option, ...] = ()
    goal: str = ""
    goal_of: Callable[[Given], str] | None = None
    aliases: tuple[str, ...] = ()
    more: str = ""
    examples: tuple[str, ...] = ()


class WholeNumber(click.IntRange):
    """A whole number, which messages call so."""

    name = "whole number"


class Number(click.FloatRange):
    """A number, which messages call so."""

    name = "number"


HOME = click.Option(
    ["--home"],
    type=click.Path(path_type=Path, file_okay=False),
    help="The engine's home: where to find its address and one_auth.",
)
ENDPOINT = click.Option(["--endpoint"], metavar="URL", help="Where the engine answers, instead of ONE_XMLRPC.")
VERBOSE = click.Option(["-v", "--verbose"], is_flag=True, help="Tell more.")
LONG_VERBOSE = click.Option(["--verbose"], is_flag=True, help="Tell more.")
WAIT = click.Option(
    ["--wait", "wait"],
    metavar="[STATE]",
    help="Return when the VM is in this state; without one, when what was asked is done.",
)
TIMEOUT = click.Option(
    ["--timeout"],
    type=Number(min=0),
    metavar="SECONDS",
    default=DEFAULT_TIMEOUT_S,
    help=f"Longest that --wait waits, {DEFAULT_TIMEOUT_S:g} s by default.",
)
WAITS_FOR = click.Option(
    ["--timeout"],
    type=Number(min=0),
    metavar="SECONDS",
    default=DEFAULT_TIMEOUT_S,
    help=f"Longest to wait for one host, {DEFAULT_TIMEOUT_S:g} s by default.",
)
"""That of commands which always wait."""

WAIT_FOR_GOAL = "="
"""Stands for a --wait without a state; the word that comes next on the line follows it."""


def wait_goal(given: Given, usual: str, word: str) -> Goal | None:
    """Return what --wait waits for, or None when it was not given.

    Raises:
        Failure: no such state.
    """
    wanted = getattr(given, "wait", None) if usual else None
    if not wanted:
        return None
    if wanted.startswith(WAIT_FOR_GOAL):
        wanted = usual
    if not is_state(wanted):
        raise Failure(f"{wanted} is not a state of a VM", "such as RUNNING, POWEROFF or DONE")
    host_id = given.host if word in ("migrate", "livemigrate") else None
    return Goal(wanted.upper(), is_strict=wanted.upper() == usual, host_id=host_id)


def word_after_wait(given: Given) -> str:
    """Return the word after a --wait without a state, which may have been meant as one; empty when there is none."""
    wait = given.wait or ""
    return wait.removeprefix(WAIT_FOR_GOAL) if wait.startswith(WAIT_FOR_GOAL) else ""
