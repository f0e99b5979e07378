"""Virtual networks on hosts: for each host one document, applied by a network driver before a VM needs it.

Nothing here is durable: documents are made of records, and after a restart every host is told anew.  What a
driver does with one that changes nothing is nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType

from msgspec.structs import replace

from trifid.core.host import Host, HostState
from trifid.core.network.host_document import Bandwidth, Group, Services
from trifid.core.network.hosting import Records, document_of, is_managed, ports_of
from trifid.core.network.record import LIMITS, Network
from trifid.core.network.rules import networks_named
from trifid.core.network.security_group import SecurityGroup
from trifid.core.vm.record import VM, Action
from trifid.core.vm.states import VmState
from trifid.engine.delivery import CallLater
from trifid.engine.drivers import Driver, DriverSet
from trifid.engine.memory import Memory
from trifid.engine.told_hosts import Told, Waiting, by_nic
from trifid.errors import DriverFault
from trifid.store.interface import Batch
from trifid.wire.host_networks import parse_answer, render
from trifid.wire.lines import LINE_BYTES_MAX, NOTHING, Message, to_driver

log = logging.getLogger("trifid.networks")

FAMILY, VERB = "vnm", "APPLY"
NEED_NETWORK = ("DEPLOY", "RESTORE", "MIGRATE", "MIGRATECOPY", "ATTACHNIC")
"""Verbs of hypervisor drivers that need the NICs' networks on the host that they are about."""
AGAIN_S = 15.0
"""After how long a host that could not be told is told again."""
REFRESH_S = 300.0
"""How often a host that has networks is told again what it was told: somebody may have changed it."""
_NO_LIMIT = Bandwidth()
NONE_FAILED: Mapping[int, str] = MappingProxyType({})
ADDRESS = "VXLAN_ADDRESS"
"""Attribute of a host: where the other hosts reach it; its name when it is missing."""

GroupMade = Callable[[SecurityGroup], Group]
ServicesMade = Callable[[Network], Services | None]
ServicesChanged = Callable[[Batch], set[int]]
"""Commit -> ids of networks whose services are others since then."""


