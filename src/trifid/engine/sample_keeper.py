"""Keeps samples in a table: writes what was measured, makes averages of spans that are over, deletes what is old.

Averages are made of what the table holds, so that a crash leaves none half done: whatever span an object was
last measured in is averaged when it is measured in a later one, also after a restart.  Making one again gives
the same.  One thread calls all of it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from trifid.core.samples import FIVE_MINUTES_S, HOUR_S, RAW_S, Kind, Sample, average, figures_of, span_of
from trifid.store.samples import FIRST, Samples

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
        self._spans: dict[tuple[Kind, int], int] = {}  # object to the five minutes that it was last measured in
        self._swept = FIRST
        self._newest_span = 0

    def write(self, taken: Sequence[Taken]) -> None:
        """Write samples, and do what is due: averages, and deleting.

        Raises:
            StoreFault: nothing of it was written.
        """
        spans = dict(self._spans)
        try:
            with self._table.transaction():
                for kind in Kind:
                    of_kind = [(one.id, Sample(one.at, figures_of(one.told))) for one in taken if one.kind is kind]
                    if of_kind:
                        self._table.put(RAW_S, kind, of_kind)
                        self._make_averages(kind, self._left(kind, of_kind))
                self._leave_silent()
                self._sweep()
        except BaseException:
            self._spans = spans
            raise

    # -- averages ------------------------------------------------------------------------------------

    def _left(self, kind: Kind, measured: Iterable[tuple[int, Sample]]) -> Iterator[tuple[int, int, int]]:
        """Yield (object id, span that is over, span that it is measured in now), by five minutes."""
        unknown: dict[int, int] = {}
        for object_id, sample in measured:
            span = span_of(sample.at, FIVE_MINUTES_S)
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
                made.append((object_id, mean))
        self._table.put(into_s, kind, made)

    def _leave_silent(self) -> None:
        """Make, once in five minutes, the last averages of what is not measured any more, and forget it."""
        span = span_of(self._now(), FIVE_MINUTES_S)
        if span == self._newest_span:
            return
        self._newest_span = span
        for kind in Kind:
            silent = [key for key, last in self._spans.items() if key[0] is kind and last < span - FIVE_MINUTES_S]
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
        first = max(since, self.kept.since(resolution_s, self._now()))
        found: list[tuple[int, Sample]] = []
        for pair in self._table.read(resolution_s, kind, ids, first):
            found.append(pair)
            if len(found) > most:
                break
        return found
