"""What each host was told of its virtual networks, and who waits for that."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from trifid.core.network.host_document import HostDocument, Port
from trifid.engine.delivery import Timer

Ports = Mapping[tuple[int, int], Port]
"""By (VM, NIC)."""


class Waiting(msgspec.Struct):
    """An action that waits until its VM's networks are on its host.

    Attributes:
        networks: ids of those that it needs.
    """

    vm_id: int
    host_id: int
    networks: frozenset[int]
    go: Callable[[], None]
    fail: Callable[[str], None]


class Told(msgspec.Struct):
    """What a host was told.

    Attributes:
        ports: of the document that it has applied, but for those below; None = not known yet.
        unmade: ports of that document in networks that could not be made.
        failed: id of a network that could not be made -> why.
        groups: versions of the security groups that it has applied.
        networks: ids of the networks of the newest document.
        named: ids of those that its security groups name.
        sent: the document under way.
        is_stale: something has changed since the newest document.
        trouble: why the last one could not be applied at all.
    """

    ports: Ports | None = None
    unmade: Ports = {}
    failed: dict[int, str] = {}
    groups: dict[int, int] = {}
    networks: frozenset[int] = frozenset()
    named: frozenset[int] = frozenset()
    sent: HostDocument | None = None
    sent_groups: dict[int, int] = {}
    timer: Timer | None = None
    again: Timer | None = None
    is_stale: bool = False
    trouble: str = ""

    @property
    def has_nothing(self) -> bool:
        """Whether the host is known to have no ports."""
        return self.ports is not None and not self.ports and not self.unmade

    def has(self, ports: Iterable[Port]) -> bool:
        """Tell whether the host has all these ports, in networks that are made."""
        known = self.ports
        return known is not None and all(known.get((port.vm_id, port.nic_id)) == port for port in ports)

    def newest_of(self, vm_id: int) -> Ports:
        """Return the ports of a VM in what the host was told last, applied or under way."""
        last = {**(self.ports or {}), **self.unmade} if self.sent is None else by_nic(self.sent.ports)
        return {key: port for key, port in last.items() if key[0] == vm_id}

    def applied(self, failed: Mapping[int, str]) -> HostDocument:
        """Note that the document under way is applied, but for some networks; return it."""
        assert self.sent is not None
        document = self.sent
        self.stop()
        self.ports = by_nic(port for port in document.ports if port.network_id not in failed)
        self.unmade = by_nic(port for port in document.ports if port.network_id in failed)
        self.groups, self.failed, self.trouble = self.sent_groups, dict(failed), ""
        return document

    def stop(self) -> None:
        """Nothing is under way any more."""
        self.sent = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def give_up(self) -> None:
        """How much of what is under way the host has applied is not known: it has what both documents say.

        A port that the newer one leaves out may be open now, although the older one was applied.
        """
        if self.sent is not None:
            sent = by_nic(self.sent.ports)
            both = {key: port for key, port in (self.ports or {}).items() if sent.get(key) == port}
            self.ports, self.unmade = both or None, {}
        self.stop()

    def forget(self) -> None:
        """The host is no more: nobody waits for it."""
        self.stop()
        if self.again is not None:
            self.again.cancel()
            self.again = None


def by_nic(ports: Iterable[Port]) -> dict[tuple[int, int], Port]:
    """Return ports by (VM, NIC)."""
    return {(port.vm_id, port.nic_id): port for port in ports}
