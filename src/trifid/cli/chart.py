"""Series of numbers drawn with letters: a line of blocks, or a chart of some lines with its scale."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

_BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = len(_BLOCKS) - 1
_GAP = " "

Point = tuple[int, float]
"""When (epoch seconds), and how much."""


class Span(NamedTuple):
    """The time that is drawn: from, until (epoch seconds, not included), in how many columns."""

    begin: int
    end: int
    columns: int


def columns_of(points: Sequence[Point], span: Span) -> list[float | None]:
    """Return the mean of the points in each column of a span, None where there are none."""
    sums = [0.0] * span.columns
    counts = [0] * span.columns
    for at, value in points:
        if span.begin <= at < span.end:
            column = (at - span.begin) * span.columns // (span.end - span.begin)
            sums[column] += value
            counts[column] += 1
    return [total / count if count else None for total, count in zip(sums, counts, strict=True)]


def spark(values: Sequence[float | None]) -> str:
    """Return one line of blocks, from nothing to the most."""
    most = max((value for value in values if value is not None), default=0.0)
    return "".join(_GAP if value is None else _BLOCKS[_height(value, most, 1)] for value in values)


def chart(values: Sequence[float | None], most: float, rows: int) -> list[str]:
    """Return the lines of a chart, the highest first.

    Args:
        most: what reaches the top.
    """
    heights = [0 if value is None else _height(value, most, rows) for value in values]
    lines = []
    for row in reversed(range(rows)):
        filled = [min(max(height - row * _EIGHTHS, 0), _EIGHTHS) for height in heights]
        lines.append("".join(_BLOCKS[eighths] for eighths in filled).rstrip())
    return lines


def _height(value: float, most: float, rows: int) -> int:
    """Return a height in eighths of a line; what is there at all is seen."""
    if most <= 0 or value <= 0:
        return 1
    return max(1, min(rows * _EIGHTHS, round(value / most * rows * _EIGHTHS)))


def rates(points: Sequence[Point]) -> list[Point]:
    """Return how much a counter grew each second, at the end of each step; one that began anew has no rate there."""
    return [
        (after, (new - old) / (after - before))
        for (before, old), (after, new) in itertools.pairwise(points)
        if after > before and new >= old
    ]
