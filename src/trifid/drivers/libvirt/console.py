"""CONSOLE of a template: the serial console of a machine, and where it leads.

Without one it is a terminal of the host, for `virsh console`.
"""

from xml.etree.ElementTree import Element

from trifid.core.template.hardware import check_console
from trifid.drivers.libvirt.mapping import Mapping, Property, child, is_yes, lower
from trifid.drivers.libvirt.vm import VmDocument, refused_by_name

SOCKET, LOG = "console.sock", "console.log"

CONSOLE = Mapping(
    "CONSOLE",
    "serial",
    (
        Property("@type", "TYPE", default="pty", convert=lower, note=f"PTY, UNIX (the socket {SOCKET}), TCP"),
        Property("source/@mode", "mode", note="bind: the hypervisor waits for one who looks"),
        Property("source/@path", "path", note=f"UNIX: {SOCKET} in the VM's directory"),
        Property("source/@host", "LISTEN", note="TCP: 127.0.0.1 when not given"),
        Property("source/@service", "PORT", note="TCP"),
        Property("protocol/@type", "protocol", note="TCP: raw"),
        Property("log/@file", "log", note=f"{LOG} in the VM's directory"),
        Property("log/@append", "append"),
        Property(".", "LOG", note=f"YES: what the guest writes is kept in {LOG}"),
        Property("target/@port", default="0"),
    ),
)


def put_console(devices: Element, vm: VmDocument, directory: str) -> None:
    """Add the serial console.

    Args:
        directory: of the VM on its host.

    Raises:
        Failure: TCP without a PORT.
    """
    given = vm.template.vector("CONSOLE")
    kind = given.get("TYPE", "PTY").upper()
    with refused_by_name():
        check_console(given)
    has_log = is_yes(given.get("LOG", ""))
    devices.append(
        CONSOLE.element(
            {
                "TYPE": kind,
                "mode": "" if kind == "PTY" else "bind",
                "path": f"{directory}/{SOCKET}" if kind == "UNIX" else "",
                "LISTEN": (given.get("LISTEN") or "127.0.0.1") if kind == "TCP" else "",
                "PORT": given.get("PORT", "") if kind == "TCP" else "",
                "protocol": "raw" if kind == "TCP" else "",
                "log": f"{directory}/{LOG}" if has_log else "",
                "append": "on" if has_log else "",
            }
        )
    )
    if kind == "PTY":
        child(child(devices, "console", type="pty"), "target", type="serial", port="0")
