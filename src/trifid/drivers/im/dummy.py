"""An information driver for hosts that do not exist: one loop reports on thousands of them.

Every host has what the options, or its own attributes DUMMY_CPU (percent, 100 = one core) and
DUMMY_MEMORY (KiB), say, and a disk of DUMMY_DISK MiB, a tebibyte by default, that stays empty; DUMMY_PCI
(10de:1eb8:0302=2, with commas between) gives it PCI devices.  Its VMs are those that the dummy hypervisor runs there.
Source: reference/drivers.md §5.2 (messages), §2.3 (monitor family).
"""

import base64
import re
import sys
import time

import msgspec

from trifid.core.template.scanner import parse
from trifid.drivers.dummy.actions import home
from trifid.drivers.dummy.faults import BadOptions, Options, parse_options
from trifid.drivers.dummy.loop import Loop
from trifid.drivers.dummy.room import TOTAL_MIB
from trifid.drivers.dummy.world import PAUSED, World, name_of
from trifid.errors import BadTemplate, DriverFault
from trifid.wire.lines import Message, monitor_from_driver, parse_to_driver, unpack

DESCRIBED_EVERY = 20
"""A host is described anew with every so many reports."""
PERIOD_S = 30.0
CPU_OF_DOMAIN_PERCENT = 10
MEMORY_OF_DOMAIN_KIB = 65536
NET_BYTES_PER_DOMAIN = 1000
_COUNTERS = ("NETRX", "NETTX", "DISKRDBYTES", "DISKWRBYTES", "DISKRDIOPS", "DISKWRIOPS")
_KIND = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}:[0-9a-f]{4}")
_SIZE = f',VCPU="1",MEMORY="{MEMORY_OF_DOMAIN_KIB}"'


class Watched(msgspec.Struct, eq=False):
    """A host that is reported on until it is stopped or started again."""

    id: int
    name: str
    period_s: float
    cpu_percent: int
    memory_kib: int
    disk_mib: int
    pci: tuple[str, ...] = ()
    reports: int = 0
    net_bytes: int = 0


class Hosts:
    """All hosts that are reported on."""

    def __init__(self, loop: Loop, options: Options, world: World) -> None:
        self._loop = loop
        self._options = options
        self._world = world
        self._watched: dict[int, Watched] = {}

    def take(self, line: bytes) -> None:
        """Take one line of the engine's.

        Raises:
            DriverFault: it is not a message of the monitor family.
        """
        message = parse_to_driver(line)
        if message.timestamp is None:
            raise DriverFault(f"not of the monitor family: {message.type}")
        match message.type:
            case "START_MONITOR":
                self._start(message)
            case "STOP_MONITOR":
                self._watched.pop(message.oid, None)
                self._say("STOP_MONITOR", message.oid, "")
            case _:
                self._fail(message, f"{self._loop.name} does not know {message.type}")

    def _start(self, message: Message) -> None:
        try:
            host = self._host(message)
        except (DriverFault, BadTemplate, ValueError) as fault:
            self._fail(message, f"START_MONITOR cannot be read: {fault}")
            return
        self._watched[host.id] = host
        self._say("START_MONITOR", host.id, "")
        self._report(host)

    def _host(self, message: Message) -> Watched:
        said = parse(unpack(message.payload))
        return Watched(
            id=message.oid,
            name=said.vector("HOST").get("NAME", ""),
            period_s=max(0.01, float(said.single("PERIOD_S") or PERIOD_S)),
            cpu_percent=int(said.single("DUMMY_CPU") or self._options.cpu_percent),
            memory_kib=int(said.single("DUMMY_MEMORY") or self._options.memory_kib),
            disk_mib=int(said.single("DUMMY_DISK") or TOTAL_MIB),
            pci=_devices(said.single("DUMMY_PCI") or self._options.pci),
        )

    def _report(self, host: Watched) -> None:
        if self._watched.get(host.id) is not host:
            return
        at = int(time.time())  # before the look: what happens in between is newer than the report
        self._world.refresh()
        vm_ids, foreign = self._world.running_on(host.name), self._world.foreign_on(host.name)
        if host.reports % DESCRIBED_EVERY == 0:
            self._say("SYSTEM_HOST", host.id, _description(host), at)
        host.reports += 1
        host.net_bytes += NET_BYTES_PER_DOMAIN * (len(vm_ids) + len(foreign))
        self._say("MONITOR_HOST", host.id, _measures(host, len(vm_ids) + len(foreign)), at)
        self._say("STATE_VM", host.id, _states(self._world, vm_ids, foreign), at)
        if vm_ids:
            self._say("MONITOR_VM", host.id, "".join(_figures(vm_id, host.reports) for vm_id in vm_ids), at)
        self._loop.later(host.period_s, lambda: self._report(host))

    def _say(self, type: str, host_id: int, text: str, at: int | None = None) -> None:
        self._loop.say(monitor_from_driver(type, "SUCCESS", host_id, int(time.time()) if at is None else at, text))

    def _fail(self, message: Message, why: str) -> None:
        self._loop.say(monitor_from_driver(message.type, "FAILURE", message.oid, int(time.time()), why))


