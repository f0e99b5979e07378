"""How records look in a draft: through its layers of changes, down to memory."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from trifid.core.cluster import Cluster
from trifid.core.document import Document
from trifid.core.hook import Hook
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore
from trifid.core.image.record import Image, ImageAction
from trifid.core.network.kept import VnTemplate
from trifid.core.network.record import Lease, LeaseKey, Network
from trifid.core.network.security_group import SecurityGroup
from trifid.core.user import Group, User
from trifid.core.vm.record import VM, Action
from trifid.core.vm_group.record import VmGroup
from trifid.core.vm_template import VmTemplate
from trifid.engine.memory import Memory
from trifid.errors import NotFound
from trifid.store.interface import Batch

WORDS = {
    "vms": "virtual machine",
    "hosts": "host",
    "networks": "virtual network",
    "security_groups": "security group",
    "vm_groups": "vm group",
    "clusters": "cluster",
    "vn_templates": "virtual network template",
    "datastores": "datastore",
    "images": "image",
    "vm_templates": "virtual machine template",
    "users": "user",
    "groups": "group",
    "acls": "ACL",
    "vdcs": "VDC",
    "hooks": "hook",
    "documents": "document",
}
"""How messages call an object (reference/xmlrpc.md §1)."""


class Looking:
    """Records as a layer of changes shows them.

    Attributes:
        parent: the layer below; None = memory.
        batch: the changes of this layer.
    """

    parent: Self | None

    def __init__(self, memory: Memory, parent: Self | None = None) -> None:
        self.memory = memory
        self.parent = parent
        self.batch = Batch()

    def _look(self, pool: str, key: Any) -> Any:
        layer: Looking | None = self
        while layer is not None:
            changes = getattr(layer.batch, pool)
            if key in changes:
                return changes[key]
            layer = layer.parent
        return getattr(self.memory, pool).get(key)

    def record(self, pool: str, object_id: int) -> Any:
        """Return a record of any pool that has ids; raises NotFound."""
        record = self._look(pool, object_id)
        if record is None:
            raise NotFound(WORDS[pool], object_id)
        return record

    def find(self, pool: str, object_id: int) -> Any:
        """Return a record of any pool that has ids, or None."""
        return self._look(pool, object_id)

    def vm(self, vm_id: int) -> VM:
        """Return a VM; raises NotFound."""
        found: VM = self.record("vms", vm_id)
        return found

    def find_vm(self, vm_id: int) -> VM | None:
        """Return a VM or None."""
        found: VM | None = self._look("vms", vm_id)
        return found

    def host(self, host_id: int) -> Host:
        """Return a host; raises NotFound."""
        found: Host = self.record("hosts", host_id)
        return found

    def find_host(self, host_id: int) -> Host | None:
        """Return a host or None."""
        found: Host | None = self._look("hosts", host_id)
        return found

    def network(self, network_id: int) -> Network:
        """Return a virtual network; raises NotFound."""
        found: Network = self.record("networks", network_id)
        return found

    def find_network(self, network_id: int) -> Network | None:
        """Return a virtual network or None."""
        found: Network | None = self._look("networks", network_id)
        return found

    def datastore(self, datastore_id: int) -> Datastore:
        """Return a datastore; raises NotFound."""
        found: Datastore = self.record("datastores", datastore_id)
        return found

    def security_group(self, group_id: int) -> SecurityGroup:
        """Return a security group; raises NotFound."""
        found: SecurityGroup = self.record("security_groups", group_id)
        return found

    def find_security_group(self, group_id: int) -> SecurityGroup | None:
        """Return a security group or None."""
        found: SecurityGroup | None = self._look("security_groups", group_id)
        return found

    def vm_group(self, group_id: int) -> VmGroup:
        """Return a VM group; raises NotFound."""
        found: VmGroup = self.record("vm_groups", group_id)
        return found

    def find_vm_group(self, group_id: int) -> VmGroup | None:
        """Return a VM group or None."""
        found: VmGroup | None = self._look("vm_groups", group_id)
        return found

    def cluster(self, cluster_id: int) -> Cluster:
        """Return a cluster; raises NotFound."""
        found: Cluster = self.record("clusters", cluster_id)
        return found

    def find_cluster(self, cluster_id: int) -> Cluster | None:
        """Return a cluster or None."""
        found: Cluster | None = self._look("clusters", cluster_id)
        return found

    def vn_template(self, template_id: int) -> VnTemplate:
        """Return a template of networks; raises NotFound."""
        found: VnTemplate = self.record("vn_templates", template_id)
        return found

    def find_datastore(self, datastore_id: int) -> Datastore | None:
        """Return a datastore or None."""
        found: Datastore | None = self._look("datastores", datastore_id)
        return found

    def image(self, image_id: int) -> Image:
        """Return an image; raises NotFound."""
        found: Image = self.record("images", image_id)
        return found

    def find_image(self, image_id: int) -> Image | None:
        """Return an image or None."""
        found: Image | None = self._look("images", image_id)
        return found

    def vm_template(self, template_id: int) -> VmTemplate:
        """Return a VM template; raises NotFound."""
        found: VmTemplate = self.record("vm_templates", template_id)
        return found

    def user(self, user_id: int) -> User:
        """Return a user; raises NotFound."""
        found: User = self.record("users", user_id)
        return found

    def find_user(self, user_id: int) -> User | None:
        """Return a user or None."""
        found: User | None = self._look("users", user_id)
        return found

    def group(self, group_id: int) -> Group:
        """Return a group; raises NotFound."""
        found: Group = self.record("groups", group_id)
        return found

    def document(self, document_id: int) -> Document:
        """Return a document; raises NotFound."""
        found: Document = self.record("documents", document_id)
        return found

    def find_hook(self, hook_id: int) -> Hook | None:
        """Return a hook or None."""
        found: Hook | None = self._look("hooks", hook_id)
        return found

    def action(self, vm_id: int) -> Action | None:
        """Return the driver action that the VM has in flight, if any."""
        found: Action | None = self._look("actions", vm_id)
        return found

    def image_action(self, image_id: int) -> ImageAction | None:
        """Return what a datastore driver is doing for an image, if anything."""
        found: ImageAction | None = self._look("image_actions", image_id)
        return found

    def lease(self, key: LeaseKey) -> Lease | None:
        """Return a lease, or None when the address is free."""
        found: Lease | None = self._look("leases", key)
        return found

    def layers(self) -> Iterator[Self]:
        """Yield this layer and those beneath it; memory is none."""
        layer: Self | None = self
        while layer is not None:
            yield layer
            layer = layer.parent

    def each(self, pool: str) -> Iterator[Any]:
        """Yield every present record of a pool, in no order: for commands that must see all."""
        seen: set[Any] = set()
        for layer in self.layers():
            changes: Mapping[Any, Any] = getattr(layer.batch, pool)
            for key, record in changes.items():
                if key not in seen:
                    seen.add(key)
                    if record is not None:
                        yield record
        for key, record in getattr(self.memory, pool).items():
            if key not in seen:
                yield record

    def named(self, kind: str, name: str) -> int | None:
        """Return the id of the host, user or group of that name, or None."""
        pool = kind + "s"
        for layer in self.layers():
            for object_id, record in getattr(layer.batch, pool).items():
                if record is not None and record.name == name and self._look(pool, object_id) is record:
                    return int(object_id)
        object_id = self.memory.names.get((kind, name))
        if object_id is None:
            return None
        now = self._look(pool, object_id)
        return object_id if now is not None and now.name == name else None

    def owned(self, pool: str, uid: int, name: str) -> int | None:
        """Return the id of the object of a user that has a name, of those whose names are their owner's, or None."""
        for layer in self.layers():
            for object_id, record in getattr(layer.batch, pool).items():
                is_it = record is not None and record.name == name and record.uid == uid
                if is_it and self._look(pool, object_id) is record:
                    return int(object_id)
        object_id = self.memory.owned.get((pool, uid, name))
        if object_id is None:
            return None
        now = self._look(pool, object_id)
        return object_id if now is not None and (now.uid, now.name) == (uid, name) else None
