"""A batch as statements: at most one per table and kind of change, each run over all its rows.

The statements are made by SQLAlchemy once, when the store is opened, and then handed to the driver
as text with rows as tuples: binding each value by name costs more than the database does.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, bindparam, delete, insert
from sqlalchemy.sql import Executable

from trifid.core.vm.record import VM, HistoryRecord
from trifid.core.vm.states import VmState
from trifid.store import codec, schema
from trifid.store.backend import Backend
from trifid.store.codec import Row
from trifid.store.interface import Batch


class Pool(msgspec.Struct, frozen=True):
    """How the records of one kind are written.

    Attributes:
        name: of the batch's field.
        row: makes a record's row.
    """

    name: str
    table: Table
    row: Callable[[Any], Row]


POOLS = (
    Pool("networks", schema.networks, codec.network_row),
    Pool("vms", schema.vms, codec.vm_row),
    Pool("hosts", schema.hosts, codec.host_row),
    Pool("security_groups", schema.security_groups, codec.security_group_row),
    Pool("vm_groups", schema.vm_groups, codec.vm_group_row),
    Pool("clusters", schema.clusters, codec.cluster_row),
    Pool("vn_templates", schema.vn_templates, codec.vn_template_row),
    Pool("datastores", schema.datastores, codec.datastore_row),
    Pool("images", schema.images, codec.image_row),
    Pool("vm_templates", schema.vm_templates, codec.vm_template_row),
    Pool("users", schema.users, codec.user_row),
    Pool("groups", schema.groups, codec.group_row),
    Pool("acls", schema.acls, codec.rule_row),
    Pool("vdcs", schema.vdcs, codec.vdc_row),
    Pool("hooks", schema.hooks, codec.hook_row),
    Pool("hook_log", schema.hook_log, codec.hook_execution_row),
    Pool("documents", schema.documents, codec.document_row),
    Pool("default_quotas", schema.default_quotas, codec.default_quotas_row),
    Pool("leases", schema.leases, codec.lease_row),
    Pool("actions", schema.actions, codec.action_row),
    Pool("image_actions", schema.image_actions, codec.image_action_row),
)
"""Written in this order, what others refer to first; deleted in the opposite one."""


class Writes:
    """Runs batches on the connection that writes."""

    def __init__(self, writer: Connection, backend: Backend) -> None:
        def made(statement: Executable) -> str:
            return str(statement.compile(dialect=writer.dialect))  # type: ignore[attr-defined]

        tables = [pool.table for pool in POOLS]
        self._writer = writer
        self._put = {table.name: made(backend.upsert(table)) for table in (*tables, schema.history, schema.counters)}
        self._delete = {table.name: made(delete(table).where(_has_key(table))) for table in tables}
        self._append = made(insert(schema.journal))
        self._audit = made(insert(schema.audit))
        history = schema.history.c
        beyond = and_(history.vm_id == bindparam("vm"), history.seq > bindparam("last"))
        self._cut_history = made(delete(schema.history).where(beyond))

    def write(self, batch: Batch, histories: "Histories") -> int:
        """Execute everything that `batch` asks for; return the number of rows touched."""
        count = 0
        for statement, rows in self._statements(batch, histories):
            if len(rows) == 1:
                self._writer.exec_driver_sql(statement, rows[0])
            elif rows:
                self._writer.exec_driver_sql(statement, rows)
            count += len(rows)
        return count

    def _statements(self, batch: Batch, histories: "Histories") -> Iterator[tuple[str, list[Row]]]:
        for pool in POOLS:
            changes: Mapping[Any, Any] = getattr(batch, pool.name)
            if changes:
                yield self._put[pool.name], [pool.row(record) for record in changes.values() if record is not None]
        if batch.vms:
            records, ends = histories.changes(batch.vms)
            yield self._put["history"], [codec.history_row(vm_id, record) for vm_id, record in records]
            yield self._cut_history, ends
        for pool in reversed(POOLS):
            changes = getattr(batch, pool.name)
            if changes:
                gone = [key for key, record in changes.items() if record is None]
                yield self._delete[pool.name], [key if isinstance(key, tuple) else (key,) for key in gone]
        yield self._put["counters"], list(batch.counters.items())
        yield self._append, [codec.entry_row(entry) for entry in batch.journal]
        yield self._audit, [codec.audit_row(entry) for entry in batch.audit]


def _has_key(table: Table) -> Any:
    return and_(*(column == bindparam(f"key_{column.name}") for column in table.primary_key))


class Histories:
    """What is written of each living VM's history, so that only new and changed records are written again."""

    def __init__(self) -> None:
        self._written: dict[int, tuple[HistoryRecord, ...]] = {}

    def changes(self, vms: Mapping[int, VM | None]) -> tuple[list[tuple[int, HistoryRecord]], list[Row]]:
        """Return the records to write, and (VM id, last seq) of histories of which the rest is to be deleted."""
        records: list[tuple[int, HistoryRecord]] = []
        ends: list[Row] = []
        for vm_id, vm in vms.items():
            if vm is None:
                continue
            old = self._written.get(vm_id)
            if old is None or len(old) > len(vm.history):
                ends.append((vm_id, vm.history[-1].seq if vm.history else -1))
            if old is None:
                records.extend((vm_id, record) for record in vm.history)
            elif old is not vm.history:
                records.extend((vm_id, new) for new, was in zip_longest(vm.history, old) if new and new != was)
        return records, ends

    def remember(self, vms: Mapping[int, VM | None]) -> None:
        """Take note of what was committed or loaded; VMs that ended are forgotten."""
        for vm_id, vm in vms.items():
            if vm is None or vm.state is VmState.DONE:
                self._written.pop(vm_id, None)
            else:
                self._written[vm_id] = vm.history
