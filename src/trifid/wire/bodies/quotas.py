"""The quotas of a user, of a group, and of all of them, as documents tell them: each limit beside what is used of it.

Source: reference/api-modern.md §5.5 (the QUOTA types, in the order of their elements).
"""

from trifid.core.quota import DEFAULT, FIGURES, Limits, amount
from trifid.core.quota_usage import Figures, resources, used

NOTHING: Figures = {}


def quotas(limits: Limits, has: Figures = NOTHING) -> str:
    """Return the elements DATASTORE_QUOTA, NETWORK_QUOTA, VM_QUOTA and IMAGE_QUOTA.

    Each tells of what is limited and of what is used; a figure without a limit of its own has -1.
    """
    told = {(one.kind, one.id): one.figures for one in limits.resources}
    listed = dict.fromkeys((*resources(has), *sorted(told)))
    return "".join(
        [
            f"<{kind}_QUOTA>"
            + "".join([_resource(kind, one, told.get((kind, one), {}), has) for of, one in listed if of == kind])
            + f"</{kind}_QUOTA>"
            for kind in FIGURES
        ]
    )


def default_quotas(name: str, limits: Limits) -> str:
    """Return DEFAULT_USER_QUOTAS or DEFAULT_GROUP_QUOTAS."""
    return f"<{name}>{quotas(limits)}</{name}>"


def _resource(kind: str, resource_id: str, limits: dict[str, int], has: Figures) -> str:
    which = "CLUSTER_IDS" if kind == "VM" else "ID"
    named = f"<{which}><![CDATA[{resource_id}]]></{which}>" if resource_id else ""
    figures = [
        f"<{name}><![CDATA[{amount(name, limits.get(name, DEFAULT))}]]></{name}>"
        f"<{name}_USED><![CDATA[{amount(name, used(has, kind, resource_id, name))}]]></{name}_USED>"
        for name in FIGURES[kind]
    ]
    return f"<{kind}>{named}{''.join(figures)}</{kind}>"
