"""The working copy: every durable object in memory, with the indexes that calls need.

Memory changes in one place only, `adopt`, when a transaction has been committed; records are
immutable, so whoever holds one may go on reading it.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from trifid.core.access import Caller
from trifid.core.acl import Rule, RuleSet
from trifid.core.cluster import Cluster
from trifid.core.document import Document
from trifid.core.hook import Hook
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore
from trifid.core.image.record import Image, ImageAction
from trifid.core.image.uses import NO_ROOM, Room, images_of
from trifid.core.ledger import Share, charged_hosts
from trifid.core.network.index_set import NOTHING_TAKEN, IndexSet
from trifid.core.network.kept import VnTemplate
from trifid.core.network.record import Lease, LeaseKey, Network, Span, reserved_spans
from trifid.core.network.security_group import SecurityGroup, groups_of
from trifid.core.quota import NO_LIMITS, DefaultQuotas
from trifid.core.quota_usage import Usage, charge_addresses, charge_image, charge_vm, count_held
from trifid.core.umask import USUAL
from trifid.core.user import Group, User
from trifid.core.vdc import Vdc
from trifid.core.vm.files import Place, promise
from trifid.core.vm.host_devices import held_by
from trifid.core.vm.record import VM, Action
from trifid.core.vm.states import VmState
from trifid.core.vm_group.members import Members, member
from trifid.core.vm_group.record import VmGroup
from trifid.core.vm_template import VmTemplate
from trifid.store.interface import Batch, Snapshot

NO_SHARE = Share()

Named = TypeVar("Named", Host, Cluster, User, Group, Vdc, Hook)
Owned = TypeVar("Owned", Network, SecurityGroup, VmGroup, VnTemplate, Datastore, Image, VmTemplate, Document)
R = TypeVar("R")
K = TypeVar("K")


class Memory:
    """What the engine knows.

    Attributes:
        vms: all but those DONE.
        shares: host id to what it carries; derived from `vms`.
        usages: user id to what the user's VMs have on hosts; derived.
        vms_on: host id to the ids of the VMs charged there; derived.
        devices_on: host id to its PCI devices that VMs have, address to VM id; derived.
        promised: where files of VMs are expected to how much they will take there, MiB; derived.
        leases_of, leases_on: VM id, network id to the keys of its leases; derived.
        taken: (network id, range id) to the indexes that are taken, by leases and by reservations; derived.
        reservations_of: network id to the ids of the networks that are parts of it; derived.
        image_users: image id to the ids of the VMs that hold it; derived.
        clones_of: image id to the ids of the clones that are being made of it; derived.
        vms_in_group: security group id to the ids of the VMs whose NICs name it; derived.
        members: the VMs of VM groups and where they are; derived.
        images_in: datastore id to the ids of its images; derived.
        room_of_images: datastore id to what its images take; derived.
        owned: (pool, uid, name) to id, of what has its name for its owner only; derived.
        rules: the access rules, found by whom they speak of; derived.
        default_umask: of users who have none; set by the engine.
        names: ("host" | "user" | "group", name) to id; derived.
        usage: what users and groups have of all that quotas limit; derived.
        limited: who has limits: ids of users and groups, and of defaults; derived.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.vms: dict[int, VM] = {}
        self.hosts: dict[int, Host] = {}
        self.networks: dict[int, Network] = {}
        self.leases: dict[LeaseKey, Lease] = {}
        self.security_groups: dict[int, SecurityGroup] = {}
        self.vm_groups: dict[int, VmGroup] = {}
        self.clusters: dict[int, Cluster] = {}
        self.vn_templates: dict[int, VnTemplate] = {}
        self.datastores: dict[int, Datastore] = {}
        self.images: dict[int, Image] = {}
        self.vm_templates: dict[int, VmTemplate] = {}
        self.users: dict[int, User] = {}
        self.groups: dict[int, Group] = {}
        self.acls: dict[int, Rule] = {}
        self.vdcs: dict[int, Vdc] = {}
        self.hooks: dict[int, Hook] = {}
        self.documents: dict[int, Document] = {}
        self.default_quotas: dict[int, DefaultQuotas] = {}
        self.actions: dict[int, Action] = {}
        self.image_actions: dict[int, ImageAction] = {}
        self.counters: dict[str, int] = dict(snapshot.counters)
        self.journal_id = snapshot.journal_id
        self.default_umask = USUAL
        self.audit_id = snapshot.audit_id

        self.shares: dict[int, Share] = {}
        self.usages: dict[int, Share] = {}
        self.vms_on: dict[int, set[int]] = defaultdict(set)
        self.promised: dict[Place, int] = {}
        self.devices_on: dict[int, dict[str, int]] = defaultdict(dict)
        self.leases_of: dict[int, set[LeaseKey]] = defaultdict(set)
        self.leases_on: dict[int, set[LeaseKey]] = defaultdict(set)
        self.taken: dict[tuple[int, int], IndexSet] = {}
        self.reservations_of: dict[int, set[int]] = defaultdict(set)
        self.image_users: dict[int, set[int]] = defaultdict(set)
        self.clones_of: dict[int, set[int]] = defaultdict(set)
        self.images_in: dict[int, set[int]] = defaultdict(set)
        self.room_of_images: dict[int, Room] = {}
        self.vms_in_group: dict[int, set[int]] = defaultdict(set)
        self.members = Members()
        self.owned: dict[tuple[str, int, str], int] = {}
        self.rules = RuleSet()
        self.names: dict[tuple[str, str], int] = {}
        self.usage: Usage = {}
        self.limited: set[tuple[str, int]] = set()
        self.adopt(
            Batch(
                vms={vm.id: vm for vm in snapshot.vms},
                hosts={host.id: host for host in snapshot.hosts},
                networks={network.id: network for network in snapshot.networks},
                leases={lease.key: lease for lease in snapshot.leases},
                security_groups={group.id: group for group in snapshot.security_groups},
                vm_groups={group.id: group for group in snapshot.vm_groups},
                clusters={cluster.id: cluster for cluster in snapshot.clusters},
                vn_templates={template.id: template for template in snapshot.vn_templates},
                datastores={datastore.id: datastore for datastore in snapshot.datastores},
                images={image.id: image for image in snapshot.images},
                vm_templates={template.id: template for template in snapshot.vm_templates},
                users={user.id: user for user in snapshot.users},
                groups={group.id: group for group in snapshot.groups},
                acls={rule.id: rule for rule in snapshot.acls},
                vdcs={vdc.id: vdc for vdc in snapshot.vdcs},
                hooks={hook.id: hook for hook in snapshot.hooks},
                documents={document.id: document for document in snapshot.documents},
                default_quotas={quotas.id: quotas for quotas in snapshot.default_quotas},
                actions={action.vm_id: action for action in snapshot.actions},
                image_actions={action.image_id: action for action in snapshot.image_actions},
            )
        )

    def adopt(self, batch: Batch) -> None:
        """Make a committed batch the present."""
        for vm_id, vm in batch.vms.items():
            self._put_vm(vm_id, vm)
        self._take_addresses(batch)
        self._charge_addresses(batch)
        for key, lease in batch.leases.items():
            self._put_lease(key, lease)
        self._put_named("host", self.hosts, batch.hosts)
        self._put_named("cluster", self.clusters, batch.clusters)
        self._put_named("user", self.users, batch.users)
        self._put_named("group", self.groups, batch.groups)
        self._put_networks(batch.networks)
        self._put_owned("security_groups", self.security_groups, batch.security_groups)
        self._put_owned("vm_groups", self.vm_groups, batch.vm_groups)
        self._put_owned("vn_templates", self.vn_templates, batch.vn_templates)
        self._put_owned("datastores", self.datastores, batch.datastores)
        self._put_images(batch.images)
        self._put_owned("vm_templates", self.vm_templates, batch.vm_templates)
        _put(self.acls, batch.acls)
        if batch.acls:
            self.rules = RuleSet(self.acls.values())
        self._put_named("vdc", self.vdcs, batch.vdcs)
        self._put_named("hook", self.hooks, batch.hooks)
        _put(self.documents, batch.documents)
        _put(self.default_quotas, batch.default_quotas)
        self._limit(batch)
        _put(self.actions, batch.actions)
        _put(self.image_actions, batch.image_actions)
        self.counters.update(batch.counters)
        if batch.journal:
            self.journal_id = batch.journal[-1].id
        if batch.audit:
            self.audit_id = batch.audit[-1].id

    def caller(self, user: User) -> Caller:
        """Return somebody who asks as a user: with the groups and the access rules of now."""
        return Caller(user.id, user.name, user.gids, rules=self.rules.of(user.id, user.gids))

    def _put_vm(self, vm_id: int, vm: VM | None) -> None:
        old = self.vms.get(vm_id)
        before = charged_hosts(old) if old else frozenset()
        after = charged_hosts(vm) if vm else frozenset()
        if before != after or (old and vm and (old.needs, old.uid) != (vm.needs, vm.uid)):
            if old:
                for host_id in before:
                    self._charge(host_id, old, -1)
            if vm:
                for host_id in after:
                    self._charge(host_id, vm, 1)
        charge_vm(self.usage, old, vm)
        self._hold_devices(vm_id, old, vm)
        self._promise(old, -1)
        self._promise(vm, 1)
        self._hold_images(vm_id, old, vm)
        self._join_groups(vm_id, old, vm)
        self.members.put(vm_id, member(vm))
        if vm is None or vm.state is VmState.DONE:
            self.vms.pop(vm_id, None)
        else:
            self.vms[vm_id] = vm

    def _charge(self, host_id: int, vm: VM, sign: int) -> None:
        """Charge (1) or credit (-1) a host, and the VM's user, with a VM; what carries nothing has no entry."""
        for shares, key in ((self.shares, host_id), (self.usages, vm.uid)):
            share = shares.get(key, NO_SHARE).plus(vm.needs, sign)
            if share.vms:
                shares[key] = share
            else:
                assert share == NO_SHARE, f"host or user {key} carries no VM and yet {share}"
                del shares[key]
        if sign > 0:
            self.vms_on[host_id].add(vm.id)
        else:
            _take_out(self.vms_on, host_id, vm.id)

    def _hold_devices(self, vm_id: int, old: VM | None, new: VM | None) -> None:
        before = held_by(old) if old else frozenset()
        after = held_by(new) if new else frozenset()
        for host_id, address in before - after:
            # Another one may have taken the device already, in the same batch.
            if self.devices_on[host_id].get(address) == vm_id:
                del self.devices_on[host_id][address]
            if not self.devices_on[host_id]:
                del self.devices_on[host_id]
        for host_id, address in after - before:
            self.devices_on[host_id][address] = vm_id

    def _promise(self, vm: VM | None, sign: int) -> None:
        """Promise (1) a VM the room that its files will take, or take the promise back (-1); 0 MiB have no entry."""
        expected = promise(vm) if vm is not None else None
        if expected is not None:
            place, mib = expected
            total = self.promised.pop(place, 0) + sign * mib
            assert total >= 0, f"{place} is promised less than nothing: {total} MiB"
            if total:
                self.promised[place] = total

    def _take_addresses(self, batch: Batch) -> None:
        """Bring `taken` up to date; before the records, since it is the difference to them.

        What is given back comes first: somebody else may have taken it in the same batch.
        """
        given: list[Span] = []
        taken: list[Span] = []
        for key, lease in batch.leases.items():
            if (key in self.leases) != (lease is not None):
                (given if lease is None else taken).append((*key, key[2]))
        for network_id, network in batch.networks.items():
            before, after = reserved_spans(self.networks.get(network_id)), reserved_spans(network)
            given += before - after
            taken += after - before
        for network_id, range_id, first, last in given:
            left = self.taken.pop((network_id, range_id)).removed(first, last)
            if left.count:
                self.taken[network_id, range_id] = left
        for network_id, range_id, first, last in taken:
            present = self.taken.get((network_id, range_id), NOTHING_TAKEN)
            self.taken[network_id, range_id] = present.added(first, last)

    def _charge_addresses(self, batch: Batch) -> None:
        """Bring `usage` up to date with networks and leases; before the records, since it is the difference to them."""
        charge_addresses(
            self.usage,
            [(self.networks.get(network_id), network) for network_id, network in batch.networks.items()],
            [(key, self.leases.get(key), lease) for key, lease in batch.leases.items()],
            lambda network_id: batch.networks.get(network_id, self.networks.get(network_id)),
            lambda network_id: count_held(self.leases_in(network_id)),
        )

    def _limit(self, batch: Batch) -> None:
        """Bring `limited` up to date."""
        for kind, changes in (("user", batch.users), ("group", batch.groups), ("defaults", batch.default_quotas)):
            for record_id, record in changes.items():
                has_limits = record is not None and record.limits != NO_LIMITS
                (self.limited.add if has_limits else self.limited.discard)((kind, record_id))

    def _put_networks(self, changes: dict[int, Network | None]) -> None:
        for network_id, network in changes.items():
            old = self.networks.get(network_id)
            if old is not None and old.is_reservation:
                _take_out(self.reservations_of, int(old.parent_id), network_id)
            if network is not None and network.is_reservation:
                self.reservations_of[int(network.parent_id)].add(network_id)
        self._put_owned("networks", self.networks, changes)

    def _put_lease(self, key: LeaseKey, lease: Lease | None) -> None:
        old = self.leases.pop(key, None)
        if old is not None:
            _take_out(self.leases_on, key[0], key)
            _take_out(self.leases_of, old.vm_id, key)
        if lease is not None:
            self.leases[key] = lease
            self.leases_on[key[0]].add(key)
            self.leases_of[lease.vm_id].add(key)

    def _put_named(self, kind: str, pool: dict[int, Named], changes: dict[int, Named | None]) -> None:
        for object_id, record in changes.items():
            old = pool.pop(object_id, None)
            # Another one may have taken the old name already, in the same batch.
            if old is not None and self.names.get((kind, old.name)) == object_id:
                del self.names[(kind, old.name)]
            if record is not None:
                pool[object_id] = record
                self.names[(kind, record.name)] = object_id

    def _hold_images(self, vm_id: int, old: VM | None, new: VM | None) -> None:
        before = images_of(old) if old else frozenset()
        after = images_of(new) if new else frozenset()
        for image_id in before - after:
            _take_out(self.image_users, image_id, vm_id)
        for image_id in after - before:
            self.image_users[image_id].add(vm_id)

    def _join_groups(self, vm_id: int, old: VM | None, new: VM | None) -> None:
        if old is not None and new is not None and old.template is new.template and new.state is not VmState.DONE:
            return
        before, after = _groups(old), _groups(new)
        for group_id in before - after:
            _take_out(self.vms_in_group, group_id, vm_id)
        for group_id in after - before:
            self.vms_in_group[group_id].add(vm_id)

    def _put_images(self, changes: dict[int, Image | None]) -> None:
        for image_id, image in changes.items():
            old = self.images.get(image_id)
            charge_image(self.usage, old, image)
            if old is not None:
                _take_out(self.images_in, old.datastore_id, image_id)
                self._fill(old, -1)
                if old.cloning_id >= 0:
                    _take_out(self.clones_of, old.cloning_id, image_id)
            if image is not None:
                self.images_in[image.datastore_id].add(image_id)
                self._fill(image, 1)
                if image.cloning_id >= 0:
                    self.clones_of[image.cloning_id].add(image_id)
        self._put_owned("images", self.images, changes)

    def _fill(self, image: Image, sign: int) -> None:
        """Let an image take room (1), or give it back (-1); a datastore without any has no entry."""
        room = self.room_of_images.pop(image.datastore_id, NO_ROOM).plus(image, sign)
        if room != NO_ROOM:
            self.room_of_images[image.datastore_id] = room

    def _put_owned(self, kind: str, pool: dict[int, Owned], changes: dict[int, Owned | None]) -> None:
        for object_id, record in changes.items():
            old = pool.pop(object_id, None)
            # Another one may have taken the old name already, in the same batch.
            if old is not None and self.owned.get((kind, old.uid, old.name)) == object_id:
                del self.owned[(kind, old.uid, old.name)]
            if record is not None:
                pool[object_id] = record
                self.owned[(kind, record.uid, record.name)] = object_id

    def leases_in(self, network_id: int) -> Iterator[Lease]:
        """Yield the leases of one network, in no order."""
        return (self.leases[key] for key in self.leases_on.get(network_id, ()))


def _groups(vm: VM | None) -> frozenset[int]:
    """Return the ids of the security groups of a VM's NICs; one that is DONE is in none."""
    if vm is None or vm.state is VmState.DONE:
        return frozenset()
    return frozenset(group_id for nic in vm.template.vectors("NIC") for group_id in groups_of(nic))


def _put(pool: dict[int, R], changes: dict[int, R | None]) -> None:
    for object_id, record in changes.items():
        if record is None:
            pool.pop(object_id, None)
        else:
            pool[object_id] = record


def _take_out(index: dict[int, set[K]], key: int, member: K) -> None:
    """Take a member out of an index; an empty set is not kept."""
    members = index[key]
    members.discard(member)
    if not members:
        del index[key]
