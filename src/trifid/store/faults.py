"""Errors of databases told as StoreFault: what happened, where, and what to do.

A message never shows a statement, a row or a password.
"""

import contextlib
from collections.abc import Iterator

import msgspec
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from trifid.store.interface import StoreFault

_SQLITE_ADVICE = {
    "SQLITE_FULL": "the disk is full: make room, then start again; nothing of this change was kept",
    "SQLITE_BUSY": "another program holds it: close SQLite shells and backups that have it open",
    "SQLITE_LOCKED": "another program holds it: close SQLite shells and backups that have it open",
    "SQLITE_READONLY": "make the file and its directory writable for the user that runs the engine",
    "SQLITE_PERM": "make the file and its directory writable for the user that runs the engine",
    "SQLITE_CANTOPEN": "see that its directory exists and is writable for the user that runs the engine",
    "SQLITE_IOERR": "see that the disk is healthy and has room",
    "SQLITE_CORRUPT": "the file is damaged: restore a backup",
    "SQLITE_NOTADB": "the file is no SQLite database: name another one in [database] url",
}
"""By the beginning of the error's name (sqlite.org/rescode.html)."""

_POSTGRESQL_ADVICE = {
    "28": "see the user and password in [database] url, and pg_hba.conf on the server",
    "3D000": "make the database: createdb NAME",
    "42501": "give the user of [database] url the right to create tables in this database",
    "53100": "the server's disk is full: make room there, then start again; nothing of this change was kept",
    "53300": "the server takes no more connections: raise max_connections there or close others",
    "25006": "this server takes no writes (a standby?): name the primary in [database] url",
    "57P": "the server is stopping or starting: start the engine again when it is up",
    "08": "see that the server runs and is reachable, then start the engine again",
}
"""By the beginning of SQLSTATE (PostgreSQL manual, appendix A)."""

_UNREACHABLE = "see that the server runs and is reachable, and the host, user and password in [database] url"


class Place(msgspec.Struct, frozen=True):
    """A database as messages call it.

    Attributes:
        name: "SQLite database /…/trifid.db"; never with a password.
        secrets: texts that are struck out wherever they would appear.
    """

    name: str
    secrets: tuple[str, ...] = ()

    def fault(self, what: str) -> StoreFault:
        """Return the fault to raise, its text on one line and free of secrets."""
        for secret in self.secrets:
            what = what.replace(secret, "***")
        return StoreFault(f"{self.name}: {' '.join(what.split())}")

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Turn what the database raises inside into StoreFault."""
        try:
            yield
        except SQLAlchemyError as error:
            raise self.fault(_explain(error)) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise self.fault(f"a value does not fit into the database: {error}") from error


def _explain(error: SQLAlchemyError) -> str:
    if not isinstance(error, DBAPIError) or error.orig is None:
        return str(error)
    cause = error.orig
    sqlite_name = getattr(cause, "sqlite_errorname", None)
    if sqlite_name is not None:
        return _join(str(cause), _advice(_SQLITE_ADVICE, sqlite_name))
    # The primary message only: the detail of a PostgreSQL error may quote the row.
    diagnosis = getattr(cause, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    state = getattr(cause, "sqlstate", None)
    if state is None:
        return _join(str(cause), _UNREACHABLE)
    return _join(primary or str(cause), _advice(_POSTGRESQL_ADVICE, state))


def _advice(table: dict[str, str], code: str) -> str:
    return next((advice for start, advice in table.items() if code.startswith(start)), "")


def _join(what: str, advice: str) -> str:
    return f"{what.strip()}: {advice}" if advice else what.strip()
