"""The search under every planner: VMs go round until no host is over its ceiling.

A tabu search: again and again the host that is furthest over its ceiling gives one VM away, or swaps one with any VM
of any other host: of all these exchanges the one after which both hosts are least over theirs, even if it makes
things worse for now.  What has just moved stays for a few steps, so that the search does not go in circles.  It
begins where the VMs are and moves only what must, it draws no lots, and the same input gives the same answer.
"""

import msgspec
import numpy as np

from trifid.placement.planners.columns import Columns, Flags, Floats, Indices
from trifid.placement.planners.model import Allows

REST_STEPS_MAX = 7
"""For how many steps a VM that was moved is left alone; fewer where there are few."""
MIGRATION_WEIGHT = 1e-6
"""What a migration counts beside squared fractions of a host: where exchanges are as good otherwise, it decides."""
_NOTHING = 1e-18
_NOBODY: Indices = np.zeros(0, dtype=np.intp)


class Found(msgspec.Struct, frozen=True):
    """The best that was found.

    Attributes:
        where: the host of each VM.
        over: by how much of its capacity the worst host is still over its ceiling; 0.0 = none is.
    """

    where: Indices
    over: float


class Wish(msgspec.Struct, frozen=True):
    """What is searched for.

    Attributes:
        ceilings: CPU percent and memory MiB that each host should carry at most; a host with none takes no VM.
        migrations_max: how many VMs may be away from home, None = all.
        at_once: only exchanges that need no other to be done first: a VM of them finds room beside all others.
        fullness_weight: below 0, of hosts that are as good the fuller one is taken.
        steps_max: exchanges at most, None = by the number of VMs.
        patience: the search ends when so many exchanges brought nothing; fewer when there are few VMs.
    """

    ceilings: Floats
    migrations_max: int | None = None
    at_once: bool = False
    fullness_weight: float = 0.0
    steps_max: int | None = None
    patience: int = 300


def search(columns: Columns, start: Indices, wish: Wish, allows: Allows | None = None) -> Found:
    """Return where VMs should be so that no host is over its ceiling, or as little as could be found."""
    state = _Search(columns, start, wish, allows)
    patience = min(wish.patience, 10 + 4 * len(start))
    found, least, since = Found(start.copy(), state.worst()), state.penalty(), 0
    for step in range(1, (wish.steps_max or 400 + len(start)) + 1):
        if state.is_done() or since >= patience:
            break
        if not state.exchange(step) and not state.rests(step):
            break
        since += 1
        if (penalty := state.penalty()) < least * (1 - 1e-9):
            least, since = penalty, 0
        if (over := state.worst()) < found.over - 1e-12:
            found, since = Found(state.where.copy(), over), 0
    return found


