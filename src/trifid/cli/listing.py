"""The sub-commands list, top and show that every command has: their options, and how documents come out."""

import os
import shutil
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import click

from trifid.cli import columns as c
from trifid.cli.command import Given, Number, WholeNumber
from trifid.cli.failure import Failure
from trifid.cli.kinds import USER, Kind
from trifid.cli.shell import Shell

XML = click.Option(["-x", "--xml"], is_flag=True, help="The engine's document as XML.")
JSON = click.Option(["-j", "--json"], is_flag=True, help="The engine's document as JSON.")
_NUMERIC = click.Option(["-n", "--numeric"], is_flag=True, help="Ids instead of names of users and groups.")
_TABLE_OPTIONS = (
    click.Option(["-l", "--list"], metavar="X,Y", help="The columns to show."),
    click.Option(["--list-columns"], is_flag=True, help="Tell which columns there are."),
    click.Option(["-o", "--order"], metavar="X,Y", default="", help="Order by columns, highest first; -X: lowest."),
    click.Option(
        ["-f", "--filter"],
        metavar="X=Y,…",
        default="",
        help="Only rows where column X is the number Y or matches Y, a regular expression; also != < > <= >=.  "
        "Memory is in KiB, or written 512M, 2G.",
    ),
    _NUMERIC,
    click.Option(["-k", "--kilobytes"], is_flag=True, help="Memory in KiB."),
    click.Option(["--csv"], is_flag=True, help="Comma separated values."),
    click.Option(["--no-header"], is_flag=True, help="Without the line of names."),
)
LIST_OPTIONS = (*_TABLE_OPTIONS, XML, JSON)
TOP_OPTIONS = (
    *(option for option in _TABLE_OPTIONS if option is not _NUMERIC),
    click.Option(["--numeric"], is_flag=True, help="Ids instead of names of users and groups."),
    JSON,
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
SHOW_OPTIONS = (XML, JSON)

FILTERS = {"m": -3, "mine": -3, "g": -1, "group": -1, "a": -2, "all": -2}
"""Words for whose objects to list (reference/xmlrpc.md §5.2, reference/api-modern.md §3)."""
_NOT_FOUND = 0x0400
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
"""What terminals take: go to the upper left; clear the rest of the line, or of the screen."""
WHOSE_HELP = "WHOSE: a (all, the default), m (mine), g (mine and my groups'), or the name or id of a user."


class Listing(NamedTuple):
    """One list.

    Attributes:
        call: returns method and arguments for what was given.
        more: returns what columns need beside the pool, or None.
        order: the order unless -o is given.
    """

    kind: Kind
    columns: c.Columns
    call: Callable[[Shell, Given], tuple[Any, ...]]
    more: Callable[[Shell], dict[str, Any]] | None = None
    order: str = ""

    def run(self, shell: Shell, given: Given) -> None:
        """Print the list."""
        _check_form(given, ("xml", "json", "csv"))
        if given.list_columns:
            self._tell_columns(shell)
        elif given.xml or given.json:
            shell.say(self._pool(shell, given, as_xml=given.xml))
        elif text := self._table(shell, given):
            shell.say(text)

    def top(self, shell: Shell, given: Given) -> None:
        """Print the list: on a terminal again and again in the same place until interrupted, elsewhere once."""
        _check_form(given, ("json", "csv"))
        if given.list_columns:
            self._tell_columns(shell)
            return
        is_terminal = sys.stdout.isatty()
        left = given.times or (None if is_terminal else 1)
        in_place = is_terminal and not given.json and not given.csv
        if in_place:
            click.clear()
        while True:
            text = self._pool(shell, given, as_xml=False) if given.json else self._table(shell, given)
            shell.say(_in_place(text, shutil.get_terminal_size().lines) if in_place else text)
            left = left - 1 if left is not None else None
            if left == 0:
                return
            shell.sleep(given.delay)

    def _pool(self, shell: Shell, given: Given, *, as_xml: bool) -> str:
        document = shell.call(*self.call(shell, given))
        return _document(document, f"{self.kind.element}_POOL", self.kind.element, as_xml=as_xml)

    def _table(self, shell: Shell, given: Given) -> str:
        """Return the list as a table or as comma separated values; empty when there is nothing to print."""
        chosen = self.columns.named(given.list or self.columns.default)
        from trifid.wire.elements import iter_elements

        rows = list(iter_elements(shell.call(*self.call(shell, given)), self.kind.element))
        more = self.more(shell) if self.more else {}
        view = c.View(given.kilobytes, given.numeric, shell.now(), more)
        order = given.order or self.order
        rows = c.ordered(c.filtered(rows, self.columns, given.filter, view), self.columns, order, view)
        header = not given.no_header
        if given.csv:
            return c.csv_table(rows, chosen, view, header=header)
        return c.table(rows, chosen, view, header=header, colour=has_colours()) if rows or header else ""

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


def _check_form(given: Given, forms: tuple[str, ...]) -> None:
    asked = [f"--{form}" for form in forms if getattr(given, form)]
    if len(asked) > 1:
        raise Failure(f"{' and '.join(asked)} cannot be together", "give one of them")


Print = Callable[[Shell, dict[str, Any]], None]


def show(kind: Kind, argument: str, printed: Print, *more: Any) -> Callable[[Shell, Given], None]:
    """Return what runs a show command: each object as XML, JSON, or printed for people.

    Args:
        more: arguments of the info call after the id.
    """

    def run(shell: Shell, given: Given) -> None:
        _check_form(given, ("xml", "json"))
        for object_id in getattr(given, argument):
            if given.xml or given.json:
                shell.say(_document(shell.call(kind.info, object_id, *more), kind.element, "", as_xml=given.xml))
            else:
                printed(shell, shell.one(kind, object_id, *more))

    return run


def _document(document: str, root: str, entry: str, *, as_xml: bool) -> str:
    """Return a document as indented XML or JSON; the entries of a pool are always a list."""
    if as_xml:
        from xml.etree import ElementTree

        from trifid.wire.elements import BadDocument

        try:
            tree = ElementTree.fromstring(document)  # noqa: S314 (the engine's own; expat bounds expansion)
        except ElementTree.ParseError as bad:
            raise BadDocument(f"not a document: {bad}") from bad
        ElementTree.indent(tree)
        return ElementTree.tostring(tree, encoding="unicode")
    import json

    from trifid.wire.elements import iter_elements, one_element

    if entry:
        content: Any = {root: {entry: list(iter_elements(document, entry))}}
    else:
        content = {root: one_element(document, root)}
    return json.dumps(content, indent=2, ensure_ascii=False)


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
