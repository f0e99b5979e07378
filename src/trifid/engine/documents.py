"""Cached documents: each object's XML, escaped once when it changes, so that pools are mere joins.

A cached text stays as long as the records it was made from are the very same objects; records are
replaced whole on every change, so looking whether they still are is all the bookkeeping there is.
Names of users and groups stand in many documents: a rename drops all of them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from trifid.core.cluster import Cluster, within
from trifid.core.host import Host, HostObservation
from trifid.core.image.datastore import Datastore, Space
from trifid.core.image.record import Image
from trifid.core.network.index_set import NOTHING_TAKEN
from trifid.core.network.kept import VnTemplate
from trifid.core.network.lease import free_addresses
from trifid.core.network.record import Network, reserved_spans
from trifid.core.network.security_group import SecurityGroup
from trifid.core.quota import GROUPS, NO_LIMITS, USERS, Limits
from trifid.core.quota_usage import GROUP, USER, Figures
from trifid.core.template.model import Template
from trifid.core.together import REQUIREMENTS
from trifid.core.user import Group, User
from trifid.core.vm.placed import for_drivers
from trifid.core.vm.record import VM
from trifid.core.vm_template import VmTemplate
from trifid.engine.clusters import requirement_of
from trifid.engine.host_networks import HostNetworks
from trifid.engine.memory import NO_SHARE, Memory
from trifid.engine.monitoring import Monitoring
from trifid.engine.watched import VmObservation
from trifid.store.interface import Batch
from trifid.wire.bodies import cluster as cluster_body
from trifid.wire.bodies import datastore as datastore_body
from trifid.wire.bodies import group as group_body
from trifid.wire.bodies import host as host_body
from trifid.wire.bodies import image as image_body
from trifid.wire.bodies import network as network_body
from trifid.wire.bodies import security_group as security_group_body
from trifid.wire.bodies import user as user_body
from trifid.wire.bodies import vm as vm_body
from trifid.wire.bodies import vm_template as vm_template_body
from trifid.wire.bodies import vn_template as vn_template_body
from trifid.wire.bodies.parts import escaped_pool
from trifid.wire.bodies.quotas import NOTHING, default_quotas
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

_NO_OBSERVATION = VmObservation()
_NO_HOST_OBSERVATION = HostObservation()
_NO_SPACE = Space()

_VmBody = Callable[[VM, "Documents", int, dict[str, str], Mapping[str, str]], str]
_NOT_MOVING: Mapping[str, str] = {}
_SeesVm = Callable[[SecurityGroup, int], bool]
"""(security group, id of a VM in it) -> whether somebody may see that."""


class _Cache:
    """Texts by object id, each with what it was made from."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[Any, ...], Any, str]] = {}

    def text(self, object_id: int, made_from: tuple[Any, ...], make: Callable[[], str], version: Any = None) -> str:
        """Return the escaped text of an object, made again only when a source or the version is another."""
        kept = self._kept.get(object_id)
        if kept is not None and kept[1] == version and all(a is b for a, b in zip(kept[0], made_from, strict=True)):
            return kept[2]
        text = escape(make())
        self._kept[object_id] = (made_from, version, text)
        return text

    def drop(self, object_id: int) -> None:
        self._kept.pop(object_id, None)

    def clear(self) -> None:
        self._kept.clear()


