"""Driver processes: what the engine writes to them comes in as bytes, what they say goes out as bytes.

The class that keeps a process running, greets it, and cuts its bytes into messages is the daemon's own; only
the process behind the pipes is simulated.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from trifid.engine.drivers import Driver
from trifid.simulator.acts import Acts
from trifid.simulator.broken import Broken, Killed
from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.image_acts import FOUND
from trifid.simulator.plan import Plan, Undone
from trifid.wire.lines import Message, from_driver, parse_to_driver

START_S = 0.3
PIPE_S = 0.001
TIMEOUT_S = 120.0
"""After which the engine gives an action up."""
_LONG_VERBS = {
    "TRANSFER": 40.0,
    "SHUTDOWN": 30.0,
    "SAVE": 30.0,
    "RESTORE": 15.0,
    "MIGRATE": 40.0,
    "MIGRATECOPY": 60.0,
    "CP": 60.0,
}
_SHORT_S = 3.0
ROOM = "USED_MB=0 TOTAL_MB=1048576 FREE_MB=1048576"
"""Of every datastore, whatever is in it."""


class Process(Protocol):
    """What a driver's process must be."""

    pid: int

    def attach(self, stdout: asyncio.StreamReader, exited: "asyncio.Future[int]") -> None:
        """Begin to live in an engine's loop."""

    def write(self, data: bytes) -> None:
        """Take bytes on standard input."""

    def end(self) -> None:
        """Be gone."""


class SimulatedDriver(Driver):
    """The daemon's driver class over a process that is none."""

    make_process: Callable[[], Process]

    async def stop(self) -> None:
        """End the process; there is no group of processes that could be killed."""
        self._stopping = True
        self.is_ready = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run_once(self) -> str:
        process = self.make_process()
        pipes: Any = _Pipes(process)
        self._process, self.pid = pipes, process.pid
        try:
            return await self._converse(pipes)
        finally:
            process.end()


class _Pipes:
    """Looks like asyncio.subprocess.Process as far as a Driver uses it."""

    def __init__(self, process: Process) -> None:
        self.pid = process.pid
        self.stdin = process
        self.stdout = asyncio.StreamReader(limit=1 << 30)
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        process.attach(self.stdout, self._exited)

    async def wait(self) -> int:
        """Return the exit status once it has ended."""
        return await self._exited


class Pipe:
    """The part of a process that all simulated drivers share: being born, hearing and saying lines, dying.

    Whenever a line comes in, the daemon may be killed.

    Args:
        greeting: what it says after INIT SUCCESS.
    """

    def __init__(self, name: str, clock: Clock, dice: Dice, pid: int, greeting: str) -> None:
        self.name = name
        self.pid = pid
        self.is_dead = False
        self._clock = clock
        self._dice = dice
        self._greeting = greeting
        self._stdout: asyncio.StreamReader | None = None
        self._exited: asyncio.Future[int] | None = None

    def attach(self, stdout: asyncio.StreamReader, exited: "asyncio.Future[int]") -> None:
        """Begin to live in an engine's loop."""
        self._stdout, self._exited = stdout, exited

    def write(self, data: bytes) -> None:
        """Take what the engine writes: one line at a time."""
        if self.is_dead:
            return
        if self._dice.strikes("kill-at-line", 0.002):
            raise Killed(f"before a line to {self.name}")
        if data == b"INIT\n":
            self._clock.later(START_S, lambda: self.say(from_driver("INIT", "SUCCESS", -1, self._greeting)))
        elif data != b"FINALIZE\n":
            self.take(parse_to_driver(data))
        if self._dice.strikes("kill-at-line", 0.002):
            raise Killed(f"after a line to {self.name}")

    def close(self) -> None:
        """Hear that nothing more is written."""

    def take(self, message: Message) -> None:
        """Take a request."""
        raise NotImplementedError

    def say(self, data: bytes) -> None:
        """Say something, which takes a moment to arrive."""
        self._clock.later(PIPE_S, lambda: self._arrive(data))

    def _arrive(self, data: bytes) -> None:
        if not self.is_dead and self._stdout is not None:
            self._stdout.feed_data(data)

    def end(self) -> None:
        """Be gone: nothing that was on its way arrives."""
        if self.is_dead:
            return
        self.is_dead = True
        if self._stdout is not None and self._exited is not None and not self._exited.done():
            self._stdout.feed_eof()
            self._exited.set_result(1)

    def abandon(self) -> None:
        """Be gone because the engine is: there is nobody to tell."""
        self._stdout = None
        self.end()


class _Request:
    __slots__ = ("is_cancelled", "message", "plan")

    def __init__(self, message: Message, plan: Plan) -> None:
        self.message, self.plan = message, plan
        self.is_cancelled = False


