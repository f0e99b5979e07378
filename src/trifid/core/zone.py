"""The one zone that every installation is: number 0, with one server.

Source: reference/api-modern.md §4 (zones), §5.5 (zone, raftstatus), §7.12.
"""

import msgspec

from trifid.core.access import Permissions

ID = 0
ENABLED = 0
"""STATE of a zone that answers calls."""
SOLO = 0
"""State of a server that has no others beside it, and nothing to agree on with them."""


class Zone(msgspec.Struct, frozen=True):
    """The zone.

    Attributes:
        endpoint: URL at which clients call.
    """

    name: str
    endpoint: str
    id: int = ID
    uid: int = 0
    gid: int = 0
    permissions: Permissions = Permissions(0o604)
