"""Locks: what nobody may do to an object, not even an administrator, until it is unlocked.

Source: reference/api-modern.md §4 (vm.lock), §5.1 (LOCK), §7.10.
"""

import msgspec

from trifid.core.access import ONEADMIN_GID, Caller, Right
from trifid.errors import Refused

USE, MANAGE, ADMIN, ALL = 1, 2, 3, 4
_WEAKEST = {USE: Right.USE, MANAGE: Right.MANAGE, ADMIN: Right.ADMIN}


class Lock(msgspec.Struct, frozen=True):
    """Who locked an object, when, and how far.

    Attributes:
        level: 1 forbids everything, 2 what needs MANAGE or ADMIN, 3 what needs ADMIN.
        at: epoch seconds.
        request_id: of the call that locked it.
    """

    level: int
    uid: int
    at: int
    request_id: str = "-1"

    def forbids(self, right: Right) -> bool:
        """Tell whether what needs `right` may not be done."""
        return right >= _WEAKEST[self.level]


def locked(old: Lock | None, level: int, caller: Caller, now: int, request_id: str, *, only_free: bool) -> Lock:
    """Return the lock that a caller puts on an object.

    Args:
        old: the lock that is there.
        level: as clients send it; 4 (all) is kept as 1.
        only_free: an object that is locked already is refused.

    Raises:
        Refused: no such level, or the object is locked: by anybody with `only_free`, else by somebody else.
    """
    if level not in (USE, MANAGE, ADMIN, ALL):
        raise Refused(f"Wrong lock level specified: {level}, it must be 1 use, 2 manage, 3 admin or 4 all")
    if old is not None and only_free:
        raise Refused(f"it is locked already, by user {old.uid}: unlock it first, or leave the test out")
    refuse_foreign(old, caller, "Error trying to lock the resource.")
    return Lock(USE if level == ALL else level, caller.uid, now, request_id)


def refuse_foreign(
    old: Lock | None, caller: Caller, text: str = "Cannot unlock: Lock is owned by another user."
) -> None:
    """Raise Refused for a lock that is another user's, unless an administrator asks.

    Args:
        text: how the refusal begins, as today's clients know it.
    """
    if old is not None and old.uid != caller.uid and ONEADMIN_GID not in caller.gids:
        raise Refused(f"{text} It was locked by user {old.uid}: only that user and administrators may change the lock")
