"""Where a VM may be: one small class a rule, asked for all hosts at once.

Rules that no placement changes are asked once for all VMs alike (their key); the others for each VM.  A rule also says
in words what the hosts lack that it leaves out.  To add one of your own, subclass Filter: see docs/scheduler.md.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from trifid.core.host import HostState
from trifid.core.template.validate import shown
from trifid.placement.columns import Booleans
from trifid.placement.expressions import Compiler
from trifid.placement.table import HostTable
from trifid.placement.view import MONITORED, HostView, View, WaitingVm


class Filter:
    """A rule about where a VM may be.

    Attributes:
        name: by which configuration and explanations call it.
    """

    name: str = ""

    def begin(self, view: View, table: HostTable) -> None:
        """Get ready for a plan; nothing is left of the one before."""

    def put(self, vm: WaitingVm, index: int) -> None:
        """Take notice that the plan puts a VM on the host of this index."""

    def key(self, vm: WaitingVm) -> Hashable | None:
        """Return what the mask depends on: VMs with the same key share it; None = it changes with every placement."""
        return None

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        """Return for every host of the table whether the VM may be there; None = everywhere."""
        raise NotImplementedError

    def prefer(self, vm: WaitingVm, table: HostTable, left: Booleans) -> Booleans | None:
        """Return which of the hosts that pass all filters come before the others, whatever their scores; None = any."""
        return None

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        """Return, for a message, how many hosts the rule leaves out and what they lack: "2 lack …"."""
        return f"{count(len(hosts), 'do')} not pass {self.name}"


class Leaving(Filter):
    """A VM that shall move does not stay."""

    name = "leaving"

    def key(self, vm: WaitingVm) -> Hashable:
        return vm.host_id

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        index = table.index.get(vm.host_id)
        if index is None:
            return None
        found = np.ones(len(table.hosts), np.bool_)
        found[index] = False
        return found

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        return "1 is the host it is on"


class State(Filter):
    """Only hosts that are monitored take VMs (reference/lifecycle.md §1.3)."""

    name = "state"

    def key(self, vm: WaitingVm) -> Hashable:
        return 0

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans:
        is_up: Booleans = table.state == MONITORED
        return is_up

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        return ", ".join(f"{count(number, 'are')} {why}" for why, number in Counter(map(why_not, hosts)).items())


class Cluster(Filter):
    """A VM goes where its networks and images are."""

    name = "cluster"

    def key(self, vm: WaitingVm) -> Hashable:
        return "anywhere" if vm.cluster_ids is None else vm.cluster_ids  # in no cluster is not anywhere

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        return None if vm.cluster_ids is None else np.isin(table.cluster_id, list(vm.cluster_ids))

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        needed = ", ".join(map(str, sorted(vm.cluster_ids or ()))) or "none"
        return f"{count(len(hosts), 'are')} not in a cluster with its networks and images ({needed})"


class Driver(Filter):
    """What moves stays with its hypervisor."""

    name = "driver"

    def key(self, vm: WaitingVm) -> Hashable:
        return vm.vmm

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        if not vm.vmm:
            return None
        return np.array([host.vmm == vm.vmm for host in table.hosts], dtype=np.bool_)

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        return f"{count(len(hosts), 'have')} another driver than {vm.vmm}"


class Banned(Filter):
    """A host that refused a VM a moment ago is left out for it."""

    name = "banned"

    def key(self, vm: WaitingVm) -> Hashable:
        return vm.banned_host_ids

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        if not vm.banned_host_ids:
            return None
        found = np.ones(len(table.hosts), np.bool_)
        found[[table.index[host_id] for host_id in vm.banned_host_ids if host_id in table.index]] = False
        return found

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        return f"{len(hosts)} failed with it a short time ago"


class OwnersRights(Filter):
    """A VM goes where its owner may use the host."""

    name = "rights"

    def begin(self, view: View, table: HostTable) -> None:
        self._barred = view.barred_host_ids

    def key(self, vm: WaitingVm) -> Hashable:
        return self._barred.get(vm.uid, frozenset())

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        barred = self._barred.get(vm.uid)
        if not barred:
            return None
        found = np.ones(len(table.hosts), np.bool_)
        found[[table.index[host_id] for host_id in barred if host_id in table.index]] = False
        return found

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        return f"{count(len(hosts), 'are')} not in a virtual data centre of its owner"


class Requires(Filter):
    """REQUIREMENTS and SCHED_REQUIREMENTS."""

    name = "requirement"

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler

    def key(self, vm: WaitingVm) -> Hashable | None:
        changes = self._compiler.requirement(vm.requirement).changes
        return None if changes else (vm.requirement.text, vm.requirement.dialect)

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans | None:
        return self._compiler.requirement(vm.requirement).mask(table)

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        return f"{count(len(hosts), 'do')} not match the expression {shown(vm.requirement.text.strip())}"


class Memory(Filter):
    """Room for the VM's memory."""

    name = "memory"

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans:
        return table.memory_kib >= vm.memory_mib * 1024

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        best = max(0, *(int(table.memory_kib[table.index[host.id]]) for host in hosts)) // 1024
        return f"{count(len(hosts), 'lack')} memory (needs {vm.memory_mib} MiB, best has {best} free)"


class Cpu(Filter):
    """Room for the VM's CPU."""

    name = "cpu"

    def mask(self, vm: WaitingVm, table: HostTable) -> Booleans:
        return table.cpu_percent >= vm.cpu_percent

    def why(self, vm: WaitingVm, table: HostTable, hosts: Sequence[HostView]) -> str:
        best = max(0, *(int(table.cpu_percent[table.index[host.id]]) for host in hosts)) / 100
        return f"{count(len(hosts), 'lack')} CPU (needs {vm.cpu_percent / 100:g} cores, best has {best:g} free)"


_WHY_NOT = {
    HostState.INIT: "not monitored yet",
    HostState.ERROR: "in error (see onehost show)",
    HostState.DISABLED: "disabled (onehost enable)",
    HostState.OFFLINE: "offline (onehost enable)",
}


def why_not(host: HostView) -> str:
    """Return why a host takes no VMs at all."""
    return next((why for state, why in _WHY_NOT.items() if state == host.state), "not MONITORED")


_SINGULAR = {"lack": "lacks", "do": "does", "have": "has", "are": "is"}


def count(hosts: int, verb: str) -> str:
    """Return a number of hosts with its verb: "1 lacks", "2 lack"."""
    return f"{hosts} {_SINGULAR[verb] if hosts == 1 else verb}"
