"""Pieces for tests of the engine's inner parts: turns over a fake store, drivers that write down what they are sent."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.engine.fake_store import FakeStore
from trifid.core.host import Host, HostState
from trifid.core.vm.record import VM, Action
from trifid.engine.config import DriverSettings
from trifid.engine.drivers import STARTS_FAILED_MAX, DriverSet
from trifid.engine.memory import Memory
from trifid.engine.orders import Order
from trifid.engine.turn import Turns
from trifid.wire.lines import Message, parse_to_driver


class FakeDriver:
    """A driver process as its listeners see it; tests take what was sent and say what is answered."""

    def __init__(self, family: str, name: str = "dummy", timeout_s: float = 0.0) -> None:
        self.family = family
        self.name = name
        self.settings = DriverSettings("none", timeout_s=timeout_s)
        self.is_ready = True
        self.answers_all = True
        self.starts_failed = 0
        self.trouble = ""
        self.sent: list[bytes] = []

    def __str__(self) -> str:
        return f"{self.family} driver {self.name}"

    @property
    def does_not_start(self) -> bool:
        return self.starts_failed >= STARTS_FAILED_MAX

    def send(self, line: bytes) -> None:
        assert self.is_ready
        self.sent.append(line)

    def take(self) -> list[str]:
        """Return what was sent since the last time, as `WORD id`; those of others' lines stay readable too."""
        taken, self.sent = self.sent, []
        return [f"{message.type} {message.oid}" for message in map(parse_to_driver, taken)]


class Clock:
    """Time that passes when told; functions called later are called then."""

    def __init__(self, now: int = 1000) -> None:
        self.now = float(now)
        self._timers: list[Timer] = []

    def __call__(self) -> int:
        return int(self.now)

    def call_later(self, seconds: float, function: Callable[..., object], *arguments: object) -> "Timer":
        timer = Timer(self.now + seconds, function, arguments)
        self._timers.append(timer)
        return timer

    def waiting(self) -> int:
        """How many timers have neither fired nor been cancelled."""
        return sum(not timer.is_over for timer in self._timers)

    def forget(self) -> None:
        """Drop what was to come: whoever asked for it is gone."""
        self._timers.clear()

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for timer in sorted(self._timers, key=lambda timer: timer.at):
            if not timer.is_over and timer.at <= self.now:
                timer.is_over = True
                timer.function(*timer.arguments)


class Timer:
    """A call to come."""

    def __init__(self, at: float, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self.at, self.function, self.arguments = at, function, arguments
        self.is_over = False

    def cancel(self) -> None:
        self.is_over = True


class FakeOrders:
    """Renders the word that the wire has, and the step as payload, with something more."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.more = ""

    def render(self, vm: VM, action: Action) -> Order:
        if self.trouble is not None:
            raise self.trouble
        return Order("TRANSFER" if action.family == "tm" else action.verb, f"{action.verb}-{action.step}{self.more}")


class World:
    """Turns, memory, store, clock and a driver of each family, ready to be given to a part under test."""

    def __init__(self, *, timeout_s: float = 0.0, store: FakeStore | None = None) -> None:
        self.store = store or FakeStore()
        self.clock = Clock()
        self.memory = Memory(self.store.load())
        self.turns = Turns(self.memory, self.store, self.clock)
        self.vmm = FakeDriver("vmm", timeout_s=timeout_s)
        self.tm = FakeDriver("tm", timeout_s=timeout_s)
        self.im = FakeDriver("im")
        self.ds = FakeDriver("ds", timeout_s=timeout_s)
        self.drivers = DriverSet({(d.family, d.name): d for d in (self.vmm, self.tm, self.im, self.ds)})

    async def put(self, *records: object) -> None:
        """Make records durable."""

        def command(draft):
            for record in records:
                draft.put(record)

        await self.turns.ask(command)

    async def settle(self) -> None:
        """Let every posted command be decided and what follows from it."""
        for _ in range(3):
            await self.turns.ask(lambda draft: None)
            await asyncio.sleep(0)


def host(host_id: int = 3, state: HostState = HostState.MONITORED, **more: object) -> Host:
    """A host of the dummy drivers."""
    return Host(host_id, f"host{host_id}", state, "dummy", "dummy", **more)


def answer(word: str, vm_id: int = 42, status: str = "SUCCESS", payload: str = "-") -> Message:
    """What a driver says of an action."""
    return Message(word, status, vm_id, payload)


def executable(directory: Path, text: str, name: str = "driver") -> str:
    """Write a program and return its path."""
    path = directory / name
    path.write_text(text)
    path.chmod(0o700)
    return str(path)
