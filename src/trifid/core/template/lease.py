"""When a VM shall run: what its HAIZEA attribute asks for, and moments as people write them.

Moments are in UTC, so that a template means the same wherever it is read.

Source: reference/services.md §3.  Where that says nothing: START is best_effort, DURATION unlimited and
PREEMPTIBLE no when they are left out, so that nothing is suspended whose owner did not agree.
"""

import calendar
import re
from collections.abc import Iterable
from enum import Enum
from itertools import count

import msgspec

from trifid.errors import BadTemplate

BEST_EFFORT, NOW, UNLIMITED = "best_effort", "now", "unlimited"
KEYS = ("START", "DURATION", "PREEMPTIBLE", "GROUP")
"""GROUP is of a lease of several machines: it is read nowhere."""
YEAR_MIN, YEAR_MAX = 1970, 2999

_DAY_S = 86400
_MOMENT = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
_LENGTH = re.compile(r"([0-9]{1,6}):([0-5][0-9]):([0-5][0-9])")


class Kind(Enum):
    """How a lease wants its time."""

    BEST_EFFORT = "best effort"
    NOW = "now"
    RESERVED = "reserved"


class Terms(msgspec.Struct, frozen=True):
    """What a lease asks for.

    Attributes:
        start: epoch seconds of a RESERVED one, 0 for the others.
        duration_s: how long it runs, None = without end.
    """

    kind: Kind
    start: int = 0
    duration_s: int | None = None
    is_preemptible: bool = False


def check_keys(haizea: Iterable[str]) -> None:
    """Raise BadTemplate for a key that means nothing: a wish that is misspelt would be taken for another."""
    for key in haizea:
        if key not in KEYS:
            raise BadTemplate(f"HAIZEA has no key {key[:40]}: expected {', '.join(KEYS)}")


def terms_of(start: str, duration: str, preemptible: str, submitted_at: int = 0) -> Terms:
    """Return what the three keys of HAIZEA ask for; an empty one was left out.

    Args:
        submitted_at: epoch seconds from which a START such as +01:00:00 counts.

    Raises:
        BadTemplate: a text is none of those that are understood, or two of them contradict each other.
    """
    if not is_duration(duration):
        raise BadTemplate(f'HAIZEA: DURATION must be HH:MM:SS of at least a second, or unlimited, is "{duration}"')
    duration_s = length_s(duration)
    is_preemptible = preemptible.strip().lower() == "yes"
    word = start.strip().lower()
    if word in ("", BEST_EFFORT):
        return Terms(Kind.BEST_EFFORT, 0, duration_s, is_preemptible)
    if word == NOW:
        return Terms(Kind.NOW, 0, duration_s, is_preemptible)
    after_s = length_s(word[1:]) if word.startswith("+") else None
    begin = moment_of(word) if after_s is None else submitted_at + after_s
    if begin is None:
        raise BadTemplate(
            f'HAIZEA: START must be best_effort, now, +HH:MM:SS or YYYY-MM-DD HH:MM:SS (UTC), is "{start}"'
        )
    if is_preemptible:
        raise BadTemplate(
            "HAIZEA: a lease that STARTs at a given time is never suspended for others: "
            "set PREEMPTIBLE = no, or START = best_effort"
        )
    return Terms(Kind.RESERVED, begin, duration_s)


def is_start(text: str) -> bool:
    """Tell whether a text can be the START of a lease."""
    word = text.strip().lower()
    if word.startswith("+"):
        return length_s(word[1:]) is not None
    return word in (BEST_EFFORT, NOW) or moment_of(word) is not None


def is_duration(text: str) -> bool:
    """Tell whether a text can be the DURATION of a lease."""
    return text.strip().lower() in ("", UNLIMITED) or bool(length_s(text))


def length_s(text: str) -> int | None:
    """Return the seconds of HH:MM:SS, where HH may be beyond 24; None for any other text."""
    found = _LENGTH.fullmatch(text.strip())
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else None


def moment_of(text: str) -> int | None:
    """Return the epoch seconds of YYYY-MM-DD HH:MM:SS in UTC; None for a text that is no such moment."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    is_day = YEAR_MIN <= year <= YEAR_MAX and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]
    if not is_day or hour > 23 or minute > 59 or second > 59:
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


def moment_text(at: int) -> str:
    """Return epoch seconds as YYYY-MM-DD HH:MM:SS in UTC, what `moment_of` reads.  Not for moments before 1970."""
    days, second = divmod(at, _DAY_S)
    for year in count(YEAR_MIN):
        length = 365 + calendar.isleap(year)
        if days < length:
            break
        days -= length
    for month in range(1, 13):
        length = calendar.monthrange(year, month)[1]
        if days < length:
            break
        days -= length
    return f"{year:04}-{month:02}-{days + 1:02} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
