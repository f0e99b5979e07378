"""Everything that is read: all at start, then the journal and the VMs that are gone from memory."""

import contextlib
import gc
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, Engine, Select, Table, func, select
from sqlalchemy.sql import ColumnElement

from trifid.core.acl import Rule
from trifid.core.audit import AuditEntry
from trifid.core.cluster import Cluster
from trifid.core.document import Document
from trifid.core.hook import Hook, HookExecution
from trifid.core.host import Host
from trifid.core.image.datastore import Datastore
from trifid.core.image.record import Image, ImageAction
from trifid.core.journal import Entry
from trifid.core.network.kept import VnTemplate
from trifid.core.network.record import Lease, Network
from trifid.core.network.security_group import SecurityGroup
from trifid.core.quota import DefaultQuotas
from trifid.core.user import Group, User
from trifid.core.vdc import Vdc
from trifid.core.vm.record import VM, Action, HistoryRecord
from trifid.core.vm_group.record import VmGroup
from trifid.core.vm_template import VmTemplate
from trifid.store import schema
from trifid.store.codec import Record, read_bodies
from trifid.store.faults import Place
from trifid.store.interface import Snapshot


class Reads:
    """Reads from connections of its own, so that any thread may."""

    def __init__(self, engine: Engine, place: Place) -> None:
        self._engine = engine
        self._place = place

    def snapshot(self) -> Snapshot:
        """Return everything but what ended."""
        with self._place.faults(), self._engine.connect() as connection, _no_garbage():
            counters = connection.execute(select(schema.counters.c.name, schema.counters.c.next_id))
            return Snapshot(
                vms=self._vms(connection, schema.IS_ALIVE),
                hosts=self._bodies(connection, Host, schema.hosts),
                networks=self._bodies(connection, Network, schema.networks),
                leases=[Lease(*row) for row in connection.execute(select(schema.leases))],
                security_groups=self._bodies(connection, SecurityGroup, schema.security_groups),
                vm_groups=self._bodies(connection, VmGroup, schema.vm_groups),
                clusters=self._bodies(connection, Cluster, schema.clusters),
                vn_templates=self._bodies(connection, VnTemplate, schema.vn_templates),
                datastores=self._bodies(connection, Datastore, schema.datastores),
                images=self._bodies(connection, Image, schema.images),
                vm_templates=self._bodies(connection, VmTemplate, schema.vm_templates),
                users=self._bodies(connection, User, schema.users),
                groups=self._bodies(connection, Group, schema.groups),
                acls=self._bodies(connection, Rule, schema.acls),
                vdcs=self._bodies(connection, Vdc, schema.vdcs),
                hooks=self._bodies(connection, Hook, schema.hooks),
                documents=self._bodies(connection, Document, schema.documents),
                default_quotas=self._bodies(connection, DefaultQuotas, schema.default_quotas),
                actions=[Action(*row) for row in connection.execute(select(schema.actions))],
                image_actions=[ImageAction(*row) for row in connection.execute(select(schema.image_actions))],
                counters={row.name: row.next_id for row in counters},
                journal_id=connection.execute(select(func.max(schema.journal.c.id))).scalar() or 0,
                audit_id=connection.execute(select(func.max(schema.audit.c.id))).scalar() or 0,
            )

    def done_vms(self, *conditions: ColumnElement[bool], limit: int) -> list[VM]:
        """Return the newest `limit` VMs in state DONE that fulfil `conditions`, newest first."""
        found = select(schema.vms.c.id).where(schema.IS_DONE, *conditions).order_by(schema.vms.c.id.desc()).limit(limit)
        with self._place.faults(), self._engine.connect() as connection:
            ids = connection.execute(found).scalars().all()
            if not ids:
                return []
            span = schema.vms.c.id.between(ids[-1], ids[0])
            return self._vms(connection, schema.IS_DONE, span, *conditions)[::-1]

    def journal(self, query: Select[Any]) -> list[Entry]:
        """Return the entries that a query of whole journal rows finds."""
        with self._place.faults(), self._engine.connect() as connection:
            return [Entry(*row) for row in connection.execute(query)]

    def audit(self, query: Select[Any]) -> list[AuditEntry]:
        """Return the entries that a query of whole rows of the audit finds."""
        with self._place.faults(), self._engine.connect() as connection:
            return [AuditEntry(*row) for row in connection.execute(query)]

    def hook_log(self, query: Select[Any]) -> list[HookExecution]:
        """Return the executions that a query of hook ids and bodies finds."""
        with self._place.faults(), self._engine.connect() as connection:
            return read_bodies(HookExecution, connection.execute(query), schema.hook_log.name, self._place)

    def _bodies(self, connection: Connection, kind: type[Record], table: Table, *conditions: Any) -> list[Record]:
        query = select(table.c.id, table.c.body).where(*conditions).order_by(table.c.id)
        return read_bodies(kind, connection.execute(query), table.name, self._place)

    def _vms(self, connection: Connection, *conditions: Any) -> list[VM]:
        vms = self._bodies(connection, VM, schema.vms, *conditions)
        history = schema.history.c
        query = (
            select(history.vm_id, history.body)
            .join_from(schema.vms, schema.history)
            .where(*conditions)
            .order_by(history.vm_id, history.seq)
        )
        rows = connection.execute(query).all()
        stays: dict[int, list[HistoryRecord]] = defaultdict(list)
        for (vm_id, _), record in zip(rows, read_bodies(HistoryRecord, rows, "history", self._place), strict=True):
            stays[vm_id].append(record)
        return [replace(vm, history=tuple(stays[vm.id])) if vm.id in stays else vm for vm in vms]


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep the collector from looking through a growing pile that holds no garbage: loading takes a third."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
