"""The kit: a driver in a dozen lines.

    def deploy(request: Request) -> str:
        …                       # do it; "already so" is a success
        return "one-12"         # told to the engine; "" for nothing

    def main() -> None:
        Kit("vmm-mine", {"DEPLOY": deploy}, step_of=step_of_action_data).run()

A verb is a blocking function, called in a thread.  What one object (a VM) is asked is done one by
one, in order, and every request is answered exactly once; different objects go side by side.  A verb
that cannot do it raises `Failure`; the text reaches the VM's owner.

Three rules keep a VM from running twice (docs/decisions/0001): verbs are idempotent; a request with
a lower step number than the last one seen for its object is refused, across restarts; and everything
that the driver started ends with it, and it ends with the engine (end of file on its stdin).

Source: reference/drivers.md §1 (process model) and §2.3 (lines).
"""

import collections
import contextlib
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from trifid.errors import DriverFault
from trifid.wire import action_data
from trifid.wire.lines import Lines, LineTooLong, Message, from_driver, parse_to_driver

WORKERS_MAX = 16
"""Requests carried out at the same time, when a driver does not say otherwise."""
READ_BYTES = 1 << 16
ERROR_TEXT_MAX = 1000
FENCE_DIGITS = 20


class Failure(Exception):
    """The action cannot be done; the text says what is wrong and, where it helps, what to do."""


