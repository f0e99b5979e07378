"""Refused calls in the audit: they change nothing, and so are written with whatever comes next.

Anybody can have calls refused as often as they like: what is written of them a minute is bounded, the rest is counted
and told as one entry.
"""

from collections.abc import Callable

from msgspec.structs import replace

from trifid.core.audit import AuditEntry
from trifid.engine.turn import Turns

ENTRIES_PER_MINUTE_MAX = 600
_MINUTE_S = 60


class AuditTrail:
    """Takes entries that no turn writes of itself.

    Args:
        now: epoch seconds.
    """

    def __init__(self, turns: Turns, now: Callable[[], int]) -> None:
        self._turns = turns
        self._now = now
        self._minute = -1
        self._written = 0
        self._left_out = 0

    def take(self, entry: AuditEntry) -> None:
        """Have an entry written, soon; nobody waits for it."""
        minute = self._now() // _MINUTE_S
        if minute != self._minute:
            self._tell_left_out(entry)
            self._minute, self._written = minute, 0
        if self._written >= ENTRIES_PER_MINUTE_MAX:
            self._left_out += 1
            return
        self._written += 1
        self._turns.post(lambda draft: draft.audit(entry))

    def _tell_left_out(self, like: AuditEntry) -> None:
        if self._left_out:
            text = (
                f"{self._left_out} more calls were refused in an earlier minute, beyond the {ENTRIES_PER_MINUTE_MAX} "
            )
            many = replace(like, uid=-1, user="", peer="", object_id=-1, arguments="", text=f"{text}that are written")
            self._left_out = 0
            self._turns.post(lambda draft: draft.audit(many))
