"""Lists: columns as data, chosen, ordered, filtered and printed.

Source: reference/xmlrpc.md §5 (columns, widths, -l -o -f).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import click

from trifid.cli.failure import Failure

Row = dict[str, Any]
"""An object's document (trifid.wire.elements)."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class View(NamedTuple):
    """How a list is looked at.

    Attributes:
        kilobytes: memory as plain KiB.
        numeric: ids instead of the names of users and groups.
        now: epoch seconds.
        more: what was asked beside the pool, for columns that need it.
    """

    kilobytes: bool = False
    numeric: bool = False
    now: int = 0
    more: Mapping[str, Any] = _NOTHING


class Column(NamedTuple):
    """One column.

    Attributes:
        width: at least; longer values are never cut, so that scripts see all of them.
        value: what it is sorted and compared by.
        show: what is printed for the value.
        left: whether text stands at the left.
        colours: of certain values, on terminals.
    """

    name: str
    width: int
    about: str
    value: Callable[[Row, View], Any]
    show: Callable[[Any, View], str] = lambda value, view: str(value)
    left: bool = False
    colours: Mapping[str, str] = _NOTHING


class Columns(NamedTuple):
    """The columns of one list.

    Attributes:
        default: the names shown unless -l is given.
    """

    command: str
    default: str
    all: tuple[Column, ...]

    def named(self, names: str) -> list[Column]:
        """Return the columns of a comma separated list of names.

        Raises:
            Failure: there is no such column.
        """
        return [self.one(name) for name in names.split(",") if name.strip()]

    def one(self, name: str) -> Column:
        """Return a column by its name, in any case."""
        for column in self.all:
            if column.name.upper() == name.strip().upper():
                return column
        known = ", ".join(column.name for column in self.all)
        raise Failure(f"there is no column {name.strip()}", f"{self.command} has {known}")


def text(path: str) -> Callable[[Row, View], str]:
    """Return a getter of the text at `A/B/C`; empty when there is none."""
    names = path.split("/")

    def value(row: Row, view: View) -> str:
        found: Any = row
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, str) else ""

    return value


def number(path: str) -> Callable[[Row, View], float]:
    """Return a getter of the number at `A/B/C`; 0 when there is none."""
    get = text(path)

    def value(row: Row, view: View) -> float:
        try:
            found = float(get(row, view) or 0)
        except ValueError:
            return 0
        return int(found) if found == int(found) else found

    return value


def named_or_id(name: str, number_path: str) -> Callable[[Row, View], str]:
    """Return a getter of a name, or of the id with --numeric."""
    by_name, by_id = text(name), text(number_path)
    return lambda row, view: by_id(row, view) if view.numeric else by_name(row, view)


_FILTER = r"(?s)\s*(\w+)\s*(!=|<=|>=|=|<|>|~)(.*)\Z"
_REGULAR = frozenset("^$*+?()[]{}|\\")
"""What makes a regular expression of a text, as all filters were in 2009; names and addresses have dots."""
_AMOUNT = r"(?ai)(-?[0-9]*\.?[0-9]+)([KMGTP]?)\Z"
_KIB = {"": 1, "K": 1, "M": 1024, "G": 1024**2, "T": 1024**3, "P": 1024**4}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def filtered(
    rows: Iterable[Row], columns: Columns, filters: str, view: View, *, any_of_them: bool = False
) -> list[Row]:
    """Return the rows that `wanted_by` a list of filters."""
    return list(filter(wanted_by(columns, filters, view, any_of_them=any_of_them), rows))


def wanted_by(columns: Columns, filters: str, view: View, *, any_of_them: bool = False) -> Callable[[Row], bool]:
    """Return the test of `COLUMN=value,…`: every one of them holds, or any.

    `=` compares the whole value, upper and lower case alike; one that has a sign of regular expressions is one, and
    is searched for.  `~` looks for the text in the value.  `!=` is the opposite of `=`, and `<` `>` `<=` `>=`
    compare numbers.  In a column of numbers a number means itself, not all that have its digits.  Memory is in KiB,
    512M and 2G are understood.

    Raises:
        Failure: it is not a filter, or there is no such column.
    """
    tests = [_test(columns, one, view) for one in filters.split(",") if one.strip()]
    if any_of_them and tests:
        return lambda row: any(test(row) for test in tests)
    return lambda row: all(test(row) for test in tests)


def _test(columns: Columns, written: str, view: View) -> Callable[[Row], bool]:
    parts = re.match(_FILTER, written)
    if not parts:
        raise Failure(f"{written} is not a filter", "write COLUMN=PATTERN, such as -f STAT=runn,NAME=web")
    column, operator, wanted = columns.one(parts[1]), parts[2], parts[3].strip()
    if operator in _COMPARE:
        bound = _amount(wanted)
        if bound is None:
            raise Failure(
                f"{written}: {wanted} is not a number",
                f"write a number, memory in KiB or as 512M, 2G; or {parts[1]}=PATTERN to compare text",
            )
        return lambda row: _COMPARE[operator](_as_number(column.value(row, view)), bound)
    amount = _amount(wanted)
    matches = _matching(written, operator, wanted)

    def found(row: Row) -> bool:
        value = column.value(row, view)
        shown = column.show(value, view)
        if amount is not None and operator != "~" and isinstance(value, int | float):
            return value == amount or shown.casefold() == wanted.casefold()
        return matches(shown)

    return found if operator != "!=" else lambda row: not found(row)


