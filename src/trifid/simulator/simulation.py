"""One seed's history: what happens next, step by step, and what must hold after each."""

import contextlib
import os
import tempfile
import traceback
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from trifid.core.access import ENGINE
from trifid.core.vm.states import VmState
from trifid.simulator import invariants
from trifid.simulator.broken import Broken, Killed
from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.fencing import SWITCHED_ON_S, TENDED_EVERY_S, power_on
from trifid.simulator.files import Files
from trifid.simulator.hosts import Hosts, SimulatedHost
from trifid.simulator.image_invariants import check_image, check_promised
from trifid.simulator.inside import RowKey, bugs_are_broken, counting, numbered_sources
from trifid.simulator.life import ADMIN, DATASTORES, SCHEDULER, Life, first_batch, session
from trifid.simulator.misfortune import Misfortune
from trifid.simulator.people import People
from trifid.simulator.request import APART, NETWORK
from trifid.simulator.scheduling import scheduler
from trifid.simulator.store import Durable, SimulatedStore
from trifid.store.interface import Store
from trifid.wire.answers import Answer, Fault

SCHEDULED_EVERY_S = 20.0
REST_S = 1800.0
"""Once nothing goes wrong any more, every VM has left its transient state within this time."""
CLEANED_UP_WITHIN = 20
CLEANED_UP_EVERY_S = 300.0
"""How often everything is asked to be deleted, and with how much time between."""
CHECK_ALL_EVERY = 40
"""Steps between two checks of everything, at least; more when there are more VMs."""
STORY_KEPT = 400
OPERATOR = SCHEDULER
"""Who looks after hosts: an administrator who is none of the people, whose refused calls leave no trace."""


class Options(msgspec.Struct, frozen=True):
    """What is simulated.

    Attributes:
        hours: of virtual time in which things go wrong; then they are given time to come to rest.
        vms: most that there are at the same time.
        faults: names of the kinds that may strike.
        pause_s: mean time between two calls of one person.
        store: "memory", or "sqlite" for the real one beside it.
        memory_mib: of each host.
    """

    hours: float = 2.0
    hosts: int = 4
    vms: int = 8
    faults: frozenset[str] = frozenset()
    pause_s: float = 25.0
    store: str = "memory"
    memory_mib: int = 1024


class History(msgspec.Struct):
    """What came of a seed.

    Attributes:
        broken: the invariant that did not hold, empty when all did.
        steps: how many there were.
        hours: of virtual time, the time of rest included.
        struck: faults by kind.
        fired: rows of the table by how often, as `STATE Event`.
        calls: by outcome.
        story: the newest part of what happened.
    """

    seed: int
    broken: str = ""
    steps: int = 0
    hours: float = 0.0
    struck: dict[str, int] = {}
    fired: dict[str, int] = {}
    calls: dict[str, int] = {}
    story: list[str] = []


class Halted(SystemExit):
    """As many steps as were asked for are done."""


