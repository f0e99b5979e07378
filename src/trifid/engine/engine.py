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

import msgspec

from trifid.core.image.datastore import Datastore
from trifid.core.image.record import Image
from trifid.core.network.host_document import Group
from trifid.core.network.rules import addresses_of, group_of
from trifid.core.network.security_group import SecurityGroup
from trifid.core.template.model import Template
from trifid.core.umask import parse_umask
from trifid.engine.address_services import AddressServices
from trifid.engine.audit_trail import AuditTrail
from trifid.engine.auth import Authenticator
from trifid.engine.authentication.external import FAMILY, External
from trifid.engine.config import REPORTS_MISSED, Config
from trifid.engine.documents import Documents
from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.failover.failover import Failover
from trifid.engine.failover.heartbeats import Heartbeats
from trifid.engine.failover.places import shared_places
from trifid.engine.first_objects import first_access, first_cluster, first_datastores, first_security_group, first_users
from trifid.engine.hooks.hooks import Hooks
from trifid.engine.host_changes import HostChanges
from trifid.engine.host_networks import HostNetworks
from trifid.engine.image_orders import action_data
from trifid.engine.image_outbox import ImageOutbox
from trifid.engine.images import base_path
from trifid.engine.memory import Memory
from trifid.engine.meters import Meters
from trifid.engine.monitoring import Monitoring
from trifid.engine.orders import Orders
from trifid.engine.outbox import Outbox
from trifid.engine.public_config import public_config
from trifid.engine.queries import Queries, is_query
from trifid.engine.sample_keeper import Kept
from trifid.engine.samples import SampleSeries
from trifid.engine.schedule import Schedule
from trifid.engine.space import Spaces
from trifid.engine.transaction import Draft
from trifid.engine.turn import Turns
from trifid.engine.watch import Watch
from trifid.store.interface import Store
from trifid.store.samples import Samples
from trifid.wire.bodies.datastore import datastore_full
from trifid.wire.bodies.image import ImageUse, image_full
from trifid.wire.image_action import ImageActionData
from trifid.wire.lines import Message

log = logging.getLogger("trifid.engine")

FAMILIES = ("vmm", "tm", "im", "ds", "vnm", "fence", "hook")
"""Of drivers that are started as they are configured; that of authentication is when it has something to do."""
ENGINE_ID_BITS = 60


