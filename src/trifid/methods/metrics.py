"""What the engine tells a program that watches over it: figures of its work, of its pools, and of each object.

Figures of the engine as a whole name nobody.  Those of single hosts and VMs tell names of all users, so that only
administrators read them, and they are bounded in number.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from trifid import __version__
from trifid.core.access import Right, check
from trifid.core.samples import figures_of
from trifid.core.vm.states import printable_state
from trifid.engine.engine import Engine
from trifid.engine.meters import Histogram
from trifid.engine.watched import capacity_of
from trifid.errors import NotAuthenticated
from trifid.methods.strangers import let_in

_KIB = 1024
_PERCENT = 0.01

Labels = tuple[str, ...]


class Distribution(msgspec.Struct):
    """How many durations were within which bounds.

    Attributes:
        cumulated: (upper bound in seconds, how many), the last bound infinite.
    """

    cumulated: list[tuple[float, int]]
    sum_s: float


class Family(msgspec.Struct):
    """One figure with all its values.

    Attributes:
        name: in base units, the unit in it; a counter's without `_total`.
        labels: their names.
        values: label values to a number, or to a distribution.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    labels: Labels = ()
    values: Mapping[Any, float | Distribution] = {}


Tell = Callable[[], list[Family]]
Reader = Callable[[str | None, str], Awaitable[Tell]]
"""A session string, None for a stranger, and who calls (address and port) -> what tells it its figures.

Raises NotAuthenticated, NotAllowed.
"""


def reader(engine: Engine, is_open: bool, objects_max: int) -> Reader:
    """Return what tells figures to who may read them: administrators, and everybody those of the engine if open.

    Args:
        objects_max: of so many hosts, and so many VMs, figures of each are told.
    """

    async def read(session: str | None, peer: str = "") -> Tell:
        if session is None:
            if not is_open:
                raise NotAuthenticated("figures are for administrators: send user and password")
            return lambda: engine_families(engine)
        caller = await let_in(engine, session, peer, "GET /metrics")
        check(caller, Right.MANAGE, "SYSTEM")
        return lambda: [*engine_families(engine), *object_families(engine, objects_max)]

    return read


def engine_families(engine: Engine) -> list[Family]:
    """Return the figures of the engine as a whole."""
    return [*_work(engine), *_actions(engine), *_pools(engine), *_samples(engine)]


def _work(engine: Engine) -> Iterable[Family]:
    meters, turns = engine.meters, engine.turns
    method = ("method",)
    yield Family("trifid_build_info", "gauge", "Which version runs.", ("version",), {(__version__,): 1})
    yield Family("trifid_calls", "counter", "Calls of the API.", ("method", "outcome"), dict(meters.calls))
    durations = {(name,): _distribution(one) for name, one in meters.call_s.items()}
    yield Family("trifid_call_duration_seconds", "histogram", "From a decoded call to its answer.", method, durations)
    yield Family("trifid_turns", "counter", "Durable writes, each for many commands.", values={(): meters.turns})
    yield Family("trifid_commands", "counter", "Commands decided and written.", values={(): meters.commands})
    yield Family("trifid_commands_waiting", "gauge", "Commands that are queued.", values={(): turns.waiting})
    commits = {(): _distribution(meters.commit_s)}
    yield Family("trifid_commit_duration_seconds", "histogram", "Durable writes.", values=commits)


def _distribution(histogram: Histogram) -> Distribution:
    return Distribution(histogram.cumulated(), histogram.sum_s)


def _actions(engine: Engine) -> Iterable[Family]:
    memory = engine.turns.memory
    labels = ("family", "driver", "verb", "outcome")
    durations = {key: _distribution(one) for key, one in engine.meters.actions.items()}
    yield Family("trifid_action_duration_seconds", "histogram", "Actions of drivers.", labels, durations)
    open_actions = {("vm",): len(memory.actions), ("image",): len(memory.image_actions)}
    yield Family("trifid_actions_open", "gauge", "Actions not answered, sent or not.", ("kind",), open_actions)
    sent = {("vm",): engine.outbox.under_way, ("image",): engine.images.under_way}
    yield Family("trifid_actions_under_way", "gauge", "Actions that drivers have.", ("kind",), sent)
    up = {(one.family, one.name): int(one.is_ready) for one in engine.drivers.each()}
    yield Family("trifid_driver_up", "gauge", "Whether a driver takes messages.", ("family", "driver"), up)


