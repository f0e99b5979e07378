"""Which hosts a VM may go to at all, for programs that decide without knowing the language of requirements."""

from collections.abc import Hashable, Sequence

import numpy as np

from trifid.errors import BadTemplate
from trifid.placement.columns import Booleans
from trifid.placement.expressions import Compiler
from trifid.placement.filters import Filter
from trifid.placement.problem import Candidates
from trifid.placement.rules import builtin
from trifid.placement.table import HostTable
from trifid.placement.view import View, WaitingVm

_ROOM = ("memory", "cpu")
"""Rules about how full a host is."""


def candidates(view: View, filters: Sequence[Filter] = ()) -> tuple[Candidates, ...]:
    """Return the hosts of every VM, VMs with the same hosts together: those that are up and meet what it asks for.

    How much room a host has is another question.  A VM whose requirement is wrong has none.

    Args:
        filters: rules beside the built-in ones.
    """
    table = HostTable(view.hosts)
    rules = [rule for rule in (*builtin(Compiler()), *filters) if rule.name not in _ROOM]
    for rule in rules:
        rule.begin(view, table)
    known: dict[Hashable, bytes] = {}
    groups: dict[bytes, list[int]] = {}
    for vm in view.vms:
        groups.setdefault(_mask(vm, table, rules, known), []).append(vm.id)
    return tuple(
        Candidates(tuple(vms), tuple(table.hosts[index].id for index in np.flatnonzero(np.frombuffer(mask, np.bool_))))
        for mask, vms in groups.items()
    )


def _mask(vm: WaitingVm, table: HostTable, rules: Sequence[Filter], known: dict[Hashable, bytes]) -> bytes:
    try:
        keys = tuple(rule.key(vm) for rule in rules)
    except BadTemplate:
        return bytes(len(table.hosts))
    if None in keys or keys not in known:
        left: Booleans = np.ones(len(table.hosts), np.bool_)
        for rule in rules:
            if (mask := rule.mask(vm, table)) is not None:
                left &= mask
        known[keys] = left.tobytes()
    return known[keys]
