"""One life of the daemon: from its start over what is in the database until it is killed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trifid.core.user import Group, LoginToken, User
from trifid.engine.auth import token_digest
from trifid.engine.config import Config, Drivers, DriverSettings, EngineSettings, FailoverSettings
from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.engine import FAMILIES, Engine
from trifid.methods.dispatch import Dispatcher
from trifid.methods.vm_schedules import carry_out
from trifid.simulator.acts import Acts
from trifid.simulator.clock import Clock
from trifid.simulator.faults import Dice
from trifid.simulator.fencing import FenceProcess
from trifid.simulator.hosts import Hosts
from trifid.simulator.image_acts import ImageActs
from trifid.simulator.loop import VirtualLoop
from trifid.simulator.placing import overcommitted
from trifid.simulator.process import TIMEOUT_S, ActionProcess, Pipe, SimulatedDriver
from trifid.simulator.reports import InformationProcess
from trifid.simulator.store import Durable
from trifid.store.interface import Batch, Store

FRONTEND = "frontend"
ADMIN, SCHEDULER, PLANNER = "oneadmin", "scheduler", "planner"
"""Administrators: one who calls, one that places, one who schedules what is done later on his behalf."""
USERS = ("alice", "bob", "carol")
DATASTORES = "/datastores"
"""A directory of the simulated hosts, not of this machine."""
_SECRET = "token"  # noqa: S105  (of people who do not exist)
_DRIVER, _UNSHARED = "sim", "ssh"
MONITORING_INTERVAL_S, HOST_LOST_AFTER_S, SILENT_AFTER_S = 60, 200, 180
WRITE_S_MAX = 0.05


def session(name: str) -> str:
    """Return the session string of a user."""
    return f"{name}:{_SECRET}"


def first_batch() -> Batch:
    """Return what is in a new database: groups, administrators, users, each with a login token."""
    users = {}
    for number, (name, gid) in enumerate([(ADMIN, 0), (SCHEDULER, 0), (PLANNER, 0), *((user, 1) for user in USERS)]):
        users[number] = User(number, name, (gid,), tokens=(LoginToken(token_digest(_SECRET), -1),))
    groups = {0: Group(0, "oneadmin"), 1: Group(1, "users")}
    return Batch(users=dict(users), groups=dict(groups), counters={"user": len(users), "group": 100, "engine": 1})


def config(*, is_shared: bool) -> Config:
    """Return the configuration of the simulated engine.

    Args:
        is_shared: whether hosts share their datastores: the engine knows that by the name of the transfer driver.
    """
    settings = {_DRIVER: DriverSettings("simulated", timeout_s=TIMEOUT_S)}
    transfer = _DRIVER if is_shared else _UNSHARED
    return Config(
        engine=EngineSettings(
            datastore_location=DATASTORES,
            transfer=transfer,
            monitoring_interval_s=MONITORING_INTERVAL_S,
            host_lost_after_s=HOST_LOST_AFTER_S,
            frontend=FRONTEND,
            user_paths=["/images/"],
        ),
        drivers=Drivers(
            vmm=settings, tm={transfer: settings[_DRIVER]}, im=settings, ds=settings, fence=settings, hook={}
        ),
        failover=FailoverSettings(enabled=True, driver=_DRIVER, after_s=SILENT_AFTER_S, restarts_at_once=2),
    )


class SimulatedEngine(Engine):
    """The daemon's engine over simulated driver processes.

    Args:
        make: makes the driver processes by family.
    """

    def __init__(
        self, home: Path, store: Store, clock: Clock, make: dict[str, Callable[[], Pipe]], *, is_shared: bool
    ) -> None:
        self._make = make
        super().__init__(home, config(is_shared=is_shared), store, clock.epoch, clock.monotonic)

    def _driver_set(self) -> DriverSet:
        found: dict[tuple[str, str], Driver] = {}
        for family in FAMILIES:
            for name, settings in getattr(self.config.drivers, family).items():
                driver = found[(family, name)] = SimulatedDriver(family, name, settings, self.home, self)
                driver.make_process = self._make[family]
        return DriverSet(found)


class Life:
    """A daemon that runs.

    Attributes:
        processes: the driver processes that it started, by family; those of now.
        changed, changed_images: VMs and images that commits changed since somebody took them out of here.
        overcommitted: what the scheduler put where there was no room, in words.
        dispatcher: answers calls.
    """

    def __init__(
        self,
        home: Path,
        store: Store,
        clock: Clock,
        dice: Dice,
        hosts: Hosts,
        tell: Callable[[str], None],
        went_wrong: Callable[[dict[str, Any]], None],
        durable: Durable,
        *,
        is_shared: bool,
        answers_all: bool,
    ) -> None:
        self.processes: dict[str, Pipe] = {}
        self.changed: set[int] = set()
        self.changed_images: set[int] = set()
        self.overcommitted: list[str] = []
        self._clock, self._dice, self._hosts, self._tell = clock, dice, hosts, tell
        self._answers_all = answers_all
        self._durable = durable
        images = ImageActs(hosts, dice, FRONTEND, DATASTORES, durable.image_at, durable.users_of)
        self._acts = Acts(hosts, dice, FRONTEND, images, is_shared=is_shared)
        self._pids = 1
        self.loop = VirtualLoop(clock, self._write_s, went_wrong)  # type: ignore[abstract]
        make: dict[str, Callable[[], Pipe]] = {
            "vmm": lambda: self._action_process("vmm"),
            "tm": lambda: self._action_process("tm"),
            "ds": lambda: self._action_process("ds"),
            "im": self._information_process,
            "fence": self._fence_process,
        }
        with self.loop.entered():
            self.engine = SimulatedEngine(home, store, clock, make, is_shared=is_shared)
            self.engine.turns.after_commit.append(self._committed)
            self.dispatcher = Dispatcher(self.engine)
        self._starting = self.loop.create_task(self._start())
        self._stopping: asyncio.Task[None] | None = None

    async def _start(self) -> None:
        await self.engine.start(f"{ADMIN}:unused")
        self.engine.schedule.start(carry_out(self.engine))

    @property
    def is_serving(self) -> bool:
        """Whether it takes calls."""
        return self._starting.done() and self._stopping is None and not self.loop.is_closed()

    def stop(self, then: Callable[[], None]) -> None:
        """Stop it in good order, and call `then` when it has."""
        if self._stopping is None:
            self._stopping = self.loop.create_task(self.engine.stop())
            self._stopping.add_done_callback(lambda stopped: self._clock.later(stopped.result() or 0.0, then))

    def _write_s(self) -> float:
        return self._dice.between(0.0, WRITE_S_MAX)

    def _committed(self, batch: Batch) -> None:
        self.overcommitted.extend(overcommitted(self.engine.turns.memory, batch, SCHEDULER))
        self.changed.update(batch.vms)
        self.changed_images.update(batch.images)

    def _action_process(self, family: str) -> Pipe:
        self._pids += 1
        process = ActionProcess(
            family,
            self._clock,
            self._dice,
            self._acts,
            self._tell,
            self._durable.has_image_step if family == "ds" else self._durable.has_step,
            pid=self._pids,
            answers_all=self._answers_all,
        )
        self.processes[family] = process
        return process

    def _information_process(self) -> Pipe:
        self._pids += 1
        process = self.processes["im"] = InformationProcess(self._clock, self._dice, self._hosts, self._pids)
        return process

    def _fence_process(self) -> Pipe:
        self._pids += 1
        process = self.processes["fence"] = FenceProcess(self._clock, self._dice, self._hosts, self._tell, self._pids)
        return process

    @property
    def has_failed(self) -> bool:
        """Whether the store refused to write: the daemon ends by itself."""
        return self.engine.turns.failed.done()

    def end(self) -> None:
        """The process is gone, and its drivers with it."""
        try:
            for process in self.processes.values():
                process.abandon()
        finally:
            self.loop.bury()
            self.engine.store.close()
