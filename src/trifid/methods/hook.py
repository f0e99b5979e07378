"""one.hook.*, one.hookpool.info and one.hooklog.info.

Hooks run commands with the engine's rights, so they are for administrators, whatever access rules say.

Source: reference/api-modern.md §2 (texts), §4 (hooks).
"""

import asyncio
from collections.abc import Callable
from difflib import get_close_matches

from msgspec.structs import replace

from trifid.core.access import Right, check
from trifid.core.hook import KIND, Hook, HookLogQuery, HookType
from trifid.core.hook_define import SECRET, defined, kept
from trifid.core.template.model import Template
from trifid.engine.transaction import Draft
from trifid.errors import BadRequest, BadTemplate, NotAllowed, Refused
from trifid.methods.common import BadUpdate, listed, name_checked, parse_allocate, read, refuse_taken, updated
from trifid.methods.locks import lock_object, unlock_object
from trifid.methods.registry import METHODS, Call, method
from trifid.wire.bodies import hook as hook_body
from trifid.wire.bodies.parts import escaped_pool
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

LOG_MAX = 10_000
"""Executions in one answer; of more, the newest."""
ANY = -1
FAILED, ALL, SUCCEEDED = -1, 0, 1
_OUTCOMES = {FAILED: False, ALL: None, SUCCEEDED: True}


@method("one.hook.allocate")
async def allocate(call: Call, template: str) -> int:
    """Add a hook: TYPE state, api or webhook, what it waits for, and its COMMAND or URL."""
    _check(call, Right.CREATE)
    described = defined(parse_allocate(template), _directory(call))
    _check_call_exists(described.template)

    def command(draft: Draft) -> int:
        refuse_taken(draft, KIND, described.name)
        hook = replace(described, id=draft.next_id("hook"), cursor=draft.memory.journal_id)
        draft.put(hook)
        draft.note(KIND, hook.id, call.caller, "allocated", text=hook.name)
        return hook.id

    return await call.ask(command)


@method("one.hook.delete")
async def delete(call: Call, hook_id: int) -> int:
    """Delete a hook, and the log of what it did."""
    _check(call, Right.MANAGE, read(call.engine.turns.memory.hooks, "hooks", hook_id))
    log = await asyncio.to_thread(call.engine.store.hook_log, HookLogQuery(hook_id=hook_id), LOG_MAX)

    def command(draft: Draft) -> int:
        hook: Hook = draft.record("hooks", hook_id)
        _check(call, Right.MANAGE, hook)
        draft.delete("hooks", hook_id)
        numbers = {execution.execution_id for execution in log}
        kept_max = call.engine.config.hooks.log_kept
        numbers.update(range(max(0, hook.executions - kept_max), hook.executions))  # those since we looked, too
        for number in numbers:
            draft.delete("hook_log", (hook_id, number))
        draft.note(KIND, hook_id, call.caller, "deleted", text=hook.name)
        return hook_id

    return await call.ask(command)


@method("one.hook.info")
async def info(call: Call, hook_id: int, decrypt: bool = False) -> Escaped:
    """Answer a hook's document with its log; with `decrypt` all its attributes, a webhook's SECRET among them."""
    hook = read(call.engine.turns.memory.hooks, "hooks", hook_id)
    _check(call, Right.USE, hook)
    limit = call.engine.config.hooks.log_kept
    log = await asyncio.to_thread(call.engine.store.hook_log, HookLogQuery(hook_id=hook_id), limit)
    return Escaped.of(hook_body.hook(hook, log, hook.template if decrypt else None))


@method("one.hookpool.info")
async def pool(call: Call) -> Escaped:
    """Answer all hooks, without their logs; to others than administrators there are none."""
    hooks = listed(call.engine.turns.memory.hooks.values(), call.caller, KIND, -2, -1, -1)
    seen = hooks if call.caller.is_admin else []
    return escaped_pool("HOOK_POOL", [escape(hook_body.hook(hook)) for hook in seen])


