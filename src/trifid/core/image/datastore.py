"""A datastore as a record: a place for images, for the files of running VMs, or for plain files."""

import enum

import msgspec

from trifid.core.access import Permissions
from trifid.core.image.record import DiskType
from trifid.core.template.model import Template

SYSTEM_ID, DEFAULT_ID, FILES_ID = 0, 1, 2
"""The datastores that a new database has; others get ids from 100 on (reference/api-modern.md §7.12)."""
FIRST_FREE_ID = 100


class DatastoreType(enum.IntEnum):
    """What a datastore is for (reference/api-modern.md §5.6)."""

    IMAGE = 0
    SYSTEM = 1
    FILE = 2
    BACKUP = 3


class DatastoreState(enum.IntEnum):
    """Only system datastores can be disabled (reference/api-modern.md §7.10)."""

    READY = 0
    DISABLED = 1


class Datastore(msgspec.Struct, frozen=True):
    """A datastore.

    Attributes:
        ds_mad: driver that makes and removes its images; empty for a system datastore.
        tm_mad: driver that brings images to hosts, or serves the VMs' files.
        base_path: its directory (or volume group); empty = the engine's datastore location and its id.
        cluster_ids: clusters that it belongs to.
        template: the user's attributes (LIMIT_MB, SAFE_DIRS, RESTRICTED_DIRS …).
    """

    id: int
    uid: int
    gid: int
    name: str
    type: DatastoreType
    ds_mad: str
    tm_mad: str
    state: DatastoreState = DatastoreState.READY
    permissions: Permissions = Permissions(0o640)
    base_path: str = ""
    disk_type: DiskType = DiskType.FILE
    cluster_ids: tuple[int, ...] = (0,)
    template: Template = Template()


class Space(msgspec.Struct, frozen=True):
    """What a datastore's driver says about its room, MiB; not durable.

    Attributes:
        at: epoch seconds of the report, 0 = there was none.
    """

    total_mib: int = 0
    used_mib: int = 0
    free_mib: int = 0
    at: int = 0
