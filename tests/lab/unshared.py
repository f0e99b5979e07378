"""An engine and two hosts that share nothing: disks go from one to the other, by ssh or with their hypervisors."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.catalogue import Catalogue, Machine
from tests.lab.conftest import Guest
from tests.lab.hosts import SSH_CONFIG, URI, LabHost, lab_hosts
from tests.system.home import Home

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


@contextlib.contextmanager
def unshared_lab(path: Path, guest: Guest, *, vmm: str = "") -> Iterator[Lab]:
    """An engine with the libvirt drivers, under TCG, and hosts that it reaches as the machine's ssh_config says.

    Args:
        path: for files of this lab.
        vmm: more arguments of the virtual machine driver.
    """
    home = Home(path / "home", drivers="libvirt")
    home.settings("--uri qemu:///system", f"--uri {URI}")
    home.settings('transfer = "shared"', 'transfer = "ssh"')
    if vmm:
        home.settings("--type qemu", f"--type qemu {vmm}")
    (path / "hosts").mkdir()
    with lab_hosts(path / "hosts", home.path / "datastores") as hosts:
        subprocess.run(["mount", "--bind", str(path / "hosts" / SSH_CONFIG), str(_SSH_CONFIG_OF_MACHINE)], check=True)
        try:
            home.start()
            yield Lab(home, hosts, guest)
        finally:
            home.stop()
            subprocess.run(["umount", str(_SSH_CONFIG_OF_MACHINE)], check=True)