class ActionProcess(Pipe):
    """A virtual machine, transfer or datastore driver: requests of one VM or image in order, each taking a while.

    Args:
        is_durable: tells whether a step of a VM, or of an image, is on disk.
        answers_all: as our own drivers; the others are silent about what was cancelled, and may lose or
            repeat an answer.
    """

    def __init__(
        self,
        family: str,
        clock: Clock,
        dice: Dice,
        acts: Acts,
        tell: Callable[[str], None],
        is_durable: Callable[[int, int], bool],
        *,
        pid: int,
        answers_all: bool,
    ) -> None:
        super().__init__(f"{family} driver", clock, dice, pid, "ANSWERS_ALL" if answers_all else "")
        self.family = family
        self._of = "image" if family == "ds" else "vm"
        self._acts = acts
        self._tell = tell
        self._is_durable = is_durable
        self._answers_all = answers_all
        self._waiting: dict[int, deque[_Request]] = {}

    def works_at(self, vm_id: int) -> bool:
        """Tell whether something is under way for a VM."""
        return not self.is_dead and self._of == "vm" and vm_id in self._waiting

    def take(self, message: Message) -> None:
        """Queue a request, or cancel those of a VM."""
        if message.type == "DRIVER_CANCEL":
            for request in self._waiting.get(message.oid, ()):
                request.is_cancelled = True
            return
        if message.type == "MONITOR":
            self.say(from_driver("MONITOR", "SUCCESS", message.oid, ROOM))
            return
        if message.type == "STAT":
            self._clock.later(self._dice.between(0.1, _SHORT_S), lambda: self._found(message))
            return
        plan = self._acts.plan(self.family, message)
        if not self._is_durable(message.oid, plan.step):
            what = f"{message.type}, step {plan.step}"
            raise Broken(f"{self._of} {message.oid}: {self.name} is asked for {what}, which is not durable")
        waiting = self._waiting.setdefault(message.oid, deque())
        if waiting and self._answers_all:
            what = f"{message.type} while it is still busy with {waiting[0].message.type}"
            raise Broken(f"{self._of} {message.oid}: {self.name} is asked for {what}")
        waiting.append(_Request(message, plan))
        if len(waiting) == 1:
            self._begin(message.oid)

    def _found(self, message: Message) -> None:
        """Tell what STAT asks."""
        if not self.is_dead:
            is_there = not self._dice.strikes("fails", 0.05)
            status, told = ("SUCCESS", FOUND) if is_there else ("FAILURE", "simulated failure, it cannot be read")
            self._answer(from_driver("STAT", status, message.oid, told), message)

    def _begin(self, vm_id: int) -> None:
        verb = self._waiting[vm_id][0].message.type
        seconds = self._dice.between(0.1, _LONG_VERBS.get(verb, _SHORT_S))
        if self._dice.strikes("late", 0.03):
            # A driver that may be silent is given up by then, and says nothing any more.
            seconds += self._dice.between(30.0, 3 * TIMEOUT_S if self._answers_all else TIMEOUT_S)
        self._clock.later(seconds, lambda: self._finish(vm_id))
        if verb == "CP":
            self._clock.later(seconds / 2, lambda: self.say(from_driver("LOG", "I", vm_id, "half of it is there")))

    def _finish(self, vm_id: int) -> None:
        if self.is_dead:
            return
        waiting = self._waiting[vm_id]
        request = waiting.popleft()
        if waiting:
            self._begin(vm_id)
        else:
            del self._waiting[vm_id]
        status, told = self._outcome(request)
        self._tell(f"{self.name}: {request.message.type} of {self._of} {vm_id} {status} {told}".rstrip())
        if request.is_cancelled and not self._answers_all:
            return
        self._answer(from_driver(request.message.type, status, vm_id, told), request.message)

    def _outcome(self, request: _Request) -> tuple[str, str]:
        if request.is_cancelled and self._dice.random.random() < 0.7:
            return "FAILURE", "cancelled by the engine"
        if self._dice.strikes("fails", 0.05):
            return "FAILURE", "simulated failure, nothing was done"
        status, told = self._carry_out(request.plan)
        if self._dice.strikes("fails-done", 0.03):
            return "FAILURE", "simulated failure, though it was done"
        return status, told

    def _carry_out(self, plan: Plan) -> tuple[str, str]:
        try:
            return "SUCCESS", plan.act()
        except Undone as undone:
            return "FAILURE", str(undone)

    def _answer(self, line: bytes, asked: Message) -> None:
        if self._dice.strikes("garbage", 0.01):
            self.say(b"Use of uninitialized value at line 42\n\xff\xfe\n")
        if self._dice.strikes("dies-mid-line", 0.003):
            self.say(line[: self._dice.random.randrange(len(line))])
            self._clock.later(PIPE_S, self.die)
            return
        if not self._answers_all:
            if self._dice.strikes("lost", 0.02):
                return
            if self._dice.strikes("wrong-id", 0.01):
                self.say(from_driver(asked.type, "SUCCESS", asked.oid + 1_000_000, "-"))
                return
            if self._dice.strikes("twice", 0.05):
                line += line
        self.say(line)

    def die(self) -> None:
        """End; what was under way is done now, later, or never, and is not answered."""
        if self.is_dead:
            return
        self._tell(f"{self.name} dies")
        self.end()

    def end(self) -> None:
        """Be gone, with what was under way done or not."""
        if self.is_dead:
            return
        super().end()
        for waiting in self._waiting.values():
            self._leave(waiting[0])
        self._waiting.clear()

    def _leave(self, request: _Request) -> None:
        """Decide what becomes of a request whose driver dies over it; transfers die with it, a hypervisor goes on."""
        if self._dice.random.random() < 0.4:
            self._unheard(request, "is done, and nobody hears of it")
        elif self.family == "vmm" and self._dice.strikes("orphaned", 0.3):
            seconds = self._dice.between(0.1, 60.0)
            cycles = self._acts.cycles(request.plan.host)
            self._clock.later(seconds, lambda: self._orphan(request, cycles))

    def _orphan(self, request: _Request, cycles: int) -> None:
        """Do what a dead driver had begun on a host, unless that lost its power since."""
        if self._acts.cycles(request.plan.host) == cycles:
            self._unheard(request, "is done only now, its driver is dead")

    def _unheard(self, request: _Request, how: str) -> None:
        status, _ = self._carry_out(request.plan)
        if status == "SUCCESS":
            self._tell(f"{self.name}: {request.message.type} of {self._of} {request.message.oid} {how}")
