"""The virtual networks of a view as columns, and how many of their addresses a plan has given."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from trifid.core.network.record import NetworkState
from trifid.core.template.requirements import Comparison
from trifid.placement.columns import Booleans, Column, Floats, compare_numbers
from trifid.placement.meter import Meter
from trifid.placement.view import NetworkView

CHANGING = frozenset(("USED_LEASES",))
"""Attributes that a placement changes at once, so that the next VM sees it."""


class NetworkTable:
    """All networks, in the order of their ids, so that of equally good ones the first is taken.

    Attributes:
        views: by id.
        free: how many addresses are left of each.
        is_ready: which can be used at all.
        meter: counts what comparisons take.
    """

    def __init__(self, views: Iterable[NetworkView]) -> None:
        self.views = tuple(sorted(views, key=lambda one: one.id))
        self.index = {one.id: index for index, one in enumerate(self.views)}
        self.free: NDArray[np.int64] = np.array([one.free for one in self.views], dtype=np.int64)
        self.is_ready: Booleans = np.array([one.state == NetworkState.READY for one in self.views], dtype=np.bool_)
        self._used: Floats = np.array([one.used for one in self.views], dtype=np.float64)
        self._columns: dict[str, Column] = {}
        self._names = {name for one in self.views for name in one.attributes}
        self.meter = Meter()
        self._nowhere = Column([[] for _ in self.views], self.meter)
        self._usable: dict[int, Booleans] = {}
        self._in: dict[int, Booleans] = {}

    def __len__(self) -> int:
        return len(self.views)

    def put(self, network_id: int) -> None:
        """Count an address as given."""
        index = self.index[network_id]
        self.free[index] -= 1
        self._used[index] += 1

    def usable_by(self, uid: int) -> Booleans:
        """Return the networks that a user may use."""
        found = self._usable.get(uid)
        if found is None:
            found = self._usable[uid] = np.array([uid in one.uids for one in self.views], dtype=np.bool_)
        return found

    def in_cluster(self, cluster_id: int) -> Booleans:
        """Return the networks that are in a cluster."""
        found = self._in.get(cluster_id)
        if found is None:
            members = [cluster_id in one.cluster_ids for one in self.views]
            found = self._in[cluster_id] = np.array(members, dtype=np.bool_)
        return found

    def compare(self, comparison: Comparison, literal: str) -> Booleans:
        """Return for every network whether a comparison holds, with `literal` in the place of its own."""
        if comparison.name not in CHANGING:
            return self._column(comparison.name).compare(comparison, literal)
        if comparison.kind != "text" and comparison.operator != "@>":
            return compare_numbers(self._used, None, comparison, float(literal))
        return Column([[str(int(used))] for used in self._used], self.meter).compare(comparison, literal)

    def numbers(self, name: str) -> Floats:
        """Return an attribute as number; 0 where it is missing or none."""
        return self._used if name in CHANGING else self._column(name).numbers[0]

    def _column(self, name: str) -> Column:
        if name not in self._names:
            return self._nowhere
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = Column([one.attributes.get(name, []) for one in self.views], self.meter)
        return found
