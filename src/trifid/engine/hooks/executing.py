"""Dealing with one event of one hook: ask the driver, again if it failed, and keep what came of it."""

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable

import msgspec
from msgspec.structs import replace

from trifid.core.hook import Hook, HookExecution, HookType
from trifid.core.hook_define import SECRET, TIMEOUT, arguments, quoted, words_of
from trifid.core.journal import Entry
from trifid.engine.config import HookSettings
from trifid.engine.hooks.follower import Follower, Work
from trifid.engine.hooks.messages import CallMade, Messages, event_json
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.errors import DriverFault, Refused
from trifid.wire.hook_message import (
    HookOrder,
    HookResult,
    api_message,
    not_run,
    parse_result,
    render,
    retry_message,
)

log = logging.getLogger("trifid.hook")

WEBHOOKS_AT_ONCE = 24
"""Of all hooks together; each sends one after the other."""
BACK_OFF_S_MAX = 300.0
TEXT_MAX = 1 << 20
"""Characters of arguments that are kept."""

AskDriver = Callable[[str, str], Awaitable[str]]
"""(verb, payload) -> answer; raises Refused."""


class Order(msgspec.Struct, frozen=True):
    """What a driver shall do, and how it is told and kept."""

    verb: str
    message: str
    told: HookOrder
    arguments: str


class Executor:
    """Carries hooks out.

    Args:
        ask: a driver that is there; raises Refused when it fails.
        until_there: returns when the driver is up.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        turns: Turns,
        messages: Messages,
        settings: HookSettings,
        ask: AskDriver,
        until_there: Callable[[], Awaitable[object]],
        now: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._turns = turns
        self._messages = messages
        self._settings = settings
        self._ask = ask
        self._until_there = until_there
        self._now = now
        self._sleep = sleep
        self._commands = asyncio.Semaphore(settings.at_once)
        self._webhooks = asyncio.Semaphore(WEBHOOKS_AT_ONCE)

    async def execute(self, follower: Follower, work: Work) -> None:
        """Deal with one event to the end: it succeeds, or is given up."""
        tries = 0
        while True:
            hook = follower.hook
            order = await self._order(hook, work)
            result = await self._tried(hook, order)
            tries += 1
            wait_s = self._wait_s(hook, work, result, tries)
            if wait_s is None:
                follower.finished()
            await self._keep(hook, order, result, is_retry=tries > 1, cursor=follower.dealt_with())
            if wait_s is None:
                return
            await self._sleep(wait_s)

    async def retry(self, hook: Hook, execution: HookExecution) -> None:
        """Do once more what was done before."""
        kept = execution.arguments
        if hook.type is HookType.WEBHOOK:
            order = self._webhook(hook, kept)
        else:
            told = self._told(hook, tuple(words_of(kept)), execution.remote_host)
            order = Order("RETRY", retry_message(hook.id, kept), told, kept)
        await self._keep(hook, order, await self._tried(hook, order), is_retry=True, cursor=hook.cursor)

    async def _order(self, hook: Hook, work: Work) -> Order:
        if isinstance(work, CallMade):
            values = {"API": base64.b64encode(work.info.encode(errors="replace")).decode()}
            return self._command(hook, api_message(work.name, work.info), values, "")
        if hook.type is HookType.WEBHOOK:
            return self._webhook(hook, event_json(work))
        about = await self._messages.about(work)
        return self._command(hook, about.message, about.values, about.host)

    def _command(self, hook: Hook, message: str, values: dict[str, str], host: str) -> Order:
        words = tuple(arguments(hook, values))
        is_remote = hook.template.single("REMOTE").upper() == "YES"
        return Order("EXECUTE", message, self._told(hook, words, host if is_remote else ""), quoted(list(words)))

    def _told(self, hook: Hook, words: tuple[str, ...], host: str) -> HookOrder:
        return HookOrder(
            hook.id,
            hook.template.single("COMMAND"),
            words,
            stdin=hook.template.single("ARGUMENTS_STDIN").upper() == "YES",
            host=host,
            timeout_s=int(hook.template.single(TIMEOUT) or 0) or self._settings.timeout_s,
        )

    def _webhook(self, hook: Hook, body: str) -> Order:
        told = HookOrder(
            hook.id,
            hook.template.single("COMMAND"),
            timeout_s=self._settings.webhook_timeout_s,
            secret=hook.template.single(SECRET),
            body=body,
            delivery=f"{hook.id}.{msgspec.json.decode(body)['id']}",
            allow=" ".join(self._settings.webhooks_to),
        )
        return Order("DELIVER", "", told, body)

    async def _tried(self, hook: Hook, order: Order) -> HookResult:
        told = order.told
        if hook.template.single("REMOTE").upper() == "YES" and not told.host:
            return not_run(told.command, "REMOTE = YES, and the object is on no host")
        async with self._webhooks if order.verb == "DELIVER" else self._commands:
            await self._until_there()
            try:
                return parse_result(await self._ask(order.verb, render(order.message, told)))
            except (Refused, DriverFault) as fault:
                return not_run(told.command, str(fault))

    def _wait_s(self, hook: Hook, work: Work, result: HookResult, tries: int) -> float | None:
        """Return after how long a failed one is tried again; None for one that is over."""
        if result.code == 0:
            return None
        settings = self._settings
        wait_s = min(settings.retry_after_s * 2.0 ** min(tries - 1, 20), BACK_OFF_S_MAX)
        if hook.type is HookType.WEBHOOK and isinstance(work, Entry):
            return None if self._now() + wait_s > work.at + settings.webhook_give_up_s else wait_s
        return wait_s if tries <= settings.retries else None

    async def _keep(self, hook: Hook, order: Order, result: HookResult, *, is_retry: bool, cursor: int) -> None:
        """Write what came of it, and how far the hook is, in one transaction."""
        if result.code:
            level, told = (logging.WARNING, f"failed with code {result.code}")
        else:
            level, told = (logging.INFO, "done")
        log.log(level, "hook %d (%s) %s  %s%s", hook.id, hook.type, told, order.verb, " again" if is_retry else "")
        kept = self._settings.log_kept

        def command(draft: Draft) -> None:
            found = draft.find_hook(hook.id)
            if found is None:
                return  # it was deleted meanwhile
            number = found.executions
            draft.put(
                HookExecution(
                    hook.id,
                    number,
                    draft.now,
                    order.arguments[:TEXT_MAX],
                    result.command,
                    result.stdout,
                    result.stderr,
                    result.code,
                    order.told.host,
                    is_retry,
                )
            )
            if number >= kept:
                draft.delete("hook_log", (hook.id, number - kept))
            draft.put(replace(found, executions=number + 1, cursor=max(found.cursor, cursor)))

        await self._turns.ask(command)
