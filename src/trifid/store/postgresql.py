"""PostgreSQL: one session writes and holds the lock that keeps other engines out.

Lock and writing session are one on purpose: an engine that lost its session can no longer write, so
that another one may take over.
"""

import contextlib
from typing import Any

import psycopg
from psycopg.types.numeric import Int8Dumper
from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from trifid.store.faults import Place

LOCK_KEY = int.from_bytes(b"trifid", "big")

LOCK_WAIT_S = 3.0
"""How long to wait for the session of an engine that just died to end."""

_CONNECT = {
    "application_name": "trifid",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",  # ms: a server that vanished must not hold a commit for a quarter of an hour
}
"""What libpq is told where the URL says nothing."""

_OF_THE_WRITER = (
    # A commit that was acknowledged stays, whatever the server's default.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    # The server must notice a front-end that vanished, or its lock would stay for hours.
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)

_HOLDER = """
    SELECT activity.pid, coalesce(host(activity.client_addr), 'this machine')
    FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE locks.locktype = 'advisory' AND locks.granted AND activity.datname = current_database()
      AND (locks.classid::bigint << 32) + locks.objid::bigint = :key
"""


class PostgreSQL:
    """A database on a server."""

    def __init__(self, url: URL) -> None:
        self.place = place_of(url)
        self.engine = engine_of(url)
        self._writer: Connection | None = None

    def hold(self) -> Connection:
        """Connect, and lock the database against other engines.

        Raises:
            StoreFault: not reachable, not allowed, not in UTF-8, or another engine has it.
        """
        with self.place.faults():
            self._writer = writer = self.engine.connect()
            encoding = writer.execute(text("SHOW server_encoding")).scalar()
            if encoding != "UTF8":
                raise self.place.fault(f"its encoding is {encoding}: make one with createdb -E UTF8 -T template0 NAME")
            for setting in _OF_THE_WRITER:
                writer.execute(text(setting))
            writer.commit()
            self._lock(writer)
        return writer

    def _lock(self, writer: Connection) -> None:
        writer.execute(text(f"SET lock_timeout = {round(LOCK_WAIT_S * 1000)}"))
        writer.commit()
        try:
            writer.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            writer.rollback()
            holder = writer.execute(text(_HOLDER), {"key": LOCK_KEY}).first()
            who = f"server process {holder[0]}, from {holder[1]}" if holder else "now gone"
            raise self.place.fault(
                f"another engine uses it ({who}): stop that one, or give each engine a database"
            ) from None
        writer.execute(text("RESET lock_timeout"))
        writer.commit()

    def begin_migration(self, writer: Connection) -> None:
        """Nothing to do: changes of tables are part of any transaction."""

    def upsert(self, table: Table) -> postgresql.Insert:
        """Return INSERT … ON CONFLICT DO UPDATE of all columns."""
        insert = postgresql.insert(table)
        changed = {c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key}
        return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)

    def writing(self, writer: Connection) -> contextlib.AbstractContextManager[Any]:
        """Enclose a transaction."""
        return writer.begin()

    def wrote(self, rows: int) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """End all sessions, and with them the lock."""
        if self._writer:
            self._writer.close()
            self._writer = None
        self.engine.dispose()


def place_of(url: URL) -> Place:
    """Name the database by parts that hold no password."""
    hosts = url.query.get("host", url.host or "localhost")
    host = hosts if isinstance(hosts, str) else ",".join(hosts)
    port = f":{url.port}" if url.port else ""
    given = url.query.get("password", ())
    secrets = {url.password or "", *((given,) if isinstance(given, str) else given)} - {""}
    return Place(f"PostgreSQL database {url.database or url.username} at {host}{port}", tuple(secrets))


def engine_of(url: URL) -> Engine:
    """Return what gives connections to a database."""
    connect = {key: value for key, value in _CONNECT.items() if key not in url.query}
    engine = create_engine(url, connect_args=connect, hide_parameters=True, paramstyle="format")

    @event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection, _: object) -> None:
        # Always as 64 bits: by default the type depends on the value, and each mix of types is a
        # statement of its own to the server.
        connection.adapters.register_dumper(int, Int8Dumper)

    return engine
