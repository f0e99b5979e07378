"""Everything of a template that is neither disk nor NIC, as devices of a domain.

Source: reference/drivers.md §7.2, §7.4.
"""

import re
from xml.etree.ElementTree import Element

from trifid.core.template.hardware import check_display, check_usb
from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.mapping import Convert, Mapping, Property, child, is_yes, lower, switch
from trifid.drivers.libvirt.vm import Vector, VmDocument, refused_by_name

AGENT = "org.qemu.guest_agent.0"

_PCI_ADDRESS = re.compile(r"(?:([0-9A-Fa-f]{4}):)?([0-9A-Fa-f]{2})[:.]([0-9A-Fa-f]{2})\.([0-7])\Z")


def _pci(number: int) -> Convert:
    """Return what takes one part out of a PCI address."""

    def part(address: str) -> str:
        found = _PCI_ADDRESS.match(address)
        if not found:
            raise Failure(f"PCI: ADDRESS must be like 0000:01:00.0, is {address}")
        return f"0x{found.group(number) or '0000'}"

    return part


def _hex4(value: str) -> str:
    return f"0x{value.lower().removeprefix('0x').zfill(4)}"


EMULATOR = Mapping("", "devices", (Property("emulator", "EMULATOR", note="else libvirt's"),))

CHANNEL = Mapping(
    "FEATURES",
    "channel",
    (
        Property("@type", default="unix"),
        Property("target/@type", default="virtio"),
        Property("target/@name", default=AGENT),
        Property(".", "GUEST_AGENT", note="NO leaves the agent's channel out"),
    ),
)

GRAPHICS = Mapping(
    "GRAPHICS",
    "graphics",
    (
        Property("@type", "TYPE", default="vnc", convert=lower),
        Property("@listen", "LISTEN", note="else the host's setting, which is the loopback"),
        Property("@port", "PORT"),
        Property("@autoport", "autoport", note="yes without a PORT"),
        Property("@passwd", "PASSWD"),
        Property("@keymap", "KEYMAP"),
    ),
    note="SDL: the type alone",
)

VIDEO = Mapping(
    "VIDEO",
    "video",
    (
        Property("driver/@iommu", "IOMMU", convert=switch),
        Property("driver/@ats", "ATS", convert=switch),
        Property("model/@type", "TYPE", convert=lower, note="auto: libvirt's choice"),
        Property("model/@vram", "VRAM", note="KiB"),
        Property("model/resolution/@x", "RESOLUTION", convert=lambda value: value.split("x")[0]),
        Property("model/resolution/@y", "RESOLUTION", convert=lambda value: value.split("x")[-1]),
    ),
)

INPUT = Mapping(
    "INPUT",
    "input",
    (
        Property("@type", "TYPE", default="tablet", convert=lower, note="mouse with BUS=PS2"),
        Property("@bus", "BUS", convert=lower),
    ),
)

HOSTDEV = Mapping(
    "PCI",
    "hostdev",
    (
        Property("@mode", default="subsystem"),
        Property("@type", default="pci"),
        Property("@managed", default="yes"),
        Property("source/address/@domain", "ADDRESS", convert=_pci(1)),
        Property("source/address/@bus", "ADDRESS", convert=_pci(2)),
        Property("source/address/@slot", "ADDRESS", convert=_pci(3)),
        Property("source/address/@function", "ADDRESS", convert=_pci(4)),
        Property(".", "SHORT_ADDRESS", note="when there is no ADDRESS"),
    ),
)

USB = Mapping(
    "USB",
    "hostdev",
    (
        Property("@mode", default="subsystem"),
        Property("@type", default="usb"),
        Property("@managed", default="yes"),
        Property("source/vendor/@id", "VENDOR", convert=_hex4),
        Property("source/product/@id", "PRODUCT", convert=_hex4),
        Property("source/address/@bus", "BUS", note="to tell it from others of its kind"),
        Property("source/address/@device", "DEVICE", note="the same"),
    ),
)

WATCHDOG = Mapping(
    "WATCHDOG",
    "watchdog",
    (
        Property("@model", "MODEL", default="i6300esb", convert=lower),
        Property("@action", "ACTION", default="reset", convert=lower),
    ),
)

TPM = Mapping(
    "TPM",
    "tpm",
    (
        Property("@model", "MODEL", default="tpm-crb"),
        Property("backend/@type", default="emulator"),
        Property("backend/@version", default="2.0"),
        Property("backend/@persistent_state", default="yes", note="kept by the host when the domain ends"),
    ),
)


def put_extras(devices: Element, vm: VmDocument) -> None:
    """Add agent, input, watchdog, TPM, display, video, host devices and the memory balloon.

    Raises:
        Failure: a value that cannot be carried out.
    """
    features = vm.template.vector("FEATURES")
    if is_yes(features.get("GUEST_AGENT") or "YES"):
        devices.append(CHANNEL.element(features))
    devices.extend([INPUT.element(_input(vector)) for vector in vm.template.vectors("INPUT")])
    devices.extend([WATCHDOG.element(vector) for vector in vm.template.vectors("WATCHDOG")])
    devices.extend([TPM.element(vector) for vector in vm.template.vectors("TPM")])
    for vector in vm.template.vectors("GRAPHICS"):
        devices.append(_graphics(vector))
    for vector in vm.template.vectors("VIDEO"):
        if vector.get("TYPE", "auto").lower() != "auto":
            devices.append(VIDEO.element(vector))
    for number, vector in enumerate(vm.template.vectors("PCI")):
        devices.append(_host_device(vector, number))
    for number, vector in enumerate(vm.template.vectors("USB")):
        with refused_by_name():
            check_usb(vector, number)
        devices.append(USB.element(vector))
    child(child(devices, "memballoon", model="virtio"), "stats", period="10")


def _input(vector: Vector) -> Vector:
    return {"TYPE": "mouse" if vector.get("BUS", "").upper() == "PS2" else "", **vector}


def _graphics(vector: Vector) -> Element:
    kind = vector.get("TYPE", "").upper()
    if kind == "SDL":
        return GRAPHICS.element({"TYPE": "sdl"})
    with refused_by_name():
        check_display(vector)
    return GRAPHICS.element({**vector, "autoport": "no" if vector.get("PORT") else "yes"})


def _host_device(vector: Vector, number: int) -> Element:
    address = vector.get("ADDRESS") or vector.get("SHORT_ADDRESS")
    if not address:
        raise Failure(f"PCI {number}: no ADDRESS was chosen: name one like 0000:01:00.0")
    return HOSTDEV.element({"ADDRESS": address})
