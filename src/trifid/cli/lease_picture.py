"""Who has which host when, drawn with letters: one line per lease, one block per host."""

from itertools import groupby
from typing import NamedTuple

from trifid.core.template.lease import moment_text

SIGNS = 48
"""Of one line; so many that 12 hours have a sign for each quarter of an hour."""
_NAME_WIDTH = 20
_LEGEND = "# runs   ~ runs, may be suspended   - suspended   = reserved"


class Bar(NamedTuple):
    """A lease in the picture.

    Attributes:
        start, end: epoch seconds, an end of None = there is none.
        sign: what it is drawn with.
    """

    host: str
    name: str
    start: int
    end: int | None
    sign: str


def picture(bars: list[Bar], now: int, hours: int) -> list[str]:
    """Return the lines of a picture that begins now."""
    sign_s = hours * 3600 / SIGNS
    ticks = "".join(f"{moment_text(int(now + at * sign_s))[11:16]:<12}" for at in range(0, SIGNS, 12))
    unit = f"{sign_s / 60:g} min" if sign_s >= 60 else f"{sign_s:g} s"
    lines = ["", f"From {moment_text(now)} (UTC) on, each sign is {unit}: {_LEGEND}", f"{'':<{_NAME_WIDTH + 2}}{ticks}"]
    for host, of_host in groupby(sorted(bars, key=lambda bar: (bar.host, bar.start)), key=lambda bar: bar.host):
        lines.append(host)
        lines += [f"  {bar.name[: _NAME_WIDTH - 1]:<{_NAME_WIDTH}}{_drawn(bar, now, sign_s)}" for bar in of_host]
    return [line.rstrip() for line in lines]


def _drawn(bar: Bar, now: int, sign_s: float) -> str:
    """Return a sign for every part of the time in whose middle the lease has its host, at least for one."""
    begin = max(0, round((bar.start - now) / sign_s))
    end = SIGNS if bar.end is None else min(SIGNS, max(begin + 1, round((bar.end - now) / sign_s)))
    return ("." * min(begin, SIGNS) + bar.sign * (end - begin)).ljust(SIGNS, ".")
