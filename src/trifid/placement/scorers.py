"""How good a host is for a VM: the rank, and what else is configured.

The best host has the highest sum of scores, each times its weight.  To add one of your own, subclass Scorer: see
docs/scheduler.md.
"""

from collections.abc import Hashable

from trifid.placement.columns import Floats
from trifid.placement.expressions import Compiler
from trifid.placement.policies import POLICIES
from trifid.placement.table import HostTable
from trifid.placement.view import Expression, WaitingVm


class Scorer:
    """An opinion of how good each host is.

    Attributes:
        name: by which configuration and explanations call it.
    """

    name: str = ""

    def key(self, vm: WaitingVm) -> Hashable | None:
        """Return what the scores depend on: VMs with the same key share them; None = they change with placements."""
        return None

    def scores(self, vm: WaitingVm, table: HostTable) -> Floats:
        """Return a finite number for every host of the table; higher is better."""
        raise NotImplementedError


class Ranked(Scorer):
    """RANK and SCHED_RANK, or the policy's.

    Args:
        policy: one of POLICIES, or the text of a rank.
    """

    name = "rank"

    def __init__(self, compiler: Compiler, policy: str) -> None:
        self._compiler = compiler
        self._default = Expression(POLICIES.get(policy, policy), "modern", policy)

    def expression(self, vm: WaitingVm) -> Expression:
        """Return the rank that holds for a VM."""
        return vm.rank if vm.rank.text and vm.rank.text.strip() else self._default

    def key(self, vm: WaitingVm) -> Hashable | None:
        expression = self.expression(vm)
        changes = self._compiler.rank(expression).changes
        return None if changes else (expression.text, expression.dialect)

    def scores(self, vm: WaitingVm, table: HostTable) -> Floats:
        return self._compiler.rank(self.expression(vm)).scores(table)
