"""COPYDISK where libvirt makes no copies (its test hypervisor): the machine stands still meanwhile.

What QEMU itself writes is seen in the lab, tests/lab/test_copy_disk.py.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import etree as lxml_etree

from tests.drivers.contract import Vector
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.test_vmm_libvirt_changes import Machine
from trifid.drivers.libvirt.copies import backup_xml

SCHEMA = Path("/usr/share/libvirt/schemas/domainbackup.rng")
KIB = 1024
RAW: Vector = {"DISK_ID": "0", "TARGET": "vda", "SAVEAS": "YES"}
QCOW2: Vector = {"DISK_ID": "0", "TARGET": "vda", "DRIVER": "qcow2", "SAVEAS": "YES"}


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[DriverProcess]:
    with running(python_driver("trifid.drivers.vmm.libvirt"), "--uri test:///default", home=tmp_path) as driver:
        yield driver


@pytest.fixture
def machine(driver: DriverProcess) -> Machine:
    return Machine(driver)


def names(machine: Machine) -> list[str]:
    return sorted(path.name for path in machine.directory.iterdir() if not path.name.startswith("deployment"))


def test_a_raw_disk_is_copied_and_the_machine_goes_on(driver: DriverProcess, machine: Machine) -> None:
    (machine.directory / "disk.0").write_bytes(b"content".ljust(64 * KIB, b"\0"))
    assert machine.do("DEPLOY", ("DISK", RAW)).status == "SUCCESS"
    for _ in range(2):
        assert machine.do("COPYDISK", ("DISK", RAW)).status == "SUCCESS"
        assert (machine.directory / "disk.0.copy").read_bytes() == (machine.directory / "disk.0").read_bytes()
        assert names(machine) == ["disk.0", "disk.0.copy"]
        assert machine.do("POLL", ("DISK", RAW)).payload.startswith("STATE=a")
    assert driver.wait_for_log("makes no copies of disks in use: one-12 pauses")


def test_what_an_earlier_attempt_left_is_not_taken_for_a_copy(machine: Machine) -> None:
    (machine.directory / "disk.0").write_bytes(b"now".ljust(64 * KIB, b"\0"))
    (machine.directory / "disk.0.copy").write_bytes(b"then")
    (machine.directory / "disk.0.copy.part").write_bytes(b"half")
    machine.do("DEPLOY", ("DISK", RAW))
    assert machine.do("COPYDISK", ("DISK", RAW)).status == "SUCCESS"
    assert (machine.directory / "disk.0.copy").read_bytes() == (machine.directory / "disk.0").read_bytes()
    assert names(machine) == ["disk.0", "disk.0.copy"]


def test_a_copy_of_a_layer_stands_on_nothing(machine: Machine) -> None:
    base = machine.directory / "base"
    base.write_bytes(b"base".ljust(64 * KIB, b"\0"))
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(machine.directory / "disk.0")]
    subprocess.run(make, check=True)
    layer = ("DISK", {**QCOW2, "BACKING_SOURCE": str(base), "BACKING_FORMAT": "raw"})
    assert machine.do("DEPLOY", layer).status == "SUCCESS"
    assert machine.do("COPYDISK", layer).status == "SUCCESS"
    base.unlink()
    copy = str(machine.directory / "disk.0.copy")
    out = machine.directory / "out"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", copy, str(out)], check=True)
    assert out.read_bytes() == b"base".ljust(64 * KIB, b"\0")


def test_a_copy_that_cannot_be_made_leaves_nothing_and_the_machine_goes_on(machine: Machine) -> None:
    (machine.directory / "disk.0").symlink_to("nothing")
    machine.do("DEPLOY", ("DISK", RAW))
    answer = machine.do("COPYDISK", ("DISK", RAW))
    assert answer.status == "FAILURE"
    assert "disk.0" in answer.payload
    assert names(machine) == ["disk.0"]
    assert machine.do("POLL", ("DISK", RAW)).payload.startswith("STATE=a")


def test_a_machine_without_the_disk_says_so(machine: Machine) -> None:
    machine.do("DEPLOY", ("DISK", RAW))
    answer = machine.do("COPYDISK", ("DISK", {**RAW, "DISK_ID": "7"}))
    assert (answer.status, answer.payload) == ("FAILURE", f"one-12 has no disk {machine.directory}/disk.7")


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_libvirt_is_asked_for_one_disk_in_its_own_format(kind: str) -> None:
    domain = (
        "<domain><devices><disk><source file='/d/disk.1'/><target dev='sda'/></disk><disk device='cdrom'>"
        f"<target dev='hdc'/></disk><disk><driver type='{kind}'/><source file='/d/disk.0'/><target dev='vda'/></disk>"
        "</devices></domain>"
    )
    text = backup_xml(domain, "/d/disk.0", "/d/disk.0.copy.part")
    lxml_etree.RelaxNG(lxml_etree.parse(SCHEMA)).assertValid(lxml_etree.fromstring(text))
    disks = {disk.get("name"): disk for disk in ElementTree.fromstring(text).iterfind("disks/disk")}
    assert {name: disk.get("backup") for name, disk in disks.items()} == {"sda": "no", "hdc": "no", "vda": "yes"}
    assert disks["vda"].find("driver").get("type") == kind  # type: ignore[union-attr]
    assert disks["vda"].find("target").get("file") == "/d/disk.0.copy.part"  # type: ignore[union-attr]
