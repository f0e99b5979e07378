"""The documents of a group.  Source: reference/api-modern.md §5.5 (group.xsd, group_pool.xsd)."""

from collections.abc import Collection

from trifid.core.user import Group
from trifid.wire.bodies.parts import DEFAULT_GROUP_QUOTAS, NO_QUOTAS, body, ids
from trifid.wire.xmltext import escape


def group_full(group: Group, user_ids: Collection[int]) -> str:
    """Return the GROUP document.

    Args:
        user_ids: its members.
    """
    return f"<GROUP>{_inner(group, user_ids)}{NO_QUOTAS}{_vlan_rules(group)}{DEFAULT_GROUP_QUOTAS}</GROUP>"


def group_pool_entry(group: Group, user_ids: Collection[int]) -> str:
    """Return an entry of a GROUP_POOL, whose tail is DEFAULT_GROUP_QUOTAS: GROUP, QUOTAS, VLAN_RULES."""
    return (
        f"<GROUP>{_inner(group, user_ids)}</GROUP><QUOTAS><ID>{group.id}</ID>{NO_QUOTAS}</QUOTAS>{_vlan_rules(group)}"
    )


def _inner(group: Group, user_ids: Collection[int]) -> str:
    return (
        f"<ID>{group.id}</ID><NAME>{escape(group.name)}</NAME>{body('TEMPLATE', group.template)}"
        f"{ids('USERS', user_ids)}{ids('ADMINS', group.admins)}"
    )


def _vlan_rules(group: Group) -> str:
    return f"<VLAN_RULES><ID>{group.id}</ID></VLAN_RULES>"
