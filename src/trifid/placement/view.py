"""The cluster at one moment, as placement sees it: what waits, what runs where, hosts, datastores, users.

Everything a plan is made from is here and nothing else, so that a view that was kept can be planned again.
"""

import msgspec

from trifid.core.image.datastore import Datastore
from trifid.core.pci import Device
from trifid.core.template.expression import Dialect
from trifid.core.vm.files import Files
from trifid.core.vm_group.record import VmGroup

MONITORED = 2
"""The only STATE of a host that takes VMs (reference/lifecycle.md §1.3)."""


class Expression(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A requirement or a rank as its user wrote it.

    Attributes:
        attribute: the attribute's name: REQUIREMENTS, SCHED_RANK …
    """

    text: str
    dialect: Dialect
    attribute: str


class LeaseMark(msgspec.Struct, frozen=True, gc=False):
    """What the scheduler has written to a VM about its lease (SCHED_LEASE), so that it holds for ever after.

    Attributes:
        state: accepted, suspended, resumed, or empty when nothing was decided.
        host_id: the host that is reserved for it.
        start, end: the time that was accepted, seconds since 1970; an end of 0 = none.
    """

    state: str = ""
    host_id: int = -1
    start: int = 0
    end: int = 0


class Lease(msgspec.Struct, frozen=True, gc=False):
    """When a VM shall run: the HAIZEA attributes as written (reference/services.md §3).

    Attributes:
        start: best_effort, now, +HH:MM:SS or YYYY-MM-DD HH:MM:SS.
        duration: HH:MM:SS or unlimited.
        preemptible: yes or no.
        mark: what was decided about it.
    """

    start: str = ""
    duration: str = ""
    preemptible: str = ""
    mark: LeaseMark = LeaseMark()


class NicWish(msgspec.Struct, frozen=True, gc=False):
    """A NIC whose network is to be chosen (NETWORK_MODE=auto)."""

    nic_id: int
    requirement: Expression
    rank: Expression


class WaitingVm(msgspec.Struct, frozen=True, gc=False):
    """A VM that wants a host.

    Attributes:
        cpu_percent: 100 = one core.
        message: the SCHED_MESSAGE it has.
        priority: USER_PRIORITY; higher is served first.
        host_id: the host that it must leave, -1 for a VM that has none yet.
        vmm: the VM driver that its next host must have, "" = any.
        cluster_ids: the clusters that have its networks and images, None = any.
        files: its disks, and where they are already.
        datastore_requirement, datastore_rank: which system datastore they may lie in, and how good one is.
        vm_group_id: the VM group it is in, -1 = none.
        role: its role there.
        since: when it was made, seconds since 1970.
        banned_host_ids: hosts that refused it lately, not to be tried yet.
    """

    id: int
    cpu_percent: int
    memory_mib: int
    requirement: Expression
    rank: Expression
    message: str = ""
    priority: float = 0.0
    host_id: int = -1
    vmm: str = ""
    cluster_ids: frozenset[int] | None = None
    files: Files = Files()
    datastore_requirement: Expression = Expression("", "modern", "SCHED_DS_REQUIREMENTS")
    datastore_rank: Expression = Expression("", "modern", "SCHED_DS_RANK")
    name: str = ""
    uid: int = -1
    gid: int = -1
    vm_group_id: int = -1
    role: str = ""
    since: int = 0
    lease: Lease | None = None
    nics: tuple[NicWish, ...] = ()
    devices: tuple[Device, ...] = ()
    banned_host_ids: frozenset[int] = frozenset()


class PlacedVm(msgspec.Struct, frozen=True, gc=False):
    """A VM that is on a host, or was suspended there.

    Attributes:
        state, lcm_state: STATE and LCM_STATE (reference/lifecycle.md §1).
        submitted_at: when it was made, seconds since 1970.
        since: when it first came to a host, seconds since 1970; as far as its document has its history.
        here_since: when it came to this host; likewise.
        runs_since: when its hypervisor began to run it, 0 = it does not run.
        ran_s: how long it had run before that.
        message: the SCHED_MESSAGE it has.
        tm: the transfer driver of its datastore.
        is_marked: it is to be moved by the scheduler (resched).
        has_devices: it has PCI devices of its host.
    """

    id: int
    host_id: int
    cpu_percent: int
    memory_mib: int
    state: int
    lcm_state: int
    name: str = ""
    uid: int = -1
    gid: int = -1
    vm_group_id: int = -1
    role: str = ""
    priority: float = 0.0
    since: int = 0
    here_since: int = 0
    submitted_at: int = 0
    runs_since: int = 0
    ran_s: int = 0
    lease: Lease | None = None
    requirement: Expression = Expression("", "modern", "SCHED_REQUIREMENTS")
    cluster_ids: frozenset[int] | None = None
    vmm: str = ""
    message: str = ""
    tm: str = ""
    is_marked: bool = False
    has_devices: bool = False


class Promise(msgspec.Struct, frozen=True):
    """Room of a host that a VM will have, or have again.

    Attributes:
        start: from when on it is reserved, seconds since 1970; 0 for one that shall have it as soon as can be.
    """

    vm_id: int
    cpu_percent: int
    memory_mib: int
    start: int = 0


class Kept(msgspec.Struct, frozen=True):
    """What is kept free on a host for leases in time; the host's free capacity is without it already."""

    cpu_percent: int
    memory_mib: int
    promises: tuple[Promise, ...]


class HostView(msgspec.Struct, frozen=True, gc=False):
    """A host at the moment of looking.

    Attributes:
        free_cpu_percent, free_memory_kib: what may still be promised; below 0 when too much is.
        max_cpu_percent, max_memory_kib: what may be promised in all: the host's own less what is reserved.
        attributes: every occurrence of each name that expressions may use.
        vm_ids: the VMs it carries.
        free_disk_mib: room in datastores of its own that may still be promised; None when it was never told.
        devices: its PCI devices that no VM has.
        kept: what leases leave unused there; None when nothing was taken off for them.
    """

    id: int
    name: str
    state: int
    vmm: str
    free_cpu_percent: int
    free_memory_kib: int
    running_vms: int
    attributes: dict[str, list[str]] = {}
    vm_ids: frozenset[int] = frozenset()
    cluster_id: int = 0
    free_disk_mib: int | None = None
    max_cpu_percent: int = 0
    max_memory_kib: int = 0
    devices: tuple[Device, ...] = ()
    kept: Kept | None = None


class DatastoreView(msgspec.Struct, frozen=True, gc=False):
    """A datastore at the moment of looking.

    Attributes:
        record: what decides whether files can lie in it: of its type only whether it is SYSTEM.
        free_mib: room that may still be promised, below 0 when too much is; None when it was never told.
        used_mib: as told.
        attributes: every occurrence of each name that expressions may use.
    """

    record: Datastore
    free_mib: int | None = None
    used_mib: int = 0
    attributes: dict[str, list[str]] = {}

    def all_of(self, name: str) -> list[str]:
        """Return every occurrence of an attribute."""
        return self.attributes.get(name, [])


class NetworkView(msgspec.Struct, frozen=True):
    """A virtual network at the moment of looking.

    Attributes:
        free: addresses that are given to whoever asks for none.
        used: addresses in use.
        uids: of the owners of VMs that wait for a network, those who may use it.
        attributes: every occurrence of each name that expressions may use.
    """

    id: int
    name: str
    state: int
    cluster_ids: frozenset[int] = frozenset()
    free: int = 0
    used: int = 0
    uids: frozenset[int] = frozenset()
    attributes: dict[str, list[str]] = {}


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What a user has on hosts already, and how much of everything is theirs by right.

    Attributes:
        weight: a user of weight 2 is due twice what one of weight 1 is.
    """

    uid: int
    cpu_percent: int = 0
    memory_mib: int = 0
    weight: float = 1.0


class GroupView(msgspec.Struct, frozen=True):
    """A VM group and the VMs in it, wherever they are.

    Attributes:
        members: VM id to the name of its role.
    """

    group: VmGroup
    members: dict[int, str] = {}


class View(msgspec.Struct, frozen=True):
    """Everything that a plan is made from.

    Attributes:
        groups: those of the VMs that wait.
        placed: the VMs that are on hosts; only as far as somebody asked for them.
        usages: of users who wait; one who is not here has nothing yet.
        networks: needed only where a VM has `nics`.
        now: when it was looked, seconds since 1970.
        barred_host_ids: user id to the hosts on which that user's VMs may not be; who may use all is not here.
    """

    vms: tuple[WaitingVm, ...]
    hosts: tuple[HostView, ...]
    datastores: tuple[DatastoreView, ...] = ()
    placed: tuple[PlacedVm, ...] = ()
    usages: tuple[Usage, ...] = ()
    groups: tuple[GroupView, ...] = ()
    now: int = 0
    networks: tuple[NetworkView, ...] = ()
    barred_host_ids: dict[int, frozenset[int]] = {}
