"""What is asked of a VM is what its guest sees: memory that is kept, devices that come and go, time turned back.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Guest
from tests.lab.guests import NETWORK, count, fetch, left_over, template, until_counted, until_serving
from tests.system.home import Api, Home, engine

pytestmark = pytest.mark.timeout(300)

ADDRESS = "10.0.0.1"
SEEN_WITHIN_S = 2.0
SECTORS_PER_MIB = 2048


@pytest.fixture
def home(tmp_path: Path, bridge: str) -> Iterator[Home]:
    """An engine with the libvirt drivers, under TCG, and the guest's network."""
    with engine(tmp_path / "home", drivers="libvirt") as started:
        api = Api(started)
        api.monitored_host("localhost", "qemu", "qemu")
        api.call("one.vn.allocate", NETWORK, -1)
        yield started
        for vm in left_over(started)["domains"]:
            virsh("destroy", vm)


def virsh(*argv: str) -> None:
    """Do something behind the engine's back."""
    subprocess.run(["virsh", "-q", *argv], check=True, capture_output=True)


class Machine:
    """A VM that runs and answers."""

    def __init__(self, home: Home, text: str) -> None:
        self.home = home
        self.api = Api(home)
        self.id = self.api.call("one.vm.allocate", text, False)
        self.is_to_be("RUNNING")
        until_serving(self.api, ADDRESS)

    def is_to_be(self, state: str) -> None:
        self.api.until_state(self.id, state)

    def act(self, word: str, state: str) -> None:
        """Have something done and wait for the state it leads to."""
        self.api.call("one.vm.action", word, self.id)
        self.is_to_be(state)

    def seconds_until(self, state: str) -> float:
        begun = time.monotonic()
        self.is_to_be(state)
        return time.monotonic() - begun

    def call(self, method: str, *arguments: object) -> int:
        """Call a method about this VM that is over when the VM runs again."""
        made: int = self.api.call(method, self.id, *arguments)
        self.is_to_be("RUNNING")
        return made

    def vectors(self, name: str) -> list[dict]:
        found = self.api.vm(self.id)["TEMPLATE"].get(name, [])
        return found if isinstance(found, list) else [found]

    @property
    def error(self) -> str:
        text: str = (self.api.vm(self.id)["USER_TEMPLATE"] or {}).get("ERROR", "")
        return text

    @property
    def log(self) -> str:
        return self.home.run("onevm", "log", str(self.id)).stdout

    def ends(self) -> None:
        """Terminate it; nothing of it may be left over."""
        self.act("terminate-hard", "DONE")
        assert left_over(self.home) == {"domains": [], "taps": [], "files": []}


def facts() -> dict[str, str]:
    """Return what the guest says about itself: `disk vda` to its sectors, `interface 02:…` to its name."""
    found = {}
    for line in fetch(ADDRESS, "/cgi-bin/info").splitlines():
        kind, _, rest = line.partition(" ")
        name, _, value = rest.partition(" ")
        if kind == "interface":
            found[f"interface {value.split()[0]}"] = name
        else:
            found[f"{kind} {name}"] = value
    return found


def until_facts(wanted: str, *, is_there: bool) -> dict[str, str]:
    """Return what the guest says once it sees a device, or no longer does; each answer takes it some time."""
    for _ in range(200):
        if (wanted in (seen := facts())) is is_there:
            return seen
    raise AssertionError(f"{wanted} should {'' if is_there else 'not '}be in {seen}")