def _pools(engine: Engine) -> Iterable[Family]:
    memory, state = engine.turns.memory, ("state",)
    vms = Counter(vm.state for vm in memory.vms.values())
    named: Counter[Labels] = Counter()
    for one, count in vms.items():
        named[printable_state(one.state, one.lcm_state),] += count
    yield Family("trifid_vms", "gauge", "Virtual machines that are not finished.", state, dict(named))
    hosts = Counter((host.state.name,) for host in memory.hosts.values())
    yield Family("trifid_hosts", "gauge", "Hosts.", state, dict(hosts))
    seen = engine.monitoring.hosts
    shares = [share for host_id, share in memory.shares.items() if host_id in memory.hosts]
    cpu = {
        ("total",): sum(host.total_cpu_percent for host in memory.hosts.values()) * _PERCENT,
        ("promised",): sum(share.cpu_percent for share in shares) * _PERCENT,
        ("used",): sum(one.used_cpu_percent for one in seen.values()) * _PERCENT,
    }
    memory_bytes = {
        ("total",): sum(host.total_memory_kib for host in memory.hosts.values()) * _KIB,
        ("promised",): sum(share.memory_mib for share in shares) * _KIB * _KIB,
        ("used",): sum(one.used_memory_kib for one in seen.values()) * _KIB,
    }
    yield Family("trifid_cpu_cores", "gauge", "CPU of all hosts: there is, promised to VMs, used.", ("what",), cpu)
    yield Family(
        "trifid_memory_bytes", "gauge", "Memory of all hosts: there is, promised to VMs, used.", ("what",), memory_bytes
    )


def _samples(engine: Engine) -> Iterable[Family]:
    samples = engine.samples
    yield Family("trifid_samples", "counter", "Samples of hosts and VMs kept.", values={(): samples.written})
    yield Family("trifid_samples_lost", "counter", "Samples that were not kept.", values={(): samples.lost})
    yield Family("trifid_samples_waiting", "gauge", "Samples still to be written.", values={(): samples.waiting})


# -- single hosts and VMs --------------------------------------------------------------------------------

_OF_HOST = {
    "USED_CPU": ("trifid_host_cpu_used_cores", "gauge", "CPU that is used.", _PERCENT),
    "FREE_CPU": ("trifid_host_cpu_free_cores", "gauge", "CPU that is free.", _PERCENT),
    "USED_MEMORY": ("trifid_host_memory_used_bytes", "gauge", "Memory that is used.", _KIB),
    "FREE_MEMORY": ("trifid_host_memory_free_bytes", "gauge", "Memory that is free.", _KIB),
    "NETRX": ("trifid_host_network_receive_bytes", "counter", "Received by the host.", 1),
    "NETTX": ("trifid_host_network_transmit_bytes", "counter", "Sent by the host.", 1),
}
_OF_VM = {
    "CPU": ("trifid_vm_cpu_cores", "gauge", "CPU that is used.", _PERCENT),
    "MEMORY": ("trifid_vm_memory_bytes", "gauge", "Memory that is used.", _KIB),
    "NETRX": ("trifid_vm_network_receive_bytes", "counter", "Received by the VM.", 1),
    "NETTX": ("trifid_vm_network_transmit_bytes", "counter", "Sent by the VM.", 1),
    "DISKRDBYTES": ("trifid_vm_disk_read_bytes", "counter", "Read from its disks.", 1),
    "DISKWRBYTES": ("trifid_vm_disk_written_bytes", "counter", "Written to its disks.", 1),
    "DISKRDIOPS": ("trifid_vm_disk_reads", "counter", "Reads of its disks.", 1),
    "DISKWRIOPS": ("trifid_vm_disk_writes", "counter", "Writes to its disks.", 1),
}


def object_families(engine: Engine, most: int) -> list[Family]:
    """Return the newest figures of hosts and VMs, of `most` each, the newest objects first."""
    memory, monitoring = engine.turns.memory, engine.monitoring
    hosts = {
        (str(host_id), memory.hosts[host_id].name): capacity_of(seen) | seen.more
        for host_id, seen in sorted(monitoring.hosts.items(), reverse=True)[:most]
        if seen.at and host_id in memory.hosts
    }
    vms = {
        (str(vm_id), memory.vms[vm_id].name): seen.values
        for vm_id, seen in sorted(monitoring.vms.items(), reverse=True)[:most]
        if vm_id in memory.vms
    }
    left_out = {
        ("host",): max(0, len(monitoring.hosts) - most),
        ("vm",): max(0, len(monitoring.vms) - most),
    }
    return [
        *_each(_OF_HOST, ("host_id", "host"), hosts),
        *_each(_OF_VM, ("vm_id", "vm"), vms),
        Family("trifid_objects_left_out", "gauge", "Objects beyond metrics_objects_max.", ("kind",), left_out),
    ]


def _each(
    figures: Mapping[str, tuple[str, str, str, float]], labels: Labels, told: Mapping[Any, Mapping[str, str]]
) -> Iterable[Family]:
    found = {key: figures_of(one) for key, one in told.items()}
    for name, (metric, kind, about, unit) in figures.items():
        values = {key: one[name] * unit for key, one in found.items() if name in one}
        yield Family(metric, "counter" if kind == "counter" else "gauge", about, labels, values)
