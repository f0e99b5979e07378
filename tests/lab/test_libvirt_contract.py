"""The libvirt drivers keep their families' contracts with a real hypervisor, too.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.drivers.contract import (
    CopiesDisks,
    DiskSnapshots,
    DomainsOutlive,
    HotPlugs,
    ImContract,
    Resizes,
    ResizesDisks,
    Saves,
    Snapshots,
    VmmContract,
)
from tests.drivers.harness import python_driver, running
from tests.lab.conftest import Guest
from trifid.core.template.scanner import parse
from trifid.wire.lines import unpack

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """End what a test leaves running: the domains of a real hypervisor outlive their driver."""
    yield
    for domain in libvirt.open("qemu:///system").listAllDomains():
        domain.destroy()


class TestVmm(HotPlugs, Snapshots, DiskSnapshots, CopiesDisks, Resizes, ResizesDisks, Saves, DomainsOutlive):
    """With a guest that boots in memory: to let go of a device and of memory is up to a guest."""

    command = python_driver("trifid.drivers.vmm.libvirt")
    arguments = "--uri qemu:///system --type auto"
    host = "localhost"
    memory_mib = 128
    limit_s = 120.0

    @pytest.fixture(autouse=True)
    def boots(self, guest: Guest) -> None:
        """Give the VMs kernel, initial RAM disk and a qcow2 disk."""
        boot = {"KERNEL": str(guest.kernel), "INITRD": str(guest.initrd), "KERNEL_CMD": "console=ttyS0 quiet"}
        self.template = (("OS", boot), ("DISK", {"DISK_ID": "0", "TARGET": "vda", "DRIVER": "qcow2"}))

    def prepare(self, directory: Path) -> None:
        for name, kind in (("disk.0", "qcow2"), ("disk.5", "raw")):
            subprocess.run(["qemu-img", "create", "-q", "-f", kind, str(directory / name), "32M"], check=True)


class Bare(VmmContract):
    """Requests about VMs without a guest."""

    __test__ = False
    command = TestVmm.command
    arguments = TestVmm.arguments
    host = "localhost"


class TestIm(ImContract):
    command = python_driver("trifid.drivers.im.libvirt")
    arguments = "--uri qemu:///system"
    host = "localhost"


@pytest.mark.parametrize(("engine_id", "seen"), [("one", ["12"]), ("another", [])])
def test_an_engine_is_told_of_its_own_domains_only(tmp_path: Path, engine_id: str, seen: list[str]) -> None:
    family = Bare()
    with running(Bare.command, Bare.arguments, home=tmp_path, env={"TRIFID_ENGINE_ID": "one"}) as driver:
        assert family.do(driver, "DEPLOY", 12, 1).status == "SUCCESS"
    env = {"TRIFID_ENGINE_ID": engine_id}
    with running(TestIm.command, TestIm.arguments, home=tmp_path, env=env, monitor=True) as driver:
        driver.ask_monitor("START_MONITOR", 3, TestIm().text(3))
        listed = parse(unpack(driver.answer("STATE_VM", 3).payload))
    assert [vm["ID"] for vm in listed.vectors("VM")] == seen
