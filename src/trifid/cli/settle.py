"""Waiting until what was asked of an object is done: `--wait` of everything but VMs, with a line of progress."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import click

from trifid.cli.command import Command, Given, Number
from trifid.cli.failure import INTERRUPTED, Failure
from trifid.cli.kinds import Kind
from trifid.cli.shell import Shell

_LOOK_EVERY_S = 0.5
_NOT_FOUND = 0x0400
_TIMEOUT_S = 3600.0

Document = dict[str, Any]

WAIT_OPTIONS = (
    click.Option(["--wait"], is_flag=True, help="Return when it is done; tell how far it is."),
    click.Option(
        ["--timeout"],
        type=Number(min=0),
        metavar="SECONDS",
        default=_TIMEOUT_S,
        help=f"Longest that --wait waits, {_TIMEOUT_S:g} s by default.",
    ),
)


class Course(NamedTuple):
    """How objects of one kind come to rest.

    Attributes:
        under_way: what is being done to one, empty when nothing is.
        is_broken: whether it is at rest, but not as it was meant to be.
        error: what went wrong with it last, empty for nothing.
        state: what its state is called.
        advice: what to do about a broken one, with its id in place of {}.
    """

    kind: Kind
    under_way: Callable[[Document], str]
    is_broken: Callable[[Document], bool]
    error: Callable[[Document], str]
    state: Callable[[Document], str]
    advice: str


class Progress:
    """One line that is written over, on terminals; elsewhere, and beside answers that are data, nothing."""

    def __init__(self, shell: Shell) -> None:
        self._is_seen = sys.stderr.isatty() and not shell.form
        self._shown = ""

    def show(self, text: str) -> None:
        """Write a line over the last one; an empty one takes it away."""
        if self._is_seen and text != self._shown:
            click.echo(f"\r{text.ljust(len(self._shown))}", err=True, nl=False)
            if not text:
                click.echo("\r", err=True, nl=False)
            self._shown = text


Errors = dict[int, str]
"""Object -> what was wrong with it before something was asked of it."""


def errors_before(shell: Shell, course: Course, ids: list[int], given: Given) -> Errors:
    """Return what is wrong with objects now, if somebody is going to wait: an older error is no news afterwards."""
    return {object_id: course.error(shell.one(course.kind, object_id)) for object_id in ids} if given.wait else {}


def waited(row: Command, course: Course, *, is_deletion: bool = False) -> Command:
    """Return the row of a command that acts on objects of its first argument, with `--wait`."""
    name = row.arguments[0].name.lower()

    def run(shell: Shell, given: Given) -> None:
        named = getattr(given, name)
        ids = named if isinstance(named, list) else [named]
        before = {} if is_deletion else errors_before(shell, course, ids, given)
        if row.run is None:
            done = [one for one in ids if shell.attempt(course.kind, one, row.method, *row.send(one, given))]
        else:
            row.run(shell, given)
            done = [] if shell.is_failed else ids
        for object_id in done:
            shell.mention(f"{course.kind.label} {object_id}: {row.word}")
        wait_for(shell, course, done, given, before, is_deletion=is_deletion)

    return row._replace(run=run, method="", options=(*row.options, *WAIT_OPTIONS))


def wait_for(
    shell: Shell,
    course: Course,
    ids: list[int],
    given: Given,
    before: Errors | None = None,
    *,
    is_deletion: bool = False,
) -> None:
    """Return when nothing is being done to the objects any more; complain about each that went wrong.

    Raises:
        click.exceptions.Exit: the user does not want to wait any longer.
    """
    if not given.wait:
        return
    progress = Progress(shell)
    deadline = shell.clock() + given.timeout
    left = list(ids)
    try:
        while left:
            found = _done(shell, course, left[0], deadline, progress, is_deletion)
            if found is not None:
                _tell(shell, course, found, (before or {}).get(left[0], ""), is_deletion)
            left.pop(0)
    except KeyboardInterrupt:
        progress.show("")
        for object_id in left:
            look = f'see "{course.kind.command} show {object_id}"'
            shell.tell(f"{course.kind.label} {object_id} goes on; {look}")
        raise click.exceptions.Exit(INTERRUPTED) from None
    finally:
        progress.show("")


def _done(
    shell: Shell, course: Course, object_id: int, deadline: float, progress: Progress, is_deletion: bool
) -> Document | None:
    """Return an object once nothing is being done to it; None when it is gone, or it takes too long."""
    from trifid.client import ApiError, EngineUnreachable

    kind = course.kind
    doing = ""
    while True:
        try:
            found = shell.one(kind, object_id)
            doing = course.under_way(found)
            if not doing:
                return found
            progress.show(f"{kind.label} {object_id} ({found.get('NAME', '')}): {doing}")
        except ApiError as refused:
            if is_deletion and refused.code == _NOT_FOUND:
                return None
            raise
        except EngineUnreachable as gone:
            # An engine that is restarted carries on where it was, and so does this.
            progress.show("")
            shell.tell(str(gone))
        if shell.clock() >= deadline:
            progress.show("")
            late = f"{kind.label} {object_id} is not done yet" + (f": {doing}" if doing else "")
            shell.complain(Failure(late, f'it goes on; see "{kind.command} show {object_id}"', object_id=object_id))
            return None
        shell.sleep(_LOOK_EVERY_S)


def _tell(shell: Shell, course: Course, found: Document, before: str, is_deletion: bool) -> None:
    """Complain if it went wrong: the object is broken, is still there, or has a new text about an error."""
    kind, object_id = course.kind, int(found["ID"])
    is_broken = is_deletion or course.is_broken(found)
    error = course.error(found)
    shell.done(kind, object_id, course.state(found))
    if is_broken or error not in ("", before):
        look = f'see "{kind.command} show {object_id}"'
        advice = f"{look}, then {course.advice.format(object_id)}" if is_broken and course.advice else look
        why = error or "the engine does not say why it failed"
        shell.complain(Failure(f"{kind.label} {object_id}: {why}", advice, object_id=object_id))