def _matching(written: str, operator: str, wanted: str) -> Callable[[str], bool]:
    """Return what compares a value with the text of a filter."""
    folded = wanted.casefold()
    if operator == "~":
        return lambda shown: folded in shown.casefold()
    if not _REGULAR & set(wanted):
        return lambda shown: shown.casefold() == folded
    try:
        pattern = re.compile(wanted, re.IGNORECASE)
    except re.error as bad:
        raise Failure(f"{written}: {wanted} is not a regular expression: {bad}", "put \\ before ( [ * + ?") from None
    return lambda shown: shown.casefold() == folded or pattern.search(shown) is not None


def _amount(word: str) -> float | None:
    """Return a number; one with a unit of memory in KiB; None for all else."""
    parts = re.match(_AMOUNT, word)
    return float(parts[1]) * _KIB[parts[2].upper()] if parts else None


def _as_number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def ordered(rows: list[Row], columns: Columns, order: str, view: View) -> list[Row]:
    """Return the rows ordered by columns, the highest value first; `-COLUMN`: the lowest first."""
    by = order_of(columns, order)
    return in_order([(row, sort_values(row, by, view)) for row in rows], by)


Order = list[tuple[Column, bool]]
"""Columns, and whether their highest value comes first."""


def order_of(columns: Columns, order: str) -> Order:
    """Return what `X,-Y` orders by; raises Failure when there is no such column."""
    names = [name.strip() for name in order.split(",") if name.strip()]
    return [(columns.one(name.removeprefix("-")), not name.startswith("-")) for name in names]


def sort_values(row: Row, by: Order, view: View) -> list[Any]:
    """Return what a row is ordered by."""
    return [_sortable(column.value(row, view)) for column, _ in by]


def in_order(things: list[tuple[Any, list[Any]]], by: Order) -> list[Any]:
    """Return things in the order of their `sort_values`."""
    for place, (_, highest_first) in reversed(list(enumerate(by))):
        things = sorted(things, key=lambda thing: thing[1][place], reverse=highest_first)
    return [thing for thing, _ in things]


def _sortable(value: Any) -> tuple[bool, Any]:
    is_text = isinstance(value, str) and not value.lstrip("-").isdigit()
    return (is_text, value if is_text else float(value))


def table(rows: Iterable[Row], columns: Sequence[Column], view: View, *, header: bool, colour: bool) -> str:
    """Return the rows as lines of aligned columns."""
    return table_of(cells_of(rows, columns, view), columns, header=header, colour=colour)


def cells_of(rows: Iterable[Row], columns: Sequence[Column], view: View) -> list[list[str]]:
    """Return what is printed of rows: their documents need not be kept."""
    return [[column.show(column.value(row, view), view) for column in columns] for row in rows]


def table_of(
    cells: list[list[str]],
    columns: Sequence[Column],
    *,
    header: bool,
    colour: bool,
    sizes: Mapping[str, int] = _NOTHING,
) -> str:
    """Return lines of aligned columns.

    Args:
        sizes: width of columns, by name, that was asked for; longer values are cut there, and only there.
    """
    cells = [[_cut(cell, sizes.get(of.name)) for cell, of in zip(line, columns, strict=True)] for line in cells]
    by_column = list(zip(*cells, strict=True)) or [()] * len(columns)
    widths = [
        sizes.get(column.name) or max(len(column.name), column.width, *map(len, of))
        for column, of in zip(columns, by_column, strict=True)
    ]
    lines = []
    if header:
        names = _line([_cut(of.name, sizes.get(of.name)) for of in columns], columns, widths)
        lines.append(click.style(names, underline=True) if colour else names)
    for line in cells:
        lines.append(_line(line, columns, widths, colour))
    return "\n".join(lines)


def _cut(cell: str, size: int | None) -> str:
    if not cell.isprintable():
        cell = " ".join("".join(letter if letter.isprintable() else " " for letter in cell).split())
    return cell if size is None or len(cell) <= size else f"{cell[: size - 1]}…"


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], colour: bool = False) -> str:
    out = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        padded = cell.ljust(width) if column.left else cell.rjust(width)
        of_value = column.colours.get(cell)
        out.append(click.style(padded, fg=of_value) if colour and of_value else padded)
    return " ".join(out).rstrip()


def csv_table(rows: Iterable[Row], columns: Sequence[Column], view: View, *, header: bool, delimiter: str = ",") -> str:
    """Return the rows as comma separated values."""
    return csv_of(cells_of(rows, columns, view), columns, header=header, delimiter=delimiter)


def csv_of(cells: list[list[str]], columns: Sequence[Column], *, header: bool, delimiter: str = ",") -> str:
    """Return comma separated values of what is printed."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", delimiter=delimiter)
    if header:
        writer.writerow([column.name for column in columns])
    writer.writerows(cells)
    return out.getvalue().rstrip("\n")
