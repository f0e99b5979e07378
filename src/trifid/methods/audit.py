"""trifid.audit.list: who asked for what, from where, and on what ground it was done or refused."""

import asyncio

import msgspec

from trifid.core.access import Right, check
from trifid.core.audit import AuditQuery
from trifid.methods.registry import Call, method

ENTRIES_MAX = 1000


@method("trifid.audit.list")
async def entries(
    call: Call,
    before_id: int = -1,
    limit: int = 100,
    uid: int = -2,
    method_name: str = "",
    about_id: int = -1,
    since: int = -1,
    until: int = -1,
    outcome: int = 0,
) -> str:
    """Answer entries of the audit as JSON, newest first; what is -1 or empty (a uid: -2) is not asked for.

    `before_id` is the id of the last entry of the page before; `method_name` may be the beginning of one; `outcome`
    is 1 for what was done and 2 for what was refused.
    """
    check(call.caller, Right.MANAGE, "SYSTEM")
    query = AuditQuery(
        before_id=None if before_id < 0 else before_id,
        since=None if since < 0 else since,
        until=None if until < 0 else until,
        uid=None if uid < -1 else uid,
        method=method_name or None,
        object_id=None if about_id < 0 else about_id,
        is_refused={1: False, 2: True}.get(outcome),
    )
    await call.ask(lambda draft: None)  # what was refused before this call is written now
    found = await asyncio.to_thread(call.engine.store.audit, query, max(1, min(limit, ENTRIES_MAX)))
    return msgspec.json.encode(found).decode()
