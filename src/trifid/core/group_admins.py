"""Administrators of a group: what they may do, as access rules that follow from the group's record."""

from trifid.core.access import Right
from trifid.core.acl import GROUP, INDIVIDUAL, Words, words
from trifid.core.user import Group

_OF_MEMBERS = "VM+NET+IMAGE+TEMPLATE+DOCUMENT+SECGROUP+VROUTER+VMGROUP"


def asked_words(group: Group) -> frozenset[Words]:
    """Return the access rules of the administrators of a group.

    They make users in it, and manage those whose primary group it is and what belongs to the group.
    Source: reference/api-modern.md §4 (group.addadmin).
    """
    gid = group.id
    use_manage = Right.USE | Right.MANAGE
    return frozenset(
        asked
        for user_id in group.admins
        for asked in (
            words(INDIVIDUAL | user_id, "USER", GROUP | gid, use_manage | Right.ADMIN | Right.CREATE),
            words(INDIVIDUAL | user_id, _OF_MEMBERS, GROUP | gid, use_manage),
            words(INDIVIDUAL | user_id, "GROUP", INDIVIDUAL | gid, use_manage),
        )
    )
