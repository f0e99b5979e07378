"""Samples of hosts and VMs: what is kept of what was measured, and how many become one.

A sample is what was measured of one object at one moment.  Five minutes of them are averaged, and an hour
of such averages again, so that a long time fits into little room.

Averages of counters would tell nothing: of a figure that only ever grows (bytes received since the domain
was started) an average keeps the last value, from which differences can be taken.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

RAW_S, FIVE_MINUTES_S, HOUR_S = 0, 300, 3600
RESOLUTIONS_S = (RAW_S, FIVE_MINUTES_S, HOUR_S)
"""Seconds that one sample stands for; 0 = as it was measured."""

COUNTERS = frozenset({"NETRX", "NETTX", "DISKRDBYTES", "DISKWRBYTES", "DISKRDIOPS", "DISKWRIOPS"})
"""Figures that only ever grow, until what they count begins anew (reference/drivers.md §5.2)."""

FIGURES_MAX = 64
"""Of one object; hosts and guests decide what is reported, so that what exceeds it is left out."""
NAME_LENGTH_MAX = 64
INTEGER_MAX = 2**63 - 1

Figure = int | float

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_NUMBER = re.compile(r"-?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})\Z", re.ASCII)


class Kind(enum.IntEnum):
    """What samples are of.  The numbers are in databases: none is ever given another meaning."""

    HOST = 0
    VM = 1


class Sample(msgspec.Struct, frozen=True, gc=False):
    """What was measured of one object.

    Attributes:
        at: epoch seconds; of an average the beginning of its span.
        figures: by name, CPU (percent of a core), MEMORY (KiB), NETRX (bytes) …
        count: how many measurements it stands for.
    """

    at: int
    figures: dict[str, Figure]
    count: int = 1


def bounded(told: Mapping[str, str]) -> Mapping[str, str]:
    """Return what was told of an object without what can be no figure by its size: it may have to wait in memory."""
    if len(told) <= FIGURES_MAX and all(len(text) <= NAME_LENGTH_MAX for text in told.values()):
        return told
    short = {name: text for name, text in told.items() if max(len(name), len(text)) <= NAME_LENGTH_MAX}
    return dict(islice(short.items(), FIGURES_MAX))


def figures_of(told: Mapping[str, str]) -> dict[str, Figure]:
    """Return the numbers among what was told of an object, at most `FIGURES_MAX`; all else is left out.

    Names and values come from hosts and guests: a name that is none, or a number longer than any measure, is
    left out like text.
    """
    found: dict[str, Figure] = {}
    for name, text in told.items():
        if len(found) >= FIGURES_MAX:
            break
        if len(name) <= NAME_LENGTH_MAX and _NAME.match(name) and _NUMBER.match(text):
            found[name] = _number(text)
    return found


def _number(text: str) -> Figure:
    if "." in text:
        return float(text)
    number = int(text)
    return number if -INTEGER_MAX <= number <= INTEGER_MAX else float(number)


def span_of(at: int, resolution_s: int) -> int:
    """Return the beginning of the span of an average that a moment is in, epoch seconds."""
    return at - at % resolution_s


def average(samples: Iterable[Sample], at: int) -> Sample | None:
    """Return the one sample that stands for all of them, None when there are none.

    Each counts as often as it stands for measurements, so that an average of averages is that of all
    measurements, as long as each had the same figures.

    Args:
        samples: oldest first.
        at: the beginning of the span, epoch seconds.
    """
    count = 0
    sums: dict[str, Figure] = {}
    weights: dict[str, int] = {}
    for sample in samples:
        count += sample.count
        for name, value in sample.figures.items():
            if name in COUNTERS:
                sums[name] = value
            else:
                sums[name] = sums.get(name, 0) + value * sample.count
                weights[name] = weights.get(name, 0) + sample.count
    if not count:
        return None
    return Sample(at, {name: _rounded(total, weights.get(name, 1)) for name, total in sums.items()}, count)


def _rounded(total: Figure, weight: int) -> Figure:
    """Return a mean with as many digits as a measure of load deserves; whole numbers stay whole."""
    if weight == 1:
        return total
    mean = total / weight
    return int(mean) if mean == int(mean) else round(mean, 3)
