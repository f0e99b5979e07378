"""A world with objects of every kind, over a real database, asked through the door with real documents."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.doors.asgi import request
from tests.methods.catalogue import Catalogue
from tests.methods.world import (
    ADMIN,
    ALICE,
    IMAGE_ID,
    IMAGE_OF_ALICE,
    NETWORK_ID,
    STAY,
    VM_ID,
    VM_OF_ALICE,
    World,
)
from trifid.core.image.record import ImageType
from trifid.core.template.model import template
from trifid.core.vm.states import VmState
from trifid.doors.xmlrpc import application
from trifid.engine.memory import Memory
from trifid.store.interface import Snapshot
from trifid.store.sql import open_store
from trifid.wire.xmlrpc import encode_call

POOLS = tuple(name for name in Snapshot.__struct_fields__ if name not in ("counters", "journal_id", "audit_id"))
"""Names of what the engine keeps in memory."""

VM_TEMPLATE = """
NAME = web
CPU = 1
MEMORY = 64
DISK = [ IMAGE_ID = 7 ]
DISK = [ TYPE = swap, SIZE = 8 ]
NIC = [ NETWORK_ID = 4 ]
CONTEXT = [ A = 1 ]
GRAPHICS = [ TYPE = vnc ]
OWN = "words"
"""

MADE = (
    (ADMIN, "one.vn.chmod", (NETWORK_ID, 1, 1, 0, 1, 0, 0, 1, 0, 0)),
    (ADMIN, "one.vn.hold", (NETWORK_ID, "LEASES=[IP=10.0.0.9]")),
    (ADMIN, "one.vn.reserve", (NETWORK_ID, "SIZE=2\nNAME=part")),
    (ADMIN, "one.cluster.allocate", ("second",)),
    (ADMIN, "one.datastore.allocate", ("NAME=more\nDS_MAD=fs\nTM_MAD=dummy\nTYPE=FILE_DS", -1)),
    (ALICE, "one.secgroup.allocate", ("NAME=web\nRULE=[PROTOCOL=TCP,RULE_TYPE=inbound,RANGE=80]",)),
    (ALICE, "one.vmgroup.allocate", ("NAME=app\nROLE=[NAME=front]\nROLE=[NAME=back]",)),
    (ALICE, "one.vm.allocate", ("NAME=held\nCPU=1\nMEMORY=64\nNIC=[NETWORK_ID=4]\nDISK=[TYPE=swap,SIZE=8]\nX=1", True)),
    (ALICE, "one.vm.allocate", ("NAME=waits\nCPU=1\nMEMORY=64\nCONTEXT=[A=1]\nVMGROUP=[VMGROUP_ID=0,ROLE=front]",)),
    (ALICE, "one.vm.schedadd", (50, "SCHED_ACTION=[ACTION=poweroff,TIME=99999]")),
    (ADMIN, "one.acl.addrule", ("200000065", "1400000000", "1")),
    (ADMIN, "one.vdc.allocate", ("NAME=part",)),
    (ALICE, "one.document.allocate", ("NAME=paper\nX=1", 100)),
    (ADMIN, "one.hook.allocate", ("NAME=told\nTYPE=state\nRESOURCE=HOST\nSTATE=ERROR\nCOMMAND=told.sh",)),
    (ADMIN, "one.user.quota", (12, "VM=[VMS=5]")),
)
"""Calls that make what `World` has not got."""


class Answered(msgspec.Struct):
    """What came back over the wire: a value, a refusal or a fault."""

    status: int
    body: bytes


class Populated(World):
    """Objects of every kind; VMs and images in several states."""

    @classmethod
    async def made(cls, home: Path, empty: Path) -> "Populated":
        """Return a started world.

        Args:
            home: an empty directory.
            empty: a migrated database without content, which is copied.
        """
        shutil.copy(empty, home / "trifid.db")
        world = cls(home, store=open_store("sqlite:///trifid.db", home))
        Catalogue(world)
        world.engine.hooks.start = lambda environment: None  # no command of a hook is ever run
        await world.start()
        states = (
            VmState.POWEROFF,
            VmState.SUSPENDED,
            VmState.STOPPED,
            VmState.UNDEPLOYED,
            VmState.UNKNOWN,
            VmState.DONE,
        )
        ended = replace(STAY, etime=200)
        asked = template(CPU="1", MEMORY="64")
        stays = {VmState.UNKNOWN: STAY}
        await world.put(
            *(
                replace(
                    VM_OF_ALICE,
                    id=20 + n,
                    name=f"vm{n}",
                    state=state,
                    history=(stays.get(state, ended),),
                    template=asked,
                )
                for n, state in enumerate(states)
            ),
            replace(VM_OF_ALICE, id=30, name="there", template=asked),
            replace(IMAGE_OF_ALICE, id=IMAGE_ID + 1, name="data", type=ImageType.DATABLOCK, is_persistent=True),
        )
        for session, method, arguments in MADE:
            await world.ask(session, method, *arguments)
        await world.put_counters(vm=VM_ID)
        await world.ask(ALICE, "one.vm.allocate", VM_TEMPLATE, True)
        await world.put(replace(world.memory.vms[VM_ID], state=VmState.RUNNING, history=(STAY,)))
        await world.put_counters(vm=60)
        world.first = {name: set(getattr(world.memory, name)) for name in POOLS if name not in ("actions", "leases")}
        world.people = dict(world.memory.users)
        world.door = application(world.dispatch)
        return world

    async def stop(self) -> None:
        """End the engine and close its database."""
        await self.engine.stop()

    def is_damaged(self) -> bool:
        """Tell whether something is gone that was there first, or a session may be good no more."""
        gone = any(kept - getattr(self.memory, name).keys() for name, kept in self.first.items())
        return gone or self.people_changed()

    def people_changed(self) -> bool:
        """Tell whether a user is not as it was first, so that a session may be good no more."""
        return any(self.memory.users.get(user_id) != user for user_id, user in self.people.items())

    def state(self) -> dict[str, Any]:
        """Return all records, to be compared: they are replaced and never edited."""
        memory = self.memory
        held = {name: dict(getattr(memory, name)) for name in POOLS}
        return {**held, "counters": dict(memory.counters), "journal_id": memory.journal_id}

    async def send(self, session: str, method: str, arguments: list[Any]) -> Answered:
        """Make a call as its document."""
        return await self.post(encode_call(method, [session, *arguments]))

    async def post(self, body: bytes) -> Answered:
        """Send the bytes of a call."""
        response = await request(self.door, body)
        return Answered(response.status, response.body)

    async def settle(self) -> None:
        """Let what calls began come to its turn."""
        for _ in range(3):
            await asyncio.sleep(0)

    def differences(self) -> list[str]:
        """Return what in memory is not as it would be after a start from the database."""
        now, anew = _derived(self.memory), _derived(Memory(self.store.load()))
        return [name for name in now if now[name] != anew[name]]


def _derived(memory: Memory) -> dict[str, Any]:
    """Return what is in memory, but empty entries, which only say that somebody asked."""
    found = {}
    for name, value in vars(memory).items():
        if isinstance(value, dict):
            found[name] = {key: one for key, one in value.items() if one or not isinstance(one, set | dict)}
    return found
