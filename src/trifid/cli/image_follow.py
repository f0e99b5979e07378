"""Following images until what was asked of them is done: `--wait`, with a line of progress."""

import sys
from typing import Any

import click

from trifid.cli.command import Given, Number
from trifid.cli.failure import INTERRUPTED, Failure
from trifid.cli.kinds import IMAGE
from trifid.cli.shell import Shell

_LOOK_EVERY_S = 0.5
_NOT_FOUND = 0x0400
_TIMEOUT_S = 3600.0

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


class Progress:
    """One line that is written over, on terminals; elsewhere nothing."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, text: str) -> None:
        """Write a line over the last one; an empty one takes it away."""
        if sys.stderr.isatty() and text != self._shown:
            click.echo(f"\r{text.ljust(len(self._shown))}", err=True, nl=False)
            if not text:
                click.echo("\r", err=True, nl=False)
            self._shown = text


Errors = dict[int, str]
"""Image -> what its ERROR said before something was asked of it."""


def errors_before(shell: Shell, ids: list[int], given: Given) -> Errors:
    """Return what the images' ERRORs say now, if somebody is going to wait: an older one is no news afterwards."""
    return {image_id: error_of(shell.one(IMAGE, image_id)) for image_id in ids} if given.wait else {}


def error_of(image: dict[str, Any]) -> str:
    """Return what went wrong with an image last, empty for nothing."""
    return str((image.get("TEMPLATE") or {}).get("ERROR") or "")


def wait_for(
    shell: Shell, ids: list[int], given: Given, before: Errors | None = None, *, is_deletion: bool = False
) -> None:
    """Return when nothing is being done to the images any more; complain about each that went wrong.

    Raises:
        click.exceptions.Exit: the user does not want to wait any longer.
    """
    if not given.wait:
        return
    progress = Progress()
    deadline = shell.clock() + given.timeout
    try:
        for image_id in ids:
            image = _done(shell, image_id, deadline, progress, is_deletion)
            if image is not None:
                _tell(shell, image, (before or {}).get(image_id, ""), is_deletion)
    except KeyboardInterrupt:
        shell.tell(f'\nthe engine goes on; see "oneimage show {ids[-1]}"')
        raise click.exceptions.Exit(INTERRUPTED) from None
    finally:
        progress.show("")


def _done(shell: Shell, image_id: int, deadline: float, progress: Progress, is_deletion: bool) -> dict[str, Any] | None:
    """Return an image once nothing is being done to it; None when it is gone, or it takes too long."""
    from trifid.client import ApiError, EngineUnreachable
    from trifid.core.image.record import ImageState

    under_way = (ImageState.LOCKED, ImageState.LOCKED_USED, ImageState.LOCKED_USED_PERS, ImageState.DELETE)
    while True:
        try:
            image = shell.one(IMAGE, image_id)
            if int(image["STATE"]) not in under_way:
                progress.show("")
                return image
            progress.show(_line(image))
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
            shell.complain(Failure(f"image {image_id} is not done yet", f'see "oneimage show {image_id}"'))
            return None
        shell.sleep(_LOOK_EVERY_S)


def _line(image: dict[str, Any]) -> str:
    from trifid.cli.columns import View
    from trifid.cli.image_columns import short_state

    told = (image.get("TEMPLATE") or {}).get("PROGRESS")
    return f"image {image['ID']} ({image['NAME']}): {told or short_state(image, View())}"


def _tell(shell: Shell, image: dict[str, Any], before: str, is_deletion: bool) -> None:
    """Complain if it went wrong: the image is in error, is still there, or has a new text about an error."""
    from trifid.core.image.record import ImageState

    is_broken = is_deletion or int(image["STATE"]) == ImageState.ERROR
    error = error_of(image)
    if is_broken or error not in ("", before):
        look = f'see "oneimage show {image["ID"]}"'
        advice = f'{look}, then "oneimage delete {image["ID"]}"' if is_broken else look
        shell.complain(Failure(f"image {image['ID']}: {error or 'the engine does not say why it failed'}", advice))
