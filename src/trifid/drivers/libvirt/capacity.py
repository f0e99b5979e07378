"""Memory, virtual CPUs and weight of a VM: the same for every hypervisor behind libvirt.

Source: reference/drivers.md §7.2 and §7.4.
"""

from decimal import ROUND_CEILING, Decimal
from xml.etree.ElementTree import Element

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.mapping import Mapping, Property
from trifid.drivers.libvirt.vm import VmDocument

SHARES_MAX = {100: 10_000, 256: 65_535, 1024: 262_144}
"""Most shares that are taken: {shares a core: most}; 100 is cgroup version 2, 1024 version 1, 256 Xen's scheduler."""


def _kib(mib: str) -> str:
    return str(int(mib) * 1024)


DOMAIN = Mapping(
    "",
    "domain",
    (
        Property("memory/@unit", default="KiB"),
        Property("memory", "MEMORY", convert=_kib),
        Property("memory", "MEMORY_MAX", convert=_kib, note="BALLOONING: the domain can grow to it"),
        Property("currentMemory", "current_memory", note="MEMORY, beside MEMORY_MAX"),
        Property("maxMemory", "max_memory", note="MEMORY_MAX with MEMORY_RESIZE_MODE=HOTPLUG"),
        Property("maxMemory/@slots", "MEMORY_SLOTS", note="HOTPLUG: 8 when not given"),
        Property(".", "MEMORY_RESIZE_MODE", note="HOTPLUG, else BALLOONING"),
        Property("vcpu", "VCPU", default="1"),
        Property("vcpu", "VCPU_MAX", note="CPUs that can be added"),
        Property("vcpu/@current", "current_vcpu", note="VCPU, beside VCPU_MAX"),
        Property(
            "cputune/shares", "CPU", note="times 1024 with cgroup version 1, times 100 with version 2, rounded up"
        ),
    ),
)


def put_capacity(domain: Element, vm: VmDocument, hypervisor: Hypervisor) -> None:
    """Add memory and virtual CPUs.

    Raises:
        Failure: MEMORY is missing.
    """
    names = ("MEMORY", "MEMORY_MAX", "MEMORY_SLOTS", "VCPU", "VCPU_MAX", "CPU")
    given = {name: vm.template.single(name) for name in names}
    if not given["MEMORY"]:
        raise Failure("MEMORY is missing: give it in MiB")
    grows = int(given["MEMORY_MAX"] or 0) > int(given["MEMORY"])
    hotplug = grows and vm.template.single("MEMORY_RESIZE_MODE").upper() == "HOTPLUG"
    more_cpus = int(given["VCPU_MAX"] or 0) > int(given["VCPU"] or 1)
    DOMAIN.fill(
        domain,
        {
            **given,
            "CPU": shares(given["CPU"], hypervisor),
            "MEMORY_MAX": given["MEMORY_MAX"] if grows and not hotplug else "",
            "current_memory": _kib(given["MEMORY"]) if grows and not hotplug else "",
            "max_memory": _kib(given["MEMORY_MAX"]) if hotplug else "",
            "MEMORY_SLOTS": (given["MEMORY_SLOTS"] or "8") if hotplug else "",
            "VCPU_MAX": given["VCPU_MAX"] if more_cpus else "",
            "current_vcpu": (given["VCPU"] or "1") if more_cpus else "",
        },
    )


def vcpus(vm: VmDocument) -> int:
    """Return the most virtual CPUs that a VM can have."""
    return max(int(vm.template.single("VCPU", "1")), int(vm.template.single("VCPU_MAX", "1")))


def shares(cpu: str, hypervisor: Hypervisor) -> str:
    """Return what a CPU attribute weighs, empty when it does not or the host cannot weigh."""
    per_core = hypervisor.shares_per_core
    if not cpu or not per_core:
        return ""
    weight = int((Decimal(cpu) * per_core).to_integral_value(ROUND_CEILING))
    return str(min(max(weight, 2), SHARES_MAX.get(per_core, weight)))
