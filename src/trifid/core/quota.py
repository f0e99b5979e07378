"""Quotas: what a user or a group may have at most.

Usage is never stored: it follows from the records of VMs, images and leases (core/quota_usage.py).
Source: reference/api-modern.md §4 (user.quota), §5.5 (the QUOTA types).
"""

from collections.abc import Iterator

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

    def of(self, kind: str, resource_id: str) -> dict[str, int]:
        """Return the limits on one resource; nothing when it has none."""
        for one in self.resources:
            if (one.kind, one.id) == (kind, resource_id):
                return one.figures
        return {}


NO_LIMITS = Limits()
USERS, GROUPS = 0, 1


class DefaultQuotas(msgspec.Struct, frozen=True):
    """What every user, or every group, may have that has no limit of its own.

    Attributes:
        id: USERS or GROUPS.
    """

    id: int
    limits: Limits = NO_LIMITS


_ALSO_RUNNING = ("CPU", "MEMORY", "PCI_DEV", "PCI_NIC", "VMS")
FIGURES: dict[str, tuple[str, ...]] = {
    "DATASTORE": ("IMAGES", "SIZE"),
    "NETWORK": ("LEASES",),
    "VM": tuple(sorted((*_ALSO_RUNNING, *(f"RUNNING_{name}" for name in _ALSO_RUNNING), "SYSTEM_DISK_SIZE"))),
    "IMAGE": ("RVMS",),
}
"""What can be limited, by kind of resource, in the order of documents."""
IN_CORES = frozenset(("CPU", "RUNNING_CPU"))
"""Figures that people give in cores, and records keep in percent."""


def amount(name: str, figure: int) -> str:
    """Return a figure as people and documents write it: CPU in cores, with two decimals if it is no whole number."""
    if name not in IN_CORES or figure < 0:
        return str(figure)
    return str(figure // 100) if figure % 100 == 0 else f"{figure / 100:.2f}"


def resource_text(kind: str, resource_id: str) -> str:
    """Return how messages call a resource."""
    if kind == "VM":
        return f"VM with CLUSTER_IDS: {resource_id}" if resource_id else "VM"
    return f"{kind} with ID: {resource_id}"


def effective(own: Limits, default: Limits) -> Iterator[tuple[str, str, str, int]]:
    """Yield kind and id of a resource, the figure, and how much of it at most; what is not limited is left out."""
    for one in own.resources:
        of_all = default.of(one.kind, one.id)
        for name in {**of_all, **one.figures}:
            limit = one.figures.get(name, DEFAULT)
            limit = of_all.get(name, DEFAULT) if limit == DEFAULT else limit
            if limit >= 0:
                yield one.kind, one.id, name, limit
    for one in default.resources:
        if not own.of(one.kind, one.id):
            yield from ((one.kind, one.id, name, limit) for name, limit in one.figures.items() if limit >= 0)