class _Search:
    """Where the VMs are at this step of the search."""

    def __init__(self, columns: Columns, start: Indices, wish: Wish, allows: Allows | None) -> None:
        self._columns, self._wish, self._allows = columns, wish, allows
        self.where = start.copy()
        self._hosts = np.arange(len(columns.host_ids))
        self._takes: Flags = np.any(wish.ceilings > 0.0, axis=1)
        # A row for each resource: numpy is quicker along long rows than along pairs.
        self._demands = np.ascontiguousarray(columns.demands.T)
        self._inverse = np.ascontiguousarray(1.0 / columns.capacities.T)
        self._above = np.ascontiguousarray((columns.loads(start) - wish.ceilings).T)
        self._room = np.ascontiguousarray((columns.capacities - columns.loads(start)).T)
        self._resting = np.zeros(len(start), dtype=np.intp)
        self._rest_steps = min(REST_STEPS_MAX, len(start) // 3)
        self._nobody = np.zeros((2, len(self._hosts)))
        self._places = self._all_places() if allows else {}
        self._look()

    def _look(self) -> None:
        over = np.maximum(self._above, 0.0) * self._inverse
        self._over = over
        self._penalty = over[0] * over[0] + over[1] * over[1]

    def worst(self) -> float:
        return float(self._over.max(initial=0.0))

    def penalty(self) -> float:
        return float(self._penalty.sum())

    def is_done(self) -> bool:
        return self.penalty() <= _NOTHING

    def rests(self, step: int) -> bool:
        """Tell whether a VM has just moved, so that there may be an exchange in a later step."""
        return bool(self._resting.max(initial=0) >= step)

    def exchange(self, step: int) -> bool:
        """Carry out the best exchange of the worst host that has one; tell whether there was any."""
        penalty = self._penalty.copy()
        while penalty.max(initial=0.0) > _NOTHING:
            giver = int(penalty.argmax())
            if self._exchange_of(giver, step):
                self._look()
                return True
            penalty[giver] = 0.0
        return False

    def _exchange_of(self, giver: int, step: int) -> bool:
        awake = self._resting < step
        givable = np.flatnonzero((self.where == giver) & awake)
        if not len(givable):
            return False
        # A host that is to be emptied takes nothing in exchange.
        is_taker = self._takes[giver]
        others = np.flatnonzero((self.where != giver) & awake & self._takes[self.where]) if is_taker else _NOBODY
        takers = np.concatenate([self.where[others], self._hosts])
        cost = self._costs(giver, givable, others, takers)
        forbidden = np.concatenate([np.zeros(len(others), dtype=np.bool_), ~self._takes])
        forbidden[len(others) + giver] = True
        cost[:, forbidden] = np.inf
        flat = cost.ravel()
        while np.isfinite(flat[best := int(flat.argmin())]):
            row, column = divmod(best, len(takers))
            vm, back = int(givable[row]), int(others[column]) if column < len(others) else None
            if self._carry_out(vm, int(takers[column]), back, giver):
                self._resting[[vm] if back is None else [vm, back]] = step + self._rest_steps
                return True
            flat[best] = np.inf
        return False

    def _costs(self, giver: int, givable: Indices, others: Indices, takers: Indices) -> Floats:
        """Return what each VM of `givable` against each of `others`, or against none, makes better (below 0) or worse.

        Columns are the other VMs, then the hosts for a VM that goes without another coming back.
        """
        columns, wish = self._columns, self._wish
        coming = np.concatenate([self._demands[:, others], self._nobody], axis=1)
        cost: Floats = np.zeros((len(givable), len(takers)))
        fullness: Floats = np.zeros_like(cost)
        for demands, comings, above, inverse in zip(self._demands, coming, self._above, self._inverse, strict=True):
            gone = np.subtract.outer(demands[givable], comings)
            there = (gone + above[takers]) * inverse[takers]
            if wish.fullness_weight:
                np.maximum(fullness, 1.0 + there, out=fullness)
            np.maximum(there, 0.0, out=there)
            there *= there
            left = (above[giver] - gone) * inverse[giver]
            np.maximum(left, 0.0, out=left)
            left *= left
            cost += there
            cost += left
        cost -= self._penalty[takers]
        cost += MIGRATION_WEIGHT * self._away(giver, givable, others, takers, cost)
        if wish.fullness_weight:
            cost += wish.fullness_weight * fullness
        if wish.at_once:
            cost[~self._can_go_at_once(giver, givable, others, takers)] = np.inf
        if columns.allowed is not None:
            cost[~columns.allowed[np.ix_(givable, takers)]] = np.inf
            welcome: Flags = columns.allowed[:, giver]
            cost[:, : len(others)][:, np.logical_not(welcome[others])] = np.inf
        return cost

    def _can_go_at_once(self, giver: int, givable: Indices, others: Indices, takers: Indices) -> Flags:
        """Return in which exchanges the VM that goes, or the one that comes back, finds room beside all others."""
        demands, room = self._demands, self._room
        going = np.ones((len(givable), len(takers)), dtype=np.bool_)
        for demand, free in zip(demands, room, strict=True):
            going &= np.less_equal.outer(demand[givable], free[takers])
        going[:, : len(others)] |= np.all(demands[:, others] <= room[:, [giver]], axis=0)
        return going

    def _away(self, giver: int, givable: Indices, others: Indices, takers: Indices, cost: Floats) -> Floats:
        """Return how many VMs more are away from home; exchanges beyond the limit cost infinitely much."""
        homes = self._columns.homes
        gone_home = homes[givable]
        more: Floats = np.not_equal.outer(gone_home, takers).astype(np.float64)
        more -= np.not_equal(gone_home, giver)[:, None]
        more[:, : len(others)] += (homes[others] != giver).astype(np.float64) - (homes[others] != self.where[others])
        if self._wish.migrations_max is not None:
            left = self._wish.migrations_max - int((self.where != homes).sum())
            cost[more > left] = np.inf
        return more

    def _carry_out(self, vm: int, taker: int, back: int | None, giver: int) -> bool:
        """Make an exchange; tell whether the rules of affinity allowed it."""
        if self._allows and not self._is_allowed(self._allows, vm, taker, back, giver):
            return False
        demand = self._demands[:, vm]
        if back is not None:
            self.where[back] = giver
            demand = demand - self._demands[:, back]
        self.where[vm] = taker
        for figures, sign in ((self._above, 1), (self._room, -1)):
            figures[:, giver] -= sign * demand
            figures[:, taker] += sign * demand
        return True

    def _all_places(self) -> dict[int, tuple[int, ...]]:
        columns = self._columns
        places: dict[int, tuple[int, ...]] = {vm.id: (vm.host_id,) for vm in (*columns.fixed_vms, *columns.elsewhere)}
        places.update((vm.id, (columns.host_ids[at],)) for vm, at in zip(columns.vms, self.where, strict=True))
        return places

    def _is_allowed(self, allows: Allows, vm: int, taker: int, back: int | None, giver: int) -> bool:
        columns, places = self._columns, self._places
        going = {columns.vms[vm].id: columns.host_ids[taker]}
        if back is not None:
            going[columns.vms[back].id] = columns.host_ids[giver]
        before = {vm_id: places[vm_id] for vm_id in going}
        places.update({vm_id: (host_id,) for vm_id, host_id in going.items()})
        if all(allows(vm_id, host_id, places) for vm_id, host_id in going.items()):
            return True
        places.update(before)
        return False
