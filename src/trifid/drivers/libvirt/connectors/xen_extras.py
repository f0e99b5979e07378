"""Display, input and host devices of a Xen domain.

A display of a PV or PVH guest is Xen's virtual frame buffer, which QEMU in dom0 shows; an HVM guest's is its PC's.
Source: libvirt's drvxen.
"""

from xml.etree.ElementTree import Element

from trifid.drivers.kit import Failure
from trifid.drivers.libvirt.connectors.xen_devices import Kind
from trifid.drivers.libvirt.devices import HOSTDEV
from trifid.drivers.libvirt.mapping import Mapping, Property, lower
from trifid.drivers.libvirt.vm import VmDocument

_DISPLAYS = {Kind.PV: ("vnc", "sdl"), Kind.PVH: ("vnc", "sdl"), Kind.HVM: ("vnc", "sdl", "spice")}
_VIDEOS = ("vga", "cirrus", "qxl", "none")
_POINTERS = ("mouse", "tablet")

GRAPHICS = Mapping(
    "GRAPHICS",
    "graphics",
    (
        Property("@type", "TYPE", default="vnc", convert=lower, note="vnc, sdl; HVM: spice as well"),
        Property("@listen", "LISTEN", note="else the host's setting, which is the loopback"),
        Property("@port", "PORT", note="of TCP, unlike in 2009, when it was the number of the display"),
        Property("@autoport", "autoport", note="yes without a PORT"),
        Property("@passwd", "PASSWD"),
        Property("@keymap", "KEYMAP"),
    ),
)

VIDEO = Mapping(
    "VIDEO",
    "video",
    (
        Property("model/@type", "TYPE", convert=lower, note=f"HVM: {', '.join(_VIDEOS)}; else Xen's choice"),
        Property("model/@vram", "VRAM", note="KiB"),
    ),
)

INPUT = Mapping(
    "INPUT",
    "input",
    (
        Property("@type", "TYPE", default="tablet", convert=lower, note="HVM: mouse or tablet; others have Xen's own"),
        Property("@bus", default="usb"),
    ),
)


def put_extras(devices: Element, vm: VmDocument, kind: Kind) -> None:
    """Add input, display, video and host devices.

    Raises:
        Failure: a value that cannot be carried out.
    """
    if kind is Kind.HVM:
        for vector in vm.template.vectors("INPUT"):
            if (pointer := vector.get("TYPE", "tablet").lower()) not in _POINTERS:
                raise Failure(f"INPUT: TYPE under Xen is {' or '.join(_POINTERS)}, is {pointer}")
            devices.append(INPUT.element(vector))
    for vector in vm.template.vectors("GRAPHICS"):
        display = vector.get("TYPE", "vnc").lower()
        if display not in _DISPLAYS[kind]:
            raise Failure(f"GRAPHICS: TYPE of a {kind} guest is {' or '.join(_DISPLAYS[kind])}, is {display}")
        given = {"TYPE": "sdl"} if display == "sdl" else {**vector, "autoport": "no" if vector.get("PORT") else "yes"}
        devices.append(GRAPHICS.element(given))
    if kind is Kind.HVM:
        devices.extend(
            VIDEO.element(one) for one in vm.template.vectors("VIDEO") if one.get("TYPE", "").lower() in _VIDEOS
        )
    for number, vector in enumerate(vm.template.vectors("PCI")):
        address = vector.get("ADDRESS") or vector.get("SHORT_ADDRESS")
        if not address:
            raise Failure(f"PCI {number}: no ADDRESS was chosen: name one like 0000:01:00.0")
        if kind is Kind.PVH:
            raise Failure("PCI: PVH guests get no devices of their host, use OS=[XEN_TYPE=PV] or HVM")
        devices.append(HOSTDEV.element({"ADDRESS": address}))
