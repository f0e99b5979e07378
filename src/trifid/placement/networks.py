"""Which virtual networks the NICs of a VM get that take any (NETWORK_MODE=auto).

Networks are in clusters, so that what a VM can have is told by cluster.  The best network by rank that has a free
address is taken; the NICs of one VM get different ones, and a later NIC moves an earlier one to its next best only
where it would get none itself.

Source: reference/templates.md §5.1, §6.2, §6.3 (DIFFERENT_VNETS).
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TypeVar

from trifid.core.network.auto import Choice
from trifid.core.network.record import NetworkState
from trifid.core.template.rank import Rank, compile_rank
from trifid.core.template.requirements import Requirement, compile_requirement
from trifid.core.template.validate import shown
from trifid.errors import BadTemplate
from trifid.placement.view import Expression, NetworkView, NicWish, WaitingVm

POLICIES = {"packing": "USED_LEASES", "striping": "- USED_LEASES", "fixed": "PRIORITY"}
"""The rank of networks for a NIC without its own, by name of the policy (reference/templates.md §6.2)."""

_CHANGING = frozenset(("USED_LEASES",))
"""Attributes that a placement changes at once, so that the next VM sees it."""

_KEPT_MAX = 2_000_000
"""Networks in all orders that are kept for later VMs; beyond it they are made anew, which only costs time."""

_Kind = tuple[int, Expression, Expression, int]
"""(owner, requirement, rank, cluster): NICs of one kind have the same networks in the same order."""

_T = TypeVar("_T")


class Networks:
    """The networks, and how many of their addresses this plan has given.

    Args:
        views: all that there are.
        policy: one of POLICIES.
        differ: the NICs of one VM get different networks.
    """

    def __init__(self, views: Iterable[NetworkView], policy: str = "striping", *, differ: bool = True) -> None:
        self._views = {one.id: one for one in sorted(views, key=lambda one: one.id)}
        self._default = Expression(POLICIES[policy], "modern", policy)
        self._differ = differ
        self._given: Counter[int] = Counter()
        self._log: list[int] = []
        self._orders: dict[_Kind, _Order] = {}

    def choices(self, vm: WaitingVm, cluster_ids: Iterable[int]) -> dict[int, Choice]:
        """Return, of these clusters, those that have a network for each NIC of a VM, and which ones.

        Raises:
            BadTemplate: an expression is wrong; the message is the reason to be told.
        """
        found = ((cluster_id, self.choice(vm, cluster_id)) for cluster_id in cluster_ids)
        return {cluster_id: choice for cluster_id, choice in found if choice is not None}

    def choice(self, vm: WaitingVm, cluster_id: int) -> Choice | None:
        """Return the networks of a VM in a cluster, () when all its NICs have one; raises as `choices` does."""
        orders = [self._order(vm, nic, cluster_id).network_ids() for nic in vm.nics]
        seated = _seated(orders, self._seats)
        return None if seated is None else tuple(zip((nic.nic_id for nic in vm.nics), seated, strict=True))

    def put(self, choice: Choice) -> None:
        """Take the addresses of a VM."""
        for _, network_id in choice:
            self._given[network_id] += 1
            self._log.append(network_id)

    def why_none(self, vm: WaitingVm, cluster_ids: Collection[int]) -> str:
        """Return why no cluster has a network for each NIC: what is in the way of the first that gets none."""
        for nic in vm.nics:
            orders = [self._order(vm, nic, cluster_id).network_ids() for cluster_id in cluster_ids]
            if not any(self._seats(network_id) for order in orders for network_id in order):
                return f"{_begin(nic)}, of {self._obstacles(vm, nic, cluster_ids)}"
        others = "they must be different ones, in one cluster" if self._differ else "they must be in one cluster"
        return f"{_begin(vm.nics[-1])} beside those of its other NICs: {others}"

    # -- networks ----------------------------------------------------------------------------------

    def _seats(self, network_id: int) -> int:
        """Return how many NICs of one VM a network takes."""
        free = self._views[network_id].free - self._given[network_id]
        return min(free, 1) if self._differ else free

    def _order(self, vm: WaitingVm, nic: NicWish, cluster_id: int) -> "_Order":
        rank = nic.rank if nic.rank.text.strip() else self._default
        kind = (vm.uid, nic.requirement, rank, cluster_id)
        order = self._orders.get(kind)
        if order is None:
            requirement = _compiled(compile_requirement, nic.requirement, nic)
            fitting = [one for one in self._views.values() if self._why_unfit(one, vm, cluster_id) == ""]
            order = _Order(fitting, requirement, _compiled(compile_rank, rank, nic), self._given, self._log)
            if len(self._orders) * max(len(self._views), 1) > _KEPT_MAX:
                self._orders.clear()
            self._orders[kind] = order
        return order

    def _why_unfit(self, one: NetworkView, vm: WaitingVm, cluster_id: int | None) -> str:
        """Return why a network is not for a VM, whatever it is asked; empty when it is.

        Args:
            cluster_id: None = any.
        """
        if vm.uid not in one.uids:
            return "not for its owner to use"
        if one.state != NetworkState.READY:
            return "not READY"
        return "" if cluster_id is None or cluster_id in one.cluster_ids else "in another cluster"

    # -- reasons -----------------------------------------------------------------------------------

    def _obstacles(self, vm: WaitingVm, nic: NicWish, cluster_ids: Collection[int]) -> str:
        """Return what is in the way of each network, counted."""
        if not self._views:
            return '0 networks: add one with "onevnet create"'
        requirement = _compiled(compile_requirement, nic.requirement, nic)
        counted = Counter(self._obstacle(one, vm, requirement, cluster_ids) for one in self._views.values())
        number = len(self._views)
        told = ", ".join(f"{count} {why}" for why, count in counted.items())
        return f"{number} network{'s' if number != 1 else ''}: {told}"

    def _obstacle(self, one: NetworkView, vm: WaitingVm, requirement: Requirement, cluster_ids: Collection[int]) -> str:
        if why := self._why_unfit(one, vm, None):
            return why
        if not one.cluster_ids & set(cluster_ids):
            return f"in no cluster where the VM can be ({', '.join(map(str, sorted(cluster_ids))) or 'none'})"
        if not requirement.matches(partial(_now, one, self._given)):
            return f"not matching the expression {shown(requirement.text.strip())}"
        return "without a free address"


class _Order:
    """The networks of one kind of NIC, best first; those that were given addresses since are ranked anew."""

    def __init__(
        self, fitting: Iterable[NetworkView], requirement: Requirement, rank: Rank, given: Counter[int], log: list[int]
    ) -> None:
        self._views = {one.id: one for one in fitting}
        self._requirement, self._rank = requirement, rank
        self._given, self._log = given, log
        self._seen = len(log)
        self._keys: dict[int, tuple[int, int]] = {}
        self._sorted: list[tuple[int, int]] = []
        for network_id in self._views:
            self._enter(network_id)

    def network_ids(self) -> list[int]:
        """Return the ids of those that match and have a free address."""
        for network_id in set(self._log[self._seen :]) & set(self._views):
            key = self._keys.pop(network_id, None)
            if key is not None:
                del self._sorted[bisect_left(self._sorted, key)]
            self._enter(network_id)
        self._seen = len(self._log)
        return [network_id for _, network_id in self._sorted]

    def _enter(self, network_id: int) -> None:
        one = self._views[network_id]
        if one.free <= self._given[network_id] or not self._requirement.matches(partial(_now, one, self._given)):
            return
        value = self._rank.value(partial(_first_now, one, self._given))
        self._keys[network_id] = (-value, network_id)
        insort(self._sorted, (-value, network_id))


def _seated(orders: list[list[int]], seats: Callable[[int], int]) -> list[int] | None:
    """Return a network for each NIC, the best that it can have beside the others; None when not all can have one.

    Args:
        orders: of each NIC the networks that it can have, best first.
        seats: how many NICs a network takes.
    """
    holders: dict[int, list[int]] = {}
    seen: set[int] = set()

    def seat(nic: int) -> bool:
        for network_id in orders[nic]:
            if len(holders.get(network_id, ())) < seats(network_id):
                holders.setdefault(network_id, []).append(nic)
                return True
        for network_id in orders[nic]:
            if network_id not in seen:
                seen.add(network_id)
                for place, other in enumerate(holders.get(network_id, ())):
                    if seat(other):
                        holders[network_id][place] = nic
                        return True
        return False

    for nic in range(len(orders)):
        seen.clear()
        if not seat(nic):
            return None
    network_of = {nic: network_id for network_id, nics in holders.items() for nic in nics}
    return [network_of[nic] for nic in range(len(orders))]


def _now(one: NetworkView, given: Counter[int], name: str) -> list[str]:
    """Return every occurrence of an attribute, as changed by the plan."""
    return [str(one.used + given[one.id])] if name in _CHANGING else one.attributes.get(name, [])


def _first_now(one: NetworkView, given: Counter[int], name: str) -> str | None:
    return next(iter(_now(one, given, name)), None)


def _compiled(compile_: Callable[[str], _T], expression: Expression, nic: NicWish) -> _T:
    try:
        return compile_(expression.text)
    except BadTemplate as bad:
        raise BadTemplate(
            f"Error in {expression.attribute} of NIC {nic.nic_id}: '{expression.text}', error: {bad.message}"
        ) from None


def _begin(nic: NicWish) -> str:
    return f"No virtual network meets SCHED_NIC_REQUIREMENTS for NIC {nic.nic_id}"
