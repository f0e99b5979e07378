"""Filters, scorers and planners that others have written: what they do wrong is told with their names.

Source: docs/scheduler.md, "Rules and opinions of your own".
"""

import traceback
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from trifid.placement.columns import Booleans, Floats
from trifid.placement.filters import Filter
from trifid.placement.plan import Plan
from trifid.placement.scorers import Scorer
from trifid.placement.table import HostTable
from trifid.placement.view import HostView, View, WaitingVm

_P = ParamSpec("_P")
_T = TypeVar("_T")


class PartFailed(Exception):
    """A part that is not Trifid's own broke off or answered nonsense; the text names it and says what it did."""


class OwnFilter(Filter):
    """Asks a filter, and looks at what it answers.

    Args:
        asked: the filter.
        label: what messages call it, such as 'filter "mine:Quiet"'.

    Every method raises PartFailed when the filter breaks off.
    """

    def __init__(self, asked: Filter, label: str) -> None:
        self.name = asked.name
        self._asked = asked
        self.label = label

    def begin(self, view: View, table: HostTable) -> None:
        """Let the filter get ready for a plan."""
        _answer(self.label, None, self._asked.begin, view, table)

    def put(self, vm: WaitingVm, index: int) -> None:
        """Tell the filter that the plan puts a VM somewhere."""
        _answer(self.label, vm, self._asked.put, vm, index)

    def key(self, vm: WaitingVm) -> Hashable | None:
        """Return the filter's key."""
        return _key(self.label, vm, self._asked.key)

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        """Return the filter's mask."""
        return self._flags(vm, table, "mask", _answer(self.label, vm, self._asked.mask, vm, table))

    def prefer(self, vm: WaitingVm, table: HostTable, left: Booleans) -> Booleans | None:
        """Return the hosts that the filter would rather have, of those left."""
        return self._flags(vm, table, "prefer", _answer(self.label, vm, self._asked.prefer, vm, table, left))

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        """Return what the filter says of hosts that it leaves out."""
        return str(_answer(self.label, vm, self._asked.why, vm, table, hosts))

    def _flags(self, vm: WaitingVm, table: HostTable, method: str, answer: Any) -> Booleans | None:
        if answer is None:
            return None
        found: Booleans = _column(f"{self.label}: {method} of VM {vm.id}", answer, table, "b", "truth values, or None")
        return found


class OwnScorer(Scorer):
    """Asks a scorer, and looks at what it answers.

    Args:
        asked: the scorer.
        label: what messages call it.

    Every method raises PartFailed when the scorer breaks off.
    """

    def __init__(self, asked: Scorer, label: str) -> None:
        self.name = asked.name
        self._asked = asked
        self.label = label

    def key(self, vm: WaitingVm) -> Hashable | None:
        """Return the scorer's key."""
        return _key(self.label, vm, self._asked.key)

    def scores(self, vm: WaitingVm, table: HostTable) -> Floats:
        """Return the scorer's scores."""
        where = f"{self.label}: scores of VM {vm.id}"
        answer = _answer(self.label, vm, self._asked.scores, vm, table)
        found: Floats = _column(where, answer, table, "iuf", "finite numbers")
        if not np.isfinite(found).all():
            raise PartFailed(f"{where} are not all finite: expected finite numbers; {_ADVICE}")
        return found


def own_planner(make: Callable[[Any], Callable[[View], Plan]], label: str) -> Callable[[Any], Callable[[View], Plan]]:
    """Return what makes a planner of settings, which is asked as filters are.

    Raises:
        PartFailed: (when it is made or called) it breaks off, or answers no Plan.
    """

    def made(settings: Any) -> Callable[[View], Plan]:
        asked = _answer(label, None, make, settings)

        def plan(view: View) -> Plan:
            answer = _answer(label, None, asked, view)
            if not isinstance(answer, Plan):
                raise PartFailed(f"{label} answered {type(answer).__name__}: expected a trifid.placement.plan.Plan")
            return answer

        return plan

    return made


_ADVICE = "mend it, or take it out of the settings"


def _answer(label: str, vm: WaitingVm | None, ask: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return ask(*args, **kwargs)
    except Exception as fault:  # code of others may raise anything, and nobody else can tell whose it was
        last = traceback.extract_tb(fault.__traceback__)[-1]
        of = "" if vm is None else f" on VM {vm.id}"
        where = f"{last.filename}, line {last.lineno}"
        raise PartFailed(f"{label} failed{of}: {type(fault).__name__}: {fault} ({where}); {_ADVICE}") from fault


def _key(label: str, vm: WaitingVm, ask: Callable[[WaitingVm], Hashable | None]) -> Hashable | None:
    found = _answer(label, vm, ask, vm)
    _answer(label, vm, hash, found)
    return found


def _column(where: str, answer: Any, table: HostTable, kinds: str, expected: str) -> Any:
    """Return an answer that has one value of these kinds (NumPy's letters) for every host."""
    is_array = isinstance(answer, np.ndarray)
    if is_array and answer.dtype.kind in kinds and answer.shape == (len(table.hosts),):
        return answer
    what = f"an array of {answer.dtype}, shape {answer.shape}" if is_array else type(answer).__name__
    raise PartFailed(f"{where} is {what}: expected an array of {len(table.hosts)} {expected}; {_ADVICE}")
