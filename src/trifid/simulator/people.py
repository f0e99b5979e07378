"""The people who call: each makes one call at a time, and remembers what was promised."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from trifid.engine.memory import Memory
from trifid.errors import Internal
from trifid.methods.registry import METHODS
from trifid.simulator.broken import Broken
from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.files import Files
from trifid.simulator.hosts import Hosts
from trifid.simulator.image_requests import new_image, new_template, request_about_image, request_about_template
from trifid.simulator.life import ADMIN, PLANNER, USERS, Life, session
from trifid.simulator.request import Request
from trifid.simulator.requests import new_vm, planned, request_about
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
        before: the same of the images whose end it asks for.
        asked_s: when it was asked.
    """

    name: str
    uid: int
    waits_for: Request | None = None
    heard: int = 0
    before_s: dict[tuple[int, str], float] = {}
    before: frozenset[int] = frozenset()
    asked_s: float = 0.0


class People:
    """All of them.

    Args:
        life: returns the engine that runs now, if one does.
        vms_max: how many VMs they keep.
        pause_s: mean time between an answer and the next call of a person.

    Attributes:
        promised, promised_images: acknowledged VMs and images, with the name that each was acknowledged to have.
        deleted_images: those whose deletion was acknowledged.
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
        self.promised_images: dict[int, str] = {}
        self.deleted_images: set[int] = set()
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
            self._unanswered(request)
            self._later(person, self._dice.between(1.0, AWAY_S))

    def _unanswered(self, request: Request) -> None:
        """What was asked for may happen, and may not."""
        self.calls["unanswered"] += 1
        self._note_end(request)
        if request.name:
            self._names(request)[request.vm_id if request.image_id < 0 else request.image_id] = ""

    def _names(self, request: Request) -> dict[int, str]:
        return self.promised if request.image_id < 0 else self.promised_images

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
        person.asked_s = self._clock.now_s
        person.before_s = {
            (request.vm_id, of): self._files.asked_s.get((request.vm_id, of), -1.0) for of in request.ends
        }
        person.before = frozenset(self._files.deleted.intersection(request.deletes))
        self._note_end(request)
        call = life.dispatcher(request.method, [session(person.name), *request.arguments], person.name)
        task = life.loop.create_task(call)
        task.add_done_callback(lambda done: self._answered(person, life, done.result()))

    def _think(self, person: Person, life: Life) -> Request | None:
        memory, chance = life.engine.turns.memory, self._dice.random
        if person.name == PLANNER:
            vms = [vm for _, vm in sorted(memory.vms.items())]
            return planned(chance, chance.choice(vms), self._clock.epoch()) if vms and chance.random() < 0.2 else None
        if chance.random() < 0.25:
            return self._about_the_catalogue(memory, person)
        if len(memory.vms) < self._vms_max and chance.random() < 0.5:
            return new_vm(chance, memory, person.uid)
        of_all = person.name == ADMIN or chance.random() < 0.05
        ids = sorted(vm_id for vm_id, vm in memory.vms.items() if of_all or vm.uid == person.uid)
        if not ids:
            return None
        request = request_about(chance, memory, memory.vms[chance.choice(ids)])
        # What only administrators may do is mostly asked by one; the others are refused now and then.
        return request if not request.needs_admin or person.name == ADMIN or chance.random() < 0.1 else None

    def _about_the_catalogue(self, memory: Memory, person: Person) -> Request | None:
        """Return a call about an image or a kept template."""
        chance = self._dice.random
        is_about_all = person.name == ADMIN or chance.random() < 0.05
        if chance.random() < 0.2:
            templates = [one for _, one in sorted(memory.vm_templates.items()) if is_about_all or one.uid == person.uid]
            if not templates or chance.random() < 0.3:
                return new_template(chance, memory, person.uid)
            return request_about_template(chance, chance.choice(templates))
        images = [one for _, one in sorted(memory.images.items()) if is_about_all or one.uid == person.uid]
        if not images or (len(memory.images) < self._vms_max and chance.random() < 0.4):
            return new_image(chance)
        return request_about_image(chance, memory, chance.choice(images))

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
            self._unanswered(request)
            return
        self.calls["done" if answer.success else "refused"] += 1
        if person.name != PLANNER:
            self._check_trace(person, request, answer, words)
        if answer.success:
            self._promise(request, answer.value)
        else:
            self._take_back(person, request, life.engine.turns.memory)

    def _take_back(self, person: Person, request: Request, memory: Memory) -> None:
        """What was refused was not asked for, unless by somebody else meanwhile."""
        for key, before_s in person.before_s.items():
            if self._files.asked_s[key] == person.asked_s:
                self._files.asked_s[key] = before_s
        self._files.deleted.difference_update(set(request.deletes) - person.before)
        if request.vm_id in memory.vms:
            self._hosts.forgotten.discard(request.vm_id)
        if request.image_id in memory.images:
            self._hosts.forgotten_images.discard(request.image_id)

    def _check_trace(self, person: Person, request: Request, answer: Answer, words: str) -> None:
        """What is acknowledged is in the database by then; what is refused is not, and never comes."""
        heard = self._durable.journal[person.heard :]
        # the word that a host is off is given beside all that people do
        traces = [entry for entry in heard if entry.uid == person.uid and entry.what != "fenced"]
        if answer.success and not traces and not request.is_quiet:
            raise Broken(f"{request.method} {words!r} of {person.name} was acknowledged, the database knows nothing")
        if not answer.success and traces:
            raise Broken(f"{request.method} {words!r} of {person.name} was refused and left a trace: {traces[0]}")

    def _note_end(self, request: Request) -> None:
        for which in request.ends:
            self._files.asked_s[(request.vm_id, which)] = self._clock.now_s
        self._files.deleted.update(request.deletes)
        if request.forgets and request.image_id < 0:
            self._hosts.forgotten.add(request.vm_id)
        elif request.forgets:
            self._hosts.forgotten_images.add(request.image_id)

    def _promise(self, request: Request, value: Any) -> None:
        self._note_end(request)
        self.deleted_images.update(request.deletes)
        if request.makes == "vm":
            self.promised.setdefault(value, "")
        elif request.makes == "image":
            self.promised_images.setdefault(value, "")
        if request.name:
            self._names(request)[request.vm_id if request.image_id < 0 else request.image_id] = request.name
