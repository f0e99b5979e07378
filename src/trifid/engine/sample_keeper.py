"""Keeps samples in a table: writes what was measured, makes averages of spans that are over, deletes what is old.

What was measured is noted as it comes, and gets its rows when its object has waited longest, so that all objects have
their turn in some minutes.  After a crash the notes are there, and become rows at once.

Averages are made of what the table holds, so that a crash leaves none half done: whatever span an object was
last measured in is averaged when it is measured in a later one, also after a restart.  Making one again gives
the same.  One thread calls all of it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from typing import NamedTuple

import msgspec

from trifid.core.samples import FIVE_MINUTES_S, HOUR_S, RAW_S, Kind, Sample, average, figures_of, span_of
from trifid.engine.sample_waiting import Key, Waiting
from trifid.store.sample_codec import Note, Packed, packed
from trifid.store.samples import FIRST, Samples

WRITINGS_PER_ROUND = 30
"""In so many writings all objects have had their turn: every five minutes, with a writing every 10 s."""
KEYS_PER_SWEEP = 200
"""Of how many objects and resolutions old samples are looked for at each writing: with writings every 10 s, all
samples of 20,000 objects are passed in less than an hour."""


class Kept(msgspec.Struct, frozen=True):
    """How long samples are kept, seconds; 0 = not at all.  Raw ones are kept for one span of an average at least."""

    raw_s: int = 4 * 3600
    five_minutes_s: int = 2 * 86400
    hour_s: int = 60 * 86400

    def since(self, resolution_s: int, now: int) -> int:
        """Return from when on samples of a resolution are kept, epoch seconds."""
        kept_s = {RAW_S: max(self.raw_s, 2 * FIVE_MINUTES_S), FIVE_MINUTES_S: self.five_minutes_s, HOUR_S: self.hour_s}
        # An hour is made of its twelfths, which must still be there when it is over.
        if resolution_s == FIVE_MINUTES_S and self.hour_s:
            return now - max(self.five_minutes_s, 2 * HOUR_S)
        return now - kept_s[resolution_s]


class Taken(NamedTuple):
    """What was measured of an object, as it was told."""

    kind: Kind
    id: int
    at: int
    told: Mapping[str, str]


class SampleKeeper:
    """Does the work on the table.

    Args:
        now: epoch seconds.
    """

    def __init__(self, table: Samples, kept: Kept, now: Callable[[], int]) -> None:
        self.kept = kept
        self._table = table
        self._now = now
        self._waiting = Waiting()
        self._seq = 0  # of the last note, 0 before the notes of an earlier engine are rows
        self._spans: dict[Key, int] = {}  # object to the five minutes that it was last measured in, by its rows
        self._swept = FIRST
        self._newest_span = 0

    def write(self, taken: Sequence[Taken]) -> None:
        """Note samples, and do what is due: rows, averages, and deleting.

        Raises:
            StoreFault: nothing of it was written.
        """
        told = [Note(one.kind, packed(one.id, Sample(one.at, figures_of(one.told)))) for one in taken]
        with self._all_or_nothing():
            seq = self._seq or self._recovered()
            moved = self._waiting.longest(-(-len(self._waiting) // WRITINGS_PER_ROUND))
            self._move(moved)
            if told:
                seq += 1
                self._table.note(seq, told)
            self._table.forget_notes_before(self._waiting.first_note(moved, seq))
            self._leave_silent()
            self._sweep()
        self._seq = seq
        self._waiting.drop(moved)
        self._waiting.add(seq, told)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        spans = dict(self._spans)
        try:
            with self._table.transaction():
                yield
        except BaseException:
            self._spans = spans
            raise

    def _recovered(self) -> int:
        """Make rows of what an earlier engine noted; return a number after that of its last note."""
        seq = 1
        for number, noted in self._table.noted():
            seq = number + 1
            for kind in Kind:
                self._put(kind, [row for of, row in noted if of == kind])
        return seq

    def _move(self, keys: Sequence[Key]) -> None:
        for kind in Kind:
            self._put(kind, self._waiting.rows(keys, kind))

    def _put(self, kind: Kind, rows: Sequence[Packed]) -> None:
        if rows:
            self._table.put(RAW_S, kind, rows)
            self._make_averages(kind, self._left(kind, ((row.id, row.at) for row in rows)))

    # -- averages ------------------------------------------------------------------------------------

    def _left(self, kind: Kind, measured: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
        """Take in (object id, when it was measured); yield (object id, five minutes that are over, those after)."""
        unknown: dict[int, int] = {}
        for object_id, at in measured:
            span = span_of(at, FIVE_MINUTES_S)
            before = self._spans.get((kind, object_id))
            self._spans[kind, object_id] = span
            if before is None:
                unknown.setdefault(object_id, span)
            elif before != span:
                yield object_id, before, span
        by_span: dict[int, list[int]] = defaultdict(list)
        for object_id, span in unknown.items():
            by_span[span].append(object_id)
        for span, ids in by_span.items():
            for object_id, at in self._table.newest_before(kind, ids, span).items():
                yield object_id, span_of(at, FIVE_MINUTES_S), span

    def _make_averages(self, kind: Kind, left: Iterable[tuple[int, int, int]]) -> None:
        fives: dict[int, list[int]] = defaultdict(list)
        hours: dict[int, list[int]] = defaultdict(list)
        for object_id, over, span in left:
            fives[over].append(object_id)
            if span_of(over, HOUR_S) != span_of(span, HOUR_S):
                hours[span_of(over, HOUR_S)].append(object_id)
        for over, ids in sorted(fives.items()):
            self._average(kind, ids, RAW_S, FIVE_MINUTES_S, over)
        for over, ids in sorted(hours.items()):
            if self.kept.hour_s:
                self._average(kind, ids, FIVE_MINUTES_S, HOUR_S, over)

    def _average(self, kind: Kind, ids: Sequence[int], of_s: int, into_s: int, at: int) -> None:
        """Make the averages of a span, unless what they are made of may already be gone in part."""
        if at < self.kept.since(of_s, self._now()):
            return
        found = self._table.read(of_s, kind, ids, at, at + into_s)
        made = []
        for object_id, of_object in groupby(found, key=lambda pair: pair[0]):
            if (mean := average((sample for _, sample in of_object), at)) is not None:
                made.append(packed(object_id, mean))
        self._table.put(into_s, kind, made)

    def _leave_silent(self) -> None:
        """Make, once in five minutes, the last averages of what is not measured any more, and forget it."""
        span = span_of(self._now(), FIVE_MINUTES_S)
        if span == self._newest_span:
            return
        self._newest_span = span
        for kind in Kind:
            silent = [key for key, last in self._spans.items() if key[0] is kind and last < span - 2 * FIVE_MINUTES_S]
            far = span + HOUR_S  # whichever hour it was, it is over for them
            self._make_averages(kind, [(key[1], self._spans[key], far) for key in silent])
            for key in silent:
                del self._spans[key]

    # -- deleting ------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Look a little further for what is too old; after the last object it begins anew."""
        now = self._now()
        for _ in range(KEYS_PER_SWEEP):
            found = self._table.oldest_after(self._swept)
            if found is None:
                self._swept = FIRST
                return
            self._swept, oldest = found
            since = self.kept.since(self._swept.resolution_s, now)
            if oldest < since:
                self._table.delete_before(self._swept, since)

    # -- reading -------------------------------------------------------------------------------------

    def read(
        self, kind: Kind, ids: Sequence[int], resolution_s: int, since: int, most: int
    ) -> list[tuple[int, Sample]]:
        """Return samples by object, oldest first, `most` + 1 at most.

        Args:
            since: epoch seconds.
        """
        if not self._seq:
            self.write(())
        first = max(since, self.kept.since(resolution_s, self._now()))
        if resolution_s != RAW_S:
            self._move_now([(kind, object_id) for object_id in ids])
        found = list(islice(self._table.read(resolution_s, kind, ids, first), most + 1))
        if resolution_s == RAW_S and len(found) <= most:
            waiting = list(islice(self._waiting.samples(kind, ids, first), most + 1 - len(found)))
            if waiting:
                return sorted([*found, *waiting], key=lambda pair: (pair[0], pair[1].at))
        return found

    def _move_now(self, keys: Sequence[Key]) -> None:
        """Make rows, and with them averages, of what waits of some objects."""
        with self._all_or_nothing():
            self._move(keys)
        self._waiting.drop(keys)
