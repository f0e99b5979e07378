"""Cached documents: each object's XML, escaped once when it changes, so that pools are mere joins.

A cached text stays as long as the records it was made from are the very same objects; records are
replaced whole on every change, so looking whether they still are is all the bookkeeping there is.
Names of users and groups stand in many documents: a rename drops all of them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trifid.core.host import Host, HostObservation
from trifid.core.image.datastore import Datastore, Space
from trifid.core.image.record import Image
from trifid.core.network.record import Network
from trifid.core.template.model import Template
from trifid.core.user import Group, User
from trifid.core.vm.placed import for_drivers
from trifid.core.vm.record import VM
from trifid.core.vm_template import VmTemplate
from trifid.engine.memory import NO_SHARE, Memory
from trifid.engine.monitoring import Monitoring, VmObservation
from trifid.store.interface import Batch
from trifid.wire.bodies import datastore as datastore_body
from trifid.wire.bodies import group as group_body
from trifid.wire.bodies import host as host_body
from trifid.wire.bodies import image as image_body
from trifid.wire.bodies import network as network_body
from trifid.wire.bodies import user as user_body
from trifid.wire.bodies import vm as vm_body
from trifid.wire.bodies import vm_template as vm_template_body
from trifid.wire.bodies.parts import DEFAULT_GROUP_QUOTAS, DEFAULT_USER_QUOTAS, escaped_pool
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

_NO_OBSERVATION = VmObservation()
_NO_HOST_OBSERVATION = HostObservation()
_NO_SPACE = Space()

_VmBody = Callable[[VM, "Documents", int, dict[str, str]], str]


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
        self._vm_templates = _Cache()

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
        if batch.users or batch.groups:
            self._vm_templates.clear()
            for cache in (self._vms_full, self._vms_short, self._vms_extended, self._networks):
                cache.clear()

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
        return vm_body.vm_full(for_drivers(vm), self, seen.at, seen.values)

    def vm(self, vm: VM) -> Escaped:
        """Return the full document of a VM."""
        return Escaped(self._vm_text(self._vms_full, vm_body.vm_full, vm))

    def vm_pool(self, vms: Iterable[VM]) -> Escaped:
        """Return a pool of short documents."""
        return escaped_pool("VM_POOL", [self._vm_text(self._vms_short, vm_body.vm_pool_entry, vm) for vm in vms])

    def vm_pool_extended(self, vms: Iterable[VM]) -> Escaped:
        """Return a pool of full documents with the last history record."""
        return escaped_pool("VM_POOL", [self._vm_text(self._vms_extended, vm_body.vm_extended, vm) for vm in vms])

    def _vm_text(self, cache: _Cache, make: _VmBody, vm: VM) -> str:
        seen = self._monitoring.vms.get(vm.id, _NO_OBSERVATION)
        if self._memory.vms.get(vm.id) is not vm:
            return escape(make(vm, self, seen.at, seen.values))  # DONE: too many to keep
        return cache.text(vm.id, (vm, seen), lambda: make(vm, self, seen.at, seen.values))

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

        def make() -> str:
            usage = host_body.HostUsage(
                cpu_percent=share.cpu_percent,
                memory_kib=share.memory_mib * 1024,
                running_vms=share.vms,
                vm_ids=self._memory.vms_on.get(host.id, ()),
            )
            return host_body.host_full(host, usage, seen)

        capacity = (seen.free_cpu_percent, seen.free_memory_kib, seen.used_cpu_percent, seen.used_memory_kib)
        figures = (seen.at, *capacity, seen.wilds)
        return self._hosts.text(host.id, (host, share, seen.more), make, figures)

    # -- networks --------------------------------------------------------------------------------

    def network(self, network: Network) -> Escaped:
        """Return the document of a network with its leases."""
        leases = self._memory.leases_in(network.id)
        return Escaped(
            self._networks.text(network.id, (network,), lambda: network_body.network_full(network, self, leases))
        )

    def network_pool(self, networks: Iterable[Network]) -> Escaped:
        """Return a pool of networks without their leases."""
        used = self._memory.used
        return escaped_pool(
            "VNET_POOL",
            [
                escape(network_body.network_pool_entry(n, self, sum(used.get((n.id, ar.id), 0) for ar in n.ranges)))
                for n in networks
            ],
        )

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

        def make() -> str:
            return datastore_body.datastore_full(datastore, self, space, self.base_path(datastore), images)

        return self._datastores.text(datastore.id, (datastore,), make, (space, images))

    # -- users and groups ------------------------------------------------------------------------

    def user_document(self, user: User) -> Escaped:
        """Return the document of a user."""
        return Escaped.of(user_body.user_full(user, self))

    def user_pool(self, users: Iterable[User]) -> Escaped:
        """Return the pool of these users."""
        entries = [escape(user_body.user_pool_entry(user, self)) for user in users]
        return escaped_pool("USER_POOL", entries, DEFAULT_USER_QUOTAS)

    def group_document(self, group: Group) -> Escaped:
        """Return the document of a group."""
        return Escaped.of(group_body.group_full(group, self._members(group)))

    def group_pool(self, groups: Iterable[Group]) -> Escaped:
        """Return the pool of these groups."""
        entries = [escape(group_body.group_pool_entry(group, self._members(group))) for group in groups]
        return escaped_pool("GROUP_POOL", entries, DEFAULT_GROUP_QUOTAS)

    def _members(self, group: Group) -> list[int]:
        return [user.id for user in self._memory.users.values() if group.id in user.gids]
