"""What containers use: libvirt has no bulk statistics for them, so each is asked.

The names are those of libvirt's bulk statistics.
"""

from xml.etree import ElementTree

import libvirt

from trifid.drivers.libvirt.connector import Stats, one_by_one


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


statistics = one_by_one(_figures)
"""Asks for the figures of some or of all containers."""
