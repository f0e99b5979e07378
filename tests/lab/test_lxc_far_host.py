"""Containers on a host that is another machine: reached through ssh, with nothing of ours on it.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.drivers.contract import VmmContract
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.lab.conftest import Guest
from tests.lab.containers import CONTROLLERS, has_control_groups, own_places
from tests.lab.hosts import LabHost
from tests.lab.test_host_by_name import NAME, node
from trifid.drivers.libvirt.connectors.lxc_disks import PLACES
from trifid.drivers.tm.iso import Entry, write_iso

__all__ = ["node"]

pytestmark = pytest.mark.timeout(300)

ADDRESS = "10.0.0.1"
HERE = Path(PLACES)
_GROUPS = """
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for name in "$@"; do
    mkdir "/sys/fs/cgroup/$name"
    mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
done
"""


class Family(VmmContract):
    __test__ = False
    command = python_driver("trifid.drivers.vmm.libvirt")
    arguments = "--uri lxc:///system"
    host = NAME
    limit_s = 120.0


def test_a_container_of_another_machine_has_its_disks_there_and_answers(
    node: LabHost, tmp_path: Path, guest: Guest, bridge: str
) -> None:
    has_control_groups()
    node.run("sh", "-euc", _GROUPS, "sh", *CONTROLLERS)
    family = Family()
    family.template = (
        ("DISK", {"DISK_ID": "0", "TARGET": "sda"}),
        ("NIC", {"NIC_ID": "0", "BRIDGE": bridge, "MAC": "02:00:0a:00:00:01"}),
        ("CONTEXT", {"DISK_ID": "1", "TARGET": "hda"}),
    )
    with own_places(), running(Family.command, Family.arguments, home=tmp_path) as driver:
        untouched_since = HERE.stat().st_mtime_ns
        prepare(family, driver, guest, tmp_path)
        deployed = family.do(driver, "DEPLOY", 12, 1)
        assert deployed.status == "SUCCESS", deployed
        assert len(loops(node)) == 1
        assert "one-12" in node.run("virsh", "-q", "-c", "lxc:///system", "list", "--name")
        assert page() == f"far {ADDRESS}/24"
        assert "/run/trifid/lxc/" not in node.run("cat", "/proc/self/mounts")
        assert HERE.stat().st_mtime_ns == untouched_since, "nothing was mounted on the engine's machine"
        assert family.do(driver, "SHUTDOWN", 12, 2).status == "SUCCESS"
        assert loops(node) == []


def prepare(family: Family, driver: DriverProcess, guest: Guest, tmp_path: Path) -> None:
    """Put the disks into the directory of VM 12, which host and engine share."""
    family.payload(12, 1, driver.home)
    directory = driver.home / "datastores" / "0" / "12"
    shutil.copyfile(guest.root, directory / "disk.0")
    script = tmp_path / "context.sh"
    script.write_text("HOSTNAME='far'\n")
    with (directory / "disk.1").open("wb") as image:
        write_iso([Entry("context.sh", script, 0o644)], image)


def page() -> str:
    """Return the page of the container, once it answers."""
    for _ in range(30):
        subprocess.run(["ping", "-c1", "-W1", ADDRESS], capture_output=True, check=False)
        done = subprocess.run(
            ["curl", "-s", "-m", "5", f"http://{ADDRESS}/"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return done.stdout.strip()
    raise AssertionError(f"no page at {ADDRESS}")


def loops(node: LabHost) -> list[str]:
    """Return the images of VM 12 that are in use."""
    return [line for line in node.run("losetup", "-n", "-O", "BACK-FILE").split() if "/datastores/0/12/" in line]
