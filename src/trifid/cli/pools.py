"""Pools, looked at page by page: what is kept in memory does not grow with a pool that is only printed.

Source: reference/api-modern.md §3 (start and end: an offset, and the negative size of a page).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from trifid.cli import columns as c
from trifid.cli.kinds import Kind
from trifid.cli.shell import Shell

PAGE = 2000
_OVERLAP = 50
_ALL_IDS = (-1, -1)
T = TypeVar("T")
Entry = tuple[c.Row, Any]
"""An object's document, and what is printed of it."""


class Look(NamedTuple):
    """How a pool is looked at.

    Attributes:
        call: method and arguments that ask for all of it.
        is_wanted: which rows; None = all.
        order: empty = as they come.
    """

    kind: Kind
    call: tuple[Any, ...]
    view: c.View
    is_wanted: Callable[[c.Row], bool] | None = None
    order: c.Order = []  # noqa: RUF012 (never changed)

    def pages(self, shell: Shell) -> Iterator[list[c.Row]]:
        """Yield the rows page by page; all at once when they are to be ordered."""
        from trifid.wire.elements import iter_elements

        def entries(document: str) -> list[Entry]:
            return [(row, row) for row in iter_elements(document, self.kind.element)]

        return self.entries(shell, entries)

    def entries(self, shell: Shell, read: Callable[[str], list[Entry]]) -> Iterator[list[Any]]:
        """Yield what `read` makes of the wanted objects, page by page; all at once when they are to be ordered."""
        found: list[tuple[Any, list[Any]]] = []
        for page in documents(shell, self.call, read):
            wanted = [entry for entry in page if self.is_wanted is None or self.is_wanted(entry[0])]
            if not self.order:
                yield [printed for _, printed in wanted]
            else:
                found += [(printed, c.sort_values(row, self.order, self.view)) for row, printed in wanted]
        if self.order:
            yield c.in_order(found, self.order)


def documents(
    shell: Shell, call: tuple[Any, ...], read: Callable[[str], list[tuple[dict[str, Any], T]]]
) -> Iterator[list[tuple[dict[str, Any], T]]]:
    """Yield the objects of a pool page by page, each once; in one page where the method knows no pages.

    What comes and goes meanwhile shifts the pages.  Each begins a little before the end of the last one, and one
    that begins too late to have anything of it is asked for again from further ahead: nothing is left out.
    """
    if call[2:4] != _ALL_IDS:
        yield read(shell.call(*call))
        return
    seen: set[str] = set()
    offset = 0
    while True:
        page = read(shell.call(*call[:2], offset, -PAGE, *call[4:]))
        fresh = [one for one in page if one[0]["ID"] not in seen]
        if offset and len(fresh) == len(page):
            offset = max(0, offset - PAGE // 2)
            continue
        seen.update(row["ID"] for row, _ in fresh)
        yield fresh
        if len(page) != PAGE:
            return
        offset += PAGE - _OVERLAP
