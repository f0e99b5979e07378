"""What the scheduler sees: pools of the public API, read again only as far as they have changed."""

from collections.abc import Collection
from typing import Any, Protocol

import msgspec

from trifid.placement.reading import ClusterTemplates, cluster_templates, datastores, groups, host_view, waiting_vms
from trifid.placement.reading_networks import access_rules, networks, owners
from trifid.placement.reading_placed import placed_vms
from trifid.placement.view import DatastoreView, GroupView, HostView, NetworkView, PlacedVm, Usage, View, WaitingVm
from trifid.scheduler.kept import KeptPool
from trifid.wire.elements import BadDocument, one_element, several

_FILTER_ALL, _STATE_NOT_DONE, _STATE_PENDING, _STATE_ACTIVE = -2, -1, 1, 3


class Caller(Protocol):
    """The part of the API client that is used."""

    def call(self, method: str, *args: Any) -> Any:
        """Return the result of a method; raises ClientError."""


class Looks:
    """Looks at the cluster; all methods raise ClientError and BadDocument."""

    def __init__(self, client: Caller) -> None:
        self._client = client
        self._clusters: KeptPool[ClusterTemplates] = KeptPool("CLUSTER", lambda text: [cluster_templates(text)])
        self._templates: ClusterTemplates = {}
        self._vms: KeptPool[WaitingVm] = KeptPool("VM", waiting_vms)
        self._placed: KeptPool[PlacedVm] = KeptPool("VM", placed_vms)
        self._hosts: dict[int, HostView] = {}
        self._read = ""
        self._datastores: KeptPool[DatastoreView] = KeptPool("DATASTORE", datastores)
        self._groups: KeptPool[GroupView] = KeptPool("VM_GROUP", groups)

    @property
    def hosts_seen(self) -> int:
        """How many hosts there were at the last look."""
        return len(self._hosts)

    def pending(self) -> list[WaitingVm]:
        """Return the VMs that wait for a host."""
        return self._vms.read(self._client.call("one.vmpool.info", _FILTER_ALL, -1, -1, _STATE_PENDING))

    def everything(self) -> str:
        """Return the pool of all VMs that are not done, as a document."""
        document: str = self._client.call("one.vmpool.info", _FILTER_ALL, -1, -1, _STATE_NOT_DONE)
        return document

    def placed(self) -> list[PlacedVm]:
        """Return the VMs that are on hosts."""
        return self._placed.read(self._client.call("one.vmpool.info", _FILTER_ALL, -1, -1, _STATE_ACTIVE))

    def vm(self, vm_id: int) -> WaitingVm | None:
        """Return a VM, None when it wants no host; raises ApiError as well."""
        return next(iter(waiting_vms(self._client.call("one.vm.info", vm_id, False))), None)

    def hosts(self) -> list[HostView]:
        """Return all hosts, lowest id first."""
        templates: ClusterTemplates = {}
        for some in self._clusters.read(self._client.call("one.clusterpool.info")):
            templates.update(some)
        if templates != self._templates:  # every host shows those of its cluster
            self._templates, self._read = templates, ""
        read, self._read = self._read, ""
        told = one_element(self._client.call("trifid.host.changes", read), "HOST_CHANGES")
        changed = {host.id: host for host in (host_view(one, templates) for one in several(told.get("HOST")))}
        try:
            ids = sorted(int(word) for word in told["IDS"].split())
            self._hosts = {host_id: changed.get(host_id) or self._hosts[host_id] for host_id in ids}
            self._read = told["READ"]
        except (KeyError, ValueError, AttributeError, TypeError) as bad:
            raise BadDocument(f"trifid.host.changes answered what is not a list of hosts: {bad}") from None
        return list(self._hosts.values())

    def datastores(self) -> list[DatastoreView]:
        """Return all datastores, lowest id first."""
        found = self._datastores.read(self._client.call("one.datastorepool.info"))
        return sorted(found, key=lambda one: one.record.id)

    def groups(self) -> tuple[GroupView, ...]:
        """Return all VM groups with who is in them."""
        return tuple(self._groups.read(self._client.call("one.vmgrouppool.info", _FILTER_ALL, -1, -1)))

    def networks(self, uids: Collection[int]) -> tuple[NetworkView, ...]:
        """Return all networks, with who of these users may use them; nothing is read for nobody."""
        if not uids:
            return ()
        rules = access_rules(self._client.call("one.acl.info"))
        people = owners(self._client.call("one.userpool.info"), uids, rules)
        return tuple(networks(self._client.call("one.vnpool.info", _FILTER_ALL, -1, -1), people))

    def usages(self) -> tuple[Usage, ...]:
        """Return what users have, and what they weigh."""
        answer = self._client.call("trifid.user.usage")
        try:
            return msgspec.json.decode(answer, type=tuple[Usage, ...])
        except (msgspec.DecodeError, TypeError) as bad:
            raise BadDocument(f"trifid.user.usage answered what is not a list of usages: {bad}") from None

    def barred_hosts(self, uids: Collection[int]) -> dict[int, frozenset[int]]:
        """Return, by user, the hosts on which its VMs may not be; whoever may use all is left out."""
        answer = self._client.call("trifid.user.barred_hosts", sorted(uids))
        try:
            return msgspec.json.decode(answer, type=dict[int, frozenset[int]])
        except (msgspec.DecodeError, TypeError) as bad:
            raise BadDocument(f"trifid.user.barred_hosts answered what is not lists of hosts: {bad}") from None

    def view(self, vms: Collection[WaitingVm], now: int) -> View:
        """Return what these VMs are to be planned in; what users have matters only where several of them wait, groups
        only where VMs of some do, networks only where some are to be chosen.

        Args:
            now: seconds since 1970.
        """
        usages = self.usages() if len({vm.uid for vm in vms}) > 1 else ()
        groups = self.groups() if any(vm.vm_group_id >= 0 for vm in vms) else ()
        hosts, stores = tuple(self.hosts()), tuple(self.datastores())
        nets = self.networks({vm.uid for vm in vms if vm.nics})
        barred = self.barred_hosts({vm.uid for vm in vms}) if vms else {}
        return View(
            tuple(vms), hosts, stores, usages=usages, groups=groups, networks=nets, now=now, barred_host_ids=barred
        )
