"""A real guest on a real Xen hypervisor, that itself runs under QEMU: from a template to HTTP, and to nothing left.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import time
from collections.abc import Iterator
from pathlib import Path

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


def template(name: str) -> str:
    """Return a PV machine as in 2009, whose kernel is its host's; but its root disk is of the catalogue."""
    return f"""
NAME    = "{name}"
CPU     = 0.5
MEMORY  = 112
OS      = [ KERNEL = "{FILES}/vmlinuz", INITRD = "{FILES}/initrd.img", ROOT = "sda",
            KERNEL_CMD = "console=hvc0 quiet" ]
DISK    = [ IMAGE = "root" ]
DISK    = [ TYPE = swap, SIZE = 8, TARGET = "sdb" ]
NIC     = [ NETWORK = "private" ]
CONTEXT = [ HOSTNAME = "{name}" ]
"""


@pytest.fixture(scope="module")
def host(bridge: str, guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[XenHost]:
    """The Xen host, which has the guest's kernel."""
    with xen_host(tmp_path_factory.mktemp("xen"), bridge, guest.kernel, guest.initrd) as started:
        yield started


@pytest.fixture
def home(host: XenHost, tmp_path: Path) -> Iterator[Home]:
    """An engine with the Xen drivers; disks go to the host by ssh."""
    home = Home(tmp_path / "home", drivers="libvirt")
    home.settings('transfer = "shared"', 'transfer = "ssh"')
    with (home.path / "trifid.toml").open("a") as settings:
        settings.write(_DRIVERS)
    home.start()
    try:
        yield home
    finally:
        home.stop()


def test_libvirt_on_xen_understands_every_golden_domain(host: XenHost) -> None:
    paths = sorted(GOLDEN.glob("*.xml"))
    said = host.virsh(";".join(f"domxml-to-native xen-xl --xml '{path}'" for path in paths))
    assert said.count('name = "one-42"') == len(paths) > 0, said


def test_from_template_to_http_saved_restored_shut_down_and_back_to_nothing(
    home: Home, host: XenHost, guest: Guest
) -> None:
    begun = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {what}", flush=True)

    api = Api(home)
    api.call("one.vn.allocate", NETWORK, -1)
    home.run("oneimage", "create", "--name", "root", "--path", str(guest.root), "--wait")
    home.run("onehost", "create", NAME, "--im", "xen", "--vm", "xen")
    [seen] = api.until(lambda: [one for one in api.hosts() if one["STATE"] == "2"], "the host is monitored", SLOW_S)
    assert seen["TEMPLATE"]["HYPERVISOR"] == "xen"
    assert int(seen["HOST_SHARE"]["TOTAL_MEM"]) // 1024 == pytest.approx(MIB_OF_HYPERVISOR, rel=0.02)
    tell("host is monitored")

    said = home.run("onevm", "create", "-", text=template("web1")).stdout
    vm_id = int(said.partition("ID:")[2].split()[0])
    reached = api.until_state(vm_id, "RUNNING", "PROLOG_FAILURE", "BOOT_FAILURE", timeout_s=SLOW_S)
    assert reached == "RUNNING", home.run("onevm", "log", str(vm_id)).stdout
    tell("it runs")
    address = api.vm(vm_id)["TEMPLATE"]["NIC"]["IP"]
    until_serving(api, address)
    assert fetch(address).split() == ["web1", f"{address}/24"]
    tell("its page is there")
    context = fetch(address, "/context.txt")
    assert "root=/dev/xvda" in context and "HOSTNAME='web1'" in context
    assert "swap /dev/xvdb" in fetch(address, "/cgi-bin/info")
    assert host.domains() == [f"one-{vm_id}"]

    before = count(address)
    home.run("onevm", "suspend", str(vm_id))
    api.until_state(vm_id, "SUSPENDED", timeout_s=SLOW_S)
    assert host.domains() == []
    tell("it is saved")
    home.run("onevm", "resume", str(vm_id))
    api.until_state(vm_id, "RUNNING", timeout_s=SLOW_S)
    after = until_counted(address, before.number + 1)
    assert after.boot == before.boot, "it goes on, and has not booted"
    tell("it is restored")

    home.run("onevm", "terminate", str(vm_id))
    api.until_state(vm_id, "DONE", timeout_s=SLOW_S)
    tell("it is shut down")
    assert host.domains() == []
    assert host.run("find", str(home.path / "datastores"), "-type", "f") == ""
    places = (home.path / "datastores" / "0", home.path / "vms")
    assert [str(path) for place in places for path in place.rglob("*") if not path.is_dir()] == []
