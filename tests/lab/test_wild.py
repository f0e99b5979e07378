"""A domain that somebody started with virsh: listed as wild, imported, watched, switched off, ended; its disk stays.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Guest
from tests.system.home import Api, Home, engine

pytestmark = pytest.mark.timeout(300)

SEEN_S = 10.0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An engine with the libvirt drivers, under TCG."""
    with engine(tmp_path / "home", drivers="libvirt") as started:
        Api(started).monitored_host("localhost", "qemu", "qemu")
        yield started


def virsh(*argv: str) -> str:
    return subprocess.run(["virsh", "-q", *argv], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def disk(tmp_path: Path, guest: Guest) -> Iterator[Path]:
    """The disk of a domain `legacy`, which is defined and runs."""
    disk = tmp_path / "legacy.img"
    disk.write_bytes(guest.pristine)
    text = tmp_path / "legacy.xml"
    text.write_text(
        "<domain type='qemu'><name>legacy</name><memory unit='MiB'>96</memory><vcpu>1</vcpu>"
        f"<os><type arch='x86_64'>hvm</type><kernel>{guest.kernel}</kernel><initrd>{guest.initrd}</initrd>"
        "<cmdline>console=ttyS0 quiet</cmdline></os><features><acpi/></features><devices>"
        f"<disk type='file'><source file='{disk}'/><target dev='sda' bus='scsi'/></disk>"
        "<controller type='scsi' model='virtio-scsi'/></devices></domain>"
    )
    virsh("define", str(text))
    virsh("start", "legacy")
    yield disk
    subprocess.run(["virsh", "-q", "destroy", "legacy"], capture_output=True, check=False)
    virsh("undefine", "legacy")


def test_a_domain_of_somebody_elses_is_taken_over_and_its_disk_outlives_it(home: Home, disk: Path) -> None:
    api = Api(home)
    shown = home.run("onehost", "resync", "localhost").stdout
    assert re.search(r"localhost +legacy +RUNNING +1 +96M", shown), shown
    assert "legacy" in home.run("onehost", "show", "localhost").stdout
    process = virsh("domid", "legacy")

    vm_id = int(home.run("onehost", "importvm", "localhost", "legacy").stdout.split()[1])
    assert api.state(vm_id) == "RUNNING"
    assert virsh("domid", "legacy") == process, "it is the same process: nothing was done to it"
    vm = api.vm(vm_id)
    assert (vm["DEPLOY_ID"], vm["TEMPLATE"]["IMPORTED"], vm["TEMPLATE"]["MEMORY"]) == ("legacy", "YES", "96")
    assert vm["TEMPLATE"]["OS"]["UUID"] == virsh("domuuid", "legacy")
    assert "WILD VMS" not in home.run("onehost", "show", "localhost").stdout

    virsh("suspend", "legacy")
    api.until(lambda: vm_paused(api, vm_id), "the pause is seen", SEEN_S)
    virsh("resume", "legacy")
    api.until_state(vm_id, "RUNNING", timeout_s=SEEN_S)
    virsh("destroy", "legacy")
    api.until_state(vm_id, "POWEROFF", timeout_s=SEEN_S)
    home.run("onevm", "resume", str(vm_id), "--wait")
    assert virsh("domstate", "legacy") == "running"

    home.run("onevm", "terminate", str(vm_id), "--hard", "--wait")
    assert virsh("domstate", "legacy") == "shut off", "its definition is not the engine's"
    assert disk.is_file() and disk.stat().st_size > 0
    # it is wild again, and off
    shown = home.run("onehost", "resync", "localhost").stdout
    assert re.search(r"legacy +POWEROFF", shown), shown
    assert "must be RUNNING" in home.run("onehost", "importvm", "localhost", "legacy", status=255).stderr


def vm_paused(api: Api, vm_id: int) -> bool:
    vm = api.vm(vm_id)
    return "paused" in str((vm["USER_TEMPLATE"] or {}).get("ERROR", "")) and api.state(vm_id) == "SUSPENDED"
