"""one.system.* and the event log."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from trifid import __version__
from trifid.core.access import Owned, Right, check
from trifid.core.journal import Entry
from trifid.core.template.xml import to_xml
from trifid.methods.registry import Call, method
from trifid.wire.xmlrpc import Escaped

WIRE_VERSION = "7.4.0"
"""The release whose API is spoken; clients compare it with their own."""

EVENTS_MAX = 1000
WAIT_S_MAX = 60


@method("one.system.version")
async def version(call: Call) -> str:
    """Answer the release of the API that is spoken."""
    return WIRE_VERSION


@method("one.system.config")
async def config(call: Call) -> Escaped:
    """Answer the configuration, without secrets."""
    return Escaped.of(to_xml(call.engine.public_config(), root="OPENNEBULA_CONFIGURATION"))


@method("trifid.system.version")
async def own_version(call: Call) -> str:
    """Answer Trifid's own version."""
    return __version__


@method("trifid.event.list")
async def events(call: Call, after: int, wait_s: int = 0, limit: int = EVENTS_MAX) -> str:
    """Answer the journal after an entry as JSON, waiting for news if there is none.

    With `after` -1 only the id of the newest entry is told, at once.
    """
    check(call.caller, Right.MANAGE, "SYSTEM")
    engine = call.engine
    limit = max(1, min(limit, EVENTS_MAX))
    if after < 0:
        return _events(engine.turns.memory.journal_id, [])
    if wait_s > 0:
        await engine.watch.later_than(after, min(wait_s, WAIT_S_MAX))
    last = engine.turns.memory.journal_id
    if last <= after:
        return _events(last, [])
    found = engine.watch.recent(after)
    if found is None:
        found = list(await asyncio.to_thread(engine.store.journal_after, after, limit))
    found = found[:limit]
    return _events(found[-1].id if found else last, found)


@method("trifid.event.story")
async def story(call: Call, kind: str, object_id: int, limit: int = 200) -> str:
    """Answer what happened to one object, oldest first, as JSON; whoever may see the object may read it."""
    kind = kind.upper()
    check(call.caller, *await _story_right(call, kind, object_id))
    store = call.engine.store
    found = await asyncio.to_thread(store.journal_of, kind, object_id, max(1, min(limit, EVENTS_MAX)))
    return _events(found[-1].id if found else 0, found)


async def _story_right(call: Call, kind: str, object_id: int) -> tuple[Right, str, Owned | None]:
    """Return what a caller must be allowed: to use the object, or to manage the system when there is none."""
    memory = call.engine.turns.memory
    pools: dict[str, Mapping[int, Owned]] = {
        "VM": memory.vms,
        "HOST": memory.hosts,
        "NET": memory.networks,
        "IMAGE": memory.images,
        "TEMPLATE": memory.vm_templates,
    }
    found = pools[kind].get(object_id) if kind in pools else None
    if found is None and kind == "VM":
        found = await asyncio.to_thread(call.engine.store.done_vm, object_id)
    return (Right.MANAGE, "SYSTEM", None) if found is None else (Right.USE, kind, found)


def _events(last: int, found: Sequence[Entry]) -> str:
    return msgspec.json.encode({"last": last, "events": found}).decode()
