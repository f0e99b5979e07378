"""Which virtual networks the NICs of a VM get that take any (NETWORK_MODE=auto).

Networks are in clusters, so that what a VM can have is told by cluster.  The best network by rank that has a free
address is taken; the NICs of one VM get different ones, and a later NIC moves an earlier one to its next best only
where it would get none itself.

Source: reference/templates.md §5.1, §6.2, §6.3 (DIFFERENT_VNETS).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

import numpy as np

from trifid.core.network.auto import Choice
from trifid.core.template.validate import shown
from trifid.errors import BadTemplate
from trifid.placement.columns import Booleans, Floats
from trifid.placement.expressions import Compiler, Rank, Requirement
from trifid.placement.network_table import CHANGING, NetworkTable
from trifid.placement.policies import NETWORK_POLICIES
from trifid.placement.view import Expression, NetworkView, NicWish, WaitingVm

_KEPT_MAX = 4000
"""Arrays that are kept for later VMs; beyond it they are made anew, which only costs time."""

_T = TypeVar("_T")
_Key = TypeVar("_Key")
_Array = TypeVar("_Array", Booleans, Floats)


class _Kept(dict[_Key, _Array]):
    """Arrays of VMs alike, up to a bound."""

    def keep(self, key: _Key, found: _Array) -> None:
        if len(self) >= _KEPT_MAX:
            self.clear()
        self[key] = found


class Networks:
    """The networks, and how many of their addresses this plan has given.

    Args:
        views: all that there are.
        policy: one of NETWORK_POLICIES, or the text of a rank.
        differ: the NICs of one VM get different networks.
        compiler: keeps expressions from one plan to the next.
    """

    def __init__(
        self,
        views: Iterable[NetworkView],
        policy: str = "striping",
        *,
        differ: bool = True,
        compiler: Compiler | None = None,
    ) -> None:
        self._table = NetworkTable(views)
        self._default = Expression(NETWORK_POLICIES.get(policy, policy), "modern", policy)
        self._differ = differ
        self._compiler = compiler or Compiler()
        self._masks: _Kept[tuple[int, Expression], Booleans] = _Kept()
        self._scored: _Kept[Expression, Floats] = _Kept()

    def choices(self, vm: WaitingVm, cluster_ids: Iterable[int]) -> dict[int, Choice]:
        """Return, of these clusters, those that have a network for each NIC of a VM, and which ones.

        Raises:
            BadTemplate: an expression is wrong; the message is the reason to be told.
        """
        found = ((cluster_id, self.choice(vm, cluster_id)) for cluster_id in cluster_ids)
        return {cluster_id: choice for cluster_id, choice in found if choice is not None}

    def choice(self, vm: WaitingVm, cluster_id: int) -> Choice | None:
        """Return the networks of a VM in a cluster, () when all its NICs have one; raises as `choices` does."""
        seats = np.minimum(self._table.free, 1) if self._differ else self._table.free
        seated = _seated([self._best_first(vm, nic, cluster_id, len(vm.nics) == 1) for nic in vm.nics], seats.item)
        if seated is None:
            return None
        return tuple((nic.nic_id, self._table.views[index].id) for nic, index in zip(vm.nics, seated, strict=True))

    def put(self, choice: Choice) -> None:
        """Take the addresses of a VM."""
        for _, network_id in choice:
            self._table.put(network_id)

    def why_none(self, vm: WaitingVm, cluster_ids: Collection[int]) -> str:
        """Return why no cluster has a network for each NIC: what is in the way of the first that gets none."""
        for nic in vm.nics:
            if not any(self._best_first(vm, nic, cluster_id, True) for cluster_id in cluster_ids):
                return f"{_begin(nic)}, of {self._obstacles(vm, nic, cluster_ids)}"
        others = "they must be different ones, in one cluster" if self._differ else "they must be in one cluster"
        return f"{_begin(vm.nics[-1])} beside those of its other NICs: {others}"

    @property
    def work(self) -> int:
        """How much comparing them has taken, see `meter`."""
        return self._table.meter.done

    # -- networks ----------------------------------------------------------------------------------

    def _best_first(self, vm: WaitingVm, nic: NicWish, cluster_id: int, is_only: bool) -> list[int]:
        """Return the indexes of the networks that a NIC can have, best first; when it `is_only` the best will do."""
        left = self._fitting(vm, nic) & self._table.in_cluster(cluster_id) & (self._table.free > 0)
        indexes = np.flatnonzero(left)
        if not indexes.size:
            return []
        scores = self._scores(nic)[indexes]
        return [int(indexes[scores.argmax()])] if is_only else indexes[np.argsort(-scores, kind="stable")].tolist()

    def _fitting(self, vm: WaitingVm, nic: NicWish) -> Booleans:
        """Return the networks that are for a VM's owner and meet what a NIC asks."""
        key = (vm.uid, nic.requirement)
        found = self._masks.get(key)
        if found is None:
            requirement = self._requirement(nic)
            found = self._table.usable_by(vm.uid) & self._table.is_ready
            if (mask := requirement.mask(self._table)) is not None:
                found &= mask
            if not requirement.names & CHANGING:
                self._masks.keep(key, found)
        return found

    def _scores(self, nic: NicWish) -> Floats:
        """Return how good each network is for a NIC."""
        expression = nic.rank if nic.rank.text.strip() else self._default
        found = self._scored.get(expression)
        if found is None:
            rank: Rank = _compiled(self._compiler.rank, expression, nic)
            found = rank.scores(self._table)
            if not rank.names & CHANGING:
                self._scored.keep(expression, found)
        return found

    def _requirement(self, nic: NicWish) -> Requirement:
        return _compiled(self._compiler.requirement, nic.requirement, nic)

    # -- reasons -----------------------------------------------------------------------------------

    def _obstacles(self, vm: WaitingVm, nic: NicWish, cluster_ids: Collection[int]) -> str:
        """Return what is in the way of each network, counted; each is counted once."""
        table = self._table
        if not table.views:
            return '0 networks: add one with "onevnet create"'
        near = np.zeros(len(table), np.bool_)
        for cluster_id in cluster_ids:
            near |= table.in_cluster(cluster_id)
        where = ", ".join(map(str, sorted(cluster_ids))) or "none"
        rules = (
            ("not for its owner to use", table.usable_by(vm.uid)),
            ("not READY", table.is_ready),
            (f"in no cluster where the VM can be ({where})", near),
            (f"not matching the expression {shown(nic.requirement.text.strip())}", self._fitting(vm, nic)),
            ("without a free address", table.free > 0),
        )
        left = np.ones(len(table), np.bool_)
        parts = []
        for why, mask in rules:
            if number := int((left & ~mask).sum()):
                parts.append(f"{number} {why}")
            left &= mask
        return f"{len(table)} network{'s' if len(table) != 1 else ''}: {', '.join(parts)}"


