"""Pools that are read again and again, of which little has changed since: only that is taken apart again.

A pool is a row of documents.  What was made of each is kept by its very text, so nothing has to be told about
changes, and nothing that has changed can be taken for what it was.
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from trifid.wire.elements import BadDocument

T = TypeVar("T")

MISFITS_MAX = 32
"""Pieces that are no document by themselves; with more than this a pool is read as a whole."""


class KeptPool(Generic[T]):
    """What was made of the documents of one pool.

    Args:
        name: the name of a document's element, such as HOST.
        make: returns what a document, or a whole pool of them, holds; raises BadDocument.
    """

    def __init__(self, name: str, make: Callable[[str], list[T]]) -> None:
        self._name = name
        self._make = make
        self._kept: dict[str, list[T]] = {}

    def clear(self) -> None:
        """Forget everything: what is made depends on something else that has changed."""
        self._kept.clear()

    def read(self, pool: str) -> list[T]:
        """Return what a pool holds, in its order.

        Raises:
            BadDocument: not XML.
        """
        kept: dict[str, list[T]] = {}
        misfits = 0
        begun = ""
        for piece in self._pieces(pool):
            text = begun + piece
            found = self._kept.get(text)
            if found is None:
                try:
                    found = self._make(text)
                except BadDocument:
                    # The end of an element stood in a value: the rest of the document is in the next piece.
                    begun = text
                    misfits += 1
                    if misfits > MISFITS_MAX:
                        return self._make(pool)
                    continue
            begun = ""
            kept[text] = found
        self._kept = kept
        if begun or not kept:
            return self._make(pool)
        return [one for found in kept.values() for one in found]

    def _pieces(self, pool: str) -> Iterator[str]:
        """Yield the documents of a pool, nothing when it does not look like one.

        Where each piece is a document by itself, reading the pool as a whole gives the same.
        """
        opening, closing = f"<{self._name}_POOL>", f"</{self._name}_POOL>"
        if not (pool.startswith(opening) and pool.endswith(closing)):
            return
        end = f"</{self._name}>"
        *pieces, rest = pool[len(opening) : -len(closing)].split(end)
        if rest:
            return
        for piece in pieces:
            yield f"{piece}{end}"
