"""One seed, one history: the engine's parts in a world that goes wrong, and what must hold all the while."""

import random
from collections import deque

from msgspec.structs import replace

from tests.engine.fake_store import FakeStore
from tests.engine.world import Clock
from tests.simulator.world import HOSTS, TIMEOUT_S, Crash, Hosts, SimulatedDriver
from trifid.core.host import Host, HostState
from trifid.core.ledger import Share, charged_hosts
from trifid.core.network.record import Lease
from trifid.core.vm import events
from trifid.core.vm.record import VM, Action, Needs
from trifid.core.vm.states import VmState as S
from trifid.core.vm.table import TABLE, TRANSIENT
from trifid.engine.drivers import DriverSet
from trifid.engine.life import happen
from trifid.engine.memory import Memory
from trifid.engine.monitoring import Monitoring
from trifid.engine.orders import Order
from trifid.engine.outbox import Outbox
from trifid.engine.transaction import Draft
from trifid.errors import Refused, TrifidError
from trifid.wire.lines import Message, pack

VMS_MAX = 4
REQUESTS = [
    events.Deploy,
    events.Terminate,
    events.TerminateHard,
    events.Delete,
    events.Poweroff,
    events.PoweroffHard,
    events.Resume,
    events.Resume,
    events.Reboot,
    events.RebootHard,
    events.Resched,
    events.Unresched,
    events.Hold,
    events.Release,
    events.Deploy,
    events.MigrateLive,
    events.MigrateLive,
    events.MigrateSave,
    events.Retry,
    events.Retry,
]


class SimulatedOrders:
    """Payloads that the simulated drivers understand: verb, step, host, other host."""

    def render(self, vm: VM, action: Action) -> Order:
        ids = [r.host_id for r in vm.history[-2:]]
        host_id, other = (ids[0], ids[-1]) if action.previous else (ids[-1], ids[0])
        verb = "migrate_files" if (action.family, action.verb) == ("tm", "migrate") else action.verb
        word = "TRANSFER" if action.family == "tm" else action.verb
        return Order(word, f"{verb} {action.step} {host_id} {other}")


class SimulatedTurns:
    """The turn without an event loop: the same order of decide, commit, adopt, tell, with places to crash."""

    def __init__(self, memory: Memory, store: FakeStore, now: Clock, crash) -> None:
        self.memory = memory
        self.after_commit = []
        self._store, self._now, self._crash = store, now, crash
        self._inbox: deque = deque()

    def post(self, command) -> None:
        self._inbox.append(command)

    @property
    def is_idle(self) -> bool:
        return not self._inbox

    def turn(self) -> None:
        draft = Draft(self.memory, self._now())
        while self._inbox:
            mine = draft.child()
            try:
                self._inbox.popleft()(mine)
            except TrifidError:
                continue
            mine.fold()
        batch = draft.batch
        batch.journal = [replace(e, id=self.memory.journal_id + n) for n, e in enumerate(batch.journal, start=1)]
        if batch.is_empty:
            return
        self._crash("before the commit")
        self._store.commit(batch)
        self._crash("after the commit")
        self.memory.adopt(batch)
        for hear in self.after_commit:
            hear(batch)


