"""What the libvirt driver changes on a running machine is seen by the guest in it.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.drivers.contract import Change, VmmContract
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.lab.conftest import Guest
from tests.lab.test_libvirt_contract import TestIm as WatchContract
from tests.mounts import small_file_system
from trifid.core.template.context import context_sh
from trifid.core.template.scanner import parse
from trifid.drivers.tm.iso import Entry, write_iso
from trifid.wire.lines import Message, unpack

pytestmark = pytest.mark.timeout(300)

MAC, ADDRESS = "02:00:0a:00:00:01", "10.0.0.1"
SECTORS = 32 * 2048
SAYS_MAX = 40
"""So often a guest is asked before what it says is final."""


class Family(VmmContract):
    """Requests about a VM of 128 MiB that may grow to 256."""

    __test__ = False
    command = python_driver("trifid.drivers.vmm.libvirt")
    host = "localhost"
    memory_mib = 128
    limit_s = 120.0


class Machine:
    """VM 12 and the driver that has it."""

    def __init__(self, driver: DriverProcess, template: Change, host: str = "localhost") -> None:
        self.driver = driver
        self.directory = driver.home / "datastores" / "0" / "12"
        self._family = Family()
        self._family.template = template
        self._family.host = host
        self._step = 0
        self.directory.mkdir(parents=True)
        for disk_id, kind in ((0, "qcow2"), (5, "raw"), (6, "qcow2")):
            image = str(self.directory / f"disk.{disk_id}")
            subprocess.run(["qemu-img", "create", "-q", "-f", kind, image, "32M"], check=True)

    def ask(self, word: str, *change: tuple[str, str | dict[str, str]]) -> Message:
        """Return the answer to a request."""
        self._step += 1
        return self._family.do(self.driver, word, 12, self._step, change=change)

    def do(self, word: str, *change: tuple[str, str | dict[str, str]]) -> str:
        """Have something done."""
        answer = self.ask(word, *change)
        assert answer.status == "SUCCESS", answer
        return answer.payload

    def refused(self, word: str, *change: tuple[str, str | dict[str, str]]) -> str:
        """Return why something cannot be done."""
        answer = self.ask(word, *change)
        assert answer.status == "FAILURE", answer
        return answer.payload

    @property
    def domain(self) -> "libvirt.virDomain":
        return libvirt.open("qemu:///system").lookupByName("one-12")

    def facts(self) -> dict[str, str]:
        """Return what the guest says about itself, once it answers: `disk vda` to its sectors …"""
        url = f"http://{ADDRESS}/cgi-bin/info"
        for _ in range(SAYS_MAX):
            subprocess.run(["ping", "-c1", "-W1", ADDRESS], capture_output=True, check=False)
            page = subprocess.run(["curl", "-s", "-m", "5", url], capture_output=True, text=True, check=False)
            if page.returncode == 0:
                words = [line.split() for line in page.stdout.splitlines()]
                return {" ".join(w[:-1]): w[-1] for w in words if len(w) > 1}
        raise AssertionError(f"no page at {ADDRESS}")

    def until(self, fact: str, *values: str | None) -> None:
        """Wait until the guest says one of these of something; None: it does not say."""
        found: dict[str, str] = {}
        for _ in range(SAYS_MAX):
            found = self.facts()
            if found.get(fact) in values:
                return
        raise AssertionError(f"{fact}: expected {values}, the guest says {found}")

    def uptime_s(self) -> float:
        return float(self.facts()["uptime_s"])


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """End what a test leaves running."""
    yield
    for domain in libvirt.open("qemu:///system").listAllDomains():
        domain.destroy()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[DriverProcess]:
    with running(Family.command, "--uri qemu:///system", home=tmp_path) as driver:
        yield driver


@pytest.fixture
def machine(driver: DriverProcess, guest: Guest, bridge: str) -> Machine:
    """A guest that runs in memory and serves a page."""
    boot = {"KERNEL": str(guest.kernel), "INITRD": str(guest.initrd), "KERNEL_CMD": "console=ttyS0 quiet"}
    nic = {"NIC_ID": "0", "BRIDGE": bridge, "MAC": MAC}
    disk = {"DISK_ID": "0", "TARGET": "vda", "DRIVER": "qcow2"}
    machine = Machine(driver, (("OS", boot), ("DISK", disk), ("NIC", nic)))
    machine.do("DEPLOY")
    return machine


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Machine]:
    """A machine without a guest, which a driver does not wait for."""
    with running(Family.command, "--uri qemu:///system --guest-timeout 1", home=tmp_path) as driver:
        machine = Machine(driver, (("DISK", {"DISK_ID": "0", "TARGET": "vda", "DRIVER": "qcow2"}),))
        machine.do("DEPLOY")
        yield machine


def test_the_guest_sees_what_is_plugged_in_and_not_what_is_taken_out(machine: Machine, bridge: str) -> None:
    assert machine.facts()["disk vda"] == str(SECTORS)
    virtio = ("DISK", {"DISK_ID": "5", "TARGET": "vdb", "ATTACH": "YES"})
    scsi = ("DISK", {"DISK_ID": "6", "TARGET": "sdb", "DRIVER": "qcow2", "ATTACH": "YES"})
    nic = ("NIC", {"NIC_ID": "1", "BRIDGE": bridge, "MAC": "02:00:0a:00:00:02", "ATTACH": "YES"})
    machine.do("ATTACHDISK", virtio)
    machine.do("ATTACHDISK", scsi)
    machine.do("ATTACHNIC", nic)
    machine.until("disk vdb", str(SECTORS))
    machine.until("disk sda", str(SECTORS))
    machine.until("interface eth1", "02:00:0a:00:00:02")
    machine.do("DETACHDISK", virtio)
    machine.do("DETACHDISK", scsi)
    machine.do("DETACHNIC", nic)
    machine.until("disk vdb", None)
    machine.until("disk sda", None)
    machine.until("interface eth1", None)
    assert machine.facts()["disk vda"] == str(SECTORS)


def test_a_machine_that_is_reverted_goes_on_from_its_snapshot(machine: Machine) -> None:
    snapshot = {"SNAPSHOT_ID": "3", "HYPERVISOR_ID": "snap-3", "NAME": "before", "TIME": "1700000000"}
    before_s = machine.uptime_s()
    assert machine.do("SNAPSHOTCREATE", ("SNAPSHOT", {**snapshot, "ACTION": "CREATE"})) == "snap-3"
    taken_s = machine.uptime_s()
    while machine.uptime_s() < taken_s + 10:
        pass
    machine.do("SNAPSHOTREVERT", ("SNAPSHOT", {**snapshot, "ACTION": "REVERT"}))
    assert before_s <= machine.uptime_s() < taken_s + 10

    # libvirt forgets it with the domain, the image does not
    disk = ("DISK", {"DISK_ID": "0", "TARGET": "vda", "DISK_SNAPSHOT_ACTIVE": "YES", "DISK_SNAPSHOT_ID": "3"})
    machine.do("DISKSNAPSHOTCREATE", disk)
    machine.do("CANCEL")
    machine.do("DEPLOY")
    machine.do("SNAPSHOTREVERT", ("SNAPSHOT", {**snapshot, "ACTION": "REVERT"}))
    assert before_s <= machine.uptime_s(), "it did not boot"
    machine.do("SNAPSHOTDELETE", ("SNAPSHOT", {**snapshot, "ACTION": "DELETE"}))
    assert snapshots_in(machine) == ["disk-snapshot-3"]
    machine.do("DISKSNAPSHOTDELETE", disk)
    assert snapshots_in(machine) == []


def snapshots_in(machine: Machine) -> list[str]:
    """Return the names of the snapshots in the image of disk 0."""
    image = str(machine.directory / "disk.0")
    listed = subprocess.run(["qemu-img", "snapshot", "-U", "-l", image], capture_output=True, text=True, check=True)
    return [line.split()[1] for line in listed.stdout.splitlines()[2:]]


def test_a_snapshot_of_an_earlier_attempt_is_made_anew(machine: Machine) -> None:
    first = {"SNAPSHOT_ID": "0", "HYPERVISOR_ID": "snap-0", "NAME": "one", "TIME": "1", "ACTION": "CREATE"}
    machine.do("SNAPSHOTCREATE", ("SNAPSHOT", first))
    machine.do("SNAPSHOTCREATE", ("SNAPSHOT", {**first, "NAME": "two", "TIME": "2"}))
    assert snapshots_in(machine) == ["snap-0"]
    assert "two at 2" in machine.domain.snapshotLookupByName("snap-0").getXMLDesc()


def test_a_saved_guest_goes_on_where_it_was_even_if_it_was_paused(machine: Machine) -> None:
    before_s = machine.uptime_s()
    machine.do("SAVE")
    machine.do("RESTORE")
    assert machine.uptime_s() >= before_s
    machine.domain.suspend()
    machine.do("SAVE")
    machine.do("RESTORE")
    assert machine.uptime_s() >= before_s
    machine.domain.suspend()
    machine.do("RESTORE")
    assert machine.uptime_s() >= before_s


def test_a_paused_guest_is_resumed_to_be_shut_down(machine: Machine) -> None:
    machine.facts()
    machine.domain.suspend()
    machine.do("SHUTDOWN")
    assert machine.do("POLL") == "STATE=d"
    assert machine.driver.wait_for_log("one-12 was paused by hand on its host and is resumed")


def test_the_guest_has_more_memory_less_memory_and_a_larger_disk(machine: Machine) -> None:
    small_kib = int(machine.facts()["memory_total_kib"])
    machine.do("RESIZE", ("MEMORY", "192"), ("VCPU", "2"))
    assert int(machine.facts()["memory_total_kib"]) == small_kib + 64 * 1024
    assert machine.domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE) == 2
    machine.do("RESIZE", ("MEMORY", "128"), ("VCPU", "2"))
    assert int(machine.facts()["memory_total_kib"]) == small_kib
    disk = {"DISK_ID": "0", "TARGET": "vda", "RESIZE": "YES"}
    machine.do("RESIZEDISK", ("DISK", {**disk, "SIZE": "48", "SIZE_PREV": "32"}))
    machine.until("disk vda", str(48 * 2048))
    said = machine.refused("RESIZEDISK", ("DISK", {**disk, "SIZE": "40"}))
    assert said == "disk 0 has 48 MiB and only grows, 40 MiB is less"


def test_a_guest_that_does_not_let_go_keeps_its_disk(empty: Machine) -> None:
    disk = ("DISK", {"DISK_ID": "5", "TARGET": "vdb", "ATTACH": "YES"})
    empty.do("ATTACHDISK", disk)
    said = empty.refused("DETACHDISK", disk)
    assert said.startswith("the guest of one-12 has not let go of disk 5 (vdb) within 1 s, so it is still attached")
    assert "disk.5" in empty.domain.XMLDesc()


def test_a_guest_that_does_not_take_a_size_keeps_its_own(empty: Machine) -> None:
    said = empty.refused("RESIZE", ("MEMORY", "192"), ("VCPU", "2"))
    # without a balloon's driver it has all that it was started for
    assert said.startswith("the guest of one-12 has 256 MiB, not 192 MiB, after 1 s")
    assert empty.domain.info()[2] == 256 * 1024
    assert empty.domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE) == 2


def test_what_a_raw_disk_cannot_do_is_said(empty: Machine) -> None:
    empty.do("ATTACHDISK", ("DISK", {"DISK_ID": "5", "TARGET": "vdb", "ATTACH": "YES"}))
    said = empty.refused("SNAPSHOTCREATE", ("SNAPSHOT", {"SNAPSHOT_ID": "0", "ACTION": "CREATE"}))
    assert said.startswith("a snapshot is kept inside the images, and only qcow2 can: vdb is not")
    disk = {"DISK_ID": "5", "TARGET": "vdb", "DISK_SNAPSHOT_ACTIVE": "YES", "DISK_SNAPSHOT_ID": "0"}
    said = empty.refused("DISKSNAPSHOTCREATE", ("DISK", disk))
    assert said.startswith("disk 5 is raw, and while the machine runs a snapshot can only be made in a qcow2 image")


def test_a_target_that_is_taken_is_refused_in_libvirts_words(empty: Machine) -> None:
    said = empty.refused("ATTACHDISK", ("DISK", {"DISK_ID": "5", "TARGET": "vda", "ATTACH": "YES"}))
    assert "target 'vda' duplicated" in said
    assert "disk.5" not in empty.domain.XMLDesc()


# -- why a machine stopped -----------------------------------------------------------------------------


@pytest.fixture
def watch(tmp_path: Path, driver: DriverProcess) -> Iterator[DriverProcess]:
    with running(WatchContract.command, WatchContract.arguments, home=tmp_path, monitor=True) as watch:
        watch.ask_monitor("START_MONITOR", 3, WatchContract().text(3, period_s=100))
        yield watch


def until_seen(watch: DriverProcess, state: str) -> dict[str, str]:
    """Return what is told of VM 12 once it is in a state."""
    while True:
        for vm in parse(unpack(watch.answer("STATE_VM", 3, timeout_s=60).payload)).vectors("VM"):
            if vm["STATE"] == state:
                return vm


def test_a_hypervisor_process_that_is_killed_is_told(machine: Machine, watch: DriverProcess) -> None:
    until_seen(watch, "RUNNING")
    found = subprocess.run(["pgrep", "-f", "guest=one-12,"], capture_output=True, text=True, check=True)
    [pid] = found.stdout.split()
    os.kill(int(pid), signal.SIGKILL)
    assert until_seen(watch, "POWEROFF")["REASON"].startswith("its hypervisor process ended unexpectedly")


def test_a_guest_that_shuts_down_by_itself_is_told(machine: Machine, watch: DriverProcess) -> None:
    until_seen(watch, "RUNNING")
    machine.facts()
    machine.domain.shutdown()
    assert until_seen(watch, "POWEROFF")["REASON"] == "its guest shut down"


def test_a_revert_is_not_taken_for_an_end(machine: Machine, watch: DriverProcess) -> None:
    until_seen(watch, "RUNNING")
    snapshot = {"SNAPSHOT_ID": "0", "NAME": "s", "TIME": "1"}
    machine.do("SNAPSHOTCREATE", ("SNAPSHOT", {**snapshot, "ACTION": "CREATE"}))
    machine.do("SNAPSHOTREVERT", ("SNAPSHOT", {**snapshot, "ACTION": "REVERT"}))
    machine.domain.suspend()
    while True:
        [vm] = parse(unpack(watch.answer("STATE_VM", 3, timeout_s=60).payload)).vectors("VM")
        assert vm["STATE"] != "POWEROFF"
        if vm["STATE"] == "SUSPENDED":
            break


def test_a_disk_that_finds_no_space_is_named(
    driver: DriverProcess, watch: DriverProcess, guest: Guest, tmp_path: Path
) -> None:
    boot = {"KERNEL": str(guest.kernel), "INITRD": str(guest.initrd), "KERNEL_CMD": "console=ttyS0 quiet"}
    context = {"DISK_ID": "1", "TARGET": "hdb", "START_SCRIPT": "dd if=/dev/zero of=/dev/vda bs=1M"}
    machine = Machine(driver, (("OS", boot), ("DISK", {"DISK_ID": "0", "TARGET": "vda"}), ("CONTEXT", context)))
    with small_file_system(tmp_path / "tiny") as tiny:
        (machine.directory / "disk.0").unlink()
        (machine.directory / "disk.0").symlink_to(tiny / "disk.0")
        subprocess.run(["truncate", "-s", "32M", str(tiny / "disk.0")], check=True)
        (tmp_path / "context.sh").write_text(context_sh(context))
        with (machine.directory / "disk.1").open("wb") as iso:
            write_iso([Entry("context.sh", tmp_path / "context.sh", 0o400)], iso)
        machine.do("DEPLOY")
        seen = until_seen(watch, "SUSPENDED")
        machine.do("CANCEL")
    assert seen["REASON"] == "paused by an I/O error: disk vda: no space is left where it lies (ENOSPC)"
