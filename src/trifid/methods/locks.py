"""lock and unlock, the same for everything that has a lock: VMs, images, VM templates."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.vm.lock import locked, refuse_foreign
from trifid.engine.transaction import Draft
from trifid.methods.common import POOLS
from trifid.methods.registry import Call

Find = Callable[[Draft, int], Any]


async def lock_object(call: Call, kind: str, object_id: int, level: int, test: bool, find: Find | None = None) -> int:
    """Forbid everybody to change an object, administrators too, and return its id.

    Args:
        level: 1 use, 2 manage, 3 admin, 4 all (kept as 1).
        test: an object that is locked already is refused.
        find: returns the record as it is, where "no such object" is told in another way.

    Raises:
        NotFound, NotAllowed: no such object, or the caller may not MANAGE it.
        Refused: no such level, or the object is locked by somebody else.
    """

    def command(draft: Draft) -> int:
        record = _lockable(call, draft, kind, object_id, find)
        new = locked(record.lock, level, call.caller, draft.now, call.request_id, only_free=test)
        draft.put(replace(record, lock=new))
        draft.note(kind, object_id, call.caller, "locked", text=f"level {new.level}")
        return object_id

    return await call.ask(command)


async def unlock_object(call: Call, kind: str, object_id: int, find: Find | None = None) -> int:
    """Take the lock of an object away, for whoever locked it and administrators, and return its id.

    An object that has none stays as it is.

    Raises:
        NotFound, NotAllowed: no such object, or the caller may not MANAGE it.
        Refused: it was locked by somebody else.
    """

    def command(draft: Draft) -> int:
        record = _lockable(call, draft, kind, object_id, find)
        refuse_foreign(record.lock, call.caller)
        if record.lock is not None:
            draft.put(replace(record, lock=None))
            draft.note(kind, object_id, call.caller, "unlocked")
        return object_id

    return await call.ask(command)


def _lockable(call: Call, draft: Draft, kind: str, object_id: int, find: Find | None) -> Any:
    """Return an object that the caller may lock: its own lock does not keep anybody from that."""
    record = find(draft, object_id) if find else draft.record(POOLS[kind], object_id)
    check(call.caller, Right.MANAGE, kind, replace(record, lock=None))
    return record
