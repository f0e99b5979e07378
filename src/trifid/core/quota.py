"""Quotas as records: what a user or a group may have at most.

Usage is never stored: it follows from the records of VMs, images and leases (core/quota_usage.py).
Source: reference/api-modern.md §4 (user.quota), §5.5 (the QUOTA types).
"""

import msgspec

DEFAULT = -1
"""The default of all users, or of all groups, applies."""
UNLIMITED = -2


class ResourceLimits(msgspec.Struct, frozen=True):
    """The limits on one resource.

    Attributes:
        kind: VM, DATASTORE, NETWORK or IMAGE.
        id: of the datastore, network or image; of VM the clusters that count, "" for all, else like "0,101".
        figures: what is limited to how much at most; CPU figures in percent, 100 = one core, sizes in MiB;
            DEFAULT and UNLIMITED stand for themselves.
    """

    kind: str
    id: str
    figures: dict[str, int]


class Limits(msgspec.Struct, frozen=True):
    """What a user or a group may have; what is not named has the default."""

    resources: tuple[ResourceLimits, ...] = ()


NO_LIMITS = Limits()
USERS, GROUPS = 0, 1


class DefaultQuotas(msgspec.Struct, frozen=True):
    """What every user, or every group, may have that has no limit of its own.

    Attributes:
        id: USERS or GROUPS.
    """

    id: int
    limits: Limits = NO_LIMITS
