"""Hooks in the engine: each gets what it waits for, at least once, and nobody else's trouble holds it up."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from tests.engine.fake_store import FakeStore
from tests.engine.world import FakeDriver, World
from trifid.core.access import ENGINE
from trifid.core.hook import Hook, HookExecution, HookLogQuery, HookType
from trifid.core.template.model import template
from trifid.core.vm.record import VM, HistoryRecord, Needs
from trifid.core.vm.states import VmState
from trifid.engine.config import HookSettings
from trifid.engine.drivers import DriverSet
from trifid.engine.hooks import follower as follower_module
from trifid.engine.hooks.executing import Executor
from trifid.engine.hooks.hooks import CURSORS_EVERY, Hooks
from trifid.engine.queries import Queries
from trifid.engine.watch import Watch
from trifid.wire.hook_message import HookOrder, HookResult, parse, render_result
from trifid.wire.lines import Message, parse_to_driver
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

SECRET = "correct horse battery staple"
STAY = HistoryRecord(0, 3, "node1", 0, "dummy", "dummy", 0, 100)
VM_3 = VM(id=3, uid=2, gid=1, name="web", state=VmState.RUNNING, needs=Needs(100, 64), stime=90, history=(STAY,))


class Bodies:
    """Documents as hooks get them, with a secret that they must not get."""

    def vm(self, vm: VM) -> Escaped:
        return Escaped(escape(f"<VM><ID>{vm.id}</ID><PASSWORD>{SECRET}</PASSWORD></VM>"))

    host = image = network = vm


class Process(FakeDriver):
    """The hook driver; it is started when the first hook is there."""

    def __init__(self) -> None:
        super().__init__("hook", "hook", timeout_s=1000.0)
        self.starts = 0

    def start(self, environment: object) -> None:
        self.starts += 1


class Play:
    """An engine's hooks over a store in memory, and their driver.

    Attributes:
        slept_s: how long was waited before further tries.
    """

    def __init__(self, store: FakeStore, **settings: object) -> None:
        self.world = World(store=store)
        self.driver = Process()
        drivers = DriverSet({("hook", "hook"): self.driver})
        self.queries = Queries(drivers, call_later=self.world.clock.call_later)
        turns, memory = self.world.turns, self.world.memory
        self.watch = Watch(memory.journal_id)
        turns.after_commit.append(self.watch.committed)
        self.slept_s: list[float] = []
        self.is_over = False
        self.hooks = Hooks(
            turns,
            store,
            Bodies(),  # type: ignore[arg-type]
            drivers,
            self.queries,
            self.watch,
            HookSettings(**settings),  # type: ignore[arg-type]
            self.world.clock,
        )
        executor: Executor = self.hooks._executor
        executor._sleep = self._sleep
        turns.after_commit.append(self.hooks.committed)

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.world.clock.now += seconds

    async def begin(self) -> "Play":
        self.hooks.start({})
        self.hooks.ready(self.driver)  # type: ignore[arg-type]
        return self

    async def hook(self, kind: HookType = HookType.STATE, number: int = 0, **attributes: str) -> None:
        cursor = self.world.memory.journal_id
        await self.world.put(Hook(number, f"hook{number}", kind, template(**attributes), cursor=cursor))

    async def happens(self, *states: str, kind: str = "VM", object_id: int = 3, what: str = "state") -> None:
        old, new = ("BOOT", states[0]) if len(states) == 1 else states
        await self.world.turns.ask(lambda draft: draft.note(kind, object_id, ENGINE, what, old, new))

    async def asked(self, count: int = 1) -> list[tuple[Message, HookOrder]]:
        """Return what the driver is told next, once it is so much."""
        async with asyncio.timeout(10):
            while len(self.driver.sent) < count:
                await asyncio.sleep(0)
        await self.quiet()
        taken, self.driver.sent = self.driver.sent, []
        messages = [parse_to_driver(line) for line in taken]
        assert len(messages) == count
        return [(message, parse(message.payload)) for message in messages]

    async def quiet(self) -> None:
        for _ in range(5):
            await self.world.settle()
            await asyncio.to_thread(lambda: None)

    def answers(self, message: Message, code: int = 0, out: str = "", status: str = "SUCCESS") -> None:
        payload = render_result(HookResult("/x", out, "", code)) if status == "SUCCESS" else out
        self.queries.said(self.driver, Message(message.type, status, message.oid, payload))  # type: ignore[arg-type]

    def log(self, hook_id: int = 0) -> list[HookExecution]:
        return list(self.world.store.hook_log(HookLogQuery(hook_id=hook_id), 1000))

    def cursor(self, hook_id: int = 0) -> int:
        return self.world.memory.hooks[hook_id].cursor

    async def end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.hooks.close()
            await self.world.turns.close()


UP = {"RESOURCE": "VM", "STATE": "ACTIVE", "LCM_STATE": "RUNNING", "COMMAND": "tell.sh", "ARGUMENTS": "$ID $STATE"}


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
async def play(store: FakeStore) -> AsyncIterator[Play]:
    play = await Play(store).begin()
    await play.world.put(VM_3)
    yield play
    await play.end()


async def test_a_hook_gets_the_states_that_it_waits_for_and_no_others(play: Play) -> None:
    await play.hook(**UP)
    await play.happens("BOOT", "POWEROFF")
    await play.happens("RUNNING", "RUNNING_LOOK")
    await play.happens("RUNNING", kind="HOST")
    await play.happens("RUNNING")
    ((message, order),) = await play.asked()
    assert (message.type, order.command, order.arguments, order.host) == ("EXECUTE", "tell.sh", ("3", "ACTIVE"), "")
    told = base64.b64decode(message.payload).decode()
    assert "<HOOK_TYPE>STATE</HOOK_TYPE><HOOK_OBJECT>VM</HOOK_OBJECT><STATE>ACTIVE</STATE>" in told
    assert "<VM><ID>3</ID>" in told
    play.answers(message, out="told")
    await play.quiet()
    (done,) = play.log()
    assert (done.execution_id, done.arguments, done.stdout, done.code, done.retry) == (0, "3 ACTIVE", "told", 0, False)
    assert play.cursor() == play.world.memory.journal_id


async def test_no_secret_of_an_object_is_told(play: Play) -> None:
    await play.hook(**UP | {"ARGUMENTS": "$TEMPLATE"})
    await play.happens("RUNNING")
    ((message, order),) = await play.asked()
    document = base64.b64decode(order.arguments[0]).decode()
    assert document == "<VM><ID>3</ID><PASSWORD>****</PASSWORD></VM>"
    assert SECRET not in base64.b64decode(message.payload).decode()


async def test_a_remote_hook_runs_where_the_vm_is_and_nowhere_when_it_is_on_no_host(play: Play) -> None:
    await play.hook(**UP | {"REMOTE": "YES"})
    await play.happens("RUNNING")
    ((message, order),) = await play.asked()
    assert order.host == "node1"
    play.answers(message)
    await play.world.put(replace(VM_3, id=4, history=()))
    await play.happens("RUNNING", object_id=4)
    await play.quiet()
    assert play.driver.sent == []
    there, nowhere, *_ = play.log()
    assert (there.code, there.remote_host) == (0, "node1")
    assert (nowhere.code, nowhere.remote_host) == (255, "")
    assert "on no host" in nowhere.stderr


async def test_what_fails_is_tried_again_later_and_later_and_then_given_up(play: Play) -> None:
    await play.hook(**UP)
    await play.happens("RUNNING")
    for code in (1, 7, 2):
        ((message, _),) = await play.asked()
        play.answers(message, code)
    await play.quiet()
    assert [(one.code, one.retry) for one in play.log()] == [(1, False), (7, True), (2, True)]
    assert play.slept_s == [5.0, 10.0]
    assert play.cursor() == play.world.memory.journal_id


async def test_what_cannot_be_run_at_all_is_told_in_the_log(play: Play) -> None:
    await play.hook(**UP)
    await play.happens("RUNNING")
    ((message, _),) = await play.asked()
    play.answers(message, status="FAILURE", out="tell.sh is not there")
    await play.quiet()
    assert (play.log()[0].code, play.log()[0].stderr) == (255, "tell.sh is not there")


async def test_what_was_under_way_when_the_engine_ended_is_done_by_the_next_one(play: Play, store: FakeStore) -> None:
    await play.hook(**UP)
    for object_id in (3, 4, 5):
        await play.happens("RUNNING", object_id=object_id)
    (first, second, _) = await play.asked(3)
    play.answers(second[0])  # those before it are not done, so that the cursor stays
    await play.quiet()
    assert play.cursor() < play.world.memory.journal_id - 2
    await play.end()

    again = await Play(store).begin()
    assert [order.arguments[0] for _, order in await again.asked(3)] == ["3", "4", "5"]
    assert first[1].arguments[0] == "3"
    await again.end()


async def test_a_hook_hears_nothing_of_what_happened_before_it_was_made(play: Play) -> None:
    await play.happens("RUNNING")
    await play.hook(**UP)
    await play.quiet()
    assert play.driver.sent == []


async def test_no_more_than_so_many_run_at_once_and_none_is_lost_when_very_many_come(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "WAITING_MAX", 4)
    monkeypatch.setattr(follower_module, "READ_AT_ONCE", 3)
    play = await Play(store, at_once=2).begin()
    await play.hook(**UP)
    for number in range(30):
        await play.happens("RUNNING", object_id=number)
    seen = []
    while len(seen) < 30:
        for message, order in await play.asked(2):
            seen.append(int(order.arguments[0]))
            play.answers(message)
    assert seen == list(range(30))
    await play.quiet()
    assert play.cursor() == play.world.memory.journal_id
    await play.end()


async def test_the_newest_executions_are_kept(store: FakeStore) -> None:
    play = await Play(store, log_kept=2).begin()
    await play.hook(**UP)
    for _ in range(4):
        await play.happens("RUNNING")
        ((message, _),) = await play.asked()
        play.answers(message)
        await play.quiet()
    assert [one.execution_id for one in play.log()] == [2, 3]
    await play.end()


async def test_a_hook_that_is_deleted_does_nothing_more(play: Play) -> None:
    await play.hook(**UP)
    await play.happens("RUNNING")
    ((message, _),) = await play.asked()
    await play.world.turns.ask(lambda draft: draft.delete("hooks", 0))
    play.answers(message)
    await play.happens("RUNNING")
    await play.quiet()
    assert play.log() == []
    assert [message for message in map(parse_to_driver, play.driver.sent) if message.type == "EXECUTE"] == []


async def test_a_changed_hook_waits_for_what_it_says_now(play: Play) -> None:
    await play.hook(**UP)
    changed = template(**UP | {"STATE": "POWEROFF", "LCM_STATE": ""})
    await play.world.put(replace(play.world.memory.hooks[0], template=changed))
    await play.happens("RUNNING")
    await play.happens("SHUTDOWN_POWEROFF", "POWEROFF")
    ((_, order),) = await play.asked()
    assert order.arguments == ("3", "POWEROFF")


async def test_the_driver_is_started_with_the_first_hook(play: Play) -> None:
    assert (play.driver.starts, play.driver.trouble) == (0, "")
    await play.hook(**UP)
    await play.hook(number=1, **UP)
    assert play.driver.starts == 1


async def test_nothing_is_asked_while_there_is_no_driver(play: Play) -> None:
    await play.hook(**UP)
    play.hooks.down(play.driver, "it died")  # type: ignore[arg-type]
    await play.happens("RUNNING")
    await play.quiet()
    assert play.driver.sent == []
    play.hooks.ready(play.driver)  # type: ignore[arg-type]
    assert len(await play.asked()) == 1


async def test_it_is_written_now_and_then_how_far_a_hook_is_that_nothing_was_for(play: Play) -> None:
    await play.hook(**UP)
    before = play.cursor()

    def many(draft):
        for _ in range(CURSORS_EVERY):
            draft.note("HOST", 1, ENGINE, "capacity")

    await play.world.turns.ask(many)
    await play.quiet()
    assert play.cursor() >= before + CURSORS_EVERY


# -- calls ---------------------------------------------------------------------------------------------


async def test_a_hook_is_told_of_a_call_without_its_secrets(play: Play) -> None:
    await play.hook(HookType.API, CALL="one.user.allocate", COMMAND="tell.sh", ARGUMENTS="$API")
    assert play.hooks.wants_call("one.user.allocate")
    assert not play.hooks.wants_call("one.vm.info")
    given = ["oneadmin:session", "alice", SECRET, "core"]
    play.hooks.called("one.user.allocate", ["name", "password", "driver"], given, True, (True, 7, 0))
    ((message, order),) = await play.asked()
    info = base64.b64decode(order.arguments[0]).decode()
    assert info.count("<VALUE>****</VALUE>") == 2
    assert "<VALUE>alice</VALUE>" in info
    whole = base64.b64decode(message.payload).decode()
    assert SECRET not in info + whole
    assert "oneadmin:session" not in info + whole
    assert "<CALL>one.user.allocate</CALL>" in whole


async def test_long_calls_that_wait_are_bounded_together(
    play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(follower_module, "CALLS_LENGTH_MAX", 5000)
    await play.hook(HookType.API, CALL="one.vm.rename", COMMAND="tell.sh", ARGUMENTS="$API")
    for number in range(20):
        play.hooks.called("one.vm.rename", ["id", "name"], ["session", number, "x" * 1000], True, (True, number, 0))
    follower = play.hooks._followers[0]
    kept = [work.info for work in follower._waiting]
    assert sum(map(len, kept)) <= 5000
    assert 2 <= len(kept) <= 4
    assert "<VALUE>19</VALUE>" in kept[-1]
    assert "calls were too many" in caplog.text
    await play.quiet()
    assert (len(follower._waiting), follower._calls_length) == (0, 0)


async def test_a_hook_is_told_what_was_allocated(play: Play) -> None:
    await play.hook(HookType.API, CALL="one.vm.allocate", COMMAND="tell.sh", ARGUMENTS="$API")
    play.hooks.called("one.vm.allocate", ["template"], ["s:x", f'CONTEXT=[PASSWORD="{SECRET}"]'], True, (True, 3, 0))
    ((_, order),) = await play.asked()
    info = base64.b64decode(order.arguments[0]).decode()
    assert "<EXTRA><VM><ID>3</ID>" in info
    assert SECRET not in info


async def test_a_token_that_a_call_answered_is_not_told(play: Play) -> None:
    await play.hook(HookType.API, CALL="one.user.login", COMMAND="tell.sh", ARGUMENTS="$API")
    play.hooks.called("one.user.login", ["name", "token"], ["s:x", "alice", ""], True, (True, SECRET, 0))
    ((message, _),) = await play.asked()
    assert SECRET not in base64.b64decode(message.payload).decode()


async def test_a_document_that_a_call_answered_is_told_as_its_caller_got_it(play: Play) -> None:
    await play.hook(HookType.API, CALL="one.vm.info", COMMAND="tell.sh", ARGUMENTS="$API")
    play.hooks.called("one.vm.info", ["vm_id"], ["s:x", 3], True, (True, Escaped.of("<VM><NAME>a&b</NAME></VM>"), 0))
    ((_, order),) = await play.asked()
    info = base64.b64decode(order.arguments[0]).decode()
    assert "<VALUE>&lt;VM&gt;&lt;NAME&gt;a&amp;b&lt;/NAME&gt;&lt;/VM&gt;</VALUE>" in info


# -- webhooks ------------------------------------------------------------------------------------------

CHAT = {"COMMAND": "https://chat.example.org/in", "ARGUMENTS": "kind=VM&what=state", "SECRET": SECRET}


async def test_a_webhook_sends_one_after_the_other_until_each_is_taken(play: Play) -> None:
    await play.hook(HookType.WEBHOOK, **CHAT)
    for object_id in (3, 4):
        await play.happens("RUNNING", object_id=object_id)
    await play.happens("RUNNING", kind="HOST")
    sent = []
    for code in (500, 255, 0, 0):
        ((message, order),) = await play.asked()
        sent.append((message.type, json.loads(order.body)["object_id"], order.secret))
        play.answers(message, code)
    await play.quiet()
    assert sent == [("DELIVER", 3, SECRET)] * 3 + [("DELIVER", 4, SECRET)]
    assert play.slept_s == [5.0, 10.0]
    assert play.driver.sent == []


async def test_what_is_too_old_is_given_up_and_the_next_one_is_sent(store: FakeStore) -> None:
    play = await Play(store, webhook_give_up_s=30).begin()
    await play.hook(HookType.WEBHOOK, **CHAT)
    await play.happens("RUNNING", object_id=3)
    await play.happens("RUNNING", object_id=4)
    sent = []
    for code in (500, 500, 500, 0):
        ((message, order),) = await play.asked()
        sent.append(json.loads(order.body)["object_id"])
        play.answers(message, code)
    assert sent == [3, 3, 3, 4]
    assert play.slept_s == [5.0, 10.0]
    await play.end()


async def test_what_was_done_is_done_again_as_it_was(play: Play) -> None:
    await play.hook(**UP)
    await play.world.put(HookExecution(0, 0, 10, "'a b' c", "/x", "", "", 1, "node7"))
    play.hooks.retry(play.world.memory.hooks[0], play.log()[0])
    ((message, order),) = await play.asked()
    assert (message.type, order.arguments, order.host) == ("RETRY", ("a b", "c"), "node7")
    assert "<ARGUMENTS>'a b' c</ARGUMENTS><HOOK_ID>0</HOOK_ID>" in base64.b64decode(message.payload).decode()
