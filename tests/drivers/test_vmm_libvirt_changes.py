"""Changes of a running machine as far as libvirt's built-in test hypervisor goes: mostly what is refused, and why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.contract import Vector, VmmContract
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.test_libvirt_images import qcow2
from trifid.core.template.model import Value
from trifid.wire.lines import Message


class Machine:
    """A driver, and requests about VM 12 of its home, which may grow from 64 MiB to 128 and to two CPUs."""

    def __init__(self, driver: DriverProcess) -> None:
        self.directory = driver.home / "datastores" / "0" / "12"
        self.directory.mkdir(parents=True)
        self._driver = driver
        self._requests = VmmContract()
        self._requests.host = "localhost"
        self._step = 0

    def do(self, word: str, *change: tuple[str, Value]) -> Message:
        """Send one request; return its answer."""
        self._step += 1
        return self._requests.do(self._driver, word, 12, self._step, change=change)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with running(python_driver("trifid.drivers.vmm.libvirt"), "--uri test:///default", home=tmp_path) as driver:
        yield Machine(driver)


@pytest.mark.parametrize(
    ("disk", "why"),
    [
        ({"TARGET": "hdb"}, "disk 5 (hdb) is on the ide bus, where disks neither come nor go while the machine runs"),
        ({"TARGET": "sdb", "BUS": "sata"}, "disk 5 (sdb) is on the sata bus"),
        ({"TARGET": "sdb", "TYPE": "CDROM"}, "disk 5 (sdb) is a cdrom, which cannot be plugged"),
        ({}, "DISK 5: TARGET is missing"),
    ],
)
def test_a_disk_that_cannot_be_plugged_in_is_refused_with_what_to_do(
    machine: Machine, disk: dict[str, str], why: str
) -> None:
    machine.do("DEPLOY")
    refused = machine.do("ATTACHDISK", ("DISK", {"DISK_ID": "5", "ATTACH": "YES", **disk}))
    assert refused.status == "FAILURE"
    assert refused.payload.startswith(why)


def test_an_image_that_leads_to_other_files_is_not_plugged_in(machine: Machine) -> None:
    machine.do("DEPLOY")
    (machine.directory / "disk.5").write_bytes(qcow2(backing_file_at=104))
    refused = machine.do("ATTACHDISK", ("DISK", {"DISK_ID": "5", "TARGET": "vdb", "DRIVER": "qcow2", "ATTACH": "YES"}))
    assert "disk.5 is a layer over a backing file" in refused.payload


def test_a_nic_without_a_mac_is_not_plugged_in(machine: Machine) -> None:
    machine.do("DEPLOY")
    refused = machine.do("ATTACHNIC", ("NIC", {"NIC_ID": "1", "ATTACH": "YES"}))
    assert refused.payload.startswith("NIC 1 has no MAC")


def test_a_hypervisor_that_cannot_plug_says_so_itself(machine: Machine) -> None:
    machine.do("DEPLOY")
    refused = machine.do("ATTACHNIC", ("NIC", {"NIC_ID": "1", "MAC": "02:00:0a:00:00:63", "ATTACH": "YES"}))
    assert (refused.status, refused.payload.split(":")[0]) == (
        "FAILURE",
        "this function is not supported by the connection driver",
    )


def test_what_is_not_there_is_out_already(machine: Machine) -> None:
    machine.do("DEPLOY")
    assert (
        machine.do("DETACHNIC", ("NIC", {"NIC_ID": "1", "MAC": "02:00:0a:00:00:63", "ATTACH": "YES"})).status
        == "SUCCESS"
    )
    assert machine.do("DETACHDISK", ("DISK", {"DISK_ID": "5", "TARGET": "vdb", "ATTACH": "YES"})).status == "SUCCESS"


@pytest.mark.parametrize(
    ("word", "mark"),
    [
        ("ATTACHDISK", "no DISK with ATTACH=YES"),
        ("DETACHNIC", "no NIC with ATTACH=YES"),
        ("SNAPSHOTREVERT", "no SNAPSHOT with ACTION=REVERT"),
        ("DISKSNAPSHOTDELETE", "no DISK with DISK_SNAPSHOT_ACTIVE=YES"),
        ("RESIZEDISK", "no DISK with RESIZE=YES"),
    ],
)
def test_a_request_that_marks_nothing_is_refused(machine: Machine, word: str, mark: str) -> None:
    machine.do("DEPLOY")
    assert f"the request marks {mark}" in machine.do(word).payload


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ({"MEMORY": "129"}, "MEMORY=129 is more than the 128 MiB that one-12 was started for: power the VM off"),
        ({"VCPU": "3"}, "VCPU=3 is more than the 2 that one-12 was started for: power the VM off"),
    ],
)
def test_nobody_grows_beyond_what_he_was_started_for(machine: Machine, size: dict[str, str], why: str) -> None:
    machine.do("DEPLOY")
    refused = machine.do("RESIZE", *size.items())
    assert refused.status == "FAILURE"
    assert refused.payload.startswith(why)


RAW = {"DISK_ID": "0", "TARGET": "vda"}
QCOW2 = {"DISK_ID": "1", "TARGET": "vdb", "DRIVER": "qcow2"}
CD = {"DISK_ID": "2", "TARGET": "hdc", "TYPE": "CDROM"}
SNAPSHOT = ("SNAPSHOT", {"SNAPSHOT_ID": "0", "NAME": "s", "TIME": "1", "ACTION": "CREATE"})


@pytest.mark.parametrize(
    ("disks", "why"),
    [
        ([RAW, QCOW2], "only qcow2 can: vda is not;"),
        ([CD], "a snapshot is kept inside a qcow2 disk that is written to: this VM has none"),
    ],
)
def test_what_cannot_hold_a_snapshot_is_named(machine: Machine, disks: list[Vector], why: str) -> None:
    machine.do("DEPLOY", *(("DISK", disk) for disk in disks))
    refused = machine.do("SNAPSHOTCREATE", SNAPSHOT)
    assert refused.status == "FAILURE"
    assert why in refused.payload


def test_a_cd_is_no_part_of_a_snapshot(machine: Machine) -> None:
    machine.do("DEPLOY", ("DISK", QCOW2), ("DISK", CD))
    assert machine.do("SNAPSHOTCREATE", SNAPSHOT).payload == "snap-0"