class Documents:
    """Answers every info call.

    It is also what tells document makers the names of users and groups.

    Attributes:
        space_of: tells the room of a datastore, by its id; set by the engine, as are the next two.
        base_path: tells where a datastore lies.
        progress: image id to how far its driver is.
        moving: VM id to how far its live migration is.
    """

    def __init__(self, memory: Memory, monitoring: Monitoring) -> None:
        self._memory = memory
        self._monitoring = monitoring
        self._vms_full, self._vms_short, self._vms_extended = _Cache(), _Cache(), _Cache()
        self._hosts, self._networks = _Cache(), _Cache()
        self._images, self._datastores = _Cache(), _Cache()
        self.space_of: Callable[[int], Space] = lambda datastore_id: _NO_SPACE
        self.base_path: Callable[[Datastore], str] = lambda datastore: datastore.base_path
        self.progress: Mapping[int, str] = {}
        self.moving: Mapping[int, Mapping[str, str]] = {}
        self.networks: HostNetworks | None = None
        self._vm_templates, self._vn_templates = _Cache(), _Cache()
        self._clusters_of: dict[tuple[str, int], tuple[int, ...]] = {}
        self._remember_clusters(memory.networks, memory.datastores)

    def committed(self, batch: Batch) -> None:
        """Forget what is gone, and everything with names in it when names changed."""
        for vm_id, vm in batch.vms.items():
            if vm is None or vm_id not in self._memory.vms:
                for cache in (self._vms_full, self._vms_short, self._vms_extended):
                    cache.drop(vm_id)
        for host_id, host in batch.hosts.items():
            if host is None:
                self._hosts.drop(host_id)
        for network_id in {*batch.networks, *(key[0] for key in batch.leases)}:
            self._networks.drop(network_id)
        for template_id, template in batch.vm_templates.items():
            if template is None:
                self._vm_templates.drop(template_id)
        for template_id, kept in batch.vn_templates.items():
            if kept is None:
                self._vn_templates.drop(template_id)
        if self._remember_clusters(batch.networks, batch.datastores):
            for cache in (self._vms_full, self._vms_short, self._vms_extended):
                cache.clear()
        if batch.users or batch.groups:
            self._vm_templates.clear()
            self._vn_templates.clear()
            for cache in (self._vms_full, self._vms_short, self._vms_extended, self._networks):
                cache.clear()

    def _remember_clusters(
        self, networks: Mapping[int, Network | None], datastores: Mapping[int, Datastore | None]
    ) -> bool:
        """Keep which clusters networks and datastores are in, and tell whether any moved: VMs tell of that."""
        moved = False
        pools: tuple[tuple[str, Mapping[int, Network | Datastore | None]], ...] = (
            ("NET", networks),
            ("DATASTORE", datastores),
        )
        for kind, records in pools:
            for object_id, record in records.items():
                after = record.cluster_ids if record is not None else ()
                moved = moved or self._clusters_of.get((kind, object_id), after) != after
                self._clusters_of[kind, object_id] = after
        return moved

    # -- names that documents show ---------------------------------------------------------------

    def user(self, uid: int) -> str:
        """Return the name of a user; its number when it is gone."""
        found = self._memory.users.get(uid)
        return found.name if found else str(uid)

    def group(self, gid: int) -> str:
        """Return the name of a group; its number when it is gone."""
        found = self._memory.groups.get(gid)
        return found.name if found else str(gid)

    # -- virtual machines ------------------------------------------------------------------------

    def vm_for_drivers(self, vm: VM) -> str:
        """Return the full document as drivers get it, not escaped."""
        seen = self._monitoring.vms.get(vm.id, _NO_OBSERVATION)
        told = for_drivers(vm) if self.networks is None else self.networks.limits_left_out(for_drivers(vm))
        return vm_body.vm_full(told, self, seen.at, seen.values)

    def vm(self, vm: VM) -> Escaped:
        """Return the full document of a VM."""
        return Escaped(self._vm_text(self._vms_full, vm_body.vm_full, vm))

    def vm_as_if(self, vm: VM) -> str:
        """Return the full document of a VM that is not, or not like this, in memory; not escaped, and not kept."""
        return vm_body.vm_full(self._with_requirements(vm), self)

    def vm_pool(self, vms: Iterable[VM]) -> Escaped:
        """Return a pool of short documents."""
        return escaped_pool("VM_POOL", [self._vm_text(self._vms_short, vm_body.vm_pool_entry, vm) for vm in vms])

    def vm_pool_extended(self, vms: Iterable[VM]) -> Escaped:
        """Return a pool of full documents with the last history record."""
        return escaped_pool("VM_POOL", [self._vm_text(self._vms_extended, vm_body.vm_extended, vm) for vm in vms])

    def _vm_text(self, cache: _Cache, make: _VmBody, vm: VM) -> str:
        seen = self._monitoring.vms.get(vm.id, _NO_OBSERVATION)
        if self._memory.vms.get(vm.id) is not vm:
            return escape(make(vm, self, seen.at, seen.values, _NOT_MOVING))  # DONE: too many to keep
        moving = self.moving.get(vm.id, _NOT_MOVING)

        def text() -> str:
            return make(self._with_requirements(vm), self, seen.at, seen.values, moving)

        return cache.text(vm.id, (vm, seen, moving), text)

    def _with_requirements(self, vm: VM) -> VM:
        """Return a VM with the clusters that it can be in, as its networks and datastores are now."""
        text = requirement_of(self._memory, vm)
        return replace(vm, template=vm.template.replacing(REQUIREMENTS, text)) if text else vm

    # -- hosts -----------------------------------------------------------------------------------

    def host(self, host: Host) -> Escaped:
        """Return the document of a host."""
        return Escaped(self._host_text(host))

    def host_pool(self, hosts: Iterable[Host]) -> Escaped:
        """Return the pool of these hosts."""
        return escaped_pool("HOST_POOL", [self._host_text(host) for host in hosts])

    def _host_text(self, host: Host) -> str:
        share = self._memory.shares.get(host.id, NO_SHARE)
        seen = self._monitoring.hosts.get(host.id, _NO_HOST_OBSERVATION)
        promised_mib = self._memory.promised.get(("host", host.id), 0)
        cluster = self._memory.clusters.get(host.cluster_id)
        devices = dict(self._memory.devices_on.get(host.id, ()))

        def make() -> str:
            usage = host_body.HostUsage(
                cpu_percent=share.cpu_percent,
                memory_kib=share.memory_mib * 1024,
                running_vms=share.vms,
                vm_ids=self._memory.vms_on.get(host.id, ()),
                disk_mib=promised_mib,
                devices=devices,
            )
            name = cluster.name if cluster is not None else str(host.cluster_id)
            return host_body.host_full(host, usage, seen, name, within(host, cluster))

        capacity = (seen.free_cpu_percent, seen.free_memory_kib, seen.used_cpu_percent, seen.used_memory_kib)
        figures = (seen.at, *capacity, seen.disk, promised_mib, seen.wilds, devices)
        return self._hosts.text(host.id, (host, share, seen.more, cluster), make, figures)

    # -- networks --------------------------------------------------------------------------------

    def network(self, network: Network) -> Escaped:
        """Return the document of a network with all its leases."""
        leases, reserved = self._memory.leases_in(network.id), self._reserved_of(network)

        def make() -> str:
            return network_body.network_full(network, self, leases, reserved)

        return Escaped(self._networks.text(network.id, (network,), make, reserved))

    def network_seen_by(self, network: Network, sees: Callable[[str, int], bool]) -> Escaped:
        """Return the document of a network with the leases of those VMs and networks that somebody sees.

        It is made for each who asks: the kept one tells everything.

        Args:
            sees: tells it by the kind (VM, NET) and the id.
        """
        leases, reserved = self._memory.leases_in(network.id), self._reserved_of(network)
        return Escaped.of(network_body.network_full(network, self, leases, reserved, sees))

    def _reserved_of(self, network: Network) -> frozenset[network_body.Reserved]:
        parts = self._memory.reservations_of.get(network.id, ())
        return frozenset((part, span) for part in parts for span in reserved_spans(self._memory.networks[part]))

    def network_pool(self, networks: Iterable[Network]) -> Escaped:
        """Return a pool of networks without their leases."""
        taken = self._memory.taken

        def entry(network: Network) -> str:
            sets = {ar.id: taken.get((network.id, ar.id), NOTHING_TAKEN) for ar in network.ranges}
            free = free_addresses(network, sets.__getitem__)
            return network_body.network_pool_entry(network, self, sum(one.count for one in sets.values()), free)

        return escaped_pool("VNET_POOL", [escape(entry(network)) for network in networks])

    # -- templates of networks -------------------------------------------------------------------

    def vn_template(self, template: VnTemplate) -> Escaped:
        """Return the document of a template of networks."""
        return Escaped(self._vn_template_text(template))

    def vn_template_pool(self, templates: Iterable[VnTemplate]) -> Escaped:
        """Return the pool of these templates of networks."""
        return escaped_pool("VNTEMPLATE_POOL", [self._vn_template_text(one) for one in templates])

    def _vn_template_text(self, template: VnTemplate) -> str:
        return self._vn_templates.text(template.id, (template,), lambda: vn_template_body.vn_template(template, self))

    # -- security groups -------------------------------------------------------------------------

    def security_group(self, group: SecurityGroup, sees: _SeesVm) -> Escaped:
        """Return the document of a security group with the VMs that somebody sees in it."""
        return Escaped.of(security_group_body.security_group(group, self, self._states_in(group, sees)))

    def security_group_pool(self, groups: Iterable[SecurityGroup], sees: _SeesVm) -> Escaped:
        """Return the pool of these security groups with the VMs that somebody sees in them."""
        make = security_group_body.security_group
        entries = [escape(make(group, self, self._states_in(group, sees))) for group in groups]
        return escaped_pool("SECURITY_GROUP_POOL", entries)

    def _states_in(self, group: SecurityGroup, sees: _SeesVm) -> Mapping[str, Collection[int]]:
        """Return the VMs of a security group by whether their hosts apply it."""
        states: Mapping[str, Collection[int]] = {"UPDATED": self._memory.vms_in_group.get(group.id, ())}
        if self.networks is not None:
            states = self.networks.group_states(group.id)
        return {state: {vm_id for vm_id in vm_ids if sees(group, vm_id)} for state, vm_ids in states.items()}

    # -- clusters --------------------------------------------------------------------------------

    def cluster(self, cluster: Cluster) -> Escaped:
        """Return the document of a cluster."""
        ((_, members),) = self._with_members([cluster])
        return Escaped.of(cluster_body.cluster(cluster, members))

    def cluster_pool(self, clusters: Iterable[Cluster]) -> Escaped:
        """Return the pool of these clusters."""
        entries = [escape(cluster_body.cluster(one, members)) for one, members in self._with_members(clusters)]
        return escaped_pool("CLUSTER_POOL", entries)

    def _with_members(self, clusters: Iterable[Cluster]) -> list[tuple[Cluster, cluster_body.Members]]:
        memory = self._memory
        hosts: dict[int, list[int]] = defaultdict(list)
        datastores: dict[int, list[int]] = defaultdict(list)
        networks: dict[int, list[int]] = defaultdict(list)
        for host in memory.hosts.values():
            hosts[host.cluster_id].append(host.id)
        for datastore in memory.datastores.values():
            for cluster_id in datastore.cluster_ids:
                datastores[cluster_id].append(datastore.id)
        for network in memory.networks.values():
            for cluster_id in network.cluster_ids:
                networks[cluster_id].append(network.id)
        return [(one, cluster_body.Members(hosts[one.id], datastores[one.id], networks[one.id])) for one in clusters]

    # -- VM templates ----------------------------------------------------------------------------

    def vm_template(self, template: VmTemplate) -> Escaped:
        """Return the document of a VM template."""
        return Escaped(self._vm_template_text(template))

    def vm_template_extended(self, template: VmTemplate, attributes: Template) -> Escaped:
        """Return the document of a VM template with these attributes instead of its own."""
        return Escaped.of(vm_template_body.vm_template(template, self, attributes))

    def vm_template_pool(self, templates: Iterable[VmTemplate]) -> Escaped:
        """Return the pool of these VM templates."""
        return escaped_pool("VMTEMPLATE_POOL", [self._vm_template_text(one) for one in templates])

    def _vm_template_text(self, template: VmTemplate) -> str:
        return self._vm_templates.text(template.id, (template,), lambda: vm_template_body.vm_template(template, self))

    # -- images and datastores -------------------------------------------------------------------

    def image(self, image: Image) -> Escaped:
        """Return the document of an image."""
        return Escaped(self._image_text(image))

    def image_pool(self, images: Iterable[Image]) -> Escaped:
        """Return the pool of these images."""
        return escaped_pool("IMAGE_POOL", [self._image_text(image) for image in images])

    def _image_text(self, image: Image) -> str:
        use = self._use_of(image)
        return self._images.text(image.id, (image,), lambda: image_body.image_full(image, self, use), use)

    def _use_of(self, image: Image) -> image_body.ImageUse:
        memory = self._memory
        datastore = memory.datastores.get(image.datastore_id)
        return image_body.ImageUse(
            datastore=datastore.name if datastore else "",
            vm_ids=frozenset(memory.image_users.get(image.id, ())),
            clone_ids=frozenset(memory.clones_of.get(image.id, ())),
            progress=self.progress.get(image.id, ""),
        )

    def datastore(self, datastore: Datastore) -> Escaped:
        """Return the document of a datastore."""
        return Escaped(self._datastore_text(datastore))

    def datastore_pool(self, datastores: Iterable[Datastore]) -> Escaped:
        """Return the pool of these datastores."""
        return escaped_pool("DATASTORE_POOL", [self._datastore_text(datastore) for datastore in datastores])

    def _datastore_text(self, datastore: Datastore) -> str:
        space, images = self.space_of(datastore.id), frozenset(self._memory.images_in.get(datastore.id, ()))
        promised_mib = self._memory.promised.get(("datastore", datastore.id), 0)

        def make() -> str:
            path = self.base_path(datastore)
            return datastore_body.datastore_full(datastore, self, space, path, images, promised_mib)

        return self._datastores.text(datastore.id, (datastore,), make, (space, images, promised_mib))

    # -- users and groups ------------------------------------------------------------------------

    def user_document(self, user: User) -> Escaped:
        """Return the document of a user."""
        return Escaped.of(user_body.user_full(user, self, self._has(USER, user.id), self._default_limits(USERS)))

    def user_pool(self, users: Iterable[User]) -> Escaped:
        """Return the pool of these users."""
        entries = [escape(user_body.user_pool_entry(user, self, self._has(USER, user.id))) for user in users]
        return escaped_pool("USER_POOL", entries, self._default_quotas(USERS))

    def group_document(self, group: Group) -> Escaped:
        """Return the document of a group."""
        has, default = self._has(GROUP, group.id), self._default_limits(GROUPS)
        return Escaped.of(group_body.group_full(group, self._members(group), has, default))

    def group_pool(self, groups: Iterable[Group]) -> Escaped:
        """Return the pool of these groups."""
        make = group_body.group_pool_entry
        entries = [escape(make(group, self._members(group), self._has(GROUP, group.id))) for group in groups]
        return escaped_pool("GROUP_POOL", entries, self._default_quotas(GROUPS))

    def default_quotas(self, of: int) -> Escaped:
        """Return the document of the default quotas of all users (USERS) or of all groups (GROUPS)."""
        return Escaped.of(self._default_quotas(of))

    def _has(self, kind: str, owner_id: int) -> Figures:
        return self._memory.usage.get((kind, owner_id), NOTHING)

    def _default_limits(self, of: int) -> Limits:
        found = self._memory.default_quotas.get(of)
        return found.limits if found is not None else NO_LIMITS

    def _default_quotas(self, of: int) -> str:
        name = "DEFAULT_USER_QUOTAS" if of == USERS else "DEFAULT_GROUP_QUOTAS"
        return default_quotas(name, self._default_limits(of))

    def _members(self, group: Group) -> list[int]:
        return [user.id for user in self._memory.users.values() if group.id in user.gids]
