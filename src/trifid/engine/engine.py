"""The engine as one object: what methods may use, and how its parts are wired.

Nothing here decides anything; it puts memory, turns, drivers, outbox, monitoring and documents
together, and makes the first users and groups of a new database.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from trifid.core.access import ENGINE, ONEADMIN_GID, USERS_GID
from trifid.core.template.model import Template, Value
from trifid.core.user import Group, User
from trifid.engine.auth import Authenticator, hash_password
from trifid.engine.config import Config
from trifid.engine.documents import Documents
from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.memory import Memory
from trifid.engine.monitoring import Monitoring
from trifid.engine.orders import Orders
from trifid.engine.outbox import Outbox
from trifid.engine.schedule import Schedule
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.engine.watch import Watch
from trifid.store.interface import Store
from trifid.wire.lines import Message

log = logging.getLogger("trifid.engine")

FIRST_FREE_GROUP_ID = 100
ENGINE_ID_BITS = 60


class Engine:
    """A running engine.

    Attributes:
        home: directory of its state.
        turns: where every change goes through.
        documents: cached XML of every object.
        watch: the newest journal entries, to wait for.
        schedule: carries out scheduled actions, once it is started.
        processes_changed: called when a driver process came up or went down.
    """

    def __init__(
        self,
        home: Path,
        config: Config,
        store: Store,
        now: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home = home
        self.config = config
        self.store = store
        self.now = now or (lambda: int(time.time()))
        memory = Memory(store.load())
        self.turns = Turns(memory, store, self.now)
        self.watch = Watch(memory.journal_id)
        self.turns.after_commit.append(self.watch.committed)
        self.auth = Authenticator(memory, self.now)
        self.drivers = self._driver_set()
        settings = config.engine
        self.monitoring = Monitoring(
            self.turns, self.drivers, self.now, settings.monitoring_interval_s, settings.host_lost_after_s, monotonic
        )
        self.documents = Documents(memory, self.monitoring)
        self.turns.after_commit.append(self.documents.committed)
        datastores = home / settings.datastore_location
        self.orders = Orders(home, datastores, settings.frontend, self.documents.vm_for_drivers)
        self.outbox = Outbox(self.turns, self.drivers, self.orders)
        self.monitoring.is_undecided = self.outbox.is_undecided
        self.turns.after_commit.append(self.orders.committed)
        self.schedule = Schedule(self.turns, self.now)
        self.turns.after_commit.append(self.schedule.committed)
        self.processes_changed: Callable[[], None] = lambda: None
        self._silence: asyncio.Task[None] | None = None

    def _driver_set(self) -> DriverSet:
        found = {}
        for family in ("vmm", "tm", "im"):
            for name, settings in getattr(self.config.drivers, family).items():
                found[(family, name)] = Driver(family, name, settings, self.home, self)
        return DriverSet(found)

    async def start(self, oneadmin: str) -> None:
        """Make the first objects if the database is new, tidy up, then start drivers and monitoring.

        Args:
            oneadmin: `name:password` of the first administrator, used for a new database only.
        """
        await self.turns.ask(lambda draft: _first_objects(draft, oneadmin))
        engine_id = await self.turns.ask(_engine_id)
        self.orders.tidy(self.turns.memory.vms)
        self.drivers.start({"TRIFID_ENGINE_ID": engine_id})
        self._silence = asyncio.create_task(self.monitoring.watch_for_silence(), name="silence")

    async def stop(self) -> None:
        """Stop drivers, write what is queued, close the store."""
        if self._silence is not None:
            self._silence.cancel()
        self.schedule.close()
        await self.drivers.stop()
        await self.turns.close()
        self.store.close()

    # -- what drivers tell ---------------------------------------------------------------------

    def driver_ready(self, driver: Driver) -> None:
        """Start its hosts, or send it what it has to do."""
        self.processes_changed()
        (self.monitoring if driver.family == "im" else self.outbox).ready(driver)

    def driver_said(self, driver: Driver, message: Message) -> None:
        """Hand a message to whom it concerns."""
        (self.monitoring if driver.family == "im" else self.outbox).said(driver, message)

    def driver_down(self, driver: Driver, why: str) -> None:
        """Tell whom it concerns."""
        self.processes_changed()
        (self.monitoring if driver.family == "im" else self.outbox).down(driver, why)

    # -- what the API tells about the engine -----------------------------------------------------

    def public_config(self) -> Template:
        """Return the configuration as one.system.config answers it: no secrets, no database URL."""
        config = self.config
        pairs: list[tuple[str, Value]] = [
            ("API_LIST_ORDER", "DESC"),
            ("DATASTORE_LOCATION", config.engine.datastore_location),
            ("DEFAULT_DEVICE_PREFIX", "sd"),
            ("LISTEN_ADDRESS", config.api.listen),
            ("MAC_PREFIX", config.network.mac_prefix),
            ("NETWORK_SIZE", str(config.network.network_size)),
            ("PORT", str(config.api.port)),
        ]
        for word, of_family in (("IM_MAD", config.drivers.im), ("VM_MAD", config.drivers.vmm)):
            pairs += [(word, {"NAME": name, "EXECUTABLE": one.executable}) for name, one in of_family.items()]
        # A TM_MAD has no NAME in the schema; its driver is told by the argument that upstream uses for it.
        transfer = config.drivers.tm.items()
        pairs += [("TM_MAD", {"ARGUMENTS": f"-d {name}", "EXECUTABLE": one.executable}) for name, one in transfer]
        return Template(tuple(pairs))


def _engine_id(draft: Draft) -> str:
    """Return the number that tells this engine from others on the same hosts; made once, it stays with the database."""
    number = draft.memory.counters.get("engine")
    if number is None:
        number = draft.batch.counters["engine"] = secrets.randbits(ENGINE_ID_BITS)
    return f"{number:0{ENGINE_ID_BITS // 4}x}"


def _first_objects(draft: Draft, oneadmin: str) -> None:
    """Make groups 0 and 1 and users 0 and 1, once (reference/api-modern.md §7.12–13)."""
    if draft.memory.users:
        return
    name, _, password = oneadmin.partition(":")
    for gid, group in ((ONEADMIN_GID, "oneadmin"), (USERS_GID, "users")):
        draft.put(Group(id=gid, name=group))
    draft.put(User(id=draft.next_id("user"), name=name, gids=(ONEADMIN_GID,), password=hash_password(password)))
    draft.put(User(id=draft.next_id("user"), name="serveradmin", gids=(ONEADMIN_GID,), auth_driver="server_cipher"))
    draft.batch.counters["group"] = FIRST_FREE_GROUP_ID
    draft.note("ENGINE", 0, ENGINE, "first start", text=f"user {name} made")
