"""The sub-commands list, top and show that every command has: their options, and how documents come out."""

import os
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from trifid.cli import columns as c
from trifid.cli.command import Given, Number, WholeNumber
from trifid.cli.failure import Failure
from trifid.cli.forms import FORM_OPTIONS, form_of
from trifid.cli.kinds import USER, Kind
from trifid.cli.shell import Shell

if TYPE_CHECKING:
    from trifid.cli.pools import Look


def _complete_columns(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
    from trifid.cli.candidates import columns

    return columns(ctx, incomplete)


_NUMERIC = click.Option(["-n", "--numeric"], is_flag=True, help="Ids instead of names of users and groups.")
_TABLE_OPTIONS = (
    click.Option(["-l", "--list"], metavar="X,Y", help="The columns to show.", shell_complete=_complete_columns),
    click.Option(["--list-columns", "--describe"], is_flag=True, help="Tell which columns there are."),
    click.Option(
        ["-o", "--order", "--sort"],
        metavar="X,Y",
        default="",
        help="Order by columns, highest first; -X: lowest.",
        shell_complete=_complete_columns,
    ),
    click.Option(
        ["-f", "--filter"],
        metavar="X=Y,…",
        default="",
        help="Only rows where column X is Y; X~Y: has Y in it; also != < > <= >=.  With = a regular expression such "
        "as ^web works, too.  Memory is in KiB, or written 512M, 2G.",
    ),
    click.Option(
        ["--operator"],
        type=click.Choice(["AND", "OR"], case_sensitive=False),
        default="AND",
        help="Rows for which all filters hold (AND, by default), or any (OR).",
    ),
    _NUMERIC,
    click.Option(["-k", "--kilobytes"], is_flag=True, help="Memory in KiB."),
    click.Option(["--size"], metavar="X=N,…", default="", help="Make column X N letters wide, and cut what is longer."),
    click.Option(["--adjust"], metavar="X,Y", hidden=True, help="Nothing: columns are as wide as what is in them."),
    click.Option(["--no-expand"], is_flag=True, hidden=True, help="Nothing: tables are never stretched."),
    click.Option(["--no-pager"], is_flag=True, hidden=True, help="Nothing: no pager is started."),
    click.Option(["--csv"], is_flag=True, help="Comma separated values."),
    click.Option(["--csv-del"], metavar="C", default=",", help="What stands between the values, instead of a comma."),
    click.Option(["--no-header"], is_flag=True, help="Without the line of names."),
)
LIST_OPTIONS = (
    *_TABLE_OPTIONS,
    *FORM_OPTIONS,
    click.Option(
        ["-d", "--delay"],
        type=Number(min=0.1),
        metavar="SECONDS",
        help="List again and again, as top does (see there).",
    ),
)
TOP_OPTIONS = (
    *(option for option in _TABLE_OPTIONS if option is not _NUMERIC),
    click.Option(["--numeric"], is_flag=True, help="Ids instead of names of users and groups."),
    *FORM_OPTIONS,
    click.Option(
        ["-n", "--times"],
        type=WholeNumber(1),
        metavar="N",
        help="How often to look: for ever by default on a terminal, elsewhere once.",
    ),
    click.Option(
        ["-d", "--delay"],
        type=Number(min=0.1),
        metavar="SECONDS",
        default=2.0,
        help="How long to wait between two looks: 2 s by default.",
    ),
)
SHOW_OPTIONS = (
    *FORM_OPTIONS,
    click.Option(["--all"], is_flag=True, hidden=True, help="Nothing: everything is told anyway."),
)

FILTERS = {"m": -3, "mine": -3, "g": -1, "group": -1, "a": -2, "all": -2}
"""Words for whose objects to list (reference/xmlrpc.md §5.2, reference/api-modern.md §3)."""
_NOT_FOUND = 0x0400
_SIZE_MAX = 1000
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
"""What terminals take: go to the upper left; clear the rest of the line, or of the screen."""
WHOSE_HELP = "WHOSE: a (all, the default), m (mine), g (mine and my groups'), or the name or id of a user."


class Listing(NamedTuple):
    """One list.

    Attributes:
        call: returns method and arguments for what was given.
        more: returns what columns need beside the pool, or None.
        order: the order unless -o is given.
        only: returns the test of the objects that it lists, or None for all.
    """

    kind: Kind
    columns: c.Columns
    call: Callable[[Shell, Given], tuple[Any, ...]]
    more: Callable[[Shell], dict[str, Any]] | None = None
    order: str = ""
    only: Callable[[Shell], Callable[[c.Row], bool]] | None = None

    def run(self, shell: Shell, given: Given) -> None:
        """Print the list, again and again if a delay is given."""
        if given.delay is not None:
            self.top(shell, given)
            return
        form = form_of(given)
        if given.list_columns:
            self._tell_columns(shell)
        elif form:
            from trifid.cli.documents import print_pool

            print_pool(shell, self._look(shell, given), form)
        else:
            self._print(shell, given)

    def top(self, shell: Shell, given: Given) -> None:
        """Print the list: on a terminal again and again in the same place until interrupted, elsewhere once."""
        form = form_of(given)
        if given.list_columns:
            self._tell_columns(shell)
            return
        is_terminal = sys.stdout.isatty()
        left = getattr(given, "times", None) or (None if is_terminal else 1)
        in_place = is_terminal and not form and not given.csv
        if in_place:
            click.clear()
        while True:
            if form:
                from trifid.cli.documents import print_pool

                print_pool(shell, self._look(shell, given), form)
            elif in_place:
                shell.say(_in_place(self._table(shell, given), shutil.get_terminal_size().lines))
            else:
                self._print(shell, given)
            left = left - 1 if left is not None else None
            if left == 0:
                return
            shell.sleep(given.delay)

    def _look(self, shell: Shell, given: Given) -> "Look":
        """Return how the pool is looked at."""
        from trifid.cli.pools import Look

        call = self.call(shell, given)
        needs_more = self.more and (given.filter or given.order or self.order or not form_of(given))
        more = self.more(shell) if self.more and needs_more else {}
        view = c.View(given.kilobytes, given.numeric, shell.now(), more)
        order = given.order or ("" if form_of(given) else self.order)
        tests = [self.only(shell)] if self.only else []
        if given.filter:
            any_of_them = given.operator.upper() == "OR"
            tests.append(c.wanted_by(self.columns, given.filter, view, any_of_them=any_of_them))
        is_wanted = (lambda row: all(test(row) for test in tests)) if tests else None
        return Look(self.kind, call, view, is_wanted, c.order_of(self.columns, order))

    def _print(self, shell: Shell, given: Given) -> None:
        """Print the list as a table, or as comma separated values, which come page by page if nothing orders them."""
        if not given.csv:
            if text := self._table(shell, given):
                shell.say(text)
            return
        if len(given.csv_del) != 1:
            raise Failure(f"--csv-del {given.csv_del}: not one character", "such as --csv-del ';'")
        chosen, look = self._chosen(given), self._look(shell, given)
        header = not given.no_header
        for rows in look.pages(shell):
            cells = c.cells_of(rows, chosen, look.view)
            if cells or header:
                shell.say(c.csv_of(cells, chosen, header=header, delimiter=given.csv_del))
            header = False

    def _table(self, shell: Shell, given: Given) -> str:
        """Return the list as a table; empty when there is nothing to print."""
        chosen, look = self._chosen(given), self._look(shell, given)
        sizes = _sizes(self.columns, given.size)
        cells = [line for rows in look.pages(shell) for line in c.cells_of(rows, chosen, look.view)]
        header = not given.no_header
        if not cells and not header:
            return ""
        return c.table_of(cells, chosen, header=header, colour=has_colours(), sizes=sizes)

    def _chosen(self, given: Given) -> list[c.Column]:
        return self.columns.named(given.list or self.columns.default)

    def _tell_columns(self, shell: Shell) -> None:
        default = self.columns.default.split(",")
        for column in self.columns.all:
            shown = "*" if column.name in default else " "
            shell.say(f"{shown} {column.name:<14} {column.about}")


def _in_place(text: str, height: int) -> str:
    """Return what writes a text over what was there before on a terminal, cut to its height."""
    lines = text.splitlines()
    if len(lines) > height - 1:
        lines = [*lines[: height - 2], f"… {len(lines) - height + 2} more"]
    return _HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW


def has_colours() -> bool:
    """Tell whether standard output is a terminal whose user wants colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def whose(shell: Shell, word: str | None) -> int:
    """Return the filter flag of a word: m, g, a, or a user.

    Raises:
        Failure: there is no such user.
    """
    if not word:
        return FILTERS["all"]
    if word in FILTERS:
        return FILTERS[word]
    user_id = shell.id(USER, word)
    if word.isdigit():
        _check_user(shell, user_id)
    return user_id


def _check_user(shell: Shell, user_id: int) -> None:
    """Refuse an id that no user has: the list of what it owns would only be empty."""
    from trifid.client import ApiError

    try:
        shell.call(USER.info, user_id)
    except ApiError as refused:
        if refused.code == _NOT_FOUND:
            raise Failure(f"there is no user {user_id}", 'see "oneuser list"') from refused


def _sizes(columns: c.Columns, words: str) -> dict[str, int]:
    """Return the widths that `X=N,…` asks for, by the names of columns; raises Failure."""
    sizes = {}
    for word in filter(str.strip, words.split(",")):
        name, _, size = word.partition("=")
        if not size.strip().isdecimal() or not 0 < int(size) <= _SIZE_MAX:
            raise Failure(f"{word} is not the size of a column", f"write COLUMN=N up to {_SIZE_MAX}, such as NAME=30")
        sizes[columns.one(name).name] = int(size)
    return sizes


Print = Callable[[Shell, dict[str, Any]], None]


def show(kind: Kind, argument: str, printed: Print, *more: Any) -> Callable[[Shell, Given], None]:
    """Return what runs a show command: each object as XML, JSON, YAML, or printed for people.

    Args:
        more: arguments of the info call after the id.
    """

    def run(shell: Shell, given: Given) -> None:
        form = form_of(given)
        for object_id in getattr(given, argument):
            if form:
                from trifid.cli.documents import print_one

                print_one(shell, shell.call(kind.info, object_id, *more), kind.element, form)
            else:
                printed(shell, shell.one(kind, object_id, *more))

    return run


def section(shell: Shell, title: str) -> None:
    """Print the heading of a part of a show command."""
    if shell.has_said:
        shell.say("")
    shell.say(click.style(title, bold=True) if has_colours() else title)


def pairs(shell: Shell, values: dict[str, Any]) -> None:
    """Print `LABEL : value` lines; a value that is empty is a dash."""
    for label, value in values.items():
        shell.say(f"{label:<20}: {value if value not in ('', None) else '-'}")


def template_text(attributes: Any) -> str:
    """Return the attributes of a document's TEMPLATE as template text."""
    from trifid.core.template.model import Template
    from trifid.core.template.scanner import render
    from trifid.wire.elements import several

    found = attributes if isinstance(attributes, dict) else {}
    return render(Template(tuple((name, one) for name, value in found.items() for one in several(value) or [""])))


def print_template(shell: Shell, title: str, attributes: Any) -> None:
    """Print a template as a part of a show command, if there is any."""
    text = template_text(attributes).rstrip("\n")
    if text:
        section(shell, title)
        shell.say(text)


def permissions_flags(octal: str) -> tuple[int, ...]:
    """Return the nine flags of an octal mode: 4 use, 2 manage, 1 admin, for owner, group and others.

    Raises:
        Failure: not three octal digits.
    """
    if len(octal) != 3 or any(digit not in "01234567" for digit in octal):
        raise Failure(
            f"{octal} is not a mode", "write three digits for owner, group, others; 4 use, 2 manage, 1 admin: 640"
        )
    return tuple(int(digit) >> shift & 1 for digit in octal for shift in (2, 1, 0))
