"""A security group as a record: rules that say which traffic a NIC may have."""

import msgspec

from trifid.core.access import Permissions
from trifid.core.template.model import Template
from trifid.core.template.types import IDS
from trifid.core.template.validate import shown
from trifid.errors import BadTemplate

DEFAULT_ID, DEFAULT_NAME = 0, "default"
"""The group of every NIC that names none: everything may pass (reference/api-modern.md §7.12)."""
FIRST_FREE_ID = 100


class SecurityGroup(msgspec.Struct, frozen=True):
    """A security group.

    Attributes:
        template: DESCRIPTION, and a RULE vector for each rule, checked when it is written.
        version: counts changes of the rules, so that it can be told which hosts apply which.
    """

    id: int
    uid: int
    gid: int
    name: str
    permissions: Permissions = Permissions(0o600)
    template: Template = Template()
    version: int = 0


def groups_of(nic: dict[str, str]) -> frozenset[int]:
    """Return the ids of a NIC's security groups."""
    return frozenset(int(word) for word in nic.get("SECURITY_GROUPS", "").split(",") if word.strip().isdecimal())


def merged(*lists: str) -> str:
    """Return SECURITY_GROUPS of a NIC: its own, its network's and its range's together; the default where none is.

    Raises:
        BadTemplate: one of the lists is none of ids.
    """
    ids: dict[int, None] = {}
    for text in lists:
        if text.strip() and not IDS.accepts(text.strip()):
            raise BadTemplate(f'SECURITY_GROUPS must be {IDS.expected}, is "{shown(text)}"')
        ids.update((int(word), None) for word in text.split(",") if word.strip())
    return ",".join(map(str, ids or (DEFAULT_ID,)))
