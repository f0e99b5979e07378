"""Samples in a database: one table, written and read by one thread, apart from the durable records.

Samples are many and may be lost; records are few and must not be.  So samples never share a transaction,
a connection or a wait for the disk with records: in SQLite they are in a file of their own beside the
other, since it knows one writer at a time; in PostgreSQL in a table of the same database, written by a session
that does not wait for its disk.  A power cut costs the last seconds.

A row is (resolution, kind, id, at) → count and figures.  Rows of one object lie together, since that is what is
asked for; but then each row that is written touches another page.  So what was just measured is written down as one
note first, and gets its rows later, for each object many at once (engine/sample_keeper.py).
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from trifid.core.samples import RAW_S, Kind, Sample
from trifid.store.faults import Place
from trifid.store.postgresql import engine_of, place_of
from trifid.store.sample_codec import Note, Packed, Unreadable, packed_notes, unpacked, unpacked_notes
from trifid.store.schema import INT

log = logging.getLogger("trifid.store")

IDS_AT_ONCE = 500
"""How many objects one statement asks for."""
ROWS_AT_ONCE = 2000
ANALYSED_AFTER_ROWS = 1000
"""So many rows after the table was opened, and each time ten times as many, PostgreSQL is told to look how many there
are: it does by itself only after a while, and meanwhile reads all objects to find some."""

metadata = MetaData()
samples = Table(
    "samples",
    metadata,
    Column("resolution_s", INT, primary_key=True, autoincrement=False),
    Column("kind", INT, primary_key=True, autoincrement=False),
    Column("id", INT, primary_key=True, autoincrement=False),
    Column("at", INT, primary_key=True, autoincrement=False),
    Column("count", INT, nullable=False),
    Column("figures", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""One sample a row.  It has no migrations: should it ever change, it gets another name, and the old one is dropped."""

notes = Table(
    "samples_notes",
    metadata,
    Column("seq", INT, primary_key=True, autoincrement=False),
    Column("taken", LargeBinary, nullable=False),
)
"""Samples of any objects that are not in rows of their own yet, in the order in which they came."""

_ANALYSE = "ANALYZE samples"


class Key(NamedTuple):
    """The samples of one object in one resolution."""

    resolution_s: int
    kind: int
    id: int


FIRST = Key(-1, -1, -1)
"""Before all that there are."""


