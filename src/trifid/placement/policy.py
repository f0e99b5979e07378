"""A planner made of settings: the built-in matchmaker with a policy, and rules and opinions of one's own."""

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from trifid.placement.expressions import Compiler
from trifid.placement.filters import Filter
from trifid.placement.place import place
from trifid.placement.plan import Plan
from trifid.placement.scorers import Scorer
from trifid.placement.settings import Settings
from trifid.placement.view import View

Planner = Callable[[View], Plan]
"""Decides: from a view of the cluster to a plan."""


class Parts(msgspec.Struct, frozen=True):
    """What was found of that which the settings name.

    Attributes:
        scorers: with their weights.
        planner: makes the planner that decides instead of the built-in one, out of the settings.
    """

    filters: tuple[Filter, ...] = ()
    scorers: tuple[tuple[Scorer, float], ...] = ()
    planner: Callable[[Settings], Planner] | None = None


NO_PARTS = Parts()


def planner_of(settings: Settings, parts: Parts = NO_PARTS) -> Planner:
    """Return what decides by these settings; an executable apart, which is not asked here."""
    if parts.planner is not None:
        return parts.planner(settings)
    compiler = Compiler()

    def plan(view: View) -> Plan:
        if settings.weights == "equal":
            view = replace(view, usages=tuple(replace(usage, weight=1.0) for usage in view.usages))
        return place(
            view,
            settings.host_policy,
            settings.storage_policy,
            network_policy=settings.address_policy,
            different_networks=settings.different_networks,
            compiler=compiler,
            filters=parts.filters,
            scorers=parts.scorers,
            is_fair=settings.order == "fair",
        )

    return plan