class Engine:
    """A running engine.

    Attributes:
        home: directory of its state.
        turns: where every change goes through.
        documents: cached XML of every object.
        images: carries out what is asked for images, and asks datastore drivers.
        space: the room in the datastores.
        audit: of calls that were refused.
        samples: what was measured of hosts and VMs, over time.
        meters: what the engine counts of its own work.
        datastores: directory of those that name no place of their own.
        failover: judges hosts and has those fenced that are silent.
        watch: the newest journal entries, to wait for.
        schedule: carries out scheduled actions, once it is started.
        hooks: gives hooks and webhooks what they wait for.
        processes_changed: called when a driver process came up or went down.
    """

    def __init__(
        self,
        home: Path,
        config: Config,
        store: Store,
        now: Callable[[], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        samples: Samples | None = None,
    ) -> None:
        self.home = home
        self.config = config
        self.store = store
        self.now = now or (lambda: int(time.time()))
        memory = Memory(store.load())
        memory.default_umask = parse_umask(config.engine.default_umask)
        self.meters = Meters(monotonic)
        self.turns = Turns(memory, store, self.now, self.meters)
        self.watch = Watch(memory.journal_id)
        self.turns.after_commit.append(self.watch.committed)
        self.audit = AuditTrail(self.turns, self.now)
        self.drivers = self._driver_set()
        settings = config.engine
        self.datastores = home / settings.datastore_location
        self.monitoring = Monitoring(
            self.turns,
            self.drivers,
            self.now,
            settings.monitoring_interval_s,
            settings.host_lost_after_s,
            monotonic,
            str(self.datastores),
        )
        keep = config.monitoring
        self.samples = SampleSeries(samples, Kept(keep.keep_raw_s, keep.keep_5min_s, keep.keep_hour_s), self.now)
        self.monitoring.measured = self.samples.take
        self.queries = Queries(self.drivers)
        self.auth = Authenticator(
            memory,
            self.now,
            ask=self.turns.ask,
            external=External(self.queries, self.drivers, config.authentication),
            default=config.authentication.default,
            remember_s=config.authentication.remember_s,
            monotonic=monotonic,
        )
        self.space = Spaces(memory, self.queries, self.datastores, self.now, settings.monitoring_interval_s)
        self.images = ImageOutbox(self.turns, self.drivers, self.queries, self._image_data, home / "images")
        self.turns.after_commit.append(self.space.committed)
        self.documents = Documents(memory, self.monitoring)
        self.host_changes = HostChanges(self.documents)
        self.documents.space_of = self.space.of
        self.documents.base_path = lambda datastore: base_path(self.datastores, datastore)
        self.documents.progress = self.images.progress
        self.turns.after_commit.append(self.documents.committed)
        self.orders = Orders(
            home, self.datastores, settings.frontend, self.documents.vm_for_drivers, settings.user_paths
        )
        self.orders.place_of = lambda number: one.base_path if (one := memory.datastores.get(number)) else ""
        self.outbox = Outbox(self.turns, self.drivers, self.orders)
        self.outbox.meters = self.images.meters = self.meters
        services = AddressServices(memory)
        self.networks = HostNetworks(memory, self.drivers, self._group_made, services.of)
        self.networks.services_changed = services.changed_by
        self.outbox.networks = self.documents.networks = self.networks
        self.documents.moving = self.outbox.progress
        self.turns.after_commit.append(self.networks.committed)
        self.monitoring.is_undecided = self.outbox.is_undecided
        self.turns.after_commit.append(self.orders.committed)
        self.failover = Failover(
            self.turns,
            self.monitoring,
            self.queries,
            msgspec.structs.replace(
                config.failover, after_s=max(config.failover.after_s, REPORTS_MISSED * settings.monitoring_interval_s)
            ),
            Heartbeats(lambda: shared_places(memory, self.datastores), monotonic),
            monotonic,
        )
        self.schedule = Schedule(self.turns, self.now)
        self.turns.after_commit.append(self.schedule.committed)
        self.hooks = Hooks(
            self.turns, store, self.documents, self.drivers, self.queries, self.watch, config.hooks, self.now
        )
        self.turns.after_commit.append(self.hooks.committed)
        self._of_family: dict[str, Monitoring | Outbox | ImageOutbox | HostNetworks | Failover | Hooks] = {
            "im": self.monitoring,
            "vmm": self.outbox,
            "tm": self.outbox,
            "ds": self.images,
            "vnm": self.networks,
            "fence": self.failover,
            "hook": self.hooks,
        }
        self.processes_changed: Callable[[], None] = lambda: None
        self._silence: asyncio.Task[None] | None = None

    def _driver_set(self) -> DriverSet:
        found = {}
        for family in FAMILIES:
            for name, settings in getattr(self.config.drivers, family).items():
                found[(family, name)] = Driver(family, name, settings, self.home, self)
        told = self.config.authentication
        if told.methods:
            settings = msgspec.structs.replace(self.config.drivers.auth[told.driver], timeout_s=told.timeout_s)
            found[FAMILY, told.driver] = Driver(FAMILY, told.driver, settings, self.home, self)
        return DriverSet(found, later=("hook",))

    async def start(self, oneadmin: str) -> None:
        """Make the first objects if the database is new, tidy up, then start drivers and monitoring.

        Args:
            oneadmin: `name:password` of the first administrator, used for a new database only.
        """
        await self.turns.ask(lambda draft: first_users(draft, oneadmin))
        await self.turns.ask(lambda draft: first_datastores(draft, self.config))
        await self.turns.ask(first_cluster)
        await self.turns.ask(first_security_group)
        await self.turns.ask(first_access)
        engine_id = await self.turns.ask(_engine_id)
        self.networks.engine_id = engine_id
        self.orders.tidy(self.turns.memory.vms)
        self.images.tidy()
        environment = {"TRIFID_ENGINE_ID": engine_id}
        self.drivers.start(environment)
        self.hooks.start(environment)
        self.images.fail_unserved()
        self._silence = asyncio.create_task(self.monitoring.watch_for_silence(), name="silence")
        self.space.start()
        self.failover.start()
        self.samples.start()

    async def stop(self) -> None:
        """Stop drivers, write what is queued, close the store."""
        if self._silence is not None:
            self._silence.cancel()
        self.schedule.close()
        self.hooks.close()
        self.space.close()
        self.failover.close()
        await self.drivers.stop()
        await self.turns.close()
        await self.samples.close()
        self.store.close()

    # -- what drivers tell ---------------------------------------------------------------------

    def driver_ready(self, driver: Driver) -> None:
        """Start its hosts, or send it what it has to do."""
        self.processes_changed()
        if (concerned := self._of_family.get(driver.family)) is not None:
            concerned.ready(driver)
        self.queries.ready(driver)
        self.space.ready(driver)

    def driver_said(self, driver: Driver, message: Message) -> None:
        """Hand a message to whom it concerns."""
        concerned = self.queries if is_query(message.oid) else self._of_family.get(driver.family)
        if concerned is not None:
            concerned.said(driver, message)

    def driver_down(self, driver: Driver, why: str) -> None:
        """Tell whom it concerns."""
        self.processes_changed()
        if (concerned := self._of_family.get(driver.family)) is not None:
            concerned.down(driver, why)
        self.queries.down(driver, why)

    def _group_made(self, record: SecurityGroup) -> Group:
        """Return what a security group lets pass now."""

        def addresses(network_id: int) -> tuple[str, ...]:
            network = self.turns.memory.networks.get(network_id)
            return addresses_of(network) if network else ()

        return group_of(record, addresses)

    def _image_data(self, image: Image, datastore: Datastore, cloned: Image | None, verb: str) -> ImageActionData:
        """Return what a datastore driver is told of an image."""
        directory = base_path(self.datastores, datastore)
        documents = (
            image_full(image, self.documents, ImageUse(datastore.name)),
            datastore_full(datastore, self.documents, self.space.of(datastore.id), directory),
        )
        uploads = str(self.home / "uploads")
        return action_data(image, datastore, cloned, verb, directory, self.config.engine, documents, uploads)

    # -- what the API tells about the engine -----------------------------------------------------

    def public_config(self) -> Template:
        """Return the configuration as one.system.config answers it: no secrets, no database URL."""
        return public_config(self.config)


def _engine_id(draft: Draft) -> str:
    """Return the number that tells this engine from others on the same hosts; made once, it stays with the database."""
    number = draft.memory.counters.get("engine")
    if number is None:
        number = draft.batch.counters["engine"] = secrets.randbits(ENGINE_ID_BITS)
    return f"{number:0{ENGINE_ID_BITS // 4}x}"
