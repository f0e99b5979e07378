"""The world outside the engine: hosts with domains and files, and driver processes that act on them.

All of it outlives the engine.  What goes wrong is decided by the seed's random numbers and by `trouble`,
how often it does.
"""

import random
from collections import defaultdict, deque

from trifid.engine.config import DriverSettings
from trifid.wire.lines import Message, parse_to_driver

HOSTS = (1, 2, 3)
TIMEOUT_S = 60.0


class Crash(BaseException):
    """The engine's process is gone at this very moment."""


class Hosts:
    """What is true.

    Attributes:
        domains, files, checkpoints: host id to the VMs that have one there.
        unreachable: hosts that no driver can act on.
        fences: (driver family, VM) to the highest step seen: survives everything.
    """

    def __init__(self) -> None:
        self.domains: dict[int, set[int]] = defaultdict(set)
        self.files: dict[int, set[int]] = defaultdict(set)
        self.checkpoints: dict[int, set[int]] = defaultdict(set)
        self.unreachable: set[int] = set()
        self.fences: dict[tuple[str, int], int] = {}

    def where(self, vm_id: int) -> list[int]:
        """The hosts on which a VM runs."""
        return [host_id for host_id in HOSTS if vm_id in self.domains[host_id]]

    def act(self, family: str, vm_id: int, payload: str) -> tuple[bool, str]:
        """Do what a request asks, unless its goal is met already; return success and what is told."""
        verb, step, *ids = payload.split()
        host_id, other = int(ids[0]), int(ids[1])
        if self.fences.get((family, vm_id), 0) > int(step):
            return False, f"step {step} is out of date"
        self.fences[(family, vm_id)] = int(step)
        if self.unreachable & ({host_id} if verb in ("POLL", "CANCEL", "SHUTDOWN", "SAVE") else {host_id, other}):
            return False, "no route to host"
        return getattr(self, f"_{verb.lower()}")(vm_id, host_id, other)

    def _prolog(self, vm_id, host_id, _):
        self.files[host_id].add(vm_id)
        return True, ""

    def _epilog(self, vm_id, host_id, _):
        self.files[host_id].discard(vm_id)
        return True, ""

    _delete = _epilog

    def _delete_both(self, vm_id, host_id, other):
        for at in (host_id, other):
            self.files[at].discard(vm_id)
            self.checkpoints[at].discard(vm_id)
        return True, ""

    def _migrate_files(self, vm_id, host_id, other):
        for kind in (self.files, self.checkpoints):
            if vm_id in kind[other]:
                kind[other].discard(vm_id)
                kind[host_id].add(vm_id)
        return vm_id in self.files[host_id], "no files"

    def _deploy(self, vm_id, host_id, _):
        if vm_id not in self.files[host_id]:
            return False, "no files"
        self.domains[host_id].add(vm_id)
        return True, f"one-{vm_id}"

    def _shutdown(self, vm_id, host_id, _):
        self.domains[host_id].discard(vm_id)
        return True, ""

    _cancel = _shutdown

    def _save(self, vm_id, host_id, _):
        if vm_id in self.domains[host_id]:
            self.domains[host_id].discard(vm_id)
            self.checkpoints[host_id].add(vm_id)
        return vm_id in self.checkpoints[host_id], "not running"

    def _restore(self, vm_id, host_id, _):
        if vm_id in self.domains[host_id]:
            return True, ""
        if vm_id not in self.checkpoints[host_id]:
            return False, "no checkpoint"
        self.checkpoints[host_id].discard(vm_id)
        self.domains[host_id].add(vm_id)
        return True, f"one-{vm_id}"

    def _migrate(self, vm_id, host_id, other):
        if vm_id in self.domains[host_id]:
            self.domains[host_id].discard(vm_id)
            self.domains[other].add(vm_id)
            self.files[host_id].discard(vm_id)
            self.files[other].add(vm_id)
        return vm_id in self.domains[other], "not running at the source"

    def _poll(self, vm_id, host_id, _):
        return True, "STATE=a" if vm_id in self.domains[host_id] else "STATE=d"

    def _reboot(self, vm_id, host_id, _):
        return vm_id in self.domains[host_id], "not running"

    _reset = _reboot


class SimulatedDriver:
    """One driver process: requests of a VM in order, each answered once, unless trouble comes.

    Attributes:
        answers_all: as our own drivers; the others are silent about what was cancelled, and may lose or repeat
            an answer.
        answers: lines on their way to the engine, oldest first.
    """

    does_not_start = False
    trouble = "it died"

    def __init__(self, family: str, hosts: Hosts, chance: random.Random, silent_when_cancelled: bool) -> None:
        self.family, self.name = family, "dummy"
        self.settings = DriverSettings("none", timeout_s=TIMEOUT_S)
        self.is_ready = False
        self.answers: deque[Message] = deque()
        self.crash_while_sending = 0.0
        self.answers_all = not silent_when_cancelled
        self._hosts, self._chance = hosts, chance
        self._waiting: dict[int, deque[Message]] = defaultdict(deque)
        self._cancelled: set[int] = set()

    def __str__(self) -> str:
        return f"{self.family} driver"

    def send(self, line: bytes) -> None:
        """A line from the engine."""
        if self._chance.random() < self.crash_while_sending:
            raise Crash
        message = parse_to_driver(line)
        if message.type == "DRIVER_CANCEL":
            self._cancelled.update(id(request) for request in self._waiting[message.oid])
        elif self.family != "im":
            self._waiting[message.oid].append(message)

    @property
    def is_busy(self) -> bool:
        return any(self._waiting.values())

    def die(self) -> None:
        """End; what was under way is done to the end or not at all, and is not answered."""
        for vm_id, requests in self._waiting.items():
            if requests and self._chance.random() < 0.5:
                self._hosts.act(self.family, vm_id, requests[0].payload)
        self._waiting.clear()
        self._cancelled.clear()
        self.answers.clear()
        self.is_ready = False

    def work(self, trouble: float) -> None:
        """Carry out one request of some VM and answer it, well or badly."""
        vm_id = self._chance.choice(sorted(vm_id for vm_id, requests in self._waiting.items() if requests))
        request = self._waiting[vm_id].popleft()
        was_cancelled = id(request) in self._cancelled
        self._cancelled.discard(id(request))
        is_done, told = False, "cancelled by the engine"
        if not was_cancelled or self._chance.random() < 0.3:
            is_done, told = self._carry_out(vm_id, request, trouble)
        if was_cancelled and not self.answers_all:
            return
        if not self.answers_all and self._chance.random() < trouble / 2:
            return  # the answer is lost: the engine's time-out must end it
        answer = Message(request.type, "SUCCESS" if is_done else "FAILURE", vm_id, told or "-")
        self.answers.append(answer)
        if not self.answers_all and self._chance.random() < trouble / 2:
            self.answers.append(answer)

    def _carry_out(self, vm_id: int, request: Message, trouble: float) -> tuple[bool, str]:
        if self._chance.random() < trouble:
            return False, "failed without the deed"
        is_done, told = self._hosts.act(self.family, vm_id, request.payload)
        if self._chance.random() < trouble:
            return False, "failed after the deed"
        return is_done, told