@method("one.hook.update")
async def update(call: Call, hook_id: int, template: str, append: int = 0) -> int:
    """Replace (0) or extend (1) what a hook waits for and does; its TYPE stays, and a SECRET that is not given."""

    def change(draft: Draft, hook: Hook) -> Hook:
        new = updated(hook.template, template, append)
        word = new.single("TYPE").strip().lower()
        if word not in ("", hook.type):
            raise Refused(f"TYPE of hook {hook_id} is {hook.type}, it cannot become {word[:40]}: make another hook")
        new = new.without("NAME", "TYPE")
        if hook.type is HookType.WEBHOOK and SECRET not in new:
            new = new.having((SECRET, hook.template.single(SECRET)))
        cursor = max(hook.cursor, call.engine.hooks.dealt_with(hook_id))  # what it waits for now, it has not missed
        try:
            checked = kept(hook.type, new, _directory(call))
            _check_call_exists(checked)
            return replace(hook, template=checked, cursor=cursor)
        except BadTemplate as bad:
            raise BadUpdate(bad.message, hook_id) from bad

    return await _changed(call, hook_id, "updated", change)


@method("one.hook.rename")
async def rename(call: Call, hook_id: int, name: str) -> int:
    """Give a hook another name."""
    new = name_checked(name)

    def change(draft: Draft, hook: Hook) -> Hook:
        refuse_taken(draft, KIND, new, object_id=hook_id, error=Refused)
        return replace(hook, name=new)

    return await _changed(call, hook_id, "renamed", change)


@method("one.hook.lock")
async def lock(call: Call, hook_id: int, level: int, test: bool = False) -> int:
    """Forbid everybody to change a hook: level 1 use, 2 manage, 3 admin, 4 all.  It is carried out all the same."""
    _check(call, Right.USE, read(call.engine.turns.memory.hooks, "hooks", hook_id))
    return await lock_object(call, KIND, hook_id, level, test)


@method("one.hook.unlock")
async def unlock(call: Call, hook_id: int) -> int:
    """Take the lock of a hook away."""
    _check(call, Right.USE, read(call.engine.turns.memory.hooks, "hooks", hook_id))
    return await unlock_object(call, KIND, hook_id)


@method("one.hook.retry")
async def retry(call: Call, hook_id: int, execution_id: int) -> int:
    """Do once more what a hook did, with the arguments that it had; what comes of it is in the log then."""
    hook = read(call.engine.turns.memory.hooks, "hooks", hook_id)
    _check(call, Right.MANAGE, hook)
    asked = HookLogQuery(hook_id=hook_id, execution_id=execution_id)
    found = await asyncio.to_thread(call.engine.store.hook_log, asked, 1)
    if not found:
        raise Refused(f"hook {hook_id} has no execution {execution_id} in its log: see one.hook.info", hook_id)
    call.engine.hooks.retry(hook, found[0])
    return hook_id


@method("one.hooklog.info")
async def log_info(call: Call, after: int, before: int, hook_id: int, outcome: int) -> Escaped:
    """Answer what hooks did, oldest first: between two times, of one hook, failed (-1) or succeeded (1); -1 = any."""
    _check(call, Right.USE)
    if outcome not in _OUTCOMES:
        raise BadRequest(f"the outcome is {outcome}, it must be -1 for failed, 0 for all or 1 for succeeded")
    asked = HookLogQuery(
        hook_id=None if hook_id == ANY else hook_id,
        since=None if after == ANY else after,
        until=None if before == ANY else before,
        has_succeeded=_OUTCOMES[outcome],
    )
    found = await asyncio.to_thread(call.engine.store.hook_log, asked, LOG_MAX)
    return Escaped.of(hook_body.log_document(found))


async def _changed(call: Call, hook_id: int, what: str, change: Callable[[Draft, Hook], Hook]) -> int:
    def command(draft: Draft) -> int:
        old: Hook = draft.record("hooks", hook_id)
        _check(call, Right.MANAGE, old)
        new = change(draft, old)
        draft.put(new)
        draft.note(KIND, hook_id, call.caller, what, text="" if old.name == new.name else f"{old.name} -> {new.name}")
        return hook_id

    return await call.ask(command)


def _check(call: Call, right: Right, hook: Hook | None = None) -> None:
    """Raise unless the caller is an administrator, and no lock forbids it; raises as `check` does."""
    check(call.caller, right, KIND, hook)
    if not call.caller.is_admin:
        which = f" [{hook.id}]" if hook else ""
        raise NotAllowed(f"User [{call.caller.uid}] : Not authorized to perform {right.name} {KIND}{which}.")


def _check_call_exists(template: Template) -> None:
    """Raise BadTemplate when a hook would wait for a call that nobody can make."""
    name = template.single("CALL")
    if name and name not in METHODS:
        near = get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/api.md lists them"
        raise BadTemplate(f"CALL {name[:80]} is no method of this engine: {hint}")


def _directory(call: Call) -> str:
    return str(call.engine.home / "hooks")
