"""What the store needs of a kind of database beyond SQLAlchemy: one implementation per kind."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.sql import Executable

from trifid.store.faults import Place


class Backend(Protocol):
    """A database, held by this process alone from `hold` to `close`.

    Attributes:
        engine: gives connections for reading.
        place: what messages call it.
    """

    engine: Engine
    place: Place

    def hold(self) -> Connection:
        """Take the database for this process and return the connection that writes, no transaction begun.

        Raises:
            StoreFault: another engine has it, or it cannot be used.
        """

    def begin_migration(self, writer: Connection) -> None:
        """Begin a transaction that covers changes of tables."""

    def upsert(self, table: Table) -> Executable:
        """Return the statement that writes one row of all columns, new or not."""

    def writing(self, writer: Connection) -> AbstractContextManager[Any]:
        """Enclose a transaction: committed, durably, when the block ends, rolled back when it raises."""

    def wrote(self, rows: int) -> None:
        """Hear that a transaction of so many rows was committed."""

    def close(self) -> None:
        """Close all connections, the writing one too, and let go of the database.  May be called twice."""
