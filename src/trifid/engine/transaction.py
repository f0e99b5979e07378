"""What one turn changes: a layer over memory that can be thrown away.

A turn takes many commands.  Each works on a `Draft` of its own over the turn's draft, which lies over
memory; a refused command drops its draft and leaves no trace, a good one is folded into the turn's.
"""

from typing import Any

from trifid.core.access import Caller
from trifid.core.acl import Rule
from trifid.core.audit import AuditEntry
from trifid.core.cluster import Cluster
from trifid.core.document import Document
from trifid.core.hook import Hook, HookExecution
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore
from trifid.core.image.record import Image, ImageAction
from trifid.core.image.uses import NO_ROOM, Room, images_of
from trifid.core.journal import Entry
from trifid.core.ledger import Share, charged_hosts
from trifid.core.network.index_set import NOTHING_TAKEN, IndexSet
from trifid.core.network.kept import VnTemplate
from trifid.core.network.record import Lease, Network, Span, reserved_spans
from trifid.core.network.security_group import SecurityGroup, groups_of
from trifid.core.quota import DefaultQuotas
from trifid.core.quota_usage import Owner, Usage, merge, used
from trifid.core.user import Group, User
from trifid.core.vdc import Vdc
from trifid.core.vm.files import Place, promise
from trifid.core.vm.host_devices import held_by
from trifid.core.vm.record import VM, Action
from trifid.core.vm.states import VmState
from trifid.core.vm_group.members import GroupMembers, Member, member
from trifid.core.vm_group.record import VmGroup
from trifid.core.vm_template import VmTemplate
from trifid.engine.looking import Looking
from trifid.engine.memory import NO_SHARE, Memory
from trifid.engine.usage import change_of
from trifid.store.fits import refuse_what_does_not_fit
from trifid.store.interface import Batch

Record = (
    VM
    | Host
    | Network
    | SecurityGroup
    | VmGroup
    | Cluster
    | VnTemplate
    | Datastore
    | Image
    | VmTemplate
    | User
    | Group
    | Rule
    | Vdc
    | Hook
    | HookExecution
    | Document
    | DefaultQuotas
    | Lease
)

_POOLS: dict[type, str] = {
    Host: "hosts",
    SecurityGroup: "security_groups",
    VmGroup: "vm_groups",
    Cluster: "clusters",
    VnTemplate: "vn_templates",
    Datastore: "datastores",
    VmTemplate: "vm_templates",
    User: "users",
    Group: "groups",
    Rule: "acls",
    Vdc: "vdcs",
    Hook: "hooks",
    Document: "documents",
    DefaultQuotas: "default_quotas",
}
"""Where records go from which nothing else follows."""


