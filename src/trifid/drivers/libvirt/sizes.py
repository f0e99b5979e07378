"""A running domain becomes larger or smaller: memory, virtual CPUs, their weight, and disks.

Source: reference/drivers.md §2.3, §7.4 (MEMORY_MAX, VCPU_MAX).
"""

import time
from collections.abc import Callable
from xml.etree import ElementTree

import libvirt

from trifid.drivers.kit import Failure, Request, Verb
from trifid.drivers.libvirt.capacity import shares
from trifid.drivers.libvirt.connection import Connection
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.disks import image_path
from trifid.drivers.libvirt.hotplug import disk_of
from trifid.drivers.libvirt.present import LOOK_EVERY_S, running
from trifid.drivers.libvirt.vm import VmDocument

MIB = 1 << 20
NEAR_KIB = 256
"""Less than this and it is the same memory: Xen counts some pages of its own as a guest's."""

_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_MOST_VCPUS = _LIVE | libvirt.VIR_DOMAIN_VCPU_MAXIMUM


class Sizes:
    """Resizes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def verbs(self) -> dict[str, Verb]:
        """Return what is done for each word on the wire."""
        return {"RESIZE": self.resize, "RESIZEDISK": self.resize_disk}

    def resize(self, request: Request) -> str:
        """Bring virtual CPUs, memory and CPU shares to the template's values; what could not be is undone."""
        data, vm, connection = self._desk.about(request)
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            vcpus, memory_kib = _wanted(vm, domain)
            before = domain.vcpusFlags(_LIVE)
            if before != vcpus:
                domain.setVcpusFlags(vcpus, _LIVE)
            try:
                self._set_memory(domain, memory_kib, request)
            except (Failure, libvirt.libvirtError):
                if before != vcpus:
                    _undo(request, "virtual CPUs", lambda: domain.setVcpusFlags(before, _LIVE))
                raise
            _weigh(domain, vm, connection, request)
        return ""

    def _set_memory(self, domain: "libvirt.virDomain", wanted_kib: int, request: Request) -> None:
        if _grows_by_modules(domain.XMLDesc()):
            if (more_kib := wanted_kib - domain.maxMemory()) > 0:
                domain.attachDeviceFlags(_module(more_kib), _LIVE)
            return
        before_kib = domain.info()[2]
        if is_reached(before_kib, wanted_kib):
            return
        domain.setMemoryFlags(wanted_kib, _LIVE)
        try:
            self._until(domain, wanted_kib, request)
        except Failure:
            _undo(request, "memory", lambda: domain.setMemoryFlags(before_kib, _LIVE))
            raise

    def _until(self, domain: "libvirt.virDomain", wanted_kib: int, request: Request) -> None:
        """Return when the guest's balloon has the size that makes the memory as wanted."""
        timeout_s = self._desk.options.guest_timeout_s
        end = time.monotonic() + timeout_s
        while not is_reached(now_kib := domain.info()[2], wanted_kib):
            if time.monotonic() >= end:
                raise Failure(
                    f"the guest of {domain.name()} has {now_kib // 1024} MiB, not {wanted_kib // 1024} MiB, after "
                    f"{timeout_s:g} s: has it a driver for the memory balloon (virtio_balloon), and memory to spare? "
                    "else power the VM off to resize it"
                )
            request.wait(LOOK_EVERY_S)

    def resize_disk(self, request: Request) -> str:
        """Bring the marked disk to its new size; it has it: good.  A disk only grows."""
        data, vm, connection = self._desk.about(request)
        vector = vm.template.marked("DISK", "RESIZE", "YES")
        path, size = image_path(vector, data.disk_target_path), int(vector.get("SIZE") or 0) * MIB
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            found = disk_of(domain.XMLDesc(), path)
            target = None if found is None else found.find("target")
            if target is None:
                raise Failure(f"{vm.domain_name} has no disk {path}")
            capacity = domain.blockInfo(target.get("dev"))[0]
            if size < capacity:
                raise Failure(
                    f"disk {vector.get('DISK_ID')} has {capacity / MIB:g} MiB and only grows, {size // MIB} MiB is less"
                )
            if size > capacity:
                domain.blockResize(target.get("dev"), size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        return ""


def is_reached(now_kib: int, wanted_kib: int) -> bool:
    """Tell whether a guest has the memory that it shall have."""
    return abs(now_kib - wanted_kib) < NEAR_KIB


def _wanted(vm: VmDocument, domain: "libvirt.virDomain") -> tuple[int, int]:
    """Return virtual CPUs and KiB that the template says.

    Raises:
        Failure: more than the domain can have while it runs.
    """
    vcpus = int(vm.template.single("VCPU") or 1)
    memory_kib = int(vm.template.single("MEMORY")) * 1024
    vcpus_max = domain.vcpusFlags(_MOST_VCPUS)
    if vcpus > vcpus_max:
        raise Failure(
            f"VCPU={vcpus} is more than the {vcpus_max} that {domain.name()} was started for: power the VM off to "
            "resize it, and give it a VCPU_MAX to grow to"
        )
    text = domain.XMLDesc()
    memory_max_kib = int(_max_memory(text) or domain.maxMemory())
    if memory_kib > memory_max_kib:
        raise Failure(
            f"MEMORY={memory_kib // 1024} is more than the {memory_max_kib // 1024} MiB that {domain.name()} was "
            "started for: power the VM off to resize it, and give it a MEMORY_MAX to grow to"
        )
    if _grows_by_modules(text) and memory_kib < domain.maxMemory():
        raise Failure(
            f"MEMORY={memory_kib // 1024} is less than the {domain.maxMemory() // 1024} MiB that {domain.name()} has, "
            "and memory that was plugged in stays (MEMORY_RESIZE_MODE=HOTPLUG): power the VM off to resize it"
        )
    return vcpus, memory_kib


def _max_memory(domain_xml: str) -> str:
    """Return the KiB that modules can bring a domain to, empty when it takes none."""
    return ElementTree.fromstring(domain_xml).findtext("maxMemory", "")  # noqa: S314 (libvirt's own)


def _grows_by_modules(domain_xml: str) -> bool:
    return bool(_max_memory(domain_xml))


def _module(size_kib: int) -> str:
    target = f"<target><size unit='KiB'>{size_kib}</size><node>0</node></target>"
    return f"<memory model='dimm'>{target}</memory>"


def _weigh(domain: "libvirt.virDomain", vm: VmDocument, connection: Connection, request: Request) -> None:
    """Set the CPU shares; a host that cannot weigh domains runs it all the same, as when it was started."""
    wanted = shares(vm.template.single("CPU"), connection.hypervisor())
    if not wanted:
        return
    try:
        connection.connector.weigh(domain, int(wanted))
    except libvirt.libvirtError as fault:
        request.log(f"its CPU shares stay as they are: {connection.explained(fault)}", "W")


def _undo(request: Request, what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except libvirt.libvirtError as fault:
        request.log(f"{what} could not be set back: {fault.get_error_message()}", "E")
