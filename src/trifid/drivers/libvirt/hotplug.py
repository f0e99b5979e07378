"""Disks and NICs come to a running domain and go; each verb is safe to repeat.

The vector with ATTACH=YES in the VM's document is meant.  A disk is known by its image, a NIC by its MAC.
Source: reference/drivers.md §2.3, §6.3.
"""

import time
from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import libvirt

from trifid.drivers.kit import Failure, Request, Verb
from trifid.drivers.libvirt.connector import Connector
from trifid.drivers.libvirt.desk import Desk
from trifid.drivers.libvirt.disks import image_path
from trifid.drivers.libvirt.images import check_disks
from trifid.drivers.libvirt.present import LOOK_EVERY_S, running
from trifid.drivers.libvirt.vm import Vector, VmDocument

ASK_AGAIN_S = 10.0
"""A guest that is still booting does not hear that it shall let go: it is told again."""

_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


class HotPlug:
    """Plugs and unplugs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def verbs(self) -> dict[str, Verb]:
        """Return what is done for each word on the wire."""
        return {
            "ATTACHDISK": self.attach_disk,
            "DETACHDISK": self.detach_disk,
            "ATTACHNIC": self.attach_nic,
            "DETACHNIC": self.detach_nic,
        }

    def attach_disk(self, request: Request) -> str:
        """Plug the marked disk in; it is in: good."""
        data, vm, connection = self._desk.about(request)
        vector = vm.template.marked("DISK", "ATTACH", "YES")
        connector = self._desk.connector
        element = _pluggable_disk(connector, vm, vector, data.disk_target_path)
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            if disk_of(domain.XMLDesc(), image_path(vector, data.disk_target_path)) is not None:
                return ""
            if connection.is_local:
                for hint in check_disks([element]):
                    request.log(hint, "W")
            if not _has_scsi(domain.XMLDesc()):
                for controller in connector.controllers(vm, [element]):
                    domain.attachDeviceFlags(_text(controller), _LIVE)
            domain.attachDeviceFlags(_text(element), _LIVE)
        return ""

    def detach_disk(self, request: Request) -> str:
        """Unplug the marked disk; it is out: good."""
        data, vm, _ = self._desk.about(request)
        vector = vm.template.marked("DISK", "ATTACH", "YES")
        path = image_path(vector, data.disk_target_path)
        what = f"disk {vector.get('DISK_ID')} ({vector.get('TARGET', path)})"
        self._unplug(request, what, lambda domain_xml: disk_of(domain_xml, path))
        return ""

    def attach_nic(self, request: Request) -> str:
        """Plug the marked NIC in; it is in: good."""
        data, vm, connection = self._desk.about(request)
        vector = vm.template.marked("NIC", "ATTACH", "YES")
        mac = _mac(vector)
        with connection.open() as opened:
            domain = running(opened, vm, request, data.host)
            if interface_of(domain.XMLDesc(), mac) is None:
                domain.attachDeviceFlags(_text(_interface(self._desk.connector, vm, vector)), _LIVE)
        return ""

    def detach_nic(self, request: Request) -> str:
        """Unplug the marked NIC; it is out: good."""
        _, vm, _ = self._desk.about(request)
        vector = vm.template.marked("NIC", "ATTACH", "YES")
        mac = _mac(vector)
        what = f"NIC {vector.get('NIC_ID')} ({mac})"
        self._unplug(request, what, lambda domain_xml: interface_of(domain_xml, mac))
        return ""

    def _unplug(self, request: Request, what: str, find: Callable[[str], Element | None]) -> None:
        """Tell the guest to let go of a device until libvirt has taken it out of the domain.

        Raises:
            Failure: it is not one that can be unplugged, or the guest has not let go in time.
        """
        data, vm, connection = self._desk.about(request)
        timeout_s = self._desk.options.guest_timeout_s
        begun = time.monotonic()
        asked = -ASK_AGAIN_S
        with connection.open() as opened:
            while (element := find(running(opened, vm, request, data.host).XMLDesc())) is not None:
                _refuse_fixed(self._desk.connector, element, what)
                waited = time.monotonic() - begun
                if waited >= timeout_s:
                    raise Failure(
                        f"the guest of {vm.domain_name} has not let go of {what} within {timeout_s:g} s, so it is "
                        "still attached: is the guest up, and not paused? else power the VM off to detach it"
                    )
                if waited - asked >= ASK_AGAIN_S:
                    _tell(running(opened, vm, request, data.host), element)
                    asked = waited
                request.wait(LOOK_EVERY_S)


def disk_of(domain_xml: str, path: str) -> Element | None:
    """Return the disk of a domain whose image lies at a path."""
    for found in _devices(domain_xml, "disk"):
        source = found.find("source")
        if source is not None and path in (source.get("file"), source.get("dev")):
            return found
    return None


def interface_of(domain_xml: str, mac: str) -> Element | None:
    """Return the interface of a domain that has a MAC, in lower case."""
    for found in _devices(domain_xml, "interface"):
        address = found.find("mac")
        if address is not None and address.get("address", "").lower() == mac:
            return found
    return None


def _devices(domain_xml: str, tag: str) -> list[Element]:
    return ElementTree.fromstring(domain_xml).findall(f"devices/{tag}")  # noqa: S314 (libvirt's own)


def _has_scsi(domain_xml: str) -> bool:
    return any(found.get("type") == "scsi" for found in _devices(domain_xml, "controller"))


def _pluggable_disk(connector: Connector, vm: VmDocument, vector: Vector, directory: str) -> Element:
    what = f"disk {vector.get('DISK_ID')} ({vector.get('TARGET')})"
    if connector.disk is None:
        raise Failure(f"{what} cannot be plugged in: {connector.name} takes no disks while a machine runs")
    element = connector.disk(vm, vector, directory)
    _refuse_fixed(connector, element, what)
    return element


def _interface(connector: Connector, vm: VmDocument, vector: Vector) -> Element:
    if connector.interface is None:
        raise Failure(f"{connector.name} takes no NICs while a machine runs")
    return connector.interface(vm, vector)


def _refuse_fixed(connector: Connector, element: Element, what: str) -> None:
    target = element.find("target")
    bus = "" if target is None else target.get("bus", "")
    if element.tag == "disk" and bus not in connector.pluggable:
        raise Failure(
            f"{what} is on the {bus} bus, where disks neither come nor go while the machine runs: put it on "
            f"{' or '.join(connector.pluggable)} (by TARGET or BUS), or power the VM off first"
        )
    if element.tag == "disk" and element.get("device") in ("cdrom", "floppy"):
        raise Failure(f"{what} is a {element.get('device')}, which cannot be plugged: power the VM off first")


def _mac(vector: Vector) -> str:
    mac = vector.get("MAC", "").lower()
    if not mac:
        raise Failure(f"NIC {vector.get('NIC_ID')} has no MAC by which it could be told from others: give it one")
    return mac


def _tell(domain: "libvirt.virDomain", element: Element) -> None:
    """Tell the guest; what it was told already, or what has just gone, is no fault."""
    try:
        domain.detachDeviceFlags(_text(element), _LIVE)
    except libvirt.libvirtError as fault:
        said = fault.get_error_message() or ""
        if fault.get_error_code() != libvirt.VIR_ERR_DEVICE_MISSING and "in the process of unplug" not in said:
            raise


def _text(element: Element) -> str:
    return ElementTree.tostring(element, encoding="unicode")
