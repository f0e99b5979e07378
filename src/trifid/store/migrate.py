"""Brings a database to the version that the code knows, when it is opened."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from trifid.store.faults import Place
from trifid.store.schema import metadata

HEAD = "0005"
"""The newest version; a test compares it with migrations/versions."""

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: Connection, place: Place) -> None:
    """Create the tables or upgrade them, all or nothing, in the transaction of `connection`.

    The caller begins the transaction and commits it.

    Raises:
        StoreFault: the database was written by a newer version, or holds the tables of something else.
    """
    version = _version(connection, place)
    if version == HEAD:
        return
    from alembic import command  # late: it costs 0.2 s, and most starts do not need it
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    known = [script.revision for script in ScriptDirectory(MIGRATIONS).walk_revisions()]
    if version is not None and version not in known:
        raise place.fault(
            f"its tables have version {version}, this program knows versions up to {HEAD}: "
            "a newer trifid wrote it, install that one or restore a backup from before"
        )
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(connection: Connection, place: Place) -> str | None:
    """Return the version of the tables, None when there are none."""
    present = set(inspect(connection).get_table_names())
    if "alembic_version" in present:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found is not None:
            return str(found)
    if foreign := sorted(present & set(metadata.tables)):
        raise place.fault(f"it has tables of something else ({', '.join(foreign)}): give trifid a database of its own")
    return None
