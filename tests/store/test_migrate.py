"""Tables are made and upgraded when a database is opened, or it is left alone."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from tests.postgres import Cluster
from tests.store.conftest import Database
from tests.store.records import turn
from trifid.store.interface import StoreFault
from trifid.store.migrate import HEAD, MIGRATIONS
from trifid.store.schema import metadata


def test_the_code_knows_its_newest_migration() -> None:
    assert ScriptDirectory(MIGRATIONS).get_current_head() == HEAD


def test_migrating_from_nothing_gives_the_tables_of_the_schema(database: Database) -> None:
    database.open().close()
    engine = create_engine(database.url.replace("sqlite:///", f"sqlite:///{database.home}/"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


SQLITE_DEFINITIONS = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' ORDER BY name"
POSTGRESQL_DEFINITIONS = """
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%alembic%'
    UNION SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conname NOT LIKE '%alembic%' ORDER BY 1, 2
"""


def definitions(connection: Connection) -> list[tuple[str, str]]:
    """Return the text of tables or indexes: it shows the predicates of partial indexes, which Alembic overlooks."""
    query = SQLITE_DEFINITIONS if connection.dialect.name == "sqlite" else POSTGRESQL_DEFINITIONS
    return [(str(name), " ".join(str(sql).split())) for name, sql in connection.execute(text(query))]


def test_migrating_gives_the_indexes_of_the_schema_to_the_letter(database: Database, cluster: Cluster) -> None:
    database.open().close()
    url = database.url.replace("sqlite:///", f"sqlite:///{database.home}/")
    straight = f"{url}.straight" if url.startswith("sqlite") else cluster.new_database()
    found = []
    for where in (url, straight):
        engine = create_engine(where)
        with engine.begin() as connection:
            if where == straight:
                metadata.create_all(connection)
            found.append(definitions(connection))
        engine.dispose()
    assert found[0] == found[1]
    assert any("vms_alive" in name for name, _ in found[0])


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database: Database) -> None:
    store = database.open()
    store.commit(turn(0))
    store.close()
    database.sql("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StoreFault, match=r"version 0999.*up to 0005.*newer trifid"):
        database.open()
    database.sql("UPDATE alembic_version SET version_num = '0005'")
    assert len(database.open().load().vms) == 1


def test_a_database_with_tables_of_something_else_is_refused_and_left_alone(database: Database) -> None:
    database.sql("CREATE TABLE hosts (mine INTEGER)")
    with pytest.raises(StoreFault, match=r"tables of something else \(hosts\)"):
        database.open()
    with pytest.raises(StoreFault, match=r"tables of something else \(hosts\)"):
        database.open()