def _seated(orders: Sequence[Sequence[int]], seats: Callable[[int], int]) -> list[int] | None:
    """Return a network for each NIC, the best that it can have beside the others; None when not all can have one.

    Args:
        orders: of each NIC the networks that it can have, best first.
        seats: how many NICs a network takes.
    """
    holders: dict[int, list[int]] = {}
    seen: set[int] = set()

    def seat(nic: int) -> bool:
        for network in orders[nic]:
            if len(holders.get(network, ())) < seats(network):
                holders.setdefault(network, []).append(nic)
                return True
        for network in orders[nic]:
            if network not in seen:
                seen.add(network)
                for place, other in enumerate(holders.get(network, ())):
                    if seat(other):
                        holders[network][place] = nic
                        return True
        return False

    for nic in range(len(orders)):
        seen.clear()
        if not seat(nic):
            return None
    seat_of = {nic: network for network, nics in holders.items() for nic in nics}
    return [seat_of[nic] for nic in range(len(orders))]


def _compiled(compile_: Callable[[Expression], _T], expression: Expression, nic: NicWish) -> _T:
    try:
        return compile_(expression)
    except BadTemplate as bad:
        raise BadTemplate(
            f"Error in {expression.attribute} of NIC {nic.nic_id}: '{expression.text}', error: {bad.message}"
        ) from None


def _begin(nic: NicWish) -> str:
    return f"No virtual network meets SCHED_NIC_REQUIREMENTS for NIC {nic.nic_id}"
