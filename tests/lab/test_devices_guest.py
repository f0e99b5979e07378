"""A machine with what a template can ask beside disks and NICs boots, and has it.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import libvirt
import pytest

from tests.drivers.harness import running
from tests.lab.conftest import Guest
from tests.lab.test_libvirt_guest import MAC, Family, Machine

pytestmark = pytest.mark.timeout(300)

RNG = "<devices><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices>"


@pytest.fixture
def machine(tmp_path: Path, guest: Guest, bridge: str) -> Iterator[Machine]:
    """A guest with two memory nodes on one processor, a watchdog, a console that is kept, and more."""
    boot = {"KERNEL": str(guest.kernel), "INITRD": str(guest.initrd), "KERNEL_CMD": "console=ttyS0"}
    with running(Family.command, "--uri qemu:///system", home=tmp_path) as driver:
        machine = Machine(
            driver,
            (
                ("VCPU", "2"),
                ("MEMORY_MAX", "128"),
                ("OS", boot),
                ("TOPOLOGY", {"SOCKETS": "2", "PIN_POLICY": "SHARED", "MEMORY_ACCESS": "shared"}),
                ("NUMA_NODE", {"TOTAL_CPUS": "1", "MEMORY": "96", "CPUS": "0"}),
                ("NUMA_NODE", {"TOTAL_CPUS": "1", "MEMORY": "32", "CPUS": "0"}),
                ("DISK", {"DISK_ID": "0", "TARGET": "vda", "DRIVER": "qcow2", "SERIAL": "auto", "IO": "native"}),
                ("NIC", {"NIC_ID": "0", "BRIDGE": bridge, "MAC": MAC}),
                ("CONSOLE", {"TYPE": "UNIX", "LOG": "YES"}),
                ("WATCHDOG", {"ACTION": "poweroff"}),
                ("GRAPHICS", {"TYPE": "VNC", "PASSWD": "12345678"}),
                ("RAW", {"TYPE": "kvm", "DATA": RNG, "VALIDATE": "YES"}),
            ),
        )
        machine.do("DEPLOY")
        yield machine
    for domain in libvirt.open("qemu:///system").listAllDomains():
        domain.destroy()


def test_a_machine_with_all_kinds_of_devices_serves_its_page(machine: Machine) -> None:
    assert "disk vda" in machine.facts()
    written = (machine.directory / "console.log").read_text(errors="replace")
    assert "Linux version" in written
    assert [line for line in written.splitlines() if "SRAT" in line and "Node 1" in line], "two memory nodes"

    with socket.socket(socket.AF_UNIX) as console:
        console.connect(str(machine.directory / "console.sock"))

    domain = machine.domain
    pins = [[number for number, may_run in enumerate(pin) if may_run] for pin in domain.vcpuPinInfo()]
    assert pins == [[0], [0]], "though the lab cannot weigh domains"
    running_now = ElementTree.fromstring(domain.XMLDesc())
    found = {
        path: [{**one.attrib, "": (one.text or "").strip()} for one in running_now.iterfind(path)]
        for path in ("devices/watchdog", "devices/rng", "devices/disk/serial", "memoryBacking/access")
    }
    assert found["devices/watchdog"][0]["action"] == "poweroff"
    assert found["devices/rng"][0]["model"] == "virtio"
    assert found["devices/disk/serial"][0][""] == "12-0"
    assert found["memoryBacking/access"][0]["mode"] == "shared"


def test_a_console_on_a_port_of_the_host_is_the_guests(tmp_path: Path, guest: Guest) -> None:
    boot = {"KERNEL": str(guest.kernel), "INITRD": str(guest.initrd), "KERNEL_CMD": "console=ttyS0"}
    with running(Family.command, "--uri qemu:///system", home=tmp_path) as driver:
        machine = Machine(driver, (("OS", boot), ("CONSOLE", {"TYPE": "TCP", "PORT": "4000"})))
        machine.do("DEPLOY")
        with socket.create_connection(("127.0.0.1", 4000), timeout=60) as console:
            said = b""
            while b"Linux version" not in said and b"Run /init" not in said and len(said) < 1 << 20:
                said += (more := console.recv(4096))
                assert more, said
        machine.do("CANCEL")