def _description(host: Watched) -> str:
    devices = "".join(_device(number, kind) for number, kind in enumerate(host.pci))
    return (
        f'HYPERVISOR="dummy"\nARCH="x86_64"\nMODELNAME="dummy"\nCPUSPEED="3200"\nHOSTNAME="{host.name}"\n'
        f'TOTALCPU="{host.cpu_percent}"\nTOTALMEMORY="{host.memory_kib}"\n{devices}'
    )


def _devices(text: str) -> tuple[str, ...]:
    """Return the type of each device; raises ValueError for what is not like 10de:1eb8:0302=2."""
    found: list[str] = []
    for part in filter(None, map(str.strip, text.split(","))):
        kind, _, number = part.partition("=")
        if not _KIND.fullmatch(kind):
            raise ValueError(f"PCI devices must be like 10de:1eb8:0302=2, is {part}")
        found += [kind] * int(number or 1)
    return tuple(found)


def _device(number: int, kind: str) -> str:
    address = f"{number // 32 + 1:02x}:{number % 32:02x}.0"
    return f'PCI=[TYPE="{kind}",ADDRESS="0000:{address}",SHORT_ADDRESS="{address}",DEVICE_NAME="dummy"]\n'


def _measures(host: Watched, domains: int) -> str:
    used_cpu = min(host.cpu_percent, domains * CPU_OF_DOMAIN_PERCENT)
    used_memory = min(host.memory_kib, domains * MEMORY_OF_DOMAIN_KIB)
    return (
        f'FREECPU="{host.cpu_percent - used_cpu}"\nUSEDCPU="{used_cpu}"\n'
        f'FREEMEMORY="{host.memory_kib - used_memory}"\nUSEDMEMORY="{used_memory}"\n'
        f'DS_LOCATION_TOTAL_MB="{host.disk_mib}"\nDS_LOCATION_USED_MB="0"\nDS_LOCATION_FREE_MB="{host.disk_mib}"\n'
        f'NETRX="{host.net_bytes}"\nNETTX="{host.net_bytes}"\n'
    )


def _states(world: World, vm_ids: list[int], foreign: list[str]) -> str:
    vms = "".join(f'VM=[ID="{vm_id}",{_state(name_of(vm_id), world.get(vm_id).state)}]\n' for vm_id in vm_ids)
    wilds = "".join(f"WILD=[{_state(name, world.get(name).state)}{_SIZE}]\n" for name in foreign)
    return f'SYNC_STATE="YES"\nMISSING_STATE="POWEROFF"\n{vms}{wilds}'


def _figures(vm_id: int, reports: int) -> str:
    """Return what a VM uses: a load that goes up and down, and counters that grow."""
    cpu_percent = CPU_OF_DOMAIN_PERCENT + (vm_id + reports) % CPU_OF_DOMAIN_PERCENT
    counted = NET_BYTES_PER_DOMAIN * reports
    counters = "".join(f'{name}="{counted}"\n' for name in _COUNTERS)
    text = f'CPU="{cpu_percent}.5"\nMEMORY="{MEMORY_OF_DOMAIN_KIB}"\n{counters}'
    monitor = base64.b64encode(text.encode()).decode()
    return f'VM=[ID="{vm_id}",DEPLOY_ID="{name_of(vm_id)}",MONITOR="{monitor}"]\n'


def _state(name: str, state: str) -> str:
    said = 'STATE="SUSPENDED",REASON="paused by hand on its host"' if state == PAUSED else 'STATE="RUNNING"'
    return f'DEPLOY_ID="{name}",{said}'


def main() -> None:
    """Run the driver until the engine ends it."""
    try:
        options = parse_options(sys.argv[1] if len(sys.argv) > 1 else "")
    except BadOptions as fault:
        sys.exit(f"trifid-im-dummy: {fault}")
    loop = Loop("im-dummy")
    loop.run(Hosts(loop, options, World(home() / "dummy" / "world.log")).take)


if __name__ == "__main__":
    main()
