"""What is true of PostgreSQL only: the session that writes is the one that holds the lock."""

import pytest
from sqlalchemy import make_url, text

from tests.postgres import Cluster
from tests.store.conftest import Database
from tests.store.records import turn
from trifid.store.interface import StoreFault
from trifid.store.postgresql import PostgreSQL


def end_sessions(cluster: Cluster, database: Database) -> None:
    """Do what a restart of the server does to the sessions of one database."""
    name = make_url(database.url).database
    cluster.execute(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'")


def test_an_engine_that_lost_its_session_never_writes_again(cluster: Cluster, postgresql_database: Database) -> None:
    store = postgresql_database.open()
    store.commit(turn(0))
    end_sessions(cluster, postgresql_database)
    with pytest.raises(StoreFault, match="PostgreSQL database"):
        store.commit(turn(1))
    with pytest.raises(StoreFault, match=r"the connection was lost.*start the engine again"):
        store.commit(turn(1))
    other = postgresql_database.open()
    other.commit(turn(1))
    with pytest.raises(StoreFault, match="the connection was lost"):
        store.commit(turn(2))
    assert [vm.id for vm in other.load().vms] == [0, 1]


def test_reading_goes_on_after_a_fault_when_the_server_is_back(cluster: Cluster, postgresql_database: Database) -> None:
    store = postgresql_database.open()
    store.commit(turn(0))
    assert len(store.journal_after(0, 10)) == 1
    end_sessions(cluster, postgresql_database)
    with pytest.raises(StoreFault):
        store.journal_after(0, 10)
    assert len(store.journal_after(0, 10)) == 1


def test_a_server_that_does_not_wait_for_its_disk_is_told_to(cluster: Cluster, postgresql_database: Database) -> None:
    name = make_url(postgresql_database.url).database
    cluster.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    found = PostgreSQL(make_url(postgresql_database.url))
    try:
        assert found.hold().execute(text("SHOW synchronous_commit")).scalar() == "on"
    finally:
        found.close()


def test_a_user_who_may_not_make_tables_is_told_so(cluster: Cluster, postgresql_database: Database) -> None:
    cluster.execute("DROP ROLE IF EXISTS guest")
    cluster.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    url = make_url(postgresql_database.url).set(username="guest", password="guest")
    postgresql_database.url = url.render_as_string(hide_password=False)
    with pytest.raises(StoreFault, match=r"permission denied.*the right to create tables"):
        postgresql_database.open()


def test_a_session_lost_while_it_commits_is_not_said_to_have_changed_nothing(postgresql_database: Database) -> None:
    store = postgresql_database.open()
    postgresql_database.sql(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    postgresql_database.sql(
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON vms "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()"
    )
    with pytest.raises(StoreFault, match="may have kept the change, the next start of the engine tells"):
        store.commit(turn(0))