class Simulation:
    """A seed's history.  `story` tells what happened, for whoever has to understand a failure."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.trouble = 0.0
        self.hosts = Hosts()
        self.store = FakeStore()
        self.clock = Clock()
        silent = self.chance.random() < 0.5
        self.vmm = SimulatedDriver("vmm", self.hosts, self.chance, silent)
        self.tm = SimulatedDriver("tm", self.hosts, self.chance, silent)
        self.im = SimulatedDriver("im", self.hosts, self.chance, silent)
        self.reports: list[tuple[int, Message]] = []
        self.story: list[str] = []
        self.start_engine()
        self.turns.post(self._first_hosts)
        self.turns.turn()
        self.trouble = self.chance.choice((0.0, 0.05, 0.2))

    # -- the engine ----------------------------------------------------------------------------------

    def start_engine(self) -> None:
        """A fresh process over the same store; its drivers are new, too."""
        self.clock.forget()
        self.memory = Memory(self.store.load())
        self.turns = SimulatedTurns(self.memory, self.store, self.clock, self._maybe_crash)
        drivers = DriverSet({(d.family, d.name): d for d in (self.vmm, self.tm, self.im)})
        self.outbox = Outbox(self.turns, drivers, SimulatedOrders(), call_later=self.clock.call_later)
        self.monitoring = Monitoring(self.turns, drivers, self.clock, 30, 10**9)
        for driver in (self.im, self.vmm, self.tm):
            self._come_up(driver)

    def crash_engine(self) -> None:
        """The process is gone, its drivers with it; it is started again and may crash again."""
        self.story.append(f"{self.clock()} CRASH")
        for driver in (self.vmm, self.tm, self.im):
            driver.die()
        self.safely(self.start_engine)

    def _maybe_crash(self, where: str) -> None:
        if self.chance.random() < self.trouble / 8:
            self.story.append(f"{self.clock()} {where}:")
            raise Crash

    def _come_up(self, driver: SimulatedDriver) -> None:
        driver.is_ready = True
        if driver is not self.im:
            self.outbox.ready(driver)

    def safely(self, function) -> None:
        try:
            function()
        except Crash:
            self.crash_engine()

    def _first_hosts(self, draft: Draft) -> None:
        for host_id in HOSTS:
            draft.put(Host(host_id, f"host{host_id}", HostState.MONITORED, "dummy", "dummy"))

    # -- what happens --------------------------------------------------------------------------------

    def run(self, beats: int) -> None:
        """Let things happen, then let everything come to rest, then have everything deleted."""
        for driver in (self.vmm, self.tm):
            driver.crash_while_sending = self.trouble / 20
        for _ in range(beats):
            self.clock.now += 1
            self.safely(self._something)
            self.check_always()
        self.come_to_rest()
        self.check_at_rest()
        for vm_id in sorted(self.memory.vms):
            self.request(vm_id, events.Delete)
        self.come_to_rest()
        assert self.memory.vms == {}, self.memory.vms
        assert self.memory.leases == {}
        assert not any(self.hosts.domains.values()), self.hosts.domains
        assert not any(self.hosts.files.values()), self.hosts.files

    def _something(self) -> None:
        what = self.chance.choices(
            ("request", "create", "work", "answer", "report", "hear", "turn", "guest off", "die", "network", "time"),
            (15, 3, 30, 30, 4, 6, 20, 1, 10 * self.trouble, 20 * self.trouble, 2),
        )[0]
        if what == "request" and self.memory.vms:
            vm_id = self.chance.choice(sorted(self.memory.vms))
            legal = [kind for kind in REQUESTS if (self.memory.vms[vm_id].state, kind) in TABLE]
            self.request(vm_id, self.chance.choice(legal if legal and self.chance.random() < 0.7 else REQUESTS))
        elif what == "create" and len(self.memory.vms) < VMS_MAX:
            self.turns.post(self._create)
        elif what == "work":
            self._work(self.chance.choice((self.vmm, self.tm)), self.trouble)
        elif what == "answer":
            self._deliver(self.chance.choice((self.vmm, self.tm)))
        elif what == "report":
            self._report(self.chance.choice(HOSTS))
        elif what == "hear" and self.reports:
            self._hear(self.chance.randrange(len(self.reports)))
        elif what == "turn":
            self.turns.turn()
        elif what == "guest off":
            self._guest_off()
        elif what == "die":
            self._die(self.chance.choice((self.vmm, self.tm)))
        elif what == "network":
            self.hosts.unreachable ^= {self.chance.choice(HOSTS)}
        elif what == "time":
            self._time_passes(self.chance.choice((1, 6, 6, TIMEOUT_S + 1)))

    def _create(self, draft: Draft) -> None:
        vm_id = draft.next_id("vm")
        draft.put(VM(vm_id, 0, 0, f"vm{vm_id}", S.PENDING, Needs(100, 64), stime=draft.now))
        draft.put(Lease(1, 0, vm_id, vm_id=vm_id, mac=vm_id))

    def request(self, vm_id: int, kind: type[events.Request]) -> None:
        host_id = self.chance.choice(HOSTS)
        self.story.append(f"{self.clock()} vm {vm_id} {kind.__name__} {host_id}")

        def command(draft: Draft) -> None:
            vm = draft.vm(vm_id)
            if not issubclass(kind, events.Deploy):
                happen(draft, vm, kind())
                return
            if kind is not events.Deploy and vm.history and vm.current.host_id == host_id:
                raise Refused("already there")
            place = {"host_id": host_id, "hostname": "h", "cluster_id": 0, "datastore_id": 0}
            happen(draft, vm, kind(**place, vmm="dummy", tm="dummy"))

        self.turns.post(command)

    def _work(self, driver: SimulatedDriver, trouble: float) -> None:
        if driver.is_busy:
            driver.work(trouble)

    def _deliver(self, driver: SimulatedDriver) -> None:
        if driver.answers:
            message = driver.answers.popleft()
            self.story.append(
                f"{self.clock()} {driver} {message.type} {message.status} {message.oid} {message.payload}"
            )
            self.outbox.said(driver, message)
            while driver.answers and driver.answers[0] is message:  # said twice, one right after the other
                self.outbox.said(driver, driver.answers.popleft())

    def _report(self, host_id: int) -> None:
        """A host is looked at; what was seen is on its way, and may be overtaken."""
        if host_id in self.hosts.unreachable:
            said = [("MONITOR_HOST", "FAILURE", "no route to host")]
        else:
            lines = [f'VM = [ ID="{vm_id}", STATE="RUNNING" ]' for vm_id in sorted(self.hosts.domains[host_id])]
            said = [
                ("MONITOR_HOST", "SUCCESS", "FREECPU=1"),
                ("STATE_VM", "SUCCESS", "\n".join(["SYNC_STATE=YES", *lines])),
            ]
        for word, status, text in said:
            self.reports.append((host_id, Message(word, status, host_id, pack(text), self.clock())))

    def _hear(self, index: int) -> None:
        _, message = self.reports.pop(index)
        self.monitoring.said(self.im, message)

    def _guest_off(self) -> None:
        running = [(h, vm_id) for h in HOSTS for vm_id in sorted(self.hosts.domains[h])]
        if running:
            host_id, vm_id = self.chance.choice(running)
            self.story.append(f"{self.clock()} vm {vm_id} switches itself off on {host_id}")
            self.hosts.domains[host_id].discard(vm_id)

    def _time_passes(self, seconds: float) -> None:
        """Seconds pass; what was on its way in a pipe arrives long before."""
        for driver in (self.vmm, self.tm):
            while driver.answers:
                self._deliver(driver)
        self.clock.pass_by(seconds)

    def _die(self, driver: SimulatedDriver) -> None:
        self.story.append(f"{self.clock()} {driver} dies")
        driver.die()
        self.outbox.down(driver, "it died")
        if self.chance.random() < 0.5:
            self.turns.turn()
        self._come_up(driver)

    # -- what must hold ------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """No more trouble: everything that is under way ends, hosts are seen as they are."""
        self.trouble = 0.0
        self.hosts.unreachable.clear()
        for driver in (self.vmm, self.tm):
            driver.crash_while_sending = 0.0
        for _ in range(60):
            self.clock.now += 1
            self.turns.turn()
            for driver in (self.vmm, self.tm):
                while driver.is_busy:
                    driver.work(0.0)
                while driver.answers:
                    self._deliver(driver)
            self.turns.turn()
            for host_id in HOSTS:
                self._report(host_id)
            while self.reports:
                self._hear(0)
            self.turns.turn()
            self.clock.pass_by(TIMEOUT_S / 4)
            self.turns.turn()
            self.check_always()

    def check_always(self) -> None:
        for vm_id in range(self.memory.counters.get("vm", 0)):
            assert len(self.hosts.where(vm_id)) <= 1, f"vm {vm_id} runs on hosts {self.hosts.where(vm_id)}"
        shares: dict[int, Share] = {}
        for vm in self.memory.vms.values():
            for host_id in charged_hosts(vm):
                shares[host_id] = shares.get(host_id, Share()).plus(vm.needs, 1)
        assert self.memory.shares == shares
        assert set(self.memory.leases_of) == set(self.memory.vms)
        for action in self.memory.actions.values():
            assert self.memory.vms[action.vm_id].step == action.step

    def check_at_rest(self) -> None:
        assert self.memory.actions == {}, f"waits for ever: {self.memory.actions}"
        assert not any((self.outbox._under_way, self.outbox._next, self.outbox._losses))
        fresh = Memory(self.store.load())
        assert all(getattr(self.memory, name) == value for name, value in vars(fresh).items())
        for vm_id in range(self.memory.counters.get("vm", 0)):
            vm, where = self.memory.vms.get(vm_id), self.hosts.where(vm_id)
            state = vm.state if vm else S.DONE
            assert state not in TRANSIENT, f"vm {vm_id} is stuck in {state.name}"
            if state is S.RUNNING:
                assert where == [vm.current.host_id], f"vm {vm_id} should run on {vm.current.host_id}, runs on {where}"
            else:
                assert where == [], f"vm {vm_id} is {state.name} and runs on {where}"