def test_memory_is_kept_by_suspend_and_not_by_poweroff_and_what_happens_by_itself_is_seen_at_once(
    home: Home, guest: Guest
) -> None:
    machine = Machine(home, template(guest, "sleeper"))
    before = until_counted(ADDRESS, 2)
    machine.act("suspend", "SUSPENDED")
    assert left_over(home)["domains"] == []
    machine.act("resume", "RUNNING")
    until_serving(machine.api, ADDRESS)
    after = count(ADDRESS)
    assert after.boot == before.boot and after.number >= before.number
    until_counted(ADDRESS, after.number + 1)

    domain = f"one-{machine.id}"
    virsh("suspend", domain)
    assert machine.seconds_until("SUSPENDED") < SEEN_WITHIN_S
    assert "paused" in machine.error
    virsh("resume", domain)
    assert machine.seconds_until("RUNNING") < SEEN_WITHIN_S
    assert machine.error == ""
    virsh("suspend", domain)
    machine.is_to_be("SUSPENDED")
    machine.act("resume", "RUNNING")
    assert count(ADDRESS).boot == before.boot

    machine.act("poweroff", "POWEROFF")
    assert left_over(home)["domains"] == []
    machine.act("resume", "RUNNING")
    until_serving(machine.api, ADDRESS)
    assert count(ADDRESS).boot != before.boot

    virsh("destroy", domain)
    assert machine.seconds_until("POWEROFF") < SEEN_WITHIN_S
    assert "destroyed" in machine.log
    machine.ends()


def test_disks_and_nics_come_and_go_in_the_guest_and_a_hypervisor_that_is_killed_is_missed(
    home: Home, guest: Guest
) -> None:
    machine = Machine(home, template(guest, "plugged"))
    boot = count(ADDRESS).boot
    assert "disk vda" not in facts()

    machine.call("one.vm.attach", 'DISK = [ TYPE = fs, FORMAT = ext4, SIZE = 16, TARGET = "vda" ]')
    assert until_facts("disk vda", is_there=True)["disk vda"] == str(16 * SECTORS_PER_MIB)
    disk = next(one for one in machine.vectors("DISK") if one["TARGET"] == "vda")
    image = home.path / "datastores" / "0" / str(machine.id) / f"disk.{disk['DISK_ID']}"
    assert image.exists()
    machine.call("one.vm.diskresize", int(disk["DISK_ID"]), "24")
    assert facts()["disk vda"] == str(24 * SECTORS_PER_MIB)
    machine.call("one.vm.detach", int(disk["DISK_ID"]))
    until_facts("disk vda", is_there=False)
    assert not image.exists()
    assert "vda" not in [one["TARGET"] for one in machine.vectors("DISK")]

    mac = "interface 02:00:0a:00:00:02"
    machine.call("one.vm.attachnic", 'NIC = [ NETWORK = "private" ]')
    assert until_facts(mac, is_there=True)[mac] == "eth1"
    second = machine.vectors("NIC")[1]
    assert second["IP"] == "10.0.0.2"
    machine.call("one.vm.detachnic", int(second["NIC_ID"]))
    until_facts(mac, is_there=False)
    assert len(machine.vectors("NIC")) == 1
    assert count(ADDRESS).boot == boot

    os.kill(int(Path(f"/run/libvirt/qemu/one-{machine.id}.pid").read_text()), signal.SIGKILL)
    assert machine.seconds_until("POWEROFF") < SEEN_WITHIN_S
    assert "ended unexpectedly" in machine.log
    machine.ends()


def test_a_guest_goes_back_to_its_snapshot_even_after_it_was_off(home: Home, guest: Guest, tmp_path: Path) -> None:
    root = tmp_path / "root.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(guest.root), str(root)], check=True)
    text = template(guest, "turned-back")
    text = text.replace(f'source = "{guest.root}"', f'source = "{root}", driver = qcow2')
    text = text.replace('DISK   = [ type = swap, size = 32, target = "sdb" ]\n', "")
    machine = Machine(home, text)
    kept = count(ADDRESS)
    snapshot_id = machine.call("one.vm.snapshotcreate", "early")
    later = until_counted(ADDRESS, kept.number + 4)
    machine.call("one.vm.snapshotrevert", snapshot_id)
    until_serving(machine.api, ADDRESS)
    back = count(ADDRESS)
    assert back.boot == kept.boot and kept.number <= back.number < later.number

    machine.act("poweroff-hard", "POWEROFF")
    machine.act("resume", "RUNNING")
    until_serving(machine.api, ADDRESS)
    assert count(ADDRESS).boot != kept.boot
    machine.call("one.vm.snapshotrevert", snapshot_id)
    until_serving(machine.api, ADDRESS)
    assert count(ADDRESS).boot == kept.boot

    machine.call("one.vm.snapshotdelete", snapshot_id)
    assert machine.vectors("SNAPSHOT") == []
    machine.ends()
