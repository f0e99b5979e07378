"""An engine over a store in memory, called as a client calls it but without a socket; its drivers never come up."""

import asyncio
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.engine.fake_store import FakeStore
from tests.wire.schemas import valid_answer
from trifid.core.access import Permissions
from trifid.core.host import Host, HostState
from trifid.core.image.datastore import DEFAULT_ID
from trifid.core.image.record import Image, ImageState, ImageType
from trifid.core.network.kept import VnTemplate
from trifid.core.network.record import AddressRange, Network
from trifid.core.template.model import template
from trifid.core.user import Group, LoginToken, User
from trifid.core.vdc import ALL, Vdc
from trifid.core.vm.record import VM, HistoryRecord, Needs
from trifid.core.vm.states import VmState
from trifid.core.vm_template import VmTemplate
from trifid.engine.auth import token_digest
from trifid.engine.config import Config, Drivers, DriverSettings, EngineSettings
from trifid.engine.engine import Engine
from trifid.methods.dispatch import Dispatcher
from trifid.placement.settings import Settings
from trifid.store.samples import Samples
from trifid.wire.answers import Answer
from trifid.wire.xmlrpc import Escaped, answer_chunks, decode_answer

ADMIN = "oneadmin:pw"
ALICE, BOB, EVE = "alice:token", "bob:token", "eve:token"
ALICE_ID, BOB_ID, EVE_ID = 10, 11, 12
STAFF_GID, GUESTS_GID = 100, 101
HOST_ID, NETWORK_ID, VM_ID, TEMPLATE_ID, IMAGE_ID, VN_TEMPLATE_ID = 3, 4, 5, 6, 7, 8

STAY = HistoryRecord(
    seq=0, host_id=HOST_ID, hostname="node1", cluster_id=0, vmm="dummy", tm="dummy", datastore_id=0, stime=100
)
VM_OF_ALICE = VM(
    id=VM_ID,
    uid=ALICE_ID,
    gid=1,
    name="web",
    state=VmState.RUNNING,
    needs=Needs(100, 64),
    stime=90,
    history=(STAY,),
)

IMAGE_OF_ALICE = Image(
    id=IMAGE_ID,
    uid=ALICE_ID,
    gid=1,
    name="disk",
    type=ImageType.OS,
    datastore_id=DEFAULT_ID,
    state=ImageState.READY,
    step=2,
    regtime=70,
    path="/var/tmp/disk.img",
    source="/datastores/1/0123456789abcdef0123456789abcdef",
    format="raw",
    size_mib=100,
)

VDC_WITHOUT_NETWORKS = Vdc(0, "default", (1,), hosts=((0, ALL),), datastores=((0, 0), (0, 1), (0, 2)))
"""Lets the group users use the first datastores and no network, so that tests see what permissions of those do."""


def user(user_id: int, name: str, *gids: int) -> User:
    """A user whose session is `name:token`."""
    return User(user_id, name, gids, tokens=(LoginToken(token_digest("token"), -1),))


class Refusal(Exception):
    """A call was refused.

    Attributes:
        code, text: of the answer.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code:#x} {text}")
        self.code, self.text = code, text


class World:
    """Alice, who has a VM, an image and staff for a second group; Bob, like her; Eve, a guest who has nothing.

    Attributes:
        engine: with a host, a network of the administrator, and the VM running on the host.
    """

    def __init__(self, home: Path, samples: Samples | None = None, store: Any = None) -> None:
        self.store = store or FakeStore()
        never = {"dummy": DriverSettings("none")}
        drivers = Drivers(vmm=never, tm=never, im=never, hook={})
        config = Config(engine=EngineSettings(transfer="dummy"), drivers=drivers)
        self.engine = Engine(home, config, self.store, lambda: 1000, samples=samples)
        self.engine.drivers.start = lambda environment: None  # type: ignore[method-assign]
        self.memory = self.engine.turns.memory
        self.dispatch = Dispatcher(self.engine)

    def decide_by(self, **settings: Any) -> None:
        """Let explanations and the engine's own choices go by other settings of the scheduler."""
        self.dispatch = Dispatcher(self.engine, placement=Settings(**settings))

    async def start(self) -> "World":
        """Fill the store."""
        await self.engine.start(ADMIN)
        await self.put(
            Group(STAFF_GID, "staff"),
            Group(GUESTS_GID, "guests"),
            user(ALICE_ID, "alice", 1, STAFF_GID),
            user(BOB_ID, "bob", 1, STAFF_GID),
            user(EVE_ID, "eve", GUESTS_GID),
            Host(HOST_ID, "node1", HostState.MONITORED, "dummy", "dummy", total_cpu_percent=800),
            Network(
                id=NETWORK_ID,
                uid=0,
                gid=0,
                name="lan",
                bridge="br0",
                vn_mad="dummy",
                ranges=(AddressRange(id=0, type="IP4", size=10, mac=0x02000A000001, ip=0x0A000001),),
                next_range_id=1,
            ),
            VM_OF_ALICE,
            IMAGE_OF_ALICE,
            VmTemplate(
                id=TEMPLATE_ID, uid=ALICE_ID, gid=1, name="small", regtime=80, template=template(CPU="1", MEMORY="64")
            ),
            VnTemplate(
                id=VN_TEMPLATE_ID,
                uid=0,
                gid=0,
                name="own",
                regtime=80,
                template=template(VN_MAD="vxlan", PHYDEV="eth0"),
            ),
        )
        await self.put(VDC_WITHOUT_NETWORKS)
        await self.put_counters(vm=50, host=50, net=50, user=50, group=150, template=50, image=50, vntemplate=50)
        return self

    async def put(self, *records: Any) -> None:
        """Make records durable."""

        def command(draft: Any) -> None:
            for record in records:
                draft.put(record)

        await self.engine.turns.ask(command)

    async def put_counters(self, **counters: int) -> None:
        """Set the next ids, so that made objects are told from those that are there."""
        await self.engine.turns.ask(lambda draft: draft.batch.counters.update(counters))

    async def change(self, pool: str, object_id: int, **fields: Any) -> None:
        """Replace fields of a record."""
        await self.put(replace(getattr(self.memory, pool)[object_id], **fields))

    async def open_network(self, bits: int = 0o604) -> None:
        """Let everybody use the network."""
        await self.change("networks", NETWORK_ID, permissions=Permissions(bits))

    async def ask(self, session: str, method: str, *arguments: Any) -> Any:
        """Return what a call answers; raises Refusal.  Every document is checked against its schema."""
        answer = await self.dispatch(method, [session, *arguments], "10.0.0.9:1234")
        assert isinstance(answer, Answer), f"{method} {arguments}: {answer}"
        if not answer.success:
            raise Refusal(answer.code, answer.value)
        value = answer.value
        if isinstance(value, Escaped):
            value = decode_answer("".join(answer_chunks(value)).encode())
        valid_answer(method, value)
        return value

    def task(self, session: str, method: str, *arguments: Any) -> "asyncio.Task[Any]":
        """Make a call that is answered meanwhile."""
        return asyncio.create_task(self.ask(session, method, *arguments))

    async def until_writing(self) -> None:
        """Return when the store is asked to write."""
        assert await asyncio.to_thread(self.store.writing.wait, 10)

    async def all_asked(self) -> None:
        """Let the calls made so far come to their turn."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def code(self, session: str, method: str, *arguments: Any) -> int:
        """Return the code of a call, 0 when it is not refused."""
        try:
            await self.ask(session, method, *arguments)
        except Refusal as refusal:
            return refusal.code
        return 0
