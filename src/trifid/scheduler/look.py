"""What the scheduler sees: pools of the public API, read again only as far as they have changed."""

from collections.abc import Collection
from typing import Any, Protocol

import msgspec

from trifid.placement.reading import ClusterTemplates, cluster_templates, datastores, hosts_in, waiting_vms
from trifid.placement.view import DatastoreView, HostView, Usage, View, WaitingVm
from trifid.scheduler.kept import KeptPool
from trifid.wire.elements import BadDocument

_FILTER_ALL, _STATE_PENDING, _STATE_ACTIVE = -2, 1, 3


class Caller(Protocol):
    """The part of the API client that is used."""

    def call(self, method: str, *args: Any) -> Any:
        """Return the result of a method; raises ClientError."""


class Looks:
    """Looks at the cluster; all methods raise ClientError and BadDocument.

    Attributes:
        hosts_seen: how many hosts there were at the last look.
    """

    def __init__(self, client: Caller) -> None:
        self.hosts_seen = 0
        self._client = client
        self._clusters: ClusterTemplates = {}
        self._vms: KeptPool[WaitingVm] = KeptPool("VM", waiting_vms)
        self._hosts: KeptPool[HostView] = KeptPool("HOST", self._hosts_in)
        self._datastores: KeptPool[DatastoreView] = KeptPool("DATASTORE", datastores)

    def _hosts_in(self, document: str) -> list[HostView]:
        return hosts_in(document, self._clusters)

    def pending(self) -> list[WaitingVm]:
        """Return the VMs that wait for a host."""
        return self._vms.read(self._client.call("one.vmpool.info", _FILTER_ALL, -1, -1, _STATE_PENDING))

    def to_be_moved(self) -> list[WaitingVm]:
        """Return the running VMs that are marked to be moved: all active ones are looked at."""
        return waiting_vms(self._client.call("one.vmpool.info", _FILTER_ALL, -1, -1, _STATE_ACTIVE))

    def vm(self, vm_id: int) -> WaitingVm | None:
        """Return a VM, None when it wants no host; raises ApiError as well."""
        return next(iter(waiting_vms(self._client.call("one.vm.info", vm_id, False))), None)

    def hosts(self) -> list[HostView]:
        """Return all hosts, lowest id first."""
        clusters = cluster_templates(self._client.call("one.clusterpool.info"))
        if clusters != self._clusters:
            self._clusters = clusters
            self._hosts.clear()
        found = sorted(self._hosts.read(self._client.call("one.hostpool.info")), key=lambda host: host.id)
        self.hosts_seen = len(found)
        return found

    def datastores(self) -> list[DatastoreView]:
        """Return all datastores, lowest id first."""
        found = self._datastores.read(self._client.call("one.datastorepool.info"))
        return sorted(found, key=lambda one: one.record.id)

    def usages(self) -> tuple[Usage, ...]:
        """Return what users have, and what they weigh."""
        answer = self._client.call("trifid.user.usage")
        try:
            return msgspec.json.decode(answer, type=tuple[Usage, ...])
        except (msgspec.DecodeError, TypeError) as bad:
            raise BadDocument(f"trifid.user.usage answered what is not a list of usages: {bad}") from None

    def view(self, vms: Collection[WaitingVm], now: int) -> View:
        """Return what these VMs are to be planned in; what users have matters only where several of them wait.

        Args:
            now: seconds since 1970.
        """
        usages = self.usages() if len({vm.uid for vm in vms}) > 1 else ()
        return View(tuple(vms), tuple(self.hosts()), tuple(self.datastores()), usages=usages, now=now)
