"""Guests of the catalogue on two hosts that share nothing: disks go out, along, and back; with the ssh driver.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.catalogue import Catalogue, Machine, file_in, template
from tests.lab.conftest import Guest
from tests.lab.hosts import SSH_CONFIG, URI, LabHost, lab_hosts
from tests.system.home import Home

pytestmark = pytest.mark.timeout(400)

FILES = ["disk.0", "disk.1", "disk.2", "disk.2.cidata", "initrd", "kernel"]
"""What a VM of these tests has on its host."""
_SSH_CONFIG_OF_MACHINE = Path("/etc/ssh/ssh_config")


class Lab:
    """Two hosts and the catalogue whose images they run."""

    def __init__(self, home: Home, hosts: list[LabHost], guest: Guest) -> None:
        self.catalogue = Catalogue(home, guest)
        self.hosts = {host.name: host for host in hosts}
        self._datastores = home.path / "datastores"
        for host in hosts:
            self.catalogue.api.monitored_host(host.name, "qemu", "qemu")

    def deployed(self, text: str, host: str) -> Machine:
        """Return a new VM that runs on a host and has opened its door."""
        said = self.catalogue.run("onevm", "create", "-", "--hold", text=text)
        self.catalogue.run("onevm", "deploy", said.partition("ID:")[2].split()[0], host, "--wait")
        return self.catalogue.machine(said)

    def has(self) -> dict[str, tuple[list[str], bool]]:
        """Return the domains of each host, and whether it has any file of a VM; hosts with neither are left out."""
        found = {
            name: (host.domains(), bool(host.run("find", str(self._datastores), "-type", "f")))
            for name, host in self.hosts.items()
        }
        return {name: here for name, here in found.items() if here != ([], False)}

    def until_only_on(self, machine: Machine, host: str) -> None:
        """Wait until a VM is on a host, and nothing of any VM on another one or here: what it left goes afterwards."""
        wanted = {host: ([f"one-{machine.id}"], True)}
        self.catalogue.api.until(lambda: self.has() == wanted, f"VM {machine.id} is on {host}, where {self.has()} is")
        assert self._files_here() == []

    def files_of(self, machine: Machine, host: str) -> list[str]:
        """Return the names of what a host has for a VM."""
        directory = self._datastores / "0" / str(machine.id)
        return sorted(self.hosts[host].run("ls", "-A", str(directory)).split())

    def _files_here(self) -> list[Path]:
        return [path for path in (self._datastores / "0").rglob("*") if not path.is_dir()]


@pytest.fixture
def lab(tmp_path: Path, bridge: str, guest: Guest) -> Iterator[Lab]:
    """An engine with the libvirt drivers, under TCG, and hosts that it reaches as the machine's ssh_config says."""
    home = Home(tmp_path / "home", drivers="libvirt")
    home.settings("--uri qemu:///system", f"--uri {URI}")
    home.settings('transfer = "shared"', 'transfer = "ssh"')
    (tmp_path / "hosts").mkdir()
    with lab_hosts(tmp_path / "hosts", home.path / "datastores") as hosts:
        subprocess.run(
            ["mount", "--bind", str(tmp_path / "hosts" / SSH_CONFIG), str(_SSH_CONFIG_OF_MACHINE)], check=True
        )
        try:
            home.start()
            yield Lab(home, hosts, guest)
        finally:
            home.stop()
            subprocess.run(["umount", str(_SSH_CONFIG_OF_MACHINE)], check=True)


def test_disks_go_wherever_their_guest_goes_and_persistent_ones_come_back(lab: Lab) -> None:
    catalogue = lab.catalogue
    catalogue.image("data", "--type", "DATABLOCK", "--size", "16m", "--fs", "ext4", "--prefix", "vd", "--persistent")
    disks = 'DISK = [ IMAGE = "root" ]\nDISK = [ IMAGE = "data", TARGET = "vda" ]'
    first = lab.deployed(template("traveller", disks), "host-a")
    lab.until_only_on(first, "host-a")
    first.writes("/dev/vda", "first", "was here")
    first.does("echo while it ran > /left; sync")
    first.do("disk-saveas", first.disk("sda"), "saved")
    boot = first.does("echo and then > /later; sync; cat /proc/sys/kernel/random/boot_id")

    assert "cannot move live" in catalogue.refused("onevm", "migrate", str(first.id), "host-b", "--live")
    first.do("migrate", "host-b")
    lab.until_only_on(first, "host-b")
    first.until_open()
    assert first.does("cat /later /proc/sys/kernel/random/boot_id") == f"and then\n{boot}", "saved: it has not booted"
    assert lab.files_of(first, "host-b") == FILES, "the checkpoint is used up"
    assert first.reads("/dev/vda") == {"first": "was here"}

    first.do("migrate", "--poff", "host-a")
    lab.until_only_on(first, "host-a")
    first.until_open()
    assert first.does("cat /left /later") == "while it ran\nand then\n"
    first.writes("/dev/vda", "moved", "twice")
    assert lab.files_of(first, "host-a") == FILES

    first.do("undeploy")
    assert lab.has() == {}
    first.do("deploy", "host-b")
    lab.until_only_on(first, "host-b")
    first.until_open()
    assert first.reads("/dev/vda") == {"first": "was here", "moved": "twice"}
    assert f"used by VM {first.id}" in catalogue.refused("oneimage", "delete", "data")
    first.ends()
    assert lab.has() == {}
    assert catalogue.files_of_vms() == []
    assert file_in(catalogue.source("data"), "moved") == "twice\n"

    second = lab.deployed(template("settler", 'DISK = [ IMAGE = "saved", TARGET = "sda" ]'), "host-a")
    assert second.does("cat /left; ls /later 2>/dev/null || echo no more") == "while it ran\nno more\n"
    second.do("disk-attach", "--image", "data")
    second.until_seen("/dev/vda")
    assert second.reads("/dev/vda") == {"first": "was here", "moved": "twice"}
    second.writes("/dev/vda", "second", "as well")
    second.do("disk-detach", second.disk("vda"))
    assert file_in(catalogue.source("data"), "second") == "as well\n"
    sources = [catalogue.source(name) for name in ("data", "saved")]
    catalogue.run("oneimage", "delete", "data", "--wait")
    second.ends()
    catalogue.run("oneimage", "delete", "saved", "--wait")
    assert not any(source.exists() for source in sources)
    assert lab.has() == {}
