"""What containers use: libvirt has no bulk statistics for them, so each is asked.

The names are those of libvirt's bulk statistics.
"""

from typing import Any
from xml.etree import ElementTree

import libvirt

from trifid.drivers.libvirt.connector import Stats

_GONE = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID)


def statistics(opened: Any, domains: list[Any] | None) -> list[tuple[Any, Stats]]:
    """Return the figures of these domains, or of all; one that has just gone is not among them."""
    found = []
    for domain in opened.listAllDomains() if domains is None else domains:
        try:
            found.append((domain, _figures(domain)))
        except libvirt.libvirtError as fault:
            if fault.get_error_code() not in _GONE:
                raise
    return found


def _figures(domain: "libvirt.virDomain") -> Stats:
    state, reason = domain.state()
    stats: Stats = {"state.state": state, "state.reason": reason}
    if not domain.isActive():
        return stats
    _, memory_max_kib, memory_kib, vcpus, cpu_ns = domain.info()
    stats |= {"balloon.maximum": memory_max_kib, "balloon.rss": memory_kib, "vcpu.maximum": vcpus, "cpu.time": cpu_ns}
    description = ElementTree.fromstring(domain.XMLDesc())  # noqa: S314 (libvirt's own)
    devices = [target.get("dev", "") for target in description.iterfind("devices/interface/target")]
    stats["net.count"] = len(devices)
    for number, device in enumerate(devices):
        received, _, _, _, sent, *_ = domain.interfaceStats(device)
        stats |= {f"net.{number}.rx.bytes": received, f"net.{number}.tx.bytes": sent}
    return stats
