"""What is known of hosts that are watched, and of VMs that were measured: the newest of it, in memory only."""

import msgspec

from trifid.core.host import Host, HostObservation
from trifid.core.image.datastore import Space
from trifid.core.template.model import Template
from trifid.core.vm.record import VM
from trifid.engine.reconcile import whole_number

NOT_TOLD = ("HOST", "PERIOD_S", "DATASTORE_LOCATION", "ERROR", "FENCE")
"""Attributes of a host that its information driver is not told."""
_DISK = ("DS_LOCATION_TOTAL_MB", "DS_LOCATION_USED_MB", "DS_LOCATION_FREE_MB")
CAPACITY = ("FREECPU", "USEDCPU", "FREEMEMORY", "USEDMEMORY", *_DISK)


class VmObservation(msgspec.Struct):
    """The newest monitoring of a VM, in memory only.

    Attributes:
        at: epoch seconds, 0 = none yet.
        values: CPU (percent), MEMORY (KiB), NETRX, NETTX (bytes) … as reported.
    """

    at: int = 0
    values: dict[str, str] = {}


class Watched(msgspec.Struct):
    """A host whose information driver was asked to watch it.

    Attributes:
        told: the host as its driver was told it last.
        heard_s: when it was asked for or heard of last, by a clock that does not jump.
        named_at: epoch seconds of its renaming: what is stamped until then is about the machine of the old
            name; -1 = never renamed.
        latest: type of message to the newest stamp.
        probed: names of the attributes that its probes say.
        is_answered: whether the driver has answered since it was asked last.
        was_heard: whether it was heard of since then.
        has_failed: whether the newest thing heard of it is that it cannot be reached.
        listed_s: when it listed its domains last, by the same clock as heard_s; None = not yet.
    """

    told: Host
    heard_s: float
    named_at: int = -1
    latest: dict[str, int] = {}
    probed: frozenset[str] = frozenset()
    is_answered: bool = False
    was_heard: bool = False
    has_failed: bool = False
    listed_s: float | None = None


def capacity_of(seen: HostObservation) -> dict[str, str]:
    """Return what a host has left and what is used, by the names of CAPACITY in its document."""
    return {
        "FREE_CPU": str(seen.free_cpu_percent),
        "USED_CPU": str(seen.used_cpu_percent),
        "FREE_MEMORY": str(seen.free_memory_kib),
        "USED_MEMORY": str(seen.used_memory_kib),
    }


def disk_of(said: Template, at: int) -> Space:
    """Return the room in the directory of the datastores; one that was never told of when a figure is missing."""
    total, used, free = (whole_number(said.single(name), -1) for name in _DISK)
    return Space(total, used, free, at) if min(total, used, free) >= 0 else Space()


def domain_of(vm: VM) -> tuple[int, str]:
    """Return where the domain of an imported VM is, and what it is called there."""
    return vm.current.host_id, vm.deploy_id


def is_another(host: Host, watched: Watched) -> bool:
    """Tell whether a host is another one to its driver than the one it was told of."""

    def about(host: Host) -> tuple[str, str, Template]:
        return host.name, host.im, host.template.without(*NOT_TOLD, *watched.probed).by_name()

    return about(host) != about(watched.told)