class Samples:
    """The table of samples.  Its methods block; one thread at a time calls them.

    Errors of the database come out as `StoreFault`.
    """

    def __init__(self, engine: Engine, place: Place) -> None:
        self.place = place
        self._engine = engine
        self._writing: Connection | None = None
        with place.faults():
            metadata.create_all(engine)
        made = (sqlite if engine.dialect.name == "sqlite" else postgresql).insert(samples)
        new = {"count": made.excluded["count"], "figures": made.excluded.figures}
        upsert = made.on_conflict_do_update(index_elements=list(samples.primary_key), set_=new)
        self._needs_analysis = engine.dialect.name == "postgresql"
        self._rows, self._analysed_after = 0, ANALYSED_AFTER_ROWS
        if self._needs_analysis:
            with self.transaction():
                self._begun.exec_driver_sql(_ANALYSE)
        self._put = str(upsert.compile(dialect=engine.dialect))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Enclose changes, and reads that shall see them: all or nothing."""
        with self.place.faults(), self._engine.begin() as self._writing:
            try:
                yield
                if self._needs_analysis and self._rows >= self._analysed_after:
                    self._analysed_after *= 10
                    self._begun.exec_driver_sql(_ANALYSE)
            finally:
                self._writing = None

    @property
    def _begun(self) -> Connection:
        if self._writing is None:
            raise RuntimeError("samples are changed in a transaction only")
        return self._writing

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if self._writing is not None:
            yield self._writing
        else:
            with self.place.faults(), self._engine.connect() as connection:
                yield connection

    # -- changes, inside a transaction ---------------------------------------------------------------

    def put(self, resolution_s: int, kind: Kind, taken: Iterable[Packed]) -> None:
        """Write samples by the ids of their objects; one of the same object and moment is replaced."""
        writing = self._begun
        rows = [(resolution_s, int(kind), *row) for row in taken]
        for first in range(0, len(rows), ROWS_AT_ONCE):
            writing.exec_driver_sql(self._put, rows[first : first + ROWS_AT_ONCE])
        self._rows += len(rows)

    def note(self, seq: int, taken: Sequence[Note]) -> None:
        """Write down samples that get rows of their own later."""
        self._begun.execute(insert(notes).values(seq=seq, taken=packed_notes(taken)))

    def forget_notes_before(self, seq: int) -> None:
        """Delete notes whose samples have rows now."""
        self._begun.execute(delete(notes).where(notes.c.seq < seq))

    def delete_before(self, key: Key, at: int) -> int:
        """Delete samples of one object from before a moment; return how many."""
        c = samples.c
        of_key = (c.resolution_s == key.resolution_s, c.kind == key.kind, c.id == key.id)
        return self._begun.execute(delete(samples).where(*of_key, c.at < at)).rowcount

    # -- reads ---------------------------------------------------------------------------------------

    def read(
        self, resolution_s: int, kind: Kind, ids: Sequence[int], since: int, until: int | None = None
    ) -> Iterator[tuple[int, Sample]]:
        """Yield the samples of objects, by id, oldest first: from `since` on, before `until`, epoch seconds."""
        c = samples.c
        span = [c.at >= since, *([c.at < until] if until is not None else [])]
        wanted = iter(sorted(ids))
        with self._connection() as connection:
            while some := list(islice(wanted, IDS_AT_ONCE)):
                query = (
                    select(c.id, c.at, c.count, c.figures)
                    .where(c.resolution_s == resolution_s, c.kind == int(kind), c.id.in_(some), *span)
                    .order_by(c.id, c.at)
                )
                for found in connection.execute(query):
                    row = Packed(*found)
                    try:
                        yield row.id, unpacked(row)
                    except Unreadable as fault:  # none depends on another
                        what = f"the sample of {kind.name} {row.id} at {row.at}"
                        log.warning("%s: %s cannot be read and is passed over: %s", self.place.name, what, fault)

    def newest_before(self, kind: Kind, ids: Sequence[int], at: int) -> dict[int, int]:
        """Return when objects were last measured before a moment; those that were not are left out."""
        c = samples.c
        found: dict[int, int] = {}
        wanted = iter(ids)
        with self._connection() as connection:
            while some := list(islice(wanted, IDS_AT_ONCE)):
                query = (
                    select(c.id, func.max(c.at))
                    .where(c.resolution_s == RAW_S, c.kind == int(kind), c.id.in_(some), c.at < at)
                    .group_by(c.id)
                )
                found.update((row[0], row[1]) for row in connection.execute(query))
        return found

    def oldest_after(self, key: Key) -> tuple[Key, int] | None:
        """Return the next key that has samples, and when its oldest one was taken; None after the last."""
        c = samples.c
        place = tuple_(c.resolution_s, c.kind, c.id)
        query = select(c.resolution_s, c.kind, c.id, c.at).where(place > tuple_(*key))
        ordered = query.order_by(c.resolution_s, c.kind, c.id, c.at).limit(1)
        with self._connection() as connection:
            row = connection.execute(ordered).first()
        return (Key(row[0], row[1], row[2]), row[3]) if row else None

    def noted(self) -> Iterator[tuple[int, list[Note]]]:
        """Yield the notes there are, with their numbers, oldest first."""
        with self._connection() as connection:
            for seq, data in connection.execute(select(notes.c.seq, notes.c.taken).order_by(notes.c.seq)):
                try:
                    yield seq, unpacked_notes(data)
                except Unreadable as fault:
                    log.warning("%s: note %d of samples cannot be read, lost: %s", self.place.name, seq, fault)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def open_samples(url: str, home: Path) -> Samples:
    """Open the samples that belong to a database, making what is missing.

    Args:
        url: of the store; a relative SQLite path is relative to `home`.

    Raises:
        StoreFault: they cannot be opened.
    """
    parts = make_url(url)
    if parts.drivername.startswith("sqlite"):
        path = home / str(parts.database)
        path = path.with_name(f"{path.stem}-samples{path.suffix}")
        place = Place(f"SQLite database {path}")
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as fault:
            raise place.fault(f"{fault.strerror}: see that its directory is writable for the engine's user") from fault
        return Samples(_sqlite(path), place)
    parts = parts.set(drivername="postgresql+psycopg")
    return Samples(_postgresql(parts), place_of(parts))


def _sqlite(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite+pysqlite", database=str(path)), hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -32768"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _postgresql(url: URL) -> Engine:
    engine = engine_of(url)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute("SET synchronous_commit = off")
        connection.commit()

    return engine