class Draft(Looking):
    """Changes not yet committed, over a parent draft or memory.

    Attributes:
        now: epoch seconds; the same for everything in one turn.
    """

    def __init__(self, memory: Memory, now: int, parent: "Draft | None" = None) -> None:
        super().__init__(memory, parent)
        self.now = now
        self._charges: dict[int, list[int]] = {}
        self._taken: dict[tuple[int, int], IndexSet] = {}
        self._promised: dict[Place, int] = {}
        self._filled: dict[int, Room] = {}
        self._members: dict[int, Member | None] = {}
        self._usage: Usage | None = None

    def child(self) -> "Draft":
        """Return an empty draft over this one."""
        return Draft(self.memory, self.now, self)

    def fold(self) -> None:
        """Move this draft's changes into its parent."""
        assert self.parent is not None
        if self.parent._usage is not None:
            merge(self.parent._usage, self.usage_change())
        for name in Batch.__struct_fields__:
            ours, theirs = getattr(self.batch, name), getattr(self.parent.batch, name)
            if isinstance(ours, list):
                theirs.extend(ours)
            else:
                theirs.update(ours)
        for host_id, change in self._charges.items():
            self.parent._charge(host_id, *change)
        self.parent._taken.update(self._taken)
        self.parent._members.update(self._members)
        for place, mib in self._promised.items():
            self.parent._promised[place] = self.parent._promised.get(place, 0) + mib
        for datastore_id, room in self._filled.items():
            self.parent._filled[datastore_id] = self.parent._filled.get(datastore_id, NO_ROOM).and_also(room)

    # -- what follows from several records --------------------------------------------------------

    @property
    def takes_something(self) -> bool:
        """Whether this layer changes anything that quotas count."""
        batch = self.batch
        return bool(batch.vms or batch.images or batch.networks or batch.leases)

    def usage_change(self) -> Usage:
        """Return by how much users and groups have more, or less, with this layer; not to be changed.

        It is found when somebody asks, and kept in step from then on: where nobody has a limit it costs nothing.
        """
        if self._usage is None:
            self._usage = change_of(self)
        return self._usage

    def used(self, owner: Owner, kind: str, resource_id: str, name: str) -> int:
        """Return how much of a figure a user or a group has; see core/quota_usage.py."""
        all_layers = [self.memory.usage, *(layer.usage_change() for layer in self.layers())]
        return sum(used(usage[owner], kind, resource_id, name) for usage in all_layers if owner in usage)

    def members_of(self, group_id: int) -> GroupMembers:
        """Return the VMs of a VM group, to be looked at only."""
        base = found = self.memory.members.of(group_id)
        changed: dict[int, Member | None] = {}
        for layer in self.layers():
            changed = {**layer._members, **changed}
        for vm_id, after in changed.items():
            before = self.memory.members.by_vm.get(vm_id)
            if before == after or group_id not in {one.group_id for one in (before, after) if one is not None}:
                continue
            found = found.copy() if found is base else found
            if before is not None and before.group_id == group_id:
                found.remove(vm_id, before)
            if after is not None and after.group_id == group_id:
                found.add(vm_id, after)
        return found

    def vms_in_group(self, group_id: int) -> set[int]:
        """Return the ids of the VMs whose NICs name a security group."""
        found = set(self.memory.vms_in_group.get(group_id, ()))
        for vm_id in {vm_id for layer in self.layers() for vm_id in layer.batch.vms}:
            vm = self.find_vm(vm_id)
            is_in = vm is not None and any(group_id in groups_of(nic) for nic in vm.template.vectors("NIC"))
            (found.add if is_in and vm is not None and vm.state is not VmState.DONE else found.discard)(vm_id)
        return found

    def image_users(self, image_id: int) -> set[int]:
        """Return the ids of the VMs that hold an image."""
        found = set(self.memory.image_users.get(image_id, ()))
        for vm_id in {vm_id for layer in self.layers() for vm_id in layer.batch.vms}:
            vm = self.find_vm(vm_id)
            (found.add if vm is not None and image_id in images_of(vm) else found.discard)(vm_id)
        return found

    def clones_of(self, image_id: int) -> set[int]:
        """Return the ids of the clones that are being made of an image."""
        found = set(self.memory.clones_of.get(image_id, ()))
        for other_id in {other_id for layer in self.layers() for other_id in layer.batch.images}:
            other = self.find_image(other_id)
            (found.add if other is not None and other.cloning_id == image_id else found.discard)(other_id)
        return found

    def images_in(self, datastore_id: int) -> set[int]:
        """Return the ids of the images in a datastore."""
        found = set(self.memory.images_in.get(datastore_id, ()))
        for image_id in {image_id for layer in self.layers() for image_id in layer.batch.images}:
            image = self.find_image(image_id)
            (found.add if image is not None and image.datastore_id == datastore_id else found.discard)(image_id)
        return found

    def room_of_images(self, datastore_id: int) -> Room:
        """Return what the images in a datastore take."""
        room = self.memory.room_of_images.get(datastore_id, NO_ROOM)
        for layer in self.layers():
            room = room.and_also(layer._filled.get(datastore_id, NO_ROOM))
        return room

    def share(self, host_id: int) -> Share:
        """Return what a host carries, with the changes of this draft."""
        share = self.memory.shares.get(host_id, NO_SHARE)
        changes = [layer._charges[host_id] for layer in self.layers() if host_id in layer._charges]
        return Share(
            *(sum(parts) for parts in zip((share.cpu_percent, share.memory_mib, share.vms), *changes, strict=True))
        )

    def promised(self, place: Place) -> int:
        """Return how much room is promised to VMs whose files are not there yet, MiB."""
        return self.memory.promised.get(place, 0) + sum(layer._promised.get(place, 0) for layer in self.layers())

    def vms_on(self, host_id: int) -> set[int]:
        """Return the ids of the VMs charged on a host."""
        found = set(self.memory.vms_on.get(host_id, ()))
        for vm_id in {vm_id for layer in self.layers() for vm_id in layer.batch.vms}:
            vm = self.find_vm(vm_id)
            if vm is not None and host_id in charged_hosts(vm):
                found.add(vm_id)
            else:
                found.discard(vm_id)
        return found

    def devices_on(self, host_id: int) -> dict[str, int]:
        """Return the PCI devices of a host that VMs have: address to VM id."""
        changed = {vm_id for layer in self.layers() for vm_id in layer.batch.vms}
        kept = self.memory.devices_on.get(host_id, {})
        found = {address: vm_id for address, vm_id in kept.items() if vm_id not in changed}
        for vm in filter(None, map(self.find_vm, changed)):
            found.update((address, vm.id) for held_on, address in held_by(vm) if held_on == host_id)
        return found

    def taken(self, network_id: int, range_id: int) -> IndexSet:
        """Return which indexes of a range are taken, by leases and by reservations."""
        key = (network_id, range_id)
        for layer in self.layers():
            if (found := layer._taken.get(key)) is not None:
                return found
        return self.memory.taken.get(key, NOTHING_TAKEN)

    def used_leases(self, network_id: int, range_id: int) -> int:
        """Return how many addresses of a range are taken."""
        return self.taken(network_id, range_id).count

    def last_used_index(self, network_id: int, range_id: int) -> int:
        """Return the index of the last address of a range that is taken, -1 when none is."""
        return self.taken(network_id, range_id).last()

    def reservations_of(self, network_id: int) -> set[int]:
        """Return the ids of the networks that are parts of a network."""
        found = set(self.memory.reservations_of.get(network_id, ()))
        for other_id in {other_id for layer in self.layers() for other_id in layer.batch.networks}:
            other = self.find_network(other_id)
            is_part = other is not None and other.parent_id == str(network_id)
            (found.add if is_part else found.discard)(other_id)
        return found

    def leases_of(self, vm_id: int) -> list[Lease]:
        """Return the leases that a VM holds."""
        keys = set(self.memory.leases_of.get(vm_id, ()))
        keys.update(key for layer in self.layers() for key in layer.batch.leases)
        return [lease for key in keys if (lease := self.lease(key)) is not None and lease.vm_id == vm_id]

    # -- changing ------------------------------------------------------------------------------

    def put(self, record: Record) -> None:
        """Write a record, new or changed; raises Refused when a number in it is too big for any database."""
        refuse_what_does_not_fit(record)
        self._usage = None
        match record:
            case VM():
                self._recharge(self.find_vm(record.id), record)
                self._join(record.id, member(record))
                self.batch.vms[record.id] = record
            case Network():
                self._retake(self.find_network(record.id), record)
                self.batch.networks[record.id] = record
            case Image():
                self._refill(self.find_image(record.id), record)
                self.batch.images[record.id] = record
            case Lease():
                if self.lease(record.key) is None:
                    self._take((*record.key, record.index))
                self.batch.leases[record.key] = record
            case HookExecution():
                self.batch.hook_log[record.hook_id, record.execution_id] = record
            case _:
                getattr(self.batch, _POOLS[type(record)])[record.id] = record

    def delete(self, pool: str, key: Any) -> None:
        """Delete a record."""
        self._usage = None
        if pool == "vms":
            self._recharge(self.find_vm(key), None)
            self._join(key, None)
        elif pool == "leases" and self.lease(key) is not None:
            self._give_back((*key, key[2]))
        elif pool == "networks":
            self._retake(self.find_network(key), None)
        elif pool == "images":
            self._refill(self.find_image(key), None)
        getattr(self.batch, pool)[key] = None

    def _recharge(self, old: VM | None, new: VM | None) -> None:
        for vm, sign in ((old, -1), (new, 1)):
            if vm is not None:
                for host_id in charged_hosts(vm):
                    self._charge(host_id, sign * vm.needs.cpu_percent, sign * vm.needs.memory_mib, sign)
                if (expected := promise(vm)) is not None:
                    place, mib = expected
                    self._promised[place] = self._promised.get(place, 0) + sign * mib

    def _join(self, vm_id: int, one: Member | None) -> None:
        """Take note of what a VM is to its group; those that never were in one are left out."""
        if one is not None or vm_id in self.memory.members.by_vm or any(vm_id in of._members for of in self.layers()):
            self._members[vm_id] = one

    def _charge(self, host_id: int, *change: int) -> None:
        before = self._charges.get(host_id, [0, 0, 0])
        self._charges[host_id] = [a + b for a, b in zip(before, change, strict=True)]

    def _refill(self, old: Image | None, new: Image | None) -> None:
        for image, sign in ((old, -1), (new, 1)):
            if image is not None:
                before = self._filled.get(image.datastore_id, NO_ROOM)
                self._filled[image.datastore_id] = before.plus(image, sign)

    def _retake(self, old: Network | None, new: Network | None) -> None:
        before, after = reserved_spans(old), reserved_spans(new)
        for span in before - after:
            self._give_back(span)
        for span in after - before:
            self._take(span)

    def _take(self, span: Span) -> None:
        network_id, range_id, first, last = span
        self._taken[network_id, range_id] = self.taken(network_id, range_id).added(first, last)

    def _give_back(self, span: Span) -> None:
        network_id, range_id, first, last = span
        self._taken[network_id, range_id] = self.taken(network_id, range_id).removed(first, last)

    def set_action(self, vm_id: int, action: Action | None) -> None:
        """Make `action` the one that the VM has in flight; None when it has none any more."""
        if action is not None or self.action(vm_id) is not None:
            self.batch.actions[vm_id] = action

    def set_image_action(self, image_id: int, action: ImageAction | None) -> None:
        """Make `action` what a datastore driver does for an image; None when it has nothing to do any more."""
        if action is not None or self.image_action(image_id) is not None:
            self.batch.image_actions[image_id] = action

    def next_id(self, kind: str) -> int:
        """Return an id that was never given before."""
        given = next((c[kind] for layer in self.layers() if kind in (c := layer.batch.counters)), None)
        number = given if given is not None else self.memory.counters.get(kind, 0)
        self.batch.counters[kind] = number + 1
        return number

    def note(
        self, kind: str, object_id: int, caller: Caller, what: str, old: str = "", new: str = "", text: str = ""
    ) -> None:
        """Append a fact to the journal."""
        self.batch.journal.append(Entry(0, self.now, kind, object_id, caller.uid, what, old, new, text))

    def audit(self, entry: AuditEntry) -> None:
        """Append a call to the audit."""
        self.batch.audit.append(entry)
