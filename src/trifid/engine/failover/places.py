"""Which datastores the front-end shares with hosts."""

from pathlib import Path

from trifid.core.image.datastore import DatastoreState, DatastoreType
from trifid.core.vm.files import UNSHARED
from trifid.engine.memory import Memory


def place_name(datastore_id: int) -> str:
    """Return what a datastore is called in messages."""
    return f"datastore {datastore_id}"


def shared_places(memory: Memory, datastores: Path) -> dict[str, Path]:
    """Return the directories of the shared system datastores, by what they are called in messages.

    One that is a volume group is no place for a file.
    """
    return {
        place_name(one.id): datastores / str(one.id)
        for one in memory.datastores.values()
        if one.type is DatastoreType.SYSTEM
        and one.state is DatastoreState.READY
        and one.tm_mad not in UNSHARED
        and not one.base_path.startswith("/dev/")
    }
