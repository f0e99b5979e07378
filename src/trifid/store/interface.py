"""What the engine needs of a database, and nothing more.

The store is the durable copy of memory: it is read once at start and written once per turn.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trifid.core.acl import Rule
from trifid.core.audit import AuditEntry, AuditQuery
from trifid.core.cluster import Cluster
from trifid.core.document import Document
from trifid.core.hook import Hook, HookExecution, HookLogQuery
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore
from trifid.core.image.record import Image, ImageAction
from trifid.core.journal import Entry
from trifid.core.network.kept import VnTemplate
from trifid.core.network.record import Lease, LeaseKey, Network
from trifid.core.network.security_group import SecurityGroup
from trifid.core.quota import DefaultQuotas
from trifid.core.user import Group, User
from trifid.core.vdc import Vdc
from trifid.core.vm.record import VM, Action
from trifid.core.vm_group.record import VmGroup
from trifid.core.vm_template import VmTemplate


class Snapshot(msgspec.Struct):
    """Everything durable, as loaded at start.  VMs in state DONE are left out.

    Attributes:
        counters: {"vm": next VM id, "host": …, "net": …, "user": …, "group": …}; ids are never given twice.
            "engine" does not count: it is the engine's own random number.
        journal_id, audit_id: ids of the newest entries, 0 = none.
    """

    vms: list[VM] = []
    hosts: list[Host] = []
    networks: list[Network] = []
    leases: list[Lease] = []
    security_groups: list[SecurityGroup] = []
    vm_groups: list[VmGroup] = []
    clusters: list[Cluster] = []
    vn_templates: list[VnTemplate] = []
    datastores: list[Datastore] = []
    images: list[Image] = []
    vm_templates: list[VmTemplate] = []
    users: list[User] = []
    groups: list[Group] = []
    acls: list[Rule] = []
    vdcs: list[Vdc] = []
    hooks: list[Hook] = []
    documents: list[Document] = []
    default_quotas: list[DefaultQuotas] = []
    actions: list[Action] = []
    image_actions: list[ImageAction] = []
    counters: dict[str, int] = {}
    journal_id: int = 0
    audit_id: int = 0


class Batch(msgspec.Struct):
    """All that one turn changed.  None stands for a deletion.

    Attributes:
        vms: a VM's history is part of it; the store keeps it in rows of its own and writes only
            records that are new or changed.
        hook_log: (hook id, execution id) to what a hook did; not kept in memory.
        journal, audit: entries with their ids set, in order.
    """

    vms: dict[int, VM | None] = {}
    hosts: dict[int, Host | None] = {}
    networks: dict[int, Network | None] = {}
    leases: dict[LeaseKey, Lease | None] = {}
    security_groups: dict[int, SecurityGroup | None] = {}
    vm_groups: dict[int, VmGroup | None] = {}
    clusters: dict[int, Cluster | None] = {}
    vn_templates: dict[int, VnTemplate | None] = {}
    datastores: dict[int, Datastore | None] = {}
    images: dict[int, Image | None] = {}
    vm_templates: dict[int, VmTemplate | None] = {}
    users: dict[int, User | None] = {}
    groups: dict[int, Group | None] = {}
    acls: dict[int, Rule | None] = {}
    vdcs: dict[int, Vdc | None] = {}
    hooks: dict[int, Hook | None] = {}
    hook_log: dict[tuple[int, int], HookExecution | None] = {}
    documents: dict[int, Document | None] = {}
    default_quotas: dict[int, DefaultQuotas | None] = {}
    actions: dict[int, Action | None] = {}
    image_actions: dict[int, ImageAction | None] = {}
    counters: dict[str, int] = {}
    journal: list[Entry] = []
    audit: list[AuditEntry] = []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not any(getattr(self, name) for name in self.__struct_fields__)


class Store(Protocol):
    """A durable store.  Methods block; the engine calls them from one writer thread.

    Errors of the database come out as `StoreFault`.
    """

    def load(self) -> Snapshot:
        """Read everything."""

    def commit(self, batch: Batch) -> None:
        """Write `batch` in one transaction, durable when it returns."""

    def journal_after(self, entry_id: int, limit: int) -> Sequence[Entry]:
        """Return up to `limit` journal entries with an id above `entry_id`, oldest first."""

    def journal_of(self, kind: str, object_id: int, limit: int) -> Sequence[Entry]:
        """Return the newest `limit` entries about one object, oldest first: its story."""

    def done_vms(
        self,
        *,
        uid: int | None = None,
        first_id: int = 0,
        last_id: int | None = None,
        ended_since: int = 0,
        limit: int,
    ) -> Sequence[VM]:
        """Return up to `limit` VMs in state DONE, newest first; they are not kept in memory.

        Args:
            uid: of this user only.
            first_id, last_id: from one id to the other, both included.
            ended_since: epoch seconds; those that ended then or later.
        """

    def done_vm(self, vm_id: int) -> VM | None:
        """Return one VM in state DONE, or None."""

    def audit(self, query: AuditQuery, limit: int) -> Sequence[AuditEntry]:
        """Return up to `limit` entries of the audit, newest first."""

    def hook_log(self, query: HookLogQuery, limit: int) -> Sequence[HookExecution]:
        """Return up to `limit` executions of hooks, oldest first, the newest of them."""

    def close(self) -> None:
        """Release files and connections."""


class StoreFault(Exception):
    """The database refused or is gone; the text says which and what to do."""
