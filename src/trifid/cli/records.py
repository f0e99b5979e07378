"""Lists of records that are no objects of their own: accounting and showback."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import click

from trifid.cli import columns as c
from trifid.cli.command import CommandTable, Given
from trifid.cli.failure import Failure
from trifid.cli.forms import form_of
from trifid.cli.kinds import GROUP
from trifid.cli.listing import LIST_OPTIONS, WHOSE_HELP, has_colours, section, whose
from trifid.cli.shell import Shell

_TABLE = {
    *("list", "list_columns", "order", "filter", "operator", "numeric", "kilobytes", "csv", "csv_del", "no_header"),
    *("xml", "json", "yaml"),
}
TABLE_OPTIONS = tuple(option for option in LIST_OPTIONS if option.name in _TABLE)
USERFILTER = click.Option(["-u", "--userfilter"], metavar="WHOSE", help=WHOSE_HELP)
ONLY_GROUP = click.Option(["-g", "--group"], metavar="GROUP", help="VMs of this group only.")


class Records(NamedTuple):
    """One list of records.

    Attributes:
        root, element: of the document, and of each record in it.
    """

    root: str
    element: str
    columns: c.Columns

    def print(
        self,
        shell: Shell,
        given: Given,
        call: tuple[Any, ...],
        is_wanted: Callable[[c.Row], bool],
        part_of: Callable[[c.Row], str] | None = None,
    ) -> None:
        """Print the records that a call answers, as data, comma separated values, or a table.

        Args:
            part_of: returns the title of the table that a record is in; None = there is one table.
        """
        if given.list_columns:
            for column in self.columns.all:
                shell.say(
                    f"{'*' if column.name in self.columns.default.split(',') else ' '} {column.name:<14} {column.about}"
                )
            return
        document = shell.call(*call)
        if form := form_of(given):
            from trifid.cli.documents import print_one

            print_one(shell, document, self.root, form)
            return
        self._tell(shell, given, self._rows(shell, given, document, is_wanted), part_of)

    def _rows(self, shell: Shell, given: Given, document: str, is_wanted: Callable[[c.Row], bool]) -> list[c.Row]:
        from trifid.wire.elements import iter_elements

        view = _view(shell, given)
        rows = [row for row in iter_elements(document, self.element) if is_wanted(row)]
        if given.filter:
            any_of_them = given.operator.upper() == "OR"
            rows = c.filtered(rows, self.columns, given.filter, view, any_of_them=any_of_them)
        return c.ordered(rows, self.columns, given.order, view) if given.order else rows

    def _tell(self, shell: Shell, given: Given, rows: list[c.Row], part_of: Callable[[c.Row], str] | None) -> None:
        chosen, view, header = (
            self.columns.named(given.list or self.columns.default),
            _view(shell, given),
            not given.no_header,
        )
        if given.csv:
            if len(given.csv_del) != 1:
                raise Failure(f"--csv-del {given.csv_del}: not one character", "such as --csv-del ';'")
            shell.say(c.csv_of(c.cells_of(rows, chosen, view), chosen, header=header, delimiter=given.csv_del))
            return
        parts: dict[str, list[c.Row]] = {} if part_of else {"": rows}
        for row in rows if part_of else ():
            parts.setdefault(part_of(row) if part_of else "", []).append(row)
        for title, own in parts.items():
            if title:
                section(shell, title)
            cells = c.cells_of(own, chosen, view)
            if cells or header:
                shell.say(c.table_of(cells, chosen, header=header, colour=has_colours()))


def _view(shell: Shell, given: Given) -> c.View:
    return c.View(given.kilobytes, given.numeric, shell.now())


def filter_flag(shell: Shell, given: Given) -> int:
    """Return the filter flag of --userfilter; raises Failure when there is no such user."""
    return whose(shell, given.userfilter)


def of_group(shell: Shell, given: Given, gid: Callable[[c.Row], str]) -> Callable[[c.Row], bool]:
    """Return the test of --group; `gid` returns a record's group."""
    if not given.group:
        return lambda row: True
    wanted = str(shell.id(GROUP, given.group))
    return lambda row: gid(row) == wanted


# -- times -------------------------------------------------------------------------------------------

_MOMENT = re.compile(r"(?:(\d{4})[-/])?(\d{1,2})[-/](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?\Z", re.ASCII)
_MONTH = re.compile(r"(\d{1,2})[-/](\d{4})\Z|(\d{4})[-/](\d{1,2})\Z", re.ASCII)


def moment(shell: Shell, word: str) -> int:
    """Return epoch seconds of `2026/11/26`, `11/26`, `2026-11-26 14:00`, local time.

    Raises:
        Failure: it is no time.
    """
    parts = _MOMENT.match(word.strip())
    if parts:
        year = int(parts[1] or datetime.fromtimestamp(shell.now()).astimezone().year)
        try:
            hour, minute, second = (int(part or 0) for part in parts.groups()[3:])
            at = datetime(year, int(parts[2]), int(parts[3]), hour, minute, second)
            return int(at.astimezone().timestamp())
        except (ValueError, OverflowError):
            pass
    raise Failure(f"{word} is no time", 'write 2026/11/26, 11/26 or "2026/11/26 14:00"')


def month(word: str) -> tuple[int, int]:
    """Return month and year of `11/2026`; raises Failure when it is no month."""
    parts = _MONTH.match(word.strip())
    if parts:
        number, year = (int(parts[1]), int(parts[2])) if parts[1] else (int(parts[4]), int(parts[3]))
        if 1 <= number <= 12:
            return number, year
    raise Failure(f"{word} is no month", "write MONTH/YEAR, such as 11/2026")


class DefaultTable(CommandTable):
    """A program with one command that is meant when none is named."""

    def main(self, args: Any = None, *more: Any, **extra: Any) -> Any:
        """Run it."""
        import sys

        words = list(sys.argv[1:] if args is None else args)
        own = {"-V", "--version", "-h", "--help"}
        if not words or (words[0] not in self._by_word and words[0] not in own):
            words.insert(0, self.rows[0].word)
        return super().main(words, *more, **extra)
