"""A real guest on a real Xen hypervisor, that itself runs under QEMU: from a template to HTTP, and to nothing left.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import Guest
from tests.lab.guests import NETWORK, count, fetch, until_counted, until_serving
from tests.lab.xen_host import FILES, NAME, XenHost, xen_host
from tests.system.home import Api, Home

pytestmark = pytest.mark.timeout(600)

GOLDEN = Path(__file__).parents[1] / "drivers" / "golden" / "xen"
SLOW_S = 240.0
"""The hypervisor and all above it are emulated, and the machine may be busy."""
MIB_OF_HYPERVISOR = 1535
"""What tools/xen/run gives the whole machine; dom0 has less than half of it."""
_DRIVERS = """
[drivers.vmm.xen]
executable = "trifid-vmm-libvirt"
arguments = "--uri xen:///system --shutdown-timeout 240"

[drivers.im.xen]
executable = "trifid-im-libvirt"
arguments = "--uri xen:///system"
"""


def template(name: str, kind: str) -> str:
    """Return a machine as in 2009, whose kernel is its host's; but its root disk is of the catalogue."""
    return f"""
NAME    = "{name}"
CPU     = 0.5
MEMORY  = 112
OS      = [ XEN_TYPE = {kind}, KERNEL = "{FILES}/vmlinuz", INITRD = "{FILES}/initrd.img", ROOT = "sda",
            KERNEL_CMD = "console=hvc0 quiet" ]
DISK    = [ IMAGE = "root" ]
DISK    = [ TYPE = swap, SIZE = 8, TARGET = "sdb" ]
NIC     = [ NETWORK = "private" ]
CONTEXT = [ HOSTNAME = "{name}" ]
"""


class Lab:
    """An engine with the Xen drivers and one host, to which disks go by ssh."""

    def __init__(self, home: Home, host: XenHost, guest: Guest) -> None:
        self.home, self.host, self.api = home, host, Api(home)
        self._begun = time.monotonic()
        self.api.call("one.vn.allocate", NETWORK, -1)
        home.run("oneimage", "create", "--name", "root", "--path", str(guest.root), "--wait")
        home.run("onehost", "create", NAME, "--im", "xen", "--vm", "xen")
        self.until(lambda: [one for one in self.api.hosts() if one["STATE"] == "2"], "the host is monitored")

    def until(self, is_so: Callable[[], Any], what: str) -> None:
        """Wait for something, and tell when it came: all of this is slow."""
        self.api.until(is_so, what, SLOW_S)
        print(f"{time.monotonic() - self._begun:6.1f} s  {what}", flush=True)

    def is_to_be(self, vm_id: int, state: str) -> None:
        """Wait for a state of a VM; a failure meanwhile fails the test, with the VM's log."""
        ends = (state, "PROLOG_FAILURE", "BOOT_FAILURE")
        self.until(lambda: self.api.state(vm_id) in ends, f"VM {vm_id} is {state}")
        assert self.api.state(vm_id) == state, self.home.run("onevm", "log", str(vm_id)).stdout

    def created(self, name: str, kind: str) -> tuple[int, str]:
        """Return number and address of a new VM whose page is there."""
        said = self.home.run("onevm", "create", "-", text=template(name, kind)).stdout
        vm_id = int(said.partition("ID:")[2].split()[0])
        self.is_to_be(vm_id, "RUNNING")
        address: str = self.api.vm(vm_id)["TEMPLATE"]["NIC"]["IP"]
        until_serving(self.api, address)
        print(f"{time.monotonic() - self._begun:6.1f} s  its page is there", flush=True)
        return vm_id, address

    def ends(self, vm_id: int) -> None:
        """Shut the only VM down, after which nothing is left of it."""
        self.home.run("onevm", "terminate", str(vm_id))
        self.is_to_be(vm_id, "DONE")
        assert self.host.domains() == []
        assert self.host.run("find", str(self.home.path / "datastores"), "-type", "f") == ""
        assert self.host.run("losetup", "-a") == ""
        places = (self.home.path / "datastores" / "0", self.home.path / "vms")
        assert [str(path) for place in places for path in place.rglob("*") if not path.is_dir()] == []


@pytest.fixture(scope="module")
def host(bridge: str, guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[XenHost]:
    """The Xen host, which has the guest's kernel."""
    with xen_host(tmp_path_factory.mktemp("xen"), bridge, guest.kernel, guest.initrd) as started:
        yield started


@pytest.fixture(scope="module")
def lab(host: XenHost, guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The engine, which knows the host."""
    home = Home(tmp_path_factory.mktemp("engine") / "home", drivers="libvirt")
    home.settings('transfer = "shared"', 'transfer = "ssh"')
    with (home.path / "trifid.toml").open("a") as settings:
        settings.write(_DRIVERS)
    home.start()
    try:
        yield Lab(home, host, guest)
    finally:
        home.stop()


def test_libvirt_on_xen_understands_every_golden_domain(host: XenHost) -> None:
    paths = sorted(GOLDEN.glob("*.xml"))
    said = host.virsh(";".join(f"domxml-to-native xen-xl --xml '{path}'" for path in paths))
    assert said.count('name = "one-42"') == len(paths) > 0, said


def test_a_host_is_what_its_hypervisor_has(lab: Lab) -> None:
    [seen] = lab.api.hosts()
    assert seen["TEMPLATE"]["HYPERVISOR"] == "xen"
    assert seen["TEMPLATE"]["XEN_TYPES"] == "HVM PV PVH"
    assert int(seen["HOST_SHARE"]["TOTAL_MEM"]) // 1024 == pytest.approx(MIB_OF_HYPERVISOR, rel=0.02)


def test_a_pv_guest_from_template_to_http_saved_restored_shut_down_and_back_to_nothing(lab: Lab) -> None:
    vm_id, address = lab.created("web1", "PV")
    assert fetch(address).split() == ["web1", f"{address}/24"]
    context = fetch(address, "/context.txt")
    assert "root=/dev/xvda" in context and "HOSTNAME='web1'" in context
    assert "swap /dev/xvdb" in fetch(address, "/cgi-bin/info")
    assert lab.host.domains() == [f"one-{vm_id}"]

    before = count(address)
    lab.home.run("onevm", "suspend", str(vm_id))
    lab.is_to_be(vm_id, "SUSPENDED")
    assert lab.host.domains() == []
    lab.home.run("onevm", "resume", str(vm_id))
    lab.is_to_be(vm_id, "RUNNING")
    after = until_counted(address, before.number + 1)
    assert after.boot == before.boot, "it goes on, and has not booted"
    lab.ends(vm_id)


def test_a_pvh_guest_takes_a_disk_and_lets_go_of_it_while_it_runs(lab: Lab) -> None:
    vm_id, address = lab.created("web2", "PVH")
    assert "HOSTNAME='web2'" in fetch(address, "/context.txt")
    lab.home.run("oneimage", "create", "--name", "data", "--type", "DATABLOCK", "--size", "2m", "--wait")
    lab.home.run("onevm", "disk-attach", str(vm_id), "--image", "data", "--target", "sdc")
    lab.until(lambda: "xvdc" in lab.host.virsh("domblklist", f"one-{vm_id}"), "a disk is there")
    lab.is_to_be(vm_id, "RUNNING")
    lab.home.run("onevm", "disk-detach", str(vm_id), "3")
    lab.until(lambda: "xvdc" not in lab.host.virsh("domblklist", f"one-{vm_id}"), "it is gone")
    lab.is_to_be(vm_id, "RUNNING")
    lab.ends(vm_id)
