"""Databases to test with: every contract test runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.postgres import Cluster
from trifid.store.sql import SqlStore, open_store


class Database:
    """An empty database, and what tests do with it."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.home = home
        self._open: list[SqlStore] = []

    def open(self) -> SqlStore:
        """Open a store; it is closed when the test ends."""
        store = open_store(self.url, self.home)
        self._open.append(store)
        return store

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Do something behind the store's back, as a person with an SQL shell would; return the rows."""
        url = self.url.replace("sqlite:///", f"sqlite:///{self.home}/")
        engine = create_engine(url)
        with engine.begin() as connection:
            result = connection.execute(text(statement), values)
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows

    def close(self) -> None:
        """Close all stores."""
        for store in self._open:
            store.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server; its absence is a failure, so that no one believes these tests have run."""
    try:
        server = Cluster()
    except FileNotFoundError as missing:
        pytest.fail(str(missing))
    yield server
    server.stop()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    database = Database("sqlite:///trifid.db", tmp_path)
    yield database
    database.close()


@pytest.fixture
def postgresql_database(cluster: Cluster, tmp_path: Path) -> Iterator[Database]:
    database = Database(cluster.new_database(), tmp_path)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each kind of database in turn."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def store(database: Database) -> SqlStore:
    """An open store on each kind of database in turn."""
    return database.open()
