"""The hosts of a view as columns, and what a plan has put on them so far.

A host is known by its index; hosts are in the order of their ids, so that of equally good ones the first is taken.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from trifid.core.template.expression import leading_integer, leading_number
from trifid.core.template.requirements import Comparison
from trifid.placement.columns import EXACT_MAX, Booleans, Column, Floats, compare_numbers, interpreter
from trifid.placement.meter import HOST, Meter
from trifid.placement.view import HostView, WaitingVm

Integers = NDArray[np.int64]

OF_CPU, OF_MEMORY = ("CPU_USAGE", "FREE_CPU", "FREECPU"), ("MEM_USAGE", "FREE_MEMORY", "FREEMEMORY", "FREE_MEM")
"""Names that tell of a host's promised or free CPU and memory."""
CHANGING = frozenset((*OF_CPU, *OF_MEMORY, "RUNNING_VMS", "CURRENT_VMS"))
"""Attributes that a placement changes at once, so that the next VM sees it."""
_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")


class _Live:
    """A number of each host that placements change.

    Attributes:
        values: 0 where there is none.
        missing: where there is none; None = nowhere.
        whole: the same, exactly; None where it does not change: what is no whole number stays as it was told.
        is_exact: all are integers that float64 holds.
    """

    def __init__(self, told: Sequence[str | None]) -> None:
        read = [None if text is None else leading_number(text) for text in told]
        self.values = np.array([one or 0.0 for one in read], dtype=np.float64)
        missing = np.array([one is None for one in read], dtype=np.bool_)
        self.missing = missing if missing.any() else None
        self.whole = [int(text) if text is not None and _WHOLE.fullmatch(text) else None for text in told]
        self.is_exact = all(
            text is None or (number == leading_integer(text) if number is not None else True)
            for text, number in zip(told, read, strict=True)
        ) and bool(np.abs(self.values).max(initial=0.0) <= EXACT_MAX / 2)

    def add(self, index: int, amount: int) -> None:
        before = self.whole[index]
        if before is not None:
            self.whole[index] = now = before + amount
            self.values[index] = float(str(now)) if abs(now) >= EXACT_MAX else now


