"""The store on a relational database: SQLite or PostgreSQL, with the same tables and statements.

One connection writes, opened here and kept; reads have connections of their own.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql import ColumnElement

from trifid.core.audit import AuditEntry, AuditQuery
from trifid.core.hook import HookExecution, HookLogQuery
from trifid.core.journal import Entry
from trifid.core.vm.record import VM
from trifid.store.backend import Backend
from trifid.store.interface import Batch, Snapshot, StoreFault
from trifid.store.migrate import migrate
from trifid.store.postgresql import PostgreSQL
from trifid.store.read import Reads
from trifid.store.schema import audit, hook_log, journal, vms
from trifid.store.sqlite import SQLite
from trifid.store.write import Histories, Writes

_EXPECTED = "expected sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"


def open_store(url: str, home: Path) -> "SqlStore":
    """Open the database for this process alone; make or upgrade its tables.

    Args:
        url: SQLAlchemy's form; a relative SQLite path is relative to `home`.

    Raises:
        StoreFault: no such kind of database, not reachable, in use by another engine, or written by a
            newer version; the text says what to do and never shows a password.
    """
    return SqlStore(_backend(url, home))


def _backend(text: str, home: Path) -> Backend:
    url = _parse(text)
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        if not url.database or url.database == ":memory:" or url.query:
            raise StoreFault("[database] url: SQLite needs a file and takes no options: expected sqlite:///FILE")
        return SQLite(home / url.database)
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        return PostgreSQL(url.set(drivername="postgresql+psycopg"))
    raise StoreFault(f"[database] url: databases of kind {url.drivername} are not supported: {_EXPECTED}")


def _parse(text: str) -> URL:
    """Return the URL in parts; what cannot be parsed is not quoted, since it may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreFault(f"[database] url is no URL of a database: {_EXPECTED}") from None
    if "@" in (url.host or ""):
        raise StoreFault("[database] url has more than one @: write special characters in the password as %40 (for @)")
    return url


class SqlStore:
    """Implements `trifid.store.interface.Store`."""

    def __init__(self, backend: Backend) -> None:
        with contextlib.ExitStack() as undo:
            undo.callback(backend.close)
            writer = backend.hold()
            with backend.place.faults():
                backend.begin_migration(writer)
                migrate(writer, backend.place)
                writer.commit()
            undo.pop_all()
        self._backend = backend
        self._place = backend.place
        self._writer = writer
        self._writes = Writes(writer, backend)
        self._reads = Reads(backend.engine, backend.place)
        self._histories = Histories()

    def load(self) -> Snapshot:
        """Read everything; VMs that ended are left out."""
        snapshot = self._reads.snapshot()
        self._histories.remember({vm.id: vm for vm in snapshot.vms})
        return snapshot

    def commit(self, batch: Batch) -> None:
        """Write `batch` in one transaction, durable when it returns; of histories only what is new."""
        if self._writer.invalidated:
            raise self._place.fault("the connection was lost, and with it the lock: start the engine again")
        is_complete = False
        try:
            with self._place.faults(), self._backend.writing(self._writer):
                rows = self._writes.write(batch, self._histories)
                is_complete = True
        except StoreFault as fault:
            if is_complete and self._writer.invalidated:
                raise StoreFault(f"{fault}; it may have kept the change, the next start of the engine tells") from fault
            raise
        self._histories.remember(batch.vms)
        self._backend.wrote(rows)

    def journal_after(self, entry_id: int, limit: int) -> Sequence[Entry]:
        """Return up to `limit` journal entries with an id above `entry_id`, oldest first."""
        return self._reads.journal(select(journal).where(journal.c.id > entry_id).order_by(journal.c.id).limit(limit))

    def journal_of(self, kind: str, object_id: int, limit: int) -> Sequence[Entry]:
        """Return the newest `limit` entries about one object, oldest first."""
        about = select(journal).where(journal.c.kind == kind, journal.c.object_id == object_id)
        return self._reads.journal(about.order_by(journal.c.id.desc()).limit(limit))[::-1]

    def done_vms(
        self,
        *,
        uid: int | None = None,
        first_id: int = 0,
        last_id: int | None = None,
        ended_since: int = 0,
        limit: int,
    ) -> Sequence[VM]:
        """Return up to `limit` VMs in state DONE, newest first."""
        conditions = [vms.c.id >= first_id]
        if uid is not None:
            conditions.append(vms.c.uid == uid)
        if last_id is not None:
            conditions.append(vms.c.id <= last_id)
        if ended_since:
            conditions.append(vms.c.etime >= ended_since)
        return self._reads.done_vms(*conditions, limit=limit)

    def done_vm(self, vm_id: int) -> VM | None:
        """Return one VM in state DONE, or None."""
        return next(iter(self._reads.done_vms(vms.c.id == vm_id, limit=1)), None)

    def audit(self, query: AuditQuery, limit: int) -> Sequence[AuditEntry]:
        """Return up to `limit` entries of the audit, newest first."""
        return self._reads.audit(select(audit).where(*_of_audit(query)).order_by(audit.c.id.desc()).limit(limit))

    def hook_log(self, query: HookLogQuery, limit: int) -> Sequence[HookExecution]:
        """Return up to `limit` executions of hooks, oldest first, the newest of them."""
        c = hook_log.c
        newest = (c.timestamp.desc(), c.hook_id.desc(), c.execution_id.desc())
        found = select(c.hook_id, c.body).where(*_of_hook_log(query)).order_by(*newest).limit(limit)
        return self._reads.hook_log(found)[::-1]

    def close(self) -> None:
        """Release files and connections."""
        self._backend.close()


def _of_audit(query: AuditQuery) -> list[ColumnElement[bool]]:
    c = audit.c
    asked = (
        (query.before_id, lambda value: c.id < value),
        (query.since, lambda value: c.at >= value),
        (query.until, lambda value: c.at <= value),
        (query.uid, lambda value: c.uid == value),
        (query.method, lambda value: c.method.startswith(value, autoescape=True)),
        (query.object_id, lambda value: c.object_id == value),
        (query.is_refused, lambda value: c.code != 0 if value else c.code == 0),
    )
    return [condition(value) for value, condition in asked if value is not None]


def _of_hook_log(query: HookLogQuery) -> list[ColumnElement[bool]]:
    c = hook_log.c
    asked = (
        (query.hook_id, lambda value: c.hook_id == value),
        (query.execution_id, lambda value: c.execution_id == value),
        (query.since, lambda value: c.timestamp >= value),
        (query.until, lambda value: c.timestamp <= value),
        (query.has_succeeded, lambda value: c.code == 0 if value else c.code != 0),
    )
    return [condition(value) for value, condition in asked if value is not None]
