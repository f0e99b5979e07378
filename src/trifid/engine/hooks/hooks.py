"""The hooks of the engine: hears what was committed and which calls ended, and gives each hook what it waits for.

What an event or a call is for is found by its state or its name, so that one that nobody waits for costs nothing.  The
driver is started with the first hook.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from trifid.core.hook import Hook, HookExecution, HookType
from trifid.core.hook_define import entered
from trifid.core.journal import Entry
from trifid.engine.config import HookSettings
from trifid.engine.documents import Documents
from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.hooks.executing import Executor
from trifid.engine.hooks.follower import Follower
from trifid.engine.hooks.messages import Messages, made_call
from trifid.engine.queries import Queries
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.engine.watch import Watch
from trifid.store.interface import Batch, Store
from trifid.wire.lines import Message

log = logging.getLogger("trifid.hook")

FAMILY = "hook"
CURSORS_EVERY = 10_000
"""After so many events it is written how far those hooks are that none of them was for."""


class Hooks:
    """All hooks.

    Attributes:
        last_id: newest entry of the journal that was heard of.
    """

    def __init__(
        self,
        turns: Turns,
        store: Store,
        documents: Documents,
        drivers: DriverSet,
        queries: Queries,
        watch: Watch,
        settings: HookSettings,
        now: Callable[[], int],
    ) -> None:
        self.last_id = turns.memory.journal_id
        self._turns = turns
        self._store = store
        self._watch = watch
        self._settings = settings
        self._messages = Messages(turns.memory, store, documents)
        self._name = next(iter(drivers.names(FAMILY)), "")
        self._driver = drivers.get(FAMILY, self._name)
        if self._driver is not None:
            self._driver.trouble = ""
        self._queries = queries
        self._executor = Executor(turns, self._messages, settings, self._ask, self._until_there, now)
        self._is_there = asyncio.Event()
        self._environment: Mapping[str, str] | None = None
        self._is_driver_started = False
        self._followers: dict[int, Follower] = {}
        self._of_state: dict[tuple[str, str], list[Follower]] = {}
        self._of_kind: dict[str, list[Follower]] = {}
        self._of_call: dict[str, list[Follower]] = {}
        self._retries: set[asyncio.Task[None]] = set()

    def start(self, environment: Mapping[str, str]) -> None:
        """Begin, with what is left from before; the driver gets more in its environment."""
        self._environment = environment
        self.last_id = self._turns.memory.journal_id
        self._changed(self._turns.memory.hooks)
        for follower in self._followers.values():
            follower.go_on()

    def close(self) -> None:
        """Do nothing more; what was not dealt with is, when the engine is started again."""
        self._environment = None
        for follower in self._followers.values():
            follower.close()
        for task in self._retries:
            task.cancel()

    # -- what happens ------------------------------------------------------------------------------

    def committed(self, batch: Batch) -> None:
        """Give each hook what it waits for."""
        before = self.last_id
        if batch.journal:
            self.last_id = batch.journal[-1].id
        if self._environment is None:
            return
        if batch.hooks:
            self._changed(batch.hooks)
        if not self._followers:
            return
        for entry in batch.journal:
            for follower in self._waiting_for(entry):
                follower.offer(entry)
        if before // CURSORS_EVERY != self.last_id // CURSORS_EVERY:
            self._turns.post(self._write_cursors)

    def wants_call(self, name: str) -> bool:
        """Tell whether a hook waits for the end of a call."""
        return name in self._of_call

    def document_before(self, name: str, given: Sequence[Any]) -> str:
        """Return the document of what a call that is about to be made deletes; empty for any other call."""
        kind = _DELETED.get(name)
        is_about_one = kind is not None and len(given) > 1 and type(given[1]) is int
        return self._messages.document_of(kind, given[1]) if kind and is_about_one else ""

    def called(
        self,
        name: str,
        parameters: Sequence[str],
        given: Sequence[Any],
        success: bool,
        answered: Sequence[Any],
        deleted: str = "",
    ) -> None:
        """Hear of a call that has ended.

        Args:
            parameters: names of the arguments after the session.
            given: arguments, the session first.
            answered: elements of the answer.
            deleted: document of what it deleted, if it was done.
        """
        followers = self._of_call.get(name)
        if not followers:
            return
        document = deleted if success else ""
        kind = _ALLOCATED.get(name)
        if success and kind is not None and len(answered) > 1 and type(answered[1]) is int:
            document = self._messages.document_of(kind, answered[1])
        made = made_call(name, parameters, given, success, answered, document)
        for follower in followers:
            follower.call(made)

    def dealt_with(self, hook_id: int) -> int:
        """Return up to which entry of the journal everything was dealt with that a hook waits for; 0 for no hook."""
        follower = self._followers.get(hook_id)
        return follower.dealt_with() if follower is not None else 0

    def retry(self, hook: Hook, execution: HookExecution) -> None:
        """Do once more what was done before; what comes of it is in the log then."""
        task = asyncio.create_task(self._executor.retry(hook, execution), name=f"retry of hook {hook.id}")
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)

    def _waiting_for(self, entry: Entry) -> Iterator[Follower]:
        states = entered(entry) if self._of_state else None
        for follower in self._of_state.get((entry.kind, states[0]), ()) if states else ():
            if follower.matches(entry):
                yield follower
        for follower in (*self._of_kind.get(entry.kind, ()), *self._of_kind.get("", ())):
            if follower.matches(entry):
                yield follower

    # -- hooks come and go -------------------------------------------------------------------------

    def _changed(self, hooks: Mapping[int, Hook | None]) -> None:
        is_other = False
        for hook_id, hook in hooks.items():
            follower = self._followers.get(hook_id)
            if hook is None:
                if follower is not None:
                    self._followers.pop(hook_id).close()
                    is_other = True
            elif follower is None:
                at_once = self._settings.at_once
                self._followers[hook_id] = Follower(
                    hook, self._executor.execute, self._journal, lambda: self.last_id, at_once
                )
                self._followers[hook_id].go_on()
                is_other = True
            else:
                is_other = is_other or hook.template is not follower.hook.template
                follower.change(hook)
        if is_other:
            self._index()
            self._start_driver()

    def _index(self) -> None:
        of_state: dict[tuple[str, str], list[Follower]] = defaultdict(list)
        of_kind: dict[str, list[Follower]] = defaultdict(list)
        of_call: dict[str, list[Follower]] = defaultdict(list)
        for follower in self._followers.values():
            wants = follower.wants
            if follower.hook.type is HookType.STATE:
                of_state[wants.kind, wants.state].append(follower)
            elif follower.hook.type is HookType.API:
                of_call[wants.call].append(follower)
            else:
                kinds: Collection[str] = wants.events.kinds or ("",)
                for kind in kinds:
                    of_kind[kind].append(follower)
        self._of_state, self._of_kind, self._of_call = dict(of_state), dict(of_kind), dict(of_call)

    def _write_cursors(self, draft: Draft) -> None:
        for hook_id, follower in self._followers.items():
            hook, cursor = draft.find_hook(hook_id), follower.dealt_with()
            if hook is not None and hook.type is not HookType.API and hook.cursor < cursor:
                draft.put(replace(hook, cursor=cursor))

    async def _journal(self, after: int, limit: int) -> Sequence[Entry]:
        found = self._watch.recent(after)
        if found is None:
            return await asyncio.to_thread(self._store.journal_after, after, limit)
        return found[:limit]

    # -- the driver --------------------------------------------------------------------------------

    def _start_driver(self) -> None:
        if self._is_driver_started or not self._followers or self._environment is None:
            return
        if self._driver is None:
            log.error("hooks are not carried out: no driver is configured, see [drivers.hook] in trifid.toml")
            return
        self._is_driver_started = True
        self._driver.start(self._environment)

    async def _ask(self, verb: str, payload: str) -> str:
        return await self._queries.ask(FAMILY, self._name, verb, payload)

    async def _until_there(self) -> None:
        await self._is_there.wait()

    def ready(self, driver: Driver) -> None:
        """The driver came up."""
        self._is_there.set()

    def down(self, driver: Driver, why: str) -> None:
        """The driver is gone: what it was doing has failed, what waits does so until it is there again."""
        self._is_there.clear()

    def said(self, driver: Driver, message: Message) -> None:
        """Anything but an answer says nothing."""
        log.debug("%s said %s %s", driver, message.type, message.payload)


_ALLOCATED = {
    "one.vm.allocate": "VM",
    "one.template.instantiate": "VM",
    "one.host.allocate": "HOST",
    "one.image.allocate": "IMAGE",
    "one.vn.allocate": "NET",
}
"""Calls after which a hook is told the document of what was made."""
_DELETED = {"one.host.delete": "HOST", "one.image.delete": "IMAGE", "one.vn.delete": "NET"}
"""Calls after which it is told the document of what was deleted."""
