"""Numbers as people read them: memory, durations, moments, permissions."""

import time
from typing import Any

_UNITS = "KMGTP"


def memory(kib: Any, kilobytes: bool = False) -> str:
    """Return an amount of memory in KiB as 512K, 256M, 7.6G; as the plain number with `kilobytes`."""
    amount = float(kib or 0)
    if kilobytes:
        return f"{amount:.0f}"
    unit = 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount /= 1024
        unit += 1
    text = f"{amount:.0f}" if amount >= 100 or amount == int(amount) else f"{amount:.1f}"
    return f"{text}{_UNITS[unit]}"


def duration(seconds: int) -> str:
    """Return `dd hh:mm:ss` (reference/xmlrpc.md §5.1)."""
    minutes, second = divmod(max(0, seconds), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{day:02d} {hour:02d}:{minute:02d}:{second:02d}"


def moment(at: Any) -> str:
    """Return `mm/dd HH:MM:SS` in local time, `-` for a moment that has not come."""
    number = int(at or 0)
    return time.strftime("%m/%d %H:%M:%S", time.localtime(number)) if number > 0 else "-"


def full_moment(at: Any) -> str:
    """Return `YYYY-MM-DD HH:MM:SS` in local time, `-` for a moment that has not come."""
    number = int(at or 0)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(number)) if number > 0 else "-"


def share(used: float, total: float, used_text: str, total_text: str) -> str:
    """Return `used / total (percent%)`."""
    return f"{used_text} / {total_text} ({used * 100 / total:.0f}%)" if total > 0 else f"{used_text} / -"


def permission(flags: dict[str, Any], who: str) -> str:
    """Return `um-`: what OWNER, GROUP or OTHER may do."""
    return "".join(word if str(flags.get(f"{who}_{word.upper()}")) == "1" else "-" for word in "uma")
