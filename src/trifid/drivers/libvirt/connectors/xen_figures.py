"""What domains of Xen and their host use: libvirt's xl driver has no bulk statistics, so each domain is asked.

Domain-0 is the host's own and no domain of anybody; its processor time counts for the host.
"""

import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import libvirt

from trifid.drivers.libvirt.connector import GONE, Stats, one_by_one
from trifid.drivers.libvirt.present import is_between

DOMAIN_0 = 0
_KIB_PER_BYTE = 1024


def _figures(domain: "libvirt.virDomain") -> Stats | None:
    if domain.ID() == DOMAIN_0:
        return None
    state, reason = domain.state()
    if is_between(domain):
        state, reason = libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP
    _, maximum_kib, current_kib, vcpus, cpu_ns = domain.info()
    stats: Stats = {
        "state.state": state,
        "state.reason": reason,
        "vcpu.maximum": vcpus,
        "balloon.maximum": maximum_kib,
    }
    if domain.ID() < 0:
        return stats
    stats |= {"cpu.time": cpu_ns, "balloon.current": current_kib}
    document = ElementTree.fromstring(domain.XMLDesc())  # noqa: S314 (libvirt's own)
    nics = [found.get("dev", "") for found in document.iterfind("devices/interface/target")]
    disks = [found.get("dev", "") for found in document.iterfind("devices/disk/target")]
    stats |= {"net.count": len(nics), "block.count": len(disks)}
    for number, name in enumerate(nics):
        if said := _asked(domain.interfaceStats, name):
            stats |= {f"net.{number}.rx.bytes": said[0], f"net.{number}.tx.bytes": said[4]}
    for number, name in enumerate(disks):
        if said := _asked(domain.blockStats, name):
            names = ("rd.reqs", "rd.bytes", "wr.reqs", "wr.bytes")
            stats |= {f"block.{number}.{what}": value for what, value in zip(names, said, strict=False)}
    return stats


statistics = one_by_one(_figures)
"""Asks for the figures of some or of all domains."""


def _asked(ask: Any, name: str) -> tuple[int, ...]:
    """Return the figures of one device; none of one that Xen keeps no count of (disks that QEMU serves)."""
    try:
        return tuple(ask(name))
    except libvirt.libvirtError:
        return ()


class HostGauge:
    """Measures one host: what its dom0 can tell is no more than what dom0 itself has.

    Args:
        clock: in seconds, one that does not jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: tuple[float, dict[int, int]] | None = None

    def __call__(self, opened: "libvirt.virConnect") -> dict[str, str]:
        """Return memory in KiB, and from the second time on processors, 100 each."""
        total_mib, processors = opened.getInfo()[1:3]
        free_kib = opened.getFreeMemory() // _KIB_PER_BYTE
        said = {"FREEMEMORY": str(free_kib), "USEDMEMORY": str(max(0, total_mib * 1024 - free_kib))}
        if (used := self._used_percent(opened)) is not None:
            used = min(used, 100 * processors)
            said |= {"USEDCPU": str(used), "FREECPU": str(100 * processors - used)}
        return said

    def _used_percent(self, opened: "libvirt.virConnect") -> int | None:
        """Return what all domains, dom0 among them, have used since the last time; None the first time."""
        now = self._clock(), _processor_times(opened)
        before, self._before = self._before, now
        if before is None or now[0] <= before[0]:
            return None
        used_ns = sum(max(0, ns - before[1].get(domain_id, 0)) for domain_id, ns in now[1].items())
        return round(used_ns / 1e7 / (now[0] - before[0]))


def _processor_times(opened: "libvirt.virConnect") -> dict[int, int]:
    """Return the nanoseconds that each domain has used, by its number, which no later domain has."""
    found = {}
    for domain in opened.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        try:
            found[domain.ID()] = domain.info()[4]
        except libvirt.libvirtError as fault:
            if fault.get_error_code() not in GONE:
                raise
    return found


def weigh(domain: "libvirt.virDomain", weight: int) -> None:
    """Give a running domain another weight."""
    domain.setSchedulerParameters({"weight": weight})
