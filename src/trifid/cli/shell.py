"""What a running command works with: the client, names turned into ids, places to write to.

The client is loaded and connected at the first call, so that `--help` costs nothing.
"""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from trifid.cli.failure import Failure, explain
from trifid.cli.kinds import Kind

if TYPE_CHECKING:
    from trifid.cli.answer import Answer
    from trifid.cli.names import Names
    from trifid.client import ApiError

_NUMBER = r"[0-9]+\Z"
_RANGE = r"([0-9]+)\.\.([0-9]+)\Z"
_COMMA = r",(?![^\[\]]*\])"
"""One that is not inside brackets."""
RANGE_MAX = 10_000
_NOT_AUTHENTICATED = 0x0100


class Caller(Protocol):
    """What a command needs of a client."""

    def call(self, method: str, *args: Any) -> Any:
        """Return the result of a method of the API."""


class Shell:
    """One run of a command.

    Args:
        client: calls the engine; None = made from the environment when first needed.

    Attributes:
        home: of the engine, from --home.
        endpoint: from --endpoint, instead of that of the environment.
        verbose: tell more than results.
        is_failed: something was complained about.
        has_said: part of the result is written.
        form: of all that is written, such as json; empty = text for people.
        answer: collects what is told at the end as data; None = it is written at once.
        held: results that are written in another form in the end; None = they are written at once.
    """

    def __init__(self, client: Caller | None = None) -> None:
        self.home: Path | None = None
        self.endpoint = ""
        self.verbose = False
        self.is_failed = False
        self.has_said = False
        self.form = ""
        self.answer: Answer | None = None
        self.held: list[str] | None = None
        self._client = client
        self._known: Names | None = None

    @property
    def client(self) -> Caller:
        """The client of the API."""
        if self._client is None:
            from trifid.client import Client, from_environment

            endpoint, session = from_environment(self.home)
            self._client = Client(self.endpoint or endpoint, session)
        return self._client

    def call(self, method: str, *args: Any) -> Any:
        """Return the result of a method of the API.

        Raises:
            Failure: the engine does not know the session: there is no use in asking it anything else.
        """
        from trifid.client import ApiError

        try:
            return self.client.call(method, *args)
        except ApiError as refused:
            if refused.code != _NOT_AUTHENTICATED:
                raise
            raise self._not_let_in(refused) from refused

    def _not_let_in(self, refused: "ApiError") -> Failure:
        """Return what to tell about a session that the engine does not know: where it was read from."""
        from trifid.client.session import session_file

        path = session_file(self.home)
        return Failure(
            str(refused),
            f"the session was read from {path}: its first line must be USER:PASSWORD, or USER:TOKEN with a token that "
            "still holds; ONE_AUTH names another file",
            refused.code,
        )

    def one(self, kind: Kind, object_id: int, *more: Any) -> dict[str, Any]:
        """Return an object's document as a dictionary; `more` are arguments of the info call after the id."""
        from trifid.wire.elements import one_element

        return one_element(self.call(kind.info, object_id, *more), kind.element)

    def all(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the documents of a pool as dictionaries."""
        return list(self.each(kind))

    def each(self, kind: Kind) -> Iterator[dict[str, Any]]:
        """Yield the documents of a pool as dictionaries; no more of them are kept than a page."""
        from trifid.cli.pools import documents
        from trifid.wire.elements import iter_elements

        def rows(document: str) -> list[tuple[dict[str, Any], None]]:
            return [(row, None) for row in iter_elements(document, kind.element)]

        for page in documents(self, kind.pool, rows):
            yield from (row for row, _ in page)

    def id(self, kind: Kind, word: str) -> int:
        """Return the id that a word means: the id itself, or a name that exactly one object has.

        `OWNER[NAME]` is the object of that user, and `[NAME]` a name that would be read as something else: a number.
        """
        if not word:
            raise Failure(f"a {kind.label} without a name", "write its id or its name")
        if re.match(_NUMBER, word):
            return int(word)
        return self._names.id(kind, word)

    @property
    def _names(self) -> "Names":
        if self._known is None:
            from trifid.cli.names import Names

            self._known = Names(self)
        return self._known

    def id_or_name(self, kind: Kind, word: str) -> str:
        """Return the id of the only object that a word means, else the word: the engine looks among the caller's."""
        if re.match(_NUMBER, word):
            return word
        found = self._names.only(kind, word)
        return word if found is None else str(found)

    def name(self, kind: Kind, object_id: int) -> str:
        """Return the name of an object, empty when the caller sees none with that id."""
        return self._names.name(kind, object_id)

    def ids(self, kind: Kind, words: tuple[str, ...]) -> list[int]:
        """Return the ids that words mean, each once, in their order: ids, names, `1,3..5`, `web,db`."""
        found: dict[int, None] = {}
        for word in words:
            parts = re.split(_COMMA, word)
            if "" in parts:
                raise Failure(f"{word!r} is not a list of {kind.label}s", "write ids or names, such as 1,3..5,web")
            for part in parts:
                found.update(dict.fromkeys(self._range(part) or [self.id(kind, part)]))
        return list(found)

    @staticmethod
    def _range(part: str) -> list[int]:
        bounds = re.match(_RANGE, part)
        if not bounds:
            return []
        first, last = int(bounds[1]), int(bounds[2])
        if last < first or last - first >= RANGE_MAX:
            raise Failure(f"{part} is not a range", f"write FIRST..LAST, at most {RANGE_MAX} ids, such as 3..5")
        return list(range(first, last + 1))

    def say(self, text: str) -> None:
        """Write a line of the result."""
        self.has_said = True
        if self.answer is not None:
            self.answer.say(text)
        elif self.held is not None:
            self.held.append(text)
        else:
            click.echo(text)

    def made(self, kind: Kind, object_id: int, label: str = "ID") -> None:
        """Tell the id of an object that was made."""
        if self.answer is not None:
            self.answer.add(kind.element, object_id)
        else:
            self.say(f"{label}: {object_id}")

    def done(self, kind: Kind, object_id: int, state: str = "") -> None:
        """Note that something was done to an object, or what state it came to; only answers that are data tell it."""
        if self.answer is not None:
            self.answer.add(kind.element, object_id, state)

    def tell(self, text: str) -> None:
        """Write a line about what is going on, where it does not mix with results."""
        if self.form == "json" and text.strip():
            import json

            text = json.dumps({"note": text.strip()}, ensure_ascii=False)
        click.echo(text, err=True)

    def mention(self, text: str) -> None:
        """Write a line that is only of interest with --verbose."""
        if self.verbose and not self.form:
            click.echo(text)

    def complain(self, failure: Failure) -> None:
        """Write a failure and go on; the command ends as failed."""
        self.is_failed = True
        complain(failure, self.form)

    def attempt(self, kind: Kind, object_id: int, method: str, *args: Any) -> bool:
        """Call a method for one object of several; tell whether it was done, complain if not."""
        from trifid.client import ApiError

        try:
            self.call(method, *args)
        except ApiError as error:
            self.complain(explain(error, kind.command, object_id))
            return False
        self.done(kind, object_id)
        return True

    def watches(self) -> bool:
        """Tell whether somebody looks on, so that progress is worth a line."""
        return self.verbose or sys.stderr.isatty()

    def now(self) -> int:
        """Return the time, epoch seconds."""
        return int(time.time())

    def clock(self) -> float:
        """Return seconds that only ever increase."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def complain(failure: Failure, form: str = "") -> None:
    """Write a failure to standard error."""
    if form:
        from trifid.cli.answer import told_of

        click.echo(told_of(failure, form), err=True)
        return
    click.echo(f"Error: {failure.text}", err=True)
    if failure.next:
        click.echo(f"  {failure.next}", err=True)
