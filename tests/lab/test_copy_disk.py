"""A disk is copied while its machine runs, and a guest boots from a layer over an image: with a real QEMU.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.drivers.harness import DriverProcess, running
from tests.lab.conftest import Guest
from tests.lab.test_libvirt_guest import MAC, Family, Machine

pytestmark = pytest.mark.timeout(300)

MIB = 1 << 20
LARGE_MIB = 320
"""So much takes a while to be copied."""
SLOW_MIB_S = 1

RAW = {"DISK_ID": "5", "TARGET": "vdb", "SAVEAS": "YES"}
QCOW2 = {"DISK_ID": "6", "TARGET": "vdc", "DRIVER": "qcow2", "SAVEAS": "YES"}
CD = {"DISK_ID": "7", "TARGET": "hdc", "TYPE": "CDROM"}


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
def machine(driver: DriverProcess) -> Machine:
    """A machine without a guest: a raw disk of much data, a qcow2 disk, a layer and an empty CD drive."""
    machine = Machine(driver, ())
    (machine.directory / "disk.5").write_bytes(os.urandom(MIB) * LARGE_MIB)
    write(machine.directory / "disk.6", b"written")
    base = machine.directory / "base"
    base.write_bytes(b"base".ljust(8 * MIB, b"\0"))
    make_layer(machine.directory / "disk.0", base, "raw")
    (machine.directory / "disk.7").write_bytes(b"cd".ljust(MIB, b"\0"))
    machine.do("DEPLOY", *all_disks(machine))
    return machine


def layer(base: Path, kind: str = "raw") -> dict[str, str]:
    own = {"DISK_ID": "0", "TARGET": "vda", "DRIVER": "qcow2", "SAVEAS": "YES"}
    return own | {"BACKING_SOURCE": str(base), "BACKING_FORMAT": kind}


def all_disks(machine: Machine, saved: str = "") -> list[tuple[str, str | dict[str, str]]]:
    """Return all DISKs, of which one is to be saved."""
    disks = (layer(machine.directory / "base"), RAW, QCOW2, CD)
    return [("DISK", {**disk, "SAVEAS": "YES" if disk["DISK_ID"] == saved else "NO"}) for disk in disks]


def make_layer(disk: Path, base: Path, kind: str) -> None:
    disk.unlink()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", kind, str(disk)], check=True)


def write(disk: Path, content: bytes) -> None:
    source = disk.with_name("contents")
    source.write_bytes(content.ljust(512, b"\0"))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -s {source} 0 512", str(disk)], check=True)
    source.unlink()


def same(machine: Machine, disk: str, kind: str) -> bool:
    """Tell whether a copy has the contents of its disk, for a guest."""
    directory = machine.directory
    compare = ["qemu-img", "compare", "-U", "-q", "-f", kind, "-F", kind, str(directory / disk)]
    return subprocess.run([*compare, str(directory / f"{disk}.copy")], check=False).returncode == 0


def copies(machine: Machine) -> list[str]:
    return sorted(path.name for path in machine.directory.glob("*.copy*"))


def slow_down(machine: Machine) -> None:
    """Let the copy of disk 5, once it is being made, take minutes."""
    while True:
        try:
            machine.domain.blockJobSetSpeed("vdb", SLOW_MIB_S)
        except libvirt.libvirtError as fault:
            assert fault.get_error_code() in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_OPERATION_INVALID), fault
        else:
            return


def is_copying(machine: Machine) -> bool:
    return bool(machine.domain.jobStats().get("type", libvirt.VIR_DOMAIN_JOB_NONE) != libvirt.VIR_DOMAIN_JOB_NONE)


@pytest.mark.parametrize(("number", "kind"), [("0", "qcow2"), ("5", "raw"), ("6", "qcow2")])
def test_a_disk_is_copied_in_one_piece_while_the_machine_runs(machine: Machine, number: str, kind: str) -> None:
    for _ in range(2):
        machine.do("COPYDISK", *all_disks(machine, number))
        assert copies(machine) == [f"disk.{number}.copy"]
        assert same(machine, f"disk.{number}", kind)
    told = ["qemu-img", "info", "-f", kind, str(machine.directory / f"disk.{number}.copy")]
    assert "backing file" not in subprocess.run(told, check=True, capture_output=True, text=True).stdout
    assert machine.do("POLL").startswith("STATE=a")
    assert not is_copying(machine)


def test_a_copy_that_is_cancelled_leaves_nothing(machine: Machine) -> None:
    begin(machine)
    machine.driver.ask("DRIVER_CANCEL", 12)
    answer = machine.driver.answer("COPYDISK", 12)
    assert (answer.status, answer.payload) == ("FAILURE", "cancelled by the engine")
    assert copies(machine) == []
    assert machine.do("POLL").startswith("STATE=a")


def test_a_copy_of_a_driver_that_was_killed_is_made_again(machine: Machine) -> None:
    begin(machine)
    machine.driver.kill()
    assert is_copying(machine)
    with running(Family.command, "--uri qemu:///system", home=machine.driver.home) as second:
        machine.driver = second
        machine.do("COPYDISK", *all_disks(machine, "5"))
    assert copies(machine) == ["disk.5.copy"]
    assert same(machine, "disk.5", "raw")


def test_a_machine_that_is_destroyed_meanwhile_leaves_no_copy(machine: Machine) -> None:
    begin(machine)
    machine.domain.destroy()
    assert machine.driver.answer("COPYDISK", 12).status == "FAILURE"
    assert copies(machine) == []


def test_somebody_elses_backup_is_not_ended(machine: Machine) -> None:
    server = f"<server transport='unix' socket='{machine.directory / 'others.sock'}'/>"
    disk = f"<disk name='vdb' backup='yes' type='file'><scratch file='{machine.directory / 'others'}'/></disk>"
    machine.domain.backupBegin(f"<domainbackup mode='pull'>{server}<disks>{disk}</disks></domainbackup>", None)
    said = machine.refused("COPYDISK", *all_disks(machine, "6"))
    assert said == "one-12 is being backed up by somebody else: try again when that has ended"
    assert is_copying(machine)
    assert copies(machine) == []


def begin(machine: Machine) -> None:
    """Have disk 5 copied, slowly, and do not wait for it."""
    step = 2  # after DEPLOY
    Family().ask(machine.driver, "COPYDISK", 12, step, change=tuple(all_disks(machine, "5")))
    slow_down(machine)


def test_a_guest_boots_from_a_layer_and_goes_on_while_it_is_copied(
    driver: DriverProcess, guest: Guest, bridge: str, tmp_path: Path
) -> None:
    base = tmp_path / "root.img"
    base.write_bytes(guest.pristine)
    boot = {
        "KERNEL": str(guest.kernel),
        "INITRD": str(guest.initrd),
        "ROOT": "vda",
        "KERNEL_CMD": "console=ttyS0 quiet",
    }
    nic = {"NIC_ID": "0", "BRIDGE": bridge, "MAC": MAC}
    machine = Machine(driver, (("OS", boot), ("NIC", nic)))
    make_layer(machine.directory / "disk.0", base, "raw")
    disk = ("DISK", layer(base))
    machine.do("DEPLOY", disk)
    assert is_on_disk(machine)
    before_s = machine.uptime_s()
    machine.do("COPYDISK", disk)
    assert machine.uptime_s() > before_s
    machine.do("CANCEL", disk)
    assert base.read_bytes() == guest.pristine, "the image is only read"
    check = ["qemu-img", "check", "-q", "-f", "qcow2", str(machine.directory / "disk.0.copy")]
    assert subprocess.run(check, check=False).returncode == 0
    base.unlink()
    (machine.directory / "disk.0.copy").replace(machine.directory / "disk.0")
    machine.do("DEPLOY", ("DISK", {"DISK_ID": "0", "TARGET": "vda", "DRIVER": "qcow2"}))
    assert is_on_disk(machine), "the copy boots by itself"


def is_on_disk(machine: Machine) -> bool:
    """Tell whether the guest, once it answers, runs from vda and not in memory."""
    return any(fact.startswith("mount /dev/vda / ") for fact in machine.facts())