class Request:
    """One request being carried out.

    Attributes:
        verb: its word.
        oid: the VM's id.
        payload: as on the line.
        step: number that orders the requests of one object; 0 when the payload has none.
        trouble: why it cannot be carried out at all, empty when it can.
    """

    def __init__(self, kit: "Kit", message: Message, step: int, trouble: str = "") -> None:
        self.verb = message.type
        self.oid = message.oid
        self.payload = message.payload
        self.step = step
        self.trouble = trouble
        self._kit = kit
        self._cancelled = threading.Event()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def data(self) -> action_data.ActionData:
        """Return the payload of a virtual machine driver's request.

        Raises:
            Failure: it cannot be read.
        """
        try:
            return action_data.parse(self.payload)
        except DriverFault as fault:
            raise Failure(str(fault)) from fault

    def log(self, text: str, level: str = "I") -> None:
        """Say something for the VM's log; level E, W, I or D."""
        self._kit.say(from_driver("LOG", level, self.oid, text))

    def progress(self, figures: Mapping[str, int]) -> None:
        """Say how far it is, for whoever looks at the VM: PERCENT and others, by names in capitals."""
        text = " ".join(f"{name}={value}" for name, value in figures.items())
        self._kit.say(from_driver("PROGRESS", "SUCCESS", self.oid, text))

    @property
    def is_cancelled(self) -> bool:
        """Whether the engine does not want it any more."""
        return self._cancelled.is_set()

    def wait(self, seconds: float) -> None:
        """Wait; raises Failure at once when the request is cancelled."""
        if self._cancelled.wait(seconds):
            raise Failure("cancelled by the engine")

    def run(self, *argv: str, text: str = "", timeout_s: float | None = None) -> str:
        """Return what a program printed; `text` goes to its standard input.

        Raises:
            Failure: not installed, exit status other than 0 (with its error text), too slow, cancelled.
        """
        child = self._start(argv)
        try:
            out, err = child.communicate(text.encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise Failure(f"{shlex.join(argv)} was not done after {timeout_s:g} s") from None
        finally:
            with self._lock:
                self._children.discard(child)
        if self.is_cancelled:
            raise Failure("cancelled by the engine")
        if child.returncode:
            said = err.decode(errors="replace").strip() or out.decode(errors="replace").strip()
            raise Failure(f"{shlex.join(argv)}: {said[-ERROR_TEXT_MAX:] or f'exit status {child.returncode}'}")
        return out.decode(errors="replace")

    @contextlib.contextmanager
    def started(self, argv: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
        """Start a program with pipes for what it hears and says; it is ended with the block, or when cancelled.

        Raises:
            Failure: it cannot be started.
        """
        child = self._start(argv)
        try:
            yield child
        finally:
            child.kill()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
            child.wait()
            with self._lock:
                self._children.discard(child)

    def _start(self, argv: Sequence[str]) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self.is_cancelled:
                raise Failure("cancelled by the engine")
            try:
                pipe = subprocess.PIPE
                child = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment())
            except OSError as fault:
                raise Failure(f"cannot run {argv[0]}: {fault.strerror}: is it installed on this machine?") from fault
            self._children.add(child)
            return child

    def cancel(self) -> None:
        """End it as soon as possible."""
        with self._lock:
            self._cancelled.set()
            for child in self._children:
                child.kill()


def _environment() -> dict[str, str]:
    """Return the environment of programs: mkswap and mkfs are not on the PATH of every user."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


Verb = Callable[[Request], str]


def step_of_action_data(payload: str) -> int:
    """Return the step number in the payload of a virtual machine driver's request."""
    return action_data.parse(payload).step


class Kit:
    """Reads requests, has them done, answers.

    Args:
        name: of the driver, for files and messages: `vmm-dummy`.
        verbs: word on the wire to what does it; other words are answered with a failure.
        step_of: gets the step number out of a payload, raises DriverFault when it cannot; None:
            requests are not ordered by number.
        begin: called before INIT is answered; what it raises as Failure becomes INIT FAILURE.
        workers: requests carried out at the same time.
        kept_in: directory of the engine's home in which the last step number of each object is kept; the ids
            of VMs and of images are numbers of their own, so they must not share it.
    """

    def __init__(
        self,
        name: str,
        verbs: Mapping[str, Verb],
        *,
        step_of: Callable[[str], int] | None = None,
        begin: Callable[["Kit"], None] | None = None,
        workers: int = WORKERS_MAX,
        kept_in: str = "vms",
    ) -> None:
        self.name = name
        self._verbs = verbs
        self._step_of = step_of
        self._begin = begin
        self._workers_max = workers
        self._kept_in = kept_in
        self._workers = 0
        self._idle = 0
        self._waiting: dict[int, collections.deque[Request]] = {}
        self._ready: collections.deque[int] = collections.deque()
        self._lock = threading.Lock()
        self._work_is_there = threading.Condition(self._lock)
        self._out = -1
        self._out_lock = threading.Lock()

    def run(self) -> None:
        """Serve until FINALIZE or the end of standard input, then end, with everything that was started."""
        self._out = os.dup(1)
        os.dup2(2, 1)  # whatever a library prints must not get among the messages
        lines = Lines()
        while data := os.read(0, READ_BYTES):
            try:
                complete = lines.feed(data)
            except LineTooLong as fault:
                self._ignore(fault)
                complete = fault.lines
            for line in complete:
                if not self._take(line):
                    self._end()
        self._end()

    def say(self, line: bytes) -> None:
        """Write one line to the engine, whole."""
        with self._out_lock:
            while line:
                try:
                    line = line[os.write(self._out, line) :]
                except BrokenPipeError:
                    self._end()

    def _end(self) -> None:
        """End this process and its children, half-done or not: the next one is asked again."""
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        with self._lock:
            for waiting in self._waiting.values():
                for request in waiting:
                    request.cancel()
        os._exit(0)

    def _ignore(self, fault: DriverFault) -> None:
        print(f"{self.name}: ignored: {fault}", file=sys.stderr, flush=True)

    def _take(self, line: bytes) -> bool:
        try:
            message = parse_to_driver(line)
        except DriverFault as fault:
            self._ignore(fault)
            return True
        if message.type == "INIT":
            self._greet()
        elif message.type == "FINALIZE":
            return False
        elif message.type == "DRIVER_CANCEL":
            with self._lock:
                for request in self._waiting.get(message.oid, ()):
                    request.cancel()
        else:
            self._queue(message)
        return True

    def _greet(self) -> None:
        try:
            if self._begin is not None:
                self._begin(self)
        except Failure as failure:
            self.say(from_driver("INIT", "FAILURE", -1, str(failure)))
        else:
            self.say(from_driver("INIT", "SUCCESS", -1, "ANSWERS_ALL"))

    def _queue(self, message: Message) -> None:
        step, trouble = 0, ""
        if message.type not in self._verbs:
            trouble = f"{self.name} does not know {message.type}, it knows {', '.join(self._verbs)}"
        elif self._step_of is not None:
            try:
                step = self._step_of(message.payload)
            except DriverFault as fault:
                trouble = str(fault)
        with self._lock:
            waiting = self._waiting.setdefault(message.oid, collections.deque())
            waiting.append(Request(self, message, step, trouble))
            if len(waiting) > 1:
                return
            self._ready.append(message.oid)
            self._work_is_there.notify()
            if self._idle >= len(self._ready) or self._workers >= self._workers_max:
                return
            self._workers += 1
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        """Do one request of one object, then of the next, for ever."""
        while True:
            with self._lock:
                while not self._ready:
                    self._idle += 1
                    self._work_is_there.wait()
                    self._idle -= 1
                oid = self._ready.popleft()
                request = self._waiting[oid][0]
            status, info = self._outcome(request)
            self.say(from_driver(request.verb, status, request.oid, info))
            with self._lock:
                waiting = self._waiting[oid]
                waiting.popleft()
                if waiting:
                    self._ready.append(oid)
                else:
                    del self._waiting[oid]

    def _outcome(self, request: Request) -> tuple[str, str]:
        try:
            if request.trouble:
                raise Failure(request.trouble)
            if request.is_cancelled:
                raise Failure("cancelled by the engine before it began")
            with self._fenced(request):
                return "SUCCESS", self._verbs[request.verb](request)
        except Failure as failure:
            return "FAILURE", str(failure)
        except OSError as fault:
            return "FAILURE", f"{fault.filename or request.verb}: {fault.strerror or fault}"
        except Exception as bug:
            traceback.print_exc()
            return "FAILURE", f"bug in {self.name}: {type(bug).__name__}: {bug}"

    @contextlib.contextmanager
    def _fenced(self, request: Request) -> Iterator[None]:
        """Hold the object against other processes of this driver, and refuse what is out of date."""
        home = os.environ.get("TRIFID_HOME")
        if not request.step or not home:
            yield
            return
        directory = Path(home) / self._kept_in / str(request.oid)
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"fence.{self.name}"
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)) as fence:
            fcntl.flock(fence, fcntl.LOCK_EX)
            text = fence.read().strip()
            seen = int(text) if text.isdigit() else 0
            if request.step < seen:
                raise Failure(f"step {request.step} is out of date, step {seen} was seen already ({path})")
            # always as many bytes, in one write: a crash leaves the old number or the new one
            os.pwrite(fence.fileno(), f"{request.step:0{FENCE_DIGITS}}\n".encode(), 0)
            yield
