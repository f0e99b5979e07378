"""SQLite: one file, its write-ahead log, and a lock file beside it.

A commit appends to the log and waits for the disk once.  Moving the log into the file (a checkpoint)
waits for the disk again, so a thread does it from a connection of its own.
"""

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL

from trifid.store.faults import Place

log = logging.getLogger("trifid.store")

BUSY_TIMEOUT_S = 5.0
"""How long to wait for another program that has the file locked."""

ROWS_PER_CHECKPOINT = 1000
"""A row is about a page of 4 KiB in the log: checkpoints come about every 4 MiB."""

LOG_PAGES_MAX = 16_384
"""64 MiB: beyond, commits wait for a checkpoint, since under steady writing none catches up alone."""

_AT_CONNECT = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA cache_size = -32768",  # KiB
)


class SQLite:
    """A database in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = Place(f"SQLite database {path}")
        self.engine = _engine(path)
        self._still = threading.Lock()
        self._writer: Connection | None = None
        self._lock: IO[str] | None = None
        self._checkpoints: Checkpoints | None = None

    def hold(self) -> Connection:
        """Lock the file, made if it is missing, and open it.

        Raises:
            StoreFault: another engine has it; it cannot be opened; it is no database; its file
                system cannot do write-ahead logging.
        """
        self._lock = self._take_lock()
        with self.place.faults():
            self._writer = writer = self.engine.connect()
            mode = writer.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
            writer.rollback()
        if mode != "wal":
            raise self.place.fault(
                f"write-ahead logging is not possible there (journal mode is {mode}): use a local file system"
            )
        self._checkpoints = Checkpoints(self.path, self.place, self._still)
        return writer

    def _take_lock(self) -> IO[str]:
        path = self.path.with_name(self.path.name + ".lock")
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # it holds password hashes
            lock = path.open("a+")
        except OSError as fault:
            raise self.place.fault(
                f"{fault.strerror} ({fault.filename}): see that its directory exists and is writable "
                "for the user that runs the engine"
            ) from fault
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise self.place.fault(
                f"another engine uses it (process {holder}): stop that one, or give each engine a database"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock

    def begin_migration(self, writer: Connection) -> None:
        """Begin by hand: Python's sqlite3 begins a transaction before changes of rows only."""
        writer.exec_driver_sql("BEGIN IMMEDIATE")

    def upsert(self, table: Table) -> sqlite.Insert:
        """Return INSERT … ON CONFLICT DO UPDATE of all columns."""
        insert = sqlite.insert(table)
        changed = {c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key}
        return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)

    @contextlib.contextmanager
    def writing(self, writer: Connection) -> Iterator[None]:
        """Enclose a transaction; checkpoints that need the log to stand still wait for its end."""
        if self._checkpoints:
            self._checkpoints.let_pass()
        with self._still, writer.begin():
            yield

    def wrote(self, rows: int) -> None:
        """Have a checkpoint made when enough was written."""
        if self._checkpoints:
            self._checkpoints.count(rows)

    def close(self) -> None:
        """Close the file, whose log SQLite then moves into it, and unlock it."""
        if self._checkpoints:
            self._checkpoints.close()
            self._checkpoints = None
        if self._writer:
            self._writer.close()
            self._writer = None
        self.engine.dispose()
        if self._lock:
            self._lock.close()
            self._lock = None


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": BUSY_TIMEOUT_S},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        for pragma in _AT_CONNECT:
            connection.execute(pragma)

    return engine


class Checkpoints:
    """Moves the write-ahead log into the database, in a thread of its own.

    Args:
        still: held by whoever writes, so that the log stands still for whoever else holds it.
    """

    def __init__(self, path: Path, place: Place, still: threading.Lock) -> None:
        self._still = still
        self._path = path
        self._place = place
        self._rows = 0
        self._due = threading.Event()
        self._passed = threading.Event()
        self._passed.set()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def count(self, rows: int) -> None:
        """Count rows written; enough of them make a checkpoint due."""
        self._rows += rows
        if self._rows >= ROWS_PER_CHECKPOINT:
            self._rows = 0
            self._due.set()

    def let_pass(self) -> None:
        """Wait for a checkpoint that needs the log to stand still: a lock alone is not fair to those who wait."""
        self._passed.wait()

    def close(self) -> None:
        """Stop the thread."""
        self._closing = True
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)) as connection:
            while self._due.wait() and not self._closing:
                self._due.clear()
                try:
                    self._checkpoint(connection)
                except sqlite3.Error:
                    log.exception("%s: a checkpoint failed, its log goes on growing", self._place.name)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Move what there is; when the log is long, also its end, so that it begins anew."""
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages <= LOG_PAGES_MAX:
            return
        self._passed.clear()
        try:
            with self._still:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            self._passed.set()
