"""What attributes of a machine must be like together: refused at submission, and again where the machine is made."""

from collections.abc import Mapping

from trifid.core.template.model import Template
from trifid.errors import BadTemplate

VNC_PASSWORD_MAX = 8
"""Characters; the protocol takes no more.  Source: RFC 6143 §7.2.2."""


def check_hardware(template: Template) -> None:
    """Raise BadTemplate unless display, console, USB devices and topology of a VM can be had."""
    check_display(template.vector("GRAPHICS"))
    check_plugged(template)
    cpus = max(int(template.single(name) or 1) for name in ("VCPU", "VCPU_MAX"))
    topology_of(template.vector("TOPOLOGY"), cpus)


def check_plugged(template: Template) -> None:
    """Raise BadTemplate unless console and USB devices can be had; these are in USER_TEMPLATE, which updates change."""
    check_console(template.vector("CONSOLE"))
    for number, vector in enumerate(template.vectors("USB")):
        check_usb(vector, number)


def check_display(graphics: Mapping[str, str]) -> None:
    """Raise BadTemplate for a password that is too long for VNC."""
    if graphics.get("TYPE", "VNC").upper() == "VNC" and len(graphics.get("PASSWD", "")) > VNC_PASSWORD_MAX:
        raise BadTemplate(
            f"GRAPHICS: PASSWD for VNC has at most {VNC_PASSWORD_MAX} characters: shorten it, or use SPICE"
        )


def check_console(console: Mapping[str, str]) -> None:
    """Raise BadTemplate for a console on a port of the host that does not say which."""
    if console.get("TYPE", "").upper() == "TCP" and not console.get("PORT"):
        raise BadTemplate("CONSOLE: TYPE=TCP needs a PORT of the host, on which nothing else listens")


def check_usb(usb: Mapping[str, str], number: int) -> None:
    """Raise BadTemplate for a USB device of which it is not clear which one is meant."""
    given = [[bool(usb.get(key)) for key in pair] for pair in (("VENDOR", "PRODUCT"), ("BUS", "DEVICE"))]
    if not any(map(all, given)) or any(any(pair) and not all(pair) for pair in given):
        raise BadTemplate(f"USB {number}: name a device by VENDOR and PRODUCT, by BUS and DEVICE, or by all (lsusb)")


def topology_of(topology: Mapping[str, str], cpus: int) -> tuple[int, int, int] | None:
    """Return sockets, cores of each and threads of each; what is not said follows from the virtual CPUs.

    None when nothing is said.

    Raises:
        BadTemplate: they are not as many as the virtual CPUs.
    """
    sockets, cores, threads = (int(topology.get(key) or 0) for key in ("SOCKETS", "CORES", "THREADS"))
    if not (sockets or cores or threads):
        return None
    threads = threads or 1
    if sockets and not cores:
        cores = max(1, cpus // (sockets * threads))
    cores = cores or 1
    sockets = sockets or max(1, cpus // (cores * threads))
    if sockets * cores * threads != cpus:
        raise BadTemplate(
            f"TOPOLOGY: {sockets} SOCKETS of {cores} CORES of {threads} THREADS are {sockets * cores * threads} CPUs, "
            f"and the VM has {cpus} (VCPU, or VCPU_MAX)"
        )
    return sockets, cores, threads