class HostNetworks:
    """Keeps the hosts' networks as the records say.

    Args:
        group_made: returns what a security group lets pass.
        services_made: returns the services of a network.
        call_later: as of an event loop; the running one's by default.

    Attributes:
        engine_id: whose documents these are; set before drivers start.
        services_changed: set by the engine.
    """

    def __init__(
        self,
        memory: Memory,
        drivers: DriverSet,
        group_made: GroupMade,
        services_made: ServicesMade,
        *,
        call_later: CallLater | None = None,
    ) -> None:
        self.engine_id = ""
        self.services_changed: ServicesChanged = lambda batch: set()
        self._memory = memory
        self._drivers = drivers
        self._group_made = group_made
        self._services_made = services_made
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._told: dict[int, Told] = {}
        self._waiting: list[Waiting] = []
        self._networks: dict[int, Network] = {}
        self._name_of_driver = next(iter(drivers.names(FAMILY)), "")

    # -- what hypervisor drivers wait for --------------------------------------------------------

    def passes(self, vm: VM, action: Action, go: Callable[[], None], fail: Callable[[str], None]) -> bool:
        """Tell whether an action may go out now; if not, one of the functions is called later."""
        if action.family != "vmm" or action.verb not in NEED_NETWORK:
            return True
        needed = ports_of(vm, self._memory.networks.get)
        if not needed:
            return True
        host_id = vm.current.host_id
        if self._driver() is None:
            names = ", ".join(sorted({self._name(port.network_id) for port in needed}))
            fail(f"network {names} needs a network driver, none is configured: see [drivers.vnm] in trifid.toml")
            return False
        told = self._told.setdefault(host_id, Told())
        is_sent = told.sent is None or all(port in told.sent.ports for port in needed)
        if is_sent and told.has(needed):
            return True
        self._waiting = [one for one in self._waiting if one.vm_id != vm.id]
        self._waiting.append(Waiting(vm.id, host_id, frozenset(port.network_id for port in needed), go, fail))
        if told.sent is None or not is_sent:
            self._tell(host_id)
        return False

    def limits_left_out(self, vm: VM) -> VM:
        """Return a VM without the limits of NICs that its host's network driver sees to, for the hypervisor's."""
        if self._driver() is None:
            return vm
        nics = vm.template.vectors("NIC")
        left = [self._without_limits(nic) for nic in nics]
        return vm if left == nics else replace(vm, template=vm.template.replacing("NIC", *left))

    def _without_limits(self, nic: dict[str, str]) -> dict[str, str]:
        number = nic.get("NETWORK_ID", "")
        network = self._memory.networks.get(int(number)) if number.isdecimal() else None
        if network is None or not is_managed(network, nic):
            return nic
        return {key: value for key, value in nic.items() if key not in LIMITS}

    def group_states(self, group_id: int) -> dict[str, set[int]]:
        """Return the VMs of a security group by whether their hosts apply what it says now.

        Returns:
            {"UPDATED": …, "UPDATING": …, "ERROR": …, "OUTDATED": …}; a VM that is on no host is up to date.
        """
        states: dict[str, set[int]] = {"UPDATED": set(), "UPDATING": set(), "ERROR": set(), "OUTDATED": set()}
        group = self._memory.security_groups.get(group_id)
        version = group.version if group else 0
        for vm_id in self._memory.vms_in_group.get(group_id, ()):
            states[self._group_state(self._memory.vms[vm_id], group_id, version)].add(vm_id)
        return states

    def _group_state(self, vm: VM, group_id: int, version: int) -> str:
        if not vm.history or vm.current.etime or self._driver() is None:
            return "UPDATED"
        mine = [port for port in ports_of(vm, self._memory.networks.get) if group_id in port.groups]
        if not any(port.is_filtered for port in mine):
            return "UPDATED"
        told = self._told.get(vm.current.host_id)
        if told is None or told.trouble:
            return "ERROR" if told else "OUTDATED"
        if any(port.network_id in told.failed for port in mine):
            return "ERROR"
        return "UPDATED" if told.groups.get(group_id) == version else "UPDATING"

    # -- what changes ----------------------------------------------------------------------------

    def committed(self, batch: Batch) -> None:
        """Tell the hosts that a commit concerns."""
        if self._driver() is None:
            return
        hosts: set[int] = set()
        for vm_id, vm in batch.vms.items():
            now = self._memory.vms.get(vm_id)
            last = now or vm
            if last is None:
                continue
            hosts |= {r.host_id for r in last.history[-2:] if self._differs(r.host_id, vm_id, now)}
            if now is not None and now.state is VmState.RUNNING and now.prev is not VmState.RUNNING:
                hosts |= self._limited(now)  # its interfaces are there only now
        networks = {network_id for network_id in batch.networks if self._means_else(network_id)}
        for network_id in networks | self.services_changed(batch):
            hosts |= {host_id for host_id, told in self._told.items() if network_id in told.networks | told.named}
        for group_id in batch.security_groups:
            for vm_id in self._memory.vms_in_group.get(group_id, ()):
                hosts |= {record.host_id for record in self._memory.vms[vm_id].history[-2:] if not record.etime}
        for host_id in batch.hosts:
            hosts |= self._concerned(host_id)
            if host_id not in self._memory.hosts and (gone := self._told.pop(host_id, None)) is not None:
                gone.forget()
        for host_id in sorted(hosts):
            self._tell(host_id)

    def _differs(self, host_id: int, vm_id: int, vm: VM | None) -> bool:
        """Tell whether what a host was told of a VM is not what is true now."""
        told = self._told.get(host_id)
        is_there = vm_id in self._memory.vms_on.get(host_id, ())
        ports = ports_of(vm, self._memory.networks.get) if vm is not None and is_there else []
        return by_nic(ports) != ({} if told is None else told.newest_of(vm_id))

    def _means_else(self, network_id: int) -> bool:
        """Tell whether a network means something else to hosts than before; a cursor that a lease moves does not."""
        network, before = self._memory.networks.get(network_id), self._networks.pop(network_id, None)
        if network is None:
            return before is not None
        ranges = tuple(replace(ar, next_index=0) for ar in network.ranges)
        now = self._networks[network_id] = replace(network, ranges=ranges)
        return now != before

    def _concerned(self, host_id: int) -> set[int]:
        """Return who is told when a host has changed: itself, which may be empty, and those with tunnels to it."""
        told = self._told.get(host_id)
        if told is None or not told.networks:
            return set()
        networks = (self._memory.networks.get(network_id) for network_id in told.networks)
        tunnels = [network.id for network in networks if network is not None and network.vn_mad == "vxlan"]
        alike = frozenset[int]().union(*map(self._alike, tunnels))
        return {host_id} | {other for other, one in self._told.items() if not alike.isdisjoint(one.networks)}

    def _limited(self, vm: VM) -> set[int]:
        """Return the host of a VM that has limits."""
        ports = ports_of(vm, self._memory.networks.get)
        return {vm.current.host_id} if any(p.inbound != _NO_LIMIT or p.outbound != _NO_LIMIT for p in ports) else set()

    # -- the driver ------------------------------------------------------------------------------

    def _driver(self) -> Driver | None:
        """Return the network driver; there is one, the first that is configured."""
        return self._drivers.get(FAMILY, self._name_of_driver) if self._name_of_driver else None

    def _tell(self, host_id: int) -> None:
        """Have a host told how its networks shall be, after what it is being told just now."""
        host, driver = self._memory.hosts.get(host_id), self._driver()
        if host is None or driver is None:
            return
        told = self._told.setdefault(host_id, Told())
        if told.sent is not None or not driver.is_ready:
            told.is_stale = True
            if driver.does_not_start:
                self._trouble(host_id, told, f"{driver} is down: {driver.trouble}")
            return
        self._send(host, driver, told)

    def _send(self, host: Host, driver: Driver, told: Told) -> None:
        vms = [self._memory.vms[vm_id] for vm_id in sorted(self._memory.vms_on.get(host.id, ()))]
        versions: dict[int, int] = {}
        named: set[int] = set()

        def group(group_id: int) -> Group | None:
            record = self._memory.security_groups.get(group_id)
            if record is None:
                return None
            versions[group_id] = record.version
            named.update(networks_named(record.template))
            return self._group_made(record)

        document = document_of(
            engine_id=self.engine_id,
            host=host.name,
            address=_address(host),
            version=self._memory.journal_id,
            vms=vms,
            records=Records(
                network=self._memory.networks.get,
                group=group,
                services=self._services_made,
                peers=lambda network_id: self._peers(network_id, host.id),
            ),
        )
        told.named = frozenset(named)
        before, told.networks = told.networks, frozenset(network.id for network in document.networks)
        if not document.ports and told.has_nothing:
            told.is_stale = False
            return
        line = to_driver(VERB, host.id, render(document))
        if len(line) > LINE_BYTES_MAX:
            told.is_stale = True
            size = f"{len(line)} bytes, {LINE_BYTES_MAX} are possible"
            self._trouble(host.id, told, f"its document would be a line of {size}: fewer rules, or fewer VMs")
            return
        told.sent, told.sent_groups, told.is_stale = document, versions, False
        if told.again is not None:
            told.again.cancel()
        timeout_s = driver.settings.timeout_s
        if timeout_s > 0:
            why = f"{driver} did not answer {VERB} within {timeout_s:g} s"
            told.timer = self._call_later(timeout_s, self._answered, host.id, why)
        driver.send(line)
        for network_id in before ^ told.networks:  # their other hosts must know that this one has come or gone
            self._tell_peers(network_id, host.id)

    def _peers(self, network_id: int, host_id: int) -> tuple[str, ...]:
        alike = self._alike(network_id)
        others = [
            self._memory.hosts.get(other) for other, told in self._told.items() if not alike.isdisjoint(told.networks)
        ]
        return tuple(sorted(_address(host) for host in others if host is not None and host.id != host_id))

    def _tell_peers(self, network_id: int, host_id: int) -> None:
        network = self._memory.networks.get(network_id)
        if network is None or network.vn_mad != "vxlan":
            return
        alike = self._alike(network_id)
        for other, told in list(self._told.items()):
            if other != host_id and not alike.isdisjoint(told.networks):
                self._tell(other)

    def _alike(self, network_id: int) -> frozenset[int]:
        """Return the networks that are one on the wire: a network, its reservations, and what it is reserved of."""
        network = self._memory.networks.get(network_id)
        if network is None:
            return frozenset({network_id})
        top = int(network.parent_id) if network.parent_id.isdecimal() else network_id
        return frozenset({top, network_id, *self._memory.reservations_of.get(top, ())})

    def ready(self, driver: Driver) -> None:
        """The driver came up: every host is told, so that what is left of before goes."""
        for host in list(self._memory.hosts.values()):
            told = self._told.setdefault(host.id, Told())
            told.stop()
            if host.state is HostState.MONITORED or self._memory.vms_on.get(host.id):
                self._tell(host.id)

    def down(self, driver: Driver, why: str) -> None:
        """The driver is gone; it is told all again when it is back, if it comes back."""
        for host_id, told in list(self._told.items()):
            if told.sent is not None:
                told.give_up()
                told.is_stale = True
            if driver.does_not_start:
                self._trouble(host_id, told, f"{driver} is down: {why}")

    def said(self, driver: Driver, message: Message) -> None:
        """An answer, or something for the log."""
        if message.type == "LOG":
            log.info("host %d  %s: %s", message.oid, driver, message.payload)
        elif message.type == VERB:
            said = "" if message.payload == NOTHING else message.payload
            if message.status != "SUCCESS":
                self._answered(message.oid, said or "the driver gave no reason")
                return
            try:
                version, failed = parse_answer(said)
            except DriverFault as fault:
                self._answered(message.oid, f"{driver}: {fault}")
                return
            if self._is_late(message.oid, version):
                log.warning("host %d  %s: version %s is applied, which is not waited for", message.oid, driver, version)
            else:
                self._answered(message.oid, "", failed)

    def _is_late(self, host_id: int, version: str) -> bool:
        """Tell whether a host has applied another document than the one under way: one that took too long."""
        told = self._told.get(host_id)
        return bool(version and told and told.sent and version != str(told.sent.version))

    def _answered(self, host_id: int, why: str, failed: Mapping[int, str] = NONE_FAILED) -> None:
        """What a host was told is done, or why it is not: at all, or for some networks."""
        told = self._told.get(host_id)
        if told is None or told.sent is None:
            return
        if why:
            told.give_up()
            self._trouble(host_id, told, why)
            return
        if failed and failed != told.failed:
            log.warning("host %s: networks could not be made: %s", self._host_name(host_id), self._reasons(failed))
        document = told.applied(failed)
        if told.is_stale:
            self._tell(host_id)
        elif document.ports:
            self._tell_later(host_id, told, AGAIN_S if failed else REFRESH_S)
        for one in self._no_longer_waiting(host_id):
            mine = {network_id: failed[network_id] for network_id in one.networks & failed.keys()}
            if mine:
                one.fail(f"host {self._host_name(host_id)} could not make {self._reasons(mine)}")
            else:
                one.go()

    def _trouble(self, host_id: int, told: Told, why: str) -> None:
        """A host could not be told: who waits for it has failed, and it is tried again later."""
        name = self._host_name(host_id)
        if told.trouble != why:
            log.warning("host %s: its virtual networks are not as they should be: %s", name, why)
        told.trouble = why
        self._tell_later(host_id, told, AGAIN_S)
        for one in self._no_longer_waiting(host_id):
            one.fail(f"the virtual networks of host {name} could not be made: {why}")

    def _tell_later(self, host_id: int, told: Told, seconds: float) -> None:
        if told.again is not None:
            told.again.cancel()
        told.again = self._call_later(seconds, self._tell, host_id)

    def _no_longer_waiting(self, host_id: int) -> list[Waiting]:
        """Return those that waited for a host."""
        waiting = [one for one in self._waiting if one.host_id == host_id]
        self._waiting = [one for one in self._waiting if one.host_id != host_id]
        return waiting

    def _reasons(self, failed: Mapping[int, str]) -> str:
        return "; ".join(f"network {self._name(one)} [{one}]: {why}" for one, why in sorted(failed.items()))

    def _host_name(self, host_id: int) -> str:
        host = self._memory.hosts.get(host_id)
        return host.name if host else str(host_id)

    def _name(self, network_id: int) -> str:
        network = self._memory.networks.get(network_id)
        return network.name if network else str(network_id)


def _address(host: Host) -> str:
    return host.template.single(ADDRESS) or host.name
