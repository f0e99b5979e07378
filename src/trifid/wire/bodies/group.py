"""The documents of a group.  Source: reference/api-modern.md §5.5 (group.xsd, group_pool.xsd)."""

from collections.abc import Collection

from trifid.core.quota import NO_LIMITS, Limits
from trifid.core.quota_usage import Figures
from trifid.core.user import Group
from trifid.wire.bodies.parts import body, ids
from trifid.wire.bodies.quotas import NOTHING, default_quotas, quotas
from trifid.wire.xmltext import escape


def group_full(group: Group, user_ids: Collection[int], has: Figures = NOTHING, default: Limits = NO_LIMITS) -> str:
    """Return the GROUP document.

    Args:
        user_ids: its members.
        has: what the group has of all that quotas limit.
        default: the limits of all groups.
    """
    defaults = default_quotas("DEFAULT_GROUP_QUOTAS", default)
    return f"<GROUP>{_inner(group, user_ids)}{quotas(group.limits, has)}{_vlan_rules(group)}{defaults}</GROUP>"


def group_pool_entry(group: Group, user_ids: Collection[int], has: Figures = NOTHING) -> str:
    """Return an entry of a GROUP_POOL, whose tail is DEFAULT_GROUP_QUOTAS: GROUP, QUOTAS, VLAN_RULES."""
    told = f"<QUOTAS><ID>{group.id}</ID>{quotas(group.limits, has)}</QUOTAS>"
    return f"<GROUP>{_inner(group, user_ids)}</GROUP>{told}{_vlan_rules(group)}"


def _inner(group: Group, user_ids: Collection[int]) -> str:
    return (
        f"<ID>{group.id}</ID><NAME>{escape(group.name)}</NAME>{body('TEMPLATE', group.template)}"
        f"{ids('USERS', user_ids)}{ids('ADMINS', group.admins)}"
    )


def _vlan_rules(group: Group) -> str:
    return f"<VLAN_RULES><ID>{group.id}</ID></VLAN_RULES>"
