"""Samples that are noted in the database and have no rows of their own yet, by object, in memory.

A row lies beside those of the same object, so that writing one touches a page.  An object whose samples wait for some
minutes touches that page once for all of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from trifid.core.samples import Kind, Sample
from trifid.store.sample_codec import Note, Packed, unpacked

Key = tuple[Kind, int]


class _Queue(msgspec.Struct):
    """What waits of one object, oldest first; `seq` is the note that the first of them is in."""

    seq: int
    rows: list[Packed]


class Waiting:
    """All that waits, the objects that wait longest first."""

    def __init__(self) -> None:
        self._of: dict[Key, _Queue] = {}

    def __len__(self) -> int:
        """Return how many objects wait."""
        return len(self._of)

    def add(self, seq: int, taken: Iterable[Note]) -> None:
        """Let samples wait that were written down as a note."""
        for kind, row in taken:
            queue = self._of.get((Kind(kind), row.id))
            if queue is None:
                self._of[Kind(kind), row.id] = _Queue(seq, [row])
            else:
                queue.rows.append(row)

    def longest(self, count: int) -> list[Key]:
        """Return the objects that wait longest, so many at most."""
        return list(islice(self._of, count))

    def rows(self, keys: Sequence[Key], kind: Kind) -> list[Packed]:
        """Return what waits of objects of one kind."""
        return [row for key in keys if key[0] is kind and key in self._of for row in self._of[key].rows]

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget what has rows now."""
        for key in keys:
            self._of.pop(key, None)

    def first_note(self, without: Sequence[Key], none: int) -> int:
        """Return the oldest note in which something waits that is of no object in `without`; `none` if there is none.

        Objects are in the order in which they began to wait, so that the first one's first note is the oldest.
        """
        left_out = set(without)
        return next((queue.seq for key, queue in self._of.items() if key not in left_out), none)

    def samples(self, kind: Kind, ids: Iterable[int], since: int) -> Iterator[tuple[int, Sample]]:
        """Yield what waits of objects, from a moment on."""
        for object_id in ids:
            queue = self._of.get((kind, object_id))
            for row in queue.rows if queue is not None else ():
                if row.at >= since:
                    yield object_id, unpacked(row)