class HostTable:
    """All hosts, and what the plan has put on them.

    Attributes:
        hosts: by id.
        index: host id to index.
        cpu_percent, memory_kib: what may still be promised.
        placed: for each host the VMs that the plan put there.
        done: how many VMs the plan has placed.
        meter: counts what comparisons take.
    """

    def __init__(self, hosts: Iterable[HostView]) -> None:
        self.hosts = tuple(sorted(hosts, key=lambda host: host.id))
        self.index = {host.id: index for index, host in enumerate(self.hosts)}
        self.cpu_percent: Integers = np.array([host.free_cpu_percent for host in self.hosts], dtype=np.int64)
        self.memory_kib: Integers = np.array([host.free_memory_kib for host in self.hosts], dtype=np.int64)
        self.state: Integers = np.array([host.state for host in self.hosts], dtype=np.int64)
        self.cluster_id: Integers = np.array([host.cluster_id for host in self.hosts], dtype=np.int64)
        self.placed: list[list[int]] = [[] for _ in self.hosts]
        self.done = 0
        self._columns: dict[str, Column] = {}
        self._names = {name for host in self.hosts for name in host.attributes}
        self.meter = Meter()
        self._nowhere = Column([[] for _ in self.hosts], self.meter)
        self._live: dict[str, _Live] = {}
        self._vms: dict[int, list[int]] | None = None

    def __len__(self) -> int:
        return len(self.hosts)

    def put(self, index: int, vm: WaitingVm) -> None:
        """Count a VM as on a host."""
        self.cpu_percent[index] -= vm.cpu_percent
        self.memory_kib[index] -= vm.memory_mib * 1024
        self.placed[index].append(vm.id)
        self.done += 1
        if self._vms is not None:
            self._vms.setdefault(vm.id, []).append(index)
        for name, live in self._live.items():
            amount = 1 if name == "RUNNING_VMS" else vm.cpu_percent if name in OF_CPU else vm.memory_mib * 1024
            live.add(index, -amount if name.startswith("FREE") else amount)

    def all_of(self, index: int, name: str) -> list[str]:
        """Return every occurrence of a host's attribute, as changed by the plan."""
        host = self.hosts[index]
        if name == "CURRENT_VMS":
            return [str(vm_id) for vm_id in (*sorted(host.vm_ids), *self.placed[index])]
        if name == "RUNNING_VMS":
            return [str(host.running_vms + len(self.placed[index]))]
        values = host.attributes.get(name, [])
        if name not in CHANGING or not values:
            return values
        if not self.placed[index] or not _WHOLE.fullmatch(values[0]):
            return values
        return [str(int(values[0]) + self._change(index, name))]

    def compare(self, comparison: Comparison, literal: str) -> Booleans:
        """Return for every host whether a comparison holds, with `literal` in the place of its own."""
        name = comparison.name
        if name not in CHANGING:
            return self._column(name).compare(comparison, literal)
        if name == "CURRENT_VMS":
            return self._carries(comparison, literal)
        self.meter.column(len(self.hosts))
        live = self._number(name)
        right = leading_number(literal) if comparison.kind != "text" else None
        if right is None or comparison.operator == "@>" or not live.is_exact or abs(right) >= EXACT_MAX:
            return self._one_by_one(comparison, literal)
        return compare_numbers(live.values, live.missing, comparison, right)

    def numbers(self, name: str) -> Floats:
        """Return an attribute as number; 0 where it is missing or none."""
        self.meter.column(len(self.hosts))
        if name == "CURRENT_VMS":
            self.meter.done += HOST * len(self.hosts)
            return np.array([float((self.all_of(index, name) or ["0"])[0]) for index in range(len(self.hosts))])
        return self._number(name).values if name in CHANGING else self._column(name).numbers[0]

    def carrying(self, vm_id: int) -> list[int]:
        """Return the indexes of the hosts that carry a VM, those of the plan included."""
        if self._vms is None:
            self._vms = {}
            for index, host in enumerate(self.hosts):
                for one in (*host.vm_ids, *self.placed[index]):
                    self._vms.setdefault(one, []).append(index)
        return self._vms.get(vm_id, [])

    def _carries(self, comparison: Comparison, literal: str) -> Booleans:
        if comparison.operator != "@>" or comparison.kind != "integer":
            return self._one_by_one(comparison, literal)
        found = np.zeros(len(self.hosts), np.bool_)
        vm_id = leading_integer(literal)  # int() refuses what has thousands of digits
        if vm_id is not None:
            found[self.carrying(vm_id)] = True
        return found

    def _one_by_one(self, comparison: Comparison, literal: str) -> Booleans:
        holds = interpreter(comparison, literal)
        self.meter.done += HOST * len(self.hosts)
        return np.array([holds(partial(self.all_of, index)) for index in range(len(self.hosts))], dtype=np.bool_)

    def _column(self, name: str) -> Column:
        if name not in self._names:
            return self._nowhere  # whatever users write, there are only as many columns as hosts have attributes
        found = self._columns.get(name)
        if found is None:
            values = [host.attributes.get(name, []) for host in self.hosts]
            found = self._columns[name] = Column(values, self.meter)
        return found

    def _number(self, name: str) -> _Live:
        found = self._live.get(name)
        if found is None:
            if name == "RUNNING_VMS":
                told: list[str | None] = [str(host.running_vms) for host in self.hosts]
            else:
                told = [next(iter(host.attributes.get(name, [])), None) for host in self.hosts]
            found = self._live[name] = _Live(told)
            self._catch_up(name, found)
        return found

    def _catch_up(self, name: str, live: _Live) -> None:
        """Let a number that is asked for late know what was put on the hosts before."""
        for index, vms in enumerate(self.placed):
            if vms:
                live.add(index, self._change(index, name))

    def _change(self, index: int, name: str) -> int:
        """Return by how much the plan has changed a number of a host."""
        if name == "RUNNING_VMS":
            return len(self.placed[index])
        host = self.hosts[index]
        if name in OF_CPU:
            taken = host.free_cpu_percent - int(self.cpu_percent[index])
        else:
            taken = host.free_memory_kib - int(self.memory_kib[index])
        return -taken if name.startswith("FREE") else taken
