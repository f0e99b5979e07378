"""What was measured of hosts and VMs: one.vm.monitoring, one.vmpool.monitoring, and the same of hosts.

Source: reference/api-modern.md §4 (the calls), §5.1 (the documents).
"""

import asyncio
import json
from collections.abc import Callable

from trifid.core.access import Right, check
from trifid.core.host import Host
from trifid.core.samples import RESOLUTIONS_S, Kind, Sample, figures_of
from trifid.core.vm.record import VM
from trifid.engine.watched import capacity_of
from trifid.errors import BadRequest, NotFound
from trifid.methods.common import FILTER_ALL, listed, read
from trifid.methods.registry import Call, method
from trifid.wire.bodies.monitoring import Measured, host_monitoring, vm_monitoring
from trifid.wire.xmlrpc import Escaped
from trifid.wire.xmltext import escape

SECONDS_ALL, SECONDS_NEWEST = -1, 0

_Newest = Callable[[Call, int], Sample | None]


async def _vm(call: Call, vm_id: int) -> VM:
    """Return a VM whose samples the caller may see; those of one that ended stay for their time."""
    engine = call.engine
    vm = engine.turns.memory.vms.get(vm_id) or await asyncio.to_thread(engine.store.done_vm, vm_id)
    if vm is None:
        raise NotFound("virtual machine", vm_id)
    check(call.caller, Right.USE, "VM", vm)
    return vm


def _host(call: Call, host_id: int) -> Host:
    host = read(call.engine.turns.memory.hosts, "hosts", host_id)
    check(call.caller, Right.USE, "HOST", host)
    return host


@method("one.vm.monitoring")
async def vm(call: Call, vm_id: int) -> Escaped:
    """Answer what was measured of a VM, as it was measured, oldest first."""
    found = await _vm(call, vm_id)
    return await _document(vm_monitoring, await call.engine.samples.read(Kind.VM, [found.id]))


@method("one.host.monitoring")
async def host(call: Call, host_id: int) -> Escaped:
    """Answer what was measured of a host, as it was measured, oldest first."""
    found = _host(call, host_id)
    return await _document(host_monitoring, await call.engine.samples.read(Kind.HOST, [found.id]))


@method("one.vmpool.monitoring")
async def vm_pool(call: Call, filter_flag: int, seconds: int = SECONDS_ALL) -> Escaped:
    """Answer what was measured of VMs: all (-1), the newest of each (0), or of the last seconds."""
    vms = listed(call.engine.turns.memory.vms.values(), call.caller, "VM", filter_flag, -1, -1)
    ids = sorted(one.id for one in vms)
    return await _document(vm_monitoring, await _of_pool(call, Kind.VM, ids, seconds, _newest_of_vm))


@method("one.hostpool.monitoring")
async def host_pool(call: Call, seconds: int = SECONDS_ALL) -> Escaped:
    """Answer what was measured of hosts: all (-1), the newest of each (0), or of the last seconds."""
    hosts = listed(call.engine.turns.memory.hosts.values(), call.caller, "HOST", FILTER_ALL, -1, -1)
    ids = sorted(one.id for one in hosts)
    return await _document(host_monitoring, await _of_pool(call, Kind.HOST, ids, seconds, _newest_of_host))


@method("trifid.vm.monitoring")
async def vm_averages(call: Call, vm_id: int, resolution_s: int = 0, seconds: int = SECONDS_ALL) -> str:
    """Answer, as JSON, what was measured of a VM: each measurement (0), or averages of 300 or 3600 seconds."""
    found = await _vm(call, vm_id)
    return await _averages(call, Kind.VM, found.id, resolution_s, seconds)


@method("trifid.host.monitoring")
async def host_averages(call: Call, host_id: int, resolution_s: int = 0, seconds: int = SECONDS_ALL) -> str:
    """Answer, as JSON, what was measured of a host: each measurement (0), or averages of 300 or 3600 seconds."""
    found = _host(call, host_id)
    return await _averages(call, Kind.HOST, found.id, resolution_s, seconds)


async def _averages(call: Call, kind: Kind, object_id: int, resolution_s: int, seconds: int) -> str:
    if resolution_s not in RESOLUTIONS_S:
        known = ", ".join(map(str, RESOLUTIONS_S))
        raise BadRequest(f"Wrong resolution {resolution_s}: samples are kept for spans of {known} seconds")
    since = _since(call, seconds)
    if seconds == SECONDS_NEWEST:
        since = 0
    found = [sample for _, sample in await call.engine.samples.read(kind, [object_id], resolution_s, since)]
    if seconds == SECONDS_NEWEST:
        found = found[-1:]
    samples = [{"at": one.at, "count": one.count, "figures": one.figures} for one in found]
    return json.dumps({"kind": kind.name, "id": object_id, "resolution_s": resolution_s, "samples": samples})


async def _of_pool(call: Call, kind: Kind, ids: list[int], seconds: int, newest: _Newest) -> Measured:
    if seconds != SECONDS_NEWEST:
        return await call.engine.samples.read(kind, ids, since=_since(call, seconds))
    return [(object_id, one) for object_id in ids if (one := newest(call, object_id)) is not None]


def _newest_of_vm(call: Call, vm_id: int) -> Sample | None:
    seen = call.engine.monitoring.vms.get(vm_id)
    return Sample(seen.at, figures_of(seen.values)) if seen is not None and seen.at else None


def _newest_of_host(call: Call, host_id: int) -> Sample | None:
    seen = call.engine.monitoring.hosts.get(host_id)
    return Sample(seen.at, figures_of(capacity_of(seen) | seen.more)) if seen is not None and seen.at else None


def _since(call: Call, seconds: int) -> int:
    """Return from when on samples are asked for, epoch seconds."""
    if seconds < SECONDS_ALL:
        raise BadRequest(f"Wrong number of seconds {seconds}: -1 are all samples, 0 is the newest")
    return 0 if seconds == SECONDS_ALL else max(0, call.engine.now() - seconds + 1)


async def _document(make: Callable[[Measured], list[str]], measured: Measured) -> Escaped:
    """Return a document, made in a thread: there may be many samples, and others want answers meanwhile."""
    return await asyncio.to_thread(lambda: Escaped([escape(piece) for piece in make(measured)]))
