"""KVM and QEMU."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import libvirt

from trifid.drivers.libvirt.connector import Connector, Hypervisor, Place
from trifid.drivers.libvirt.domain_xml import (
    MAPPINGS,
    domain_xml,
    plugged_controllers,
    plugged_disk,
    plugged_interface,
)
from trifid.drivers.libvirt.kvm import why_kvm_is_unusable
from trifid.drivers.libvirt.numa import hints, node_cpus

SHARES_V1, SHARES_V2 = 1024, 100
"""CPU shares of one core by the version of control groups."""


def hypervisor(place: Place) -> Hypervisor:
    """Return what domains are made for: KVM unless it is not to be had or not wanted."""
    kind, capabilities = place.type, ElementTree.fromstring(place.capabilities)  # noqa: S314 (libvirt's own)
    if kind == "auto":
        offered = {found.get("type") for found in capabilities.iter("domain")}
        why = "" if "kvm" in offered else "libvirt does not offer it"
        why = why or (why_kvm_is_unusable() if place.is_local else "")
        kind = "qemu" if why else "kvm"
        if why:
            said = f"{place.uri}: no KVM, {why}: guests are emulated (type qemu), which is slow"
            print(said, file=sys.stderr, flush=True)
    return Hypervisor(kind, shares_per_core(place), node_cpus(capabilities))


def shares_per_core(place: Place) -> int:
    """Return what a core weighs there: by the option, else by this machine's control groups, version 2 for others."""
    if place.shares_per_core >= 0:
        return place.shares_per_core
    if "/session" in place.uri:  # an unprivileged libvirt cannot weigh domains
        return 0
    is_version_2 = not place.is_local or Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return SHARES_V2 if is_version_2 else SHARES_V1


def facts(capabilities: str) -> dict[str, str]:
    """Return the machine types of a host's architecture."""
    machines = machines_of(capabilities)
    return {"KVM_MACHINES": machines} if machines else {}


def machines_of(capabilities: str) -> str:
    """Return the machine types of a host's architecture, with blanks between."""
    host = ElementTree.fromstring(capabilities)  # noqa: S314 (libvirt's own)
    arch = host.findtext("host/cpu/arch")
    for guest in host.iterfind("guest"):
        found = guest.find("arch")
        if found is not None and found.get("name") == arch and guest.findtext("os_type") == "hvm":
            names = {machine.text for machine in found.iterfind("machine") if machine.text}
            return " ".join(sorted(names))
    return ""


_OF_CONTAINERS = "of containers"
NOT_USED = {
    "HYPERV_OPTIONS": "FEATURES/HYPERV=YES sets relaxed, vapic and spinlocks",
    "SPICE_OPTIONS": "use RAW",
    "MEMORY_ENCRYPTION": "use RAW",
    "OS/FIRMWARE_FORMAT": "raw",
    **{f"OS/{key}": _OF_CONTAINERS for key in ("INIT", "INIT_ARGS", "INIT_ENV", "STOP_SIGNAL")},
    "LXC_UNPRIVILEGED": _OF_CONTAINERS,
    "OS/XEN_TYPE": "Xen's",
}

CONNECTOR = Connector(
    name="kvm",
    title="KVM and QEMU",
    types=("QEMU",),
    uri="qemu:///system",
    user_uri="qemu:///session",
    mappings=MAPPINGS,
    domain_xml=domain_xml,
    hypervisor=hypervisor,
    disk=plugged_disk,
    interface=plugged_interface,
    controllers=plugged_controllers,
    pluggable=("virtio", "scsi", "usb"),
    checkpoints=(b"LibvirtQemudSave",),
    restore_flags=libvirt.VIR_DOMAIN_SAVE_RUNNING,  # one that was paused when it was saved runs, too
    tunes_migration=True,
    not_used=NOT_USED,
    hints=hints,
    facts=facts,
)
