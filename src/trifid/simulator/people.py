"""The people who call: each makes one call at a time, and remembers what was promised."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from trifid.errors import Internal
from trifid.methods.registry import METHODS
from trifid.simulator.broken import Broken
from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.files import Files
from trifid.simulator.hosts import Hosts
from trifid.simulator.life import ADMIN, PLANNER, USERS, Life, session
from trifid.simulator.requests import Request, new_vm, planned, request_about
from trifid.simulator.store import Durable
from trifid.wire.answers import Answer, Fault

AWAY_S = 20.0
"""How long people wait when no engine answers."""


class Person(msgspec.Struct, eq=False):
    """Somebody with a session.

    Attributes:
        waits_for: the request that is not answered yet.
        heard: id of the newest journal entry when it was asked.
        before_s: what was asked for before, of the disks whose end it asks for.
    """

    name: str
    uid: int
    waits_for: Request | None = None
    heard: int = 0
    before_s: dict[tuple[int, str], float] = {}


class People:
    """All of them.

    Args:
        life: returns the engine that runs now, if one does.
        vms_max: how many VMs they keep.
        pause_s: mean time between an answer and the next call of a person.

    Attributes:
        promised: acknowledged VMs, with the name that each was acknowledged to have.
        calls: counts calls by their outcome.
        is_over: nobody asks for anything any more.
    """

    def __init__(
        self,
        clock: Clock,
        dice: Dice,
        durable: Durable,
        hosts: Hosts,
        life: Callable[[], Life | None],
        tell: Callable[[str], None],
        *,
        vms_max: int,
        pause_s: float,
    ) -> None:
        self.promised: dict[int, str] = {}
        self.calls: Counter[str] = Counter()
        self.is_over = False
        self._clock, self._dice, self._durable, self._hosts = clock, dice, durable, hosts
        self._files: Files = hosts.files
        self._life, self._tell = life, tell
        self._vms_max, self._pause_s = vms_max, pause_s
        uids = {user.name: user.id for user in durable.load().users}
        self._people = [Person(name, uids[name]) for name in (ADMIN, PLANNER, *USERS)]

    def begin(self) -> None:
        """Let everybody think of something."""
        for person in self._people:
            self._later(person, self._dice.about(self._pause_s))

    def engine_died(self) -> None:
        """Whoever waits for an answer never gets it: what was asked may have happened."""
        for person in self._people:
            request, person.waits_for = person.waits_for, None
            if request is None:
                continue
            self.calls["unanswered"] += 1
            self._note_end(request)
            if request.name:
                self.promised[request.vm_id] = ""
            self._later(person, self._dice.between(1.0, AWAY_S))

    def _later(self, person: Person, seconds: float) -> None:
        self._clock.later(seconds, lambda: self._call(person))

    def _call(self, person: Person) -> None:
        if self.is_over:
            return
        life = self._life()
        if life is None or not life.is_serving:
            self._later(person, AWAY_S)
            return
        request = self._think(person, life)
        if request is None or request.method not in METHODS:
            self._later(person, self._dice.about(self._pause_s))
            return
        person.waits_for, person.heard = request, self._durable.journal_id
        person.before_s = {
            (request.vm_id, of): self._files.asked_s.get((request.vm_id, of), -1.0) for of in request.ends
        }
        self._note_end(request)
        call = life.dispatcher(request.method, [session(person.name), *request.arguments], person.name)
        task = life.loop.create_task(call)
        task.add_done_callback(lambda done: self._answered(person, life, done.result()))

    def _think(self, person: Person, life: Life) -> Request | None:
        memory, chance = life.engine.turns.memory, self._dice.random
        if person.name == PLANNER:
            vms = [vm for _, vm in sorted(memory.vms.items())]
            return planned(chance, chance.choice(vms), self._clock.epoch()) if vms and chance.random() < 0.2 else None
        if len(memory.vms) < self._vms_max and chance.random() < 0.5:
            return new_vm(chance)
        of_all = person.name == ADMIN or chance.random() < 0.05
        ids = sorted(vm_id for vm_id, vm in memory.vms.items() if of_all or vm.uid == person.uid)
        if not ids:
            return None
        request = request_about(chance, memory, memory.vms[chance.choice(ids)])
        # What only administrators may do is mostly asked by one; the others are refused now and then.
        return request if not request.needs_admin or person.name == ADMIN or chance.random() < 0.1 else None

    def _answered(self, person: Person, life: Life, answer: Answer | Fault) -> None:
        request = person.waits_for
        if request is None or life is not self._life():
            return
        person.waits_for = None
        self._later(person, self._dice.about(self._pause_s))
        words = " ".join(str(argument) for argument in request.arguments if argument != "")
        said = answer.text if isinstance(answer, Fault) else answer.value
        self._tell(f"{person.name}: {request.method} {words!r} -> {said}")
        if isinstance(answer, Fault):
            raise Broken(f"{request.method} {request.arguments} is not understood: {answer.text}")
        if not answer.success and answer.code == Internal.code and "could not be written" in str(answer.value):
            self.calls["unanswered"] += 1
            self._note_end(request)
            if request.name:
                self.promised[request.vm_id] = ""
            return
        self.calls["done" if answer.success else "refused"] += 1
        if person.name != PLANNER:
            self._check_trace(person, request, answer, words)
        if answer.success:
            self._promise(request, answer.value)
        else:
            self._files.asked_s.update(person.before_s)
            if request.vm_id in life.engine.turns.memory.vms:
                self._hosts.forgotten.discard(request.vm_id)

    def _check_trace(self, person: Person, request: Request, answer: Answer, words: str) -> None:
        """What is acknowledged is in the database by then; what is refused is not, and never comes."""
        traces = [entry for entry in self._durable.journal[person.heard :] if entry.uid == person.uid]
        if answer.success and not traces and not request.is_quiet:
            raise Broken(f"{request.method} {words!r} of {person.name} was acknowledged, the database knows nothing")
        if not answer.success and traces:
            raise Broken(f"{request.method} {words!r} of {person.name} was refused and left a trace: {traces[0]}")

    def _note_end(self, request: Request) -> None:
        for which in request.ends:
            self._files.asked_s[(request.vm_id, which)] = self._clock.now_s
        if request.forgets:
            self._hosts.forgotten.add(request.vm_id)

    def _promise(self, request: Request, value: Any) -> None:
        self._note_end(request)
        if request.method == "one.vm.allocate":
            self.promised.setdefault(value, "")
        if request.name:
            self.promised[request.vm_id] = request.name