class Simulation:
    """A seed's history.

    Args:
        steps_max: end after so many, 0 = at the end.
        hear: told every line of the story at once.
    """

    def __init__(
        self, seed: int, options: Options, steps_max: int = 0, hear: Callable[[str], None] | None = None
    ) -> None:
        self.seed = seed
        self.steps = 0
        self.fired: Counter[RowKey] = Counter()
        self.story: deque[str] = deque(maxlen=STORY_KEPT)
        self._options, self._steps_max, self._hear = options, steps_max, hear
        self._dice = Dice(seed, options.faults)
        self._clock = Clock()
        self._durable = Durable()
        self._durable.apply(first_batch())
        self._temporary = tempfile.TemporaryDirectory(prefix="trifid-sim-", dir=_memory_directory())
        self._home = Path(self._temporary.name)
        self._is_shared = self._dice.random.random() < 0.4
        self._answers_all = self._dice.random.random() < 0.6
        self._hosts = Hosts(self._clock, Files(self._clock, DATASTORES if self._is_shared else ""))
        self._life: Life | None = None
        self._is_scheduling = self._is_tending = False
        self._told = 0
        self._people = People(
            self._clock,
            self._dice,
            self._durable,
            self._hosts,
            lambda: self._life,
            self._tell,
            vms_max=options.vms,
            pause_s=options.pause_s,
        )
        self._misfortune = Misfortune(self._clock, self._dice, self._hosts, lambda: self._life, self._tell)
        self._misfortune.kill, self._misfortune.restart = self._kill, self._stop
        self._scheduler = scheduler(
            lambda method, *arguments: self._ask(SCHEDULER, method, *arguments), self._clock, self._sleep
        )

    # -- the whole -------------------------------------------------------------------------------

    def run(self) -> History:
        """Let it happen, and return what came of it; an invariant that does not hold ends it."""
        broken, story = "", list[str]()
        with counting(self.fired), numbered_sources(), bugs_are_broken():
            try:
                self._run()
            except Halted:
                pass
            except Broken as found:
                broken = str(found).replace(self._temporary.name, "HOME")
            except Exception as bug:  # whatever the engine or its world raises belongs to this seed
                broken = f"{type(bug).__name__}: {bug}\n{traceback.format_exc()}"
            finally:
                story, self._hear = list(self.story), None
                self._end()
        return History(
            self.seed,
            broken,
            self.steps,
            self._clock.now_s / 3600,
            dict(self._dice.struck),
            {f"{state.name} {event.__name__}": count for (state, event), count in self.fired.items()},
            dict(self._people.calls),
            story,
        )

    def _run(self) -> None:
        trouble, self._dice.trouble = self._dice.trouble, 0.0
        self._start()
        self._make_world()
        self._dice.trouble = trouble
        self._people.begin()
        self._misfortune.begin()
        self._clock.later(SCHEDULED_EVERY_S, self._schedule)
        self._clock.later(TENDED_EVERY_S, self._tend)
        self._until(self._clock.now_s + self._options.hours * 3600)
        self._tell("nothing goes wrong any more")
        self._dice.stop()
        self._people.is_over = True
        self._misfortune.end()
        self._unschedule()
        self._until(self._clock.now_s + REST_S)
        self._check_at_rest()
        self._tell("everything is deleted")
        self._delete_all()
        invariants.check_nothing_left(self._running().engine, self._hosts, self._durable, str(self._home / "vms"))

    def _end(self) -> None:
        if self._life is not None:
            with contextlib.suppress(Broken):  # it is over: what its drivers still do is no part of it
                self._life.end()
        self._temporary.cleanup()

    def _make_world(self) -> None:
        for number in range(self._options.hosts):
            name = f"host{number}"
            self._hosts.by_name[name] = SimulatedHost(name, cpu_percent=800, memory_kib=self._options.memory_mib * 1024)
            host_id = self._need(ADMIN, "one.host.allocate", name, "sim", "sim", -1)
            self._need(ADMIN, "one.host.update", host_id, 'FENCE=[METHOD="sim"]', 1)
        size = max(4, self._options.vms)
        text = f'NAME="{NETWORK}"\nVN_MAD="dummy"\nBRIDGE="br0"\nAR=[TYPE="IP4", IP="10.0.0.1", SIZE="{size}"]'
        network_id = self._need(ADMIN, "one.vn.allocate", text, -1)
        group_id = self._need(
            ADMIN, "one.vmgroup.allocate", f'NAME="{APART}"\nROLE=[NAME="{APART}", POLICY=ANTI_AFFINED]'
        )
        self._need(ADMIN, "one.vmgroup.chmod", group_id, -1, -1, -1, -1, -1, -1, 1, 0, 0)
        self._need(ADMIN, "one.vn.chmod", network_id, -1, -1, -1, -1, -1, -1, 1, 0, 0)

    def _unschedule(self) -> None:
        """Take every scheduled action back: one that is due every hour would keep its VM from coming to rest."""
        for vm_id, vm in sorted(self._running().engine.turns.memory.vms.items()):
            for one in vm.schedule:
                self._ask(ADMIN, "one.vm.unlock", vm_id)
                self._ask(ADMIN, "one.vm.scheddelete", vm_id, one.id)

    def _delete_all(self) -> None:
        for _ in range(CLEANED_UP_WITHIN):
            memory = self._running().engine.turns.memory
            if not memory.vms and not memory.images and not memory.vm_templates:
                return
            for vm_id in sorted(memory.vms):
                self._ask(ADMIN, "one.vm.unlock", vm_id)
                self._hosts.files.asked_s[(vm_id, "")] = self._clock.now_s
                self._ask(ADMIN, "one.vm.recover", vm_id, 3)
            for image_id in sorted(memory.images):
                self._ask(ADMIN, "one.image.unlock", image_id)
                self._hosts.files.deleted.add(image_id)
                self._ask(ADMIN, "one.image.delete", image_id)
            for template_id in sorted(memory.vm_templates):
                self._ask(ADMIN, "one.template.delete", template_id)
            self._until(self._clock.now_s + CLEANED_UP_EVERY_S)

    def _check_at_rest(self) -> None:
        people = self._people
        invariants.check_at_rest(self._running().engine, self._hosts, self._durable, people.promised)
        asked, acknowledged = self._hosts.files.deleted, people.deleted_images
        check_promised(self._durable.images, people.promised_images, asked, acknowledged)

    # -- step by step ----------------------------------------------------------------------------

    def _until(self, at_s: float) -> None:
        """Let things happen until a time."""
        is_over = False

        def over() -> None:
            nonlocal is_over
            is_over = True

        self._clock.later(at_s - self._clock.now_s, over)
        while not is_over:
            self._step()

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._until(self._clock.now_s + seconds)

    def _step(self) -> None:
        """Let the next thing happen, with everything in the engine that follows from it at once."""
        self.steps += 1
        if self._steps_max and self.steps > self._steps_max:
            raise Halted
        life = self._life
        try:
            if life is None or not life.loop.is_due:
                next_s = life.loop.next_s if life is not None else float("inf")
                if self._clock.next_s <= next_s:
                    self._clock.take()()
                else:
                    self._clock.now_s = next_s
            if self._life is not None:
                self._life.loop.settle()
        except Killed as how:
            self._kill(str(how))
        self._look()

    def _look(self) -> None:
        """Check what has changed, and now and then everything; take notice of a daemon that ends by itself."""
        self._tell_journal()
        life = self._life
        if life is None:
            return
        memory = life.engine.turns.memory
        for vm_id in life.changed:
            vm = memory.vms.get(vm_id)
            if vm is not None:
                invariants.check_vm(memory, vm)
                if vm.state is VmState.RUNNING:
                    self._hosts.treasure(self._hosts.by_name[vm.current.hostname], vm_id)
        for image_id in life.changed_images:
            if (image := memory.images.get(image_id)) is not None:
                check_image(memory, image)
        if life.overcommitted:
            raise Broken(life.overcommitted[0])
        life.changed.clear()
        life.changed_images.clear()
        if self.steps % max(CHECK_ALL_EVERY, len(memory.vms)) == 0:
            invariants.check_memory(memory, self._durable)
        if life.has_failed:
            self._kill("it ends, the database refused")

    # -- the engine's lives ----------------------------------------------------------------------

    def _start(self) -> None:
        if self._life is not None:
            return
        self._tell("the daemon is started")
        try:
            self._life = Life(
                self._home,
                SimulatedStore(self._durable, self._dice, self._real_store()),
                self._clock,
                self._dice,
                self._hosts,
                self._tell,
                _went_wrong,
                self._durable,
                is_shared=self._is_shared,
                answers_all=self._answers_all,
            )
        except Killed as how:
            self._kill(str(how))

    def _real_store(self) -> Store | None:
        if self._options.store == "memory":
            return None
        from trifid.store.sql import open_store

        store = open_store("sqlite:///trifid.db", self._home)
        if not store.load().users:
            store.commit(first_batch())
        return store

    def _stop(self) -> None:
        """The daemon is told to end."""
        life = self._life
        if life is not None and life.is_serving:
            self._tell("the daemon is told to stop")
            life.stop(lambda: self._stopped(life))

    def _stopped(self, life: Life) -> None:
        if self._life is life:
            if not life.has_failed:
                invariants.check_durable(life.engine.turns.memory, self._durable)
            self._gone("the daemon has stopped")

    def _kill(self, how: str) -> None:
        self._gone(f"the daemon is killed: {how}")

    def _gone(self, how: str) -> None:
        """The daemon is gone; somebody starts it again."""
        self._tell(how)
        life, self._life = self._life, None
        if life is not None:
            life.end()
        self._people.engine_died()
        self._clock.later(self._dice.between(0.5, 30.0), self._start)

    def _running(self) -> Life:
        while self._life is None or not self._life.is_serving:
            self._step()
        return self._life

    # -- calls that time passes for --------------------------------------------------------------

    def _ask(self, name: str, method: str, *arguments: Any) -> Answer | Fault | None:
        """Make a call and let things happen until it is answered; None when the engine died over it."""
        life = self._life
        if life is None or not life.is_serving:
            return None
        task = life.loop.create_task(life.dispatcher(method, [session(name), *arguments], name))
        while not task.done():
            if self._life is not life:
                return None
            self._step()
        answer: Answer | Fault = task.result()
        return answer

    def _need(self, name: str, method: str, *arguments: Any) -> Any:
        """Return the result of a call that nothing may keep from being answered."""
        self._running()
        answer = self._ask(name, method, *arguments)
        if not isinstance(answer, Answer) or not answer.success:
            raise Broken(f"the world cannot be made: {method} {arguments}: {answer}")
        return answer.value

    def _schedule(self) -> None:
        if not self._is_scheduling:
            self._is_scheduling = True
            try:
                self._scheduler.round()
            finally:
                self._is_scheduling = False
        self._clock.later(SCHEDULED_EVERY_S, self._schedule)

    def _tend(self) -> None:
        """Let an operator look after hosts: enable those that are well again, give his word for those without power.

        He keeps a host off until his word is heard, and switches it on at some time after.
        """
        life = self._life
        if life is not None and life.is_serving and not self._is_tending:
            self._is_tending = True
            try:
                for host in list(life.engine.turns.memory.hosts.values()):
                    self._tend_to(host.id, self._hosts.by_name[host.name])
            finally:
                self._is_tending = False
        self._clock.later(TENDED_EVERY_S, self._tend)

    def _tend_to(self, host_id: int, host: SimulatedHost) -> None:
        if not host.is_powered:
            chance = self._dice.random.random()
            if chance < TENDED_EVERY_S / SWITCHED_ON_S:
                power_on(host)
                self._tell(f"somebody switches {host.name} on")
            elif chance < 2 * TENDED_EVERY_S / SWITCHED_ON_S:
                self._ask(OPERATOR, "trifid.host.fenced", host_id)
        elif host.is_reachable and (life := self._life) is not None and life.is_serving:
            known = life.engine.turns.memory.hosts.get(host_id)
            if known is not None and known.fence is not None and known.fence.is_confirmed:
                self._ask(OPERATOR, "one.host.status", host_id, 0)

    # -- the story -------------------------------------------------------------------------------

    def _tell(self, what: str) -> None:
        line = f"{self._clock.now_s:10.3f} {self.steps:7d}  {what}".replace(self._temporary.name, "HOME")
        self.story.append(line)
        if self._hear is not None:
            self._hear(line)

    def _tell_journal(self) -> None:
        for entry in self._durable.journal[self._told :]:
            if entry.what != "updated":
                who = "" if entry.uid == ENGINE.uid else f" by {entry.uid}"
                change = f"{entry.old} -> {entry.new}" if entry.old or entry.new else ""
                self._tell(f"{entry.kind.lower()} {entry.object_id} {entry.what} {change} {entry.text}{who}".rstrip())
        self._told = self._durable.journal_id


def _went_wrong(context: dict[str, Any]) -> None:
    raise Broken(f"nobody caught it: {context.get('message')}: {context.get('exception')!r}")


def _memory_directory() -> str | None:
    """Return a directory in memory, where there is one; else files go where temporary files go."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  (a fresh directory is made in it)
