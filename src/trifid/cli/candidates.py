"""What can be typed next, for shells that complete: names of objects, columns, files."""

import re
import time
from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from trifid.cli.kinds import Kind
from trifid.client import Client, ClientError, from_environment
from trifid.wire.elements import BadDocument, iter_elements

TIME_LIMIT_S = 1.0
_COUNT_MAX = 500
_PLAIN = re.compile(r"[A-Za-z0-9_.@+-]+\Z", re.ASCII)
"""Names that no shell takes for something else."""


def objects(ctx: click.Context, kind: Kind, incomplete: str, *, many: bool) -> list[CompletionItem]:
    """Return names and ids of objects that begin so; of a list, where several can be given, its last part.

    Whoever presses TAB waits: the engine is asked with a short time limit, and whatever goes wrong completes nothing.
    """
    before, comma, word = incomplete.rpartition(",") if many else ("", "", incomplete)
    found = [
        CompletionItem(f"{before}{comma}{value}", help=about)
        for value, about in _values(ctx, kind, by_id=word[:1].isdecimal())
        if value.startswith(word)
    ]
    return found[:_COUNT_MAX]


def file(incomplete: str) -> list[CompletionItem]:
    """Return what has the shell complete the name of a file."""
    return [CompletionItem(incomplete, type="file")]


def columns(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Return the columns that the last name of a list of columns may become."""
    row = getattr(ctx.command, "row", None)
    listing = getattr(getattr(row, "run", None), "__self__", None)
    known = listing.columns.all if listing is not None else ()
    before, comma, word = incomplete.rpartition(",")
    if word.startswith("-"):
        before, comma, word = f"{before}{comma}", "-", word[1:]
    return [
        CompletionItem(f"{before}{comma}{column.name}", help=column.about)
        for column in known
        if column.name.upper().startswith(word.upper())
    ]


def _values(ctx: click.Context, kind: Kind, *, by_id: bool) -> Iterator[tuple[str, str]]:
    """Yield what can stand for the objects that the caller sees, and what to tell of each."""
    given: dict[str, Any] = {}
    for outer in (ctx.parent, ctx):
        given |= {name: value for name, value in (outer.params if outer else {}).items() if value}
    until = time.monotonic() + TIME_LIMIT_S
    try:
        endpoint, session = from_environment(given.get("home"))
        with Client(given.get("endpoint") or endpoint, session, TIME_LIMIT_S) as client:
            for row in iter_elements(client.call(*_first_of(kind.pool)), kind.element):
                name, object_id = str(row["NAME"]), str(row["ID"])
                if by_id:
                    yield object_id, name if _PLAIN.match(name) else ""
                elif _PLAIN.match(name) and not name.isdecimal():
                    yield name, f"{kind.label} {object_id}"
                if time.monotonic() > until:
                    return
    except (ClientError, BadDocument, OSError, KeyError):
        # What is written now would stand in the middle of the line that is typed.
        return


def _first_of(pool: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the call for as many objects as anybody looks through, the newest, where the pool knows pages."""
    return (*pool[:2], 0, -4 * _COUNT_MAX, *pool[4:]) if pool[2:4] == (-1, -1) else pool
