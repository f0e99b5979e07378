"""Refused calls in the audit: they change nothing, and so are written with whatever comes next.

Anybody can have calls refused as often as they like: what is written of them a minute is bounded for each of
them, the rest is counted and told as one entry: who has many calls refused does not hide those of others.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from trifid.core.audit import AuditEntry
from trifid.engine.turn import Turns

ENTRIES_PER_MINUTE_MAX = 600
"""Of one user; all whom nobody knows are one."""
_MINUTE_S = 60
_NOBODYS: dict[str, Any] = {"user": "", "peer": "", "object_id": -1, "arguments": "", "ground": ""}


class AuditTrail:
    """Takes entries that no turn writes of itself.

    Args:
        now: epoch seconds.
    """

    def __init__(self, turns: Turns, now: Callable[[], int]) -> None:
        self._turns = turns
        self._now = now
        self._minute = -1
        self._written: Counter[int] = Counter()
        self._left_out: Counter[int] = Counter()

    def take(self, entry: AuditEntry) -> None:
        """Have an entry written, soon; nobody waits for it."""
        minute = self._now() // _MINUTE_S
        if minute != self._minute:
            self._tell_left_out(entry)
            self._minute = minute
            self._written.clear()
        if entry.code:
            if self._written[entry.uid] >= ENTRIES_PER_MINUTE_MAX:
                self._left_out[entry.uid] += 1
                return
            self._written[entry.uid] += 1
        self._write(entry)

    def _write(self, entry: AuditEntry) -> None:
        self._turns.post(lambda draft: draft.audit(entry))

    def _tell_left_out(self, like: AuditEntry) -> None:
        many = [replace(like, uid=uid, **_NOBODYS, text=_left_out(number)) for uid, number in self._left_out.items()]
        self._left_out.clear()
        for entry in many:
            self._write(entry)


def _left_out(number: int) -> str:
    return (
        f"{number} more calls were refused in an earlier minute, beyond the {ENTRIES_PER_MINUTE_MAX} that are written"
    )
