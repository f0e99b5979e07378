"""A host: its record, its states, and its capacity as seen by placement."""

import enum

import msgspec

from trifid.core.access import Permissions
from trifid.core.host_failure.fence import Fence
from trifid.core.image.datastore import Space
from trifid.core.template.model import Template
from trifid.core.wild import Wild


class HostState(enum.IntEnum):
    """Host states of today's API (reference/lifecycle.md §1.3); the holes are retired numbers."""

    INIT = 0
    MONITORED = 2
    ERROR = 3
    DISABLED = 4
    OFFLINE = 8

    @property
    def short(self) -> str:
        """What lists show."""
        return {0: "init", 2: "on", 3: "err", 4: "dsbl", 8: "off"}[self.value]


class Host(msgspec.Struct, frozen=True):
    """A machine that runs VMs.

    Attributes:
        im, vmm: names of its information and virtual machine drivers.
        total_cpu_percent: 100 = one core; 0 until first monitored.
        total_memory_kib: KiB, as the probe reports.
        template: attributes set by users and by the SYSTEM_HOST probes, and ERROR.
        fence: that it shall not, or does not, run anything; None = nothing of the kind.
    """

    id: int
    name: str
    state: HostState
    im: str
    vmm: str
    cluster_id: int = 0
    prev: HostState = HostState.INIT
    total_cpu_percent: int = 0
    total_memory_kib: int = 0
    template: Template = Template()
    uid: int = 0
    gid: int = 0
    permissions: Permissions = Permissions(0o600)
    fence: Fence | None = None

    @property
    def takes_vms(self) -> bool:
        """Whether the scheduler may place VMs here."""
        return self.state == HostState.MONITORED and self.fence is None

    @property
    def reserved_cpu_percent(self) -> int:
        """RESERVED_CPU of the template: kept from VMs (may be negative to overcommit)."""
        return _number(self.template.single("RESERVED_CPU"))

    @property
    def reserved_memory_kib(self) -> int:
        """RESERVED_MEM of the template, KiB."""
        return _number(self.template.single("RESERVED_MEM"))


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


class HostObservation(msgspec.Struct):
    """The newest monitoring of a host; kept in memory only, it is old after a restart anyway.

    Attributes:
        at: epoch seconds of the newest message, 0 = none since the engine started.
        free_cpu_percent, used_cpu_percent: 100 = one core.
        free_memory_kib, used_memory_kib: KiB.
        disk: the room in the directory of the datastores, as this host sees it.
        more: further attributes of the MONITOR_HOST message (NETRX, NETTX …).
        wilds: domains that are on the host and should not be, for all that the engine knows.
    """

    at: int = 0
    free_cpu_percent: int = 0
    used_cpu_percent: int = 0
    free_memory_kib: int = 0
    used_memory_kib: int = 0
    disk: Space = Space()
    more: dict[str, str] = {}
    wilds: tuple[Wild, ...] = ()
