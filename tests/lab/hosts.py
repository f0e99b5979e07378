"""Hosts of their own inside the lab: each has a libvirt, a network and a name, and all share the machine's files.

A host's bridge has the name of the lab's and is joined to it by a cable, so guests of all hosts are
neighbours and answer to the lab.  The engine reaches the libvirt of a host through a socket, URI.

With a directory that is not shared, each host has an empty one of its own in its place, the places of virtual networks
of its own, and an sshd: the ssh_config that reaches them lies beside (SSH_CONFIG).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.drivers.sshd import unless_gone
from tests.lab.conftest import BRIDGE
from tests.system.home import Home

NAMES = ("host-a", "host-b")
FIRST_ADDRESS = 241
SOCKETS = Path("/run/libvirt/hosts")
URI = f"qemu+unix:///system?socket={SOCKETS}/{{host}}/libvirt-sock"
"""Of a host's libvirt, for the drivers and for virsh."""
LOOK_EVERY_S = 0.1
SSH_CONFIG = "ssh_config"
"""Name of the file in the directory given to lab_hosts."""

# Inside new namespaces; becomes the host's libvirtd, so that to know one process is to know the host.
_HOST = """
name=$1 address=$2 bridge=$3 run=$4 lab=$5 uuid=$6 unshared=$7 sshd=$8
hostname "$name"
mount -t sysfs sysfs /sys
ip link set lo up
# With an address of its own: a bridge without one takes the lowest of its ports', which come and go.
ip link add "$bridge" address "02:ff:00:00:00:$(printf %02x "${address##*.}")" type bridge
ip link add cable type veth peer name "$name" netns "$lab"
ip link set cable master "$bridge" up
ip addr add "$address/24" dev "$bridge"
ip link set "$bridge" up
mount --bind "$run/hosts" /etc/hosts
for place in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir "$run/copy"
    cp -a "$place/." "$run/copy"
    mount -t tmpfs -o mode=755 tmpfs "$place"
    cp -a "$run/copy/." "$place"
    rm -rf "$run/copy"
done
rm -rf /var/lib/libvirt/qemu
echo "host_uuid = \\"$uuid\\"" >> /etc/libvirt/libvirtd.conf
mount --bind "$run" /run/libvirt
if [ "$unshared" ]; then
    for place in "$unshared" /run/netns /run/trifid; do
        mkdir -p "$place"
        mount -t tmpfs tmpfs "$place"
    done
    /usr/sbin/sshd -f "$sshd" -o "ListenAddress=$address" -o PidFile=/run/libvirt/sshd.pid -E /run/libvirt/sshd.log
fi
exec libvirtd --pid-file /run/libvirt/libvirtd.pid
"""


class LabHost:
    """One host.

    Attributes:
        name: what the engine calls it.
        uri: of its libvirt.
    """

    def __init__(self, name: str, address: str, hosts_file: str, unshared: str, sshd: Path) -> None:
        self.name = name
        self.uri = URI.format(host=name)
        self._run = SOCKETS / name
        self._run.mkdir(parents=True)
        (self._run / "hosts").write_text(hosts_file)
        machine = uuid.uuid5(uuid.NAMESPACE_DNS, name)
        with (self._run / "libvirtd.log").open("wb") as log:
            self._libvirtd = subprocess.Popen(
                [
                    *("unshare", "--net", "--mount", "--uts", "sh", "-euc", _HOST, "host"),
                    *(name, address, BRIDGE, str(self._run), str(os.getpid()), str(machine), unshared, str(sshd)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def until_up(self) -> None:
        """Return when its libvirt answers, its cable plugged in."""
        argv = ["virsh", "-q", "-c", self.uri, "list"]
        while subprocess.run(argv, capture_output=True, check=False).returncode:
            said = (self._run / "libvirtd.log").read_text()
            assert self._libvirtd.poll() is None, f"{self.name} ended: {said}"
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._libvirtd.wait(LOOK_EVERY_S)
        subprocess.run(["ip", "link", "set", self.name, "master", BRIDGE, "up"], check=True)

    def virsh(self, *argv: str) -> str:
        """Return what virsh prints about this host."""
        return subprocess.run(
            ["virsh", "-q", "-c", self.uri, *argv], capture_output=True, text=True, check=True
        ).stdout.strip()

    def domains(self) -> list[str]:
        """Return the names of the domains that are there, running or not."""
        return self.virsh("list", "--all", "--name").split()

    def argv(self, *argv: str) -> list[str]:
        """Return a command of this machine that runs a program on the host."""
        return ["nsenter", f"--target={self._libvirtd.pid}", "--mount", "--net", "--", *argv]

    def run(self, *argv: str) -> str:
        """Return what a program prints that sees the host's files."""
        return subprocess.run(self.argv(*argv), capture_output=True, text=True, check=True).stdout

    def unplug(self) -> None:
        """Cut the host off the network."""
        subprocess.run(["ip", "link", "set", self.name, "down"], check=True)

    def plug_in(self) -> None:
        """Bring it back."""
        subprocess.run(["ip", "link", "set", self.name, "up"], check=True)

    def kill_libvirtd(self) -> None:
        """Kill its libvirtd as a crash would; guests and sshd live on.  Only of a host with an sshd."""
        self._inside = int((self._run / "sshd.pid").read_text())
        self._libvirtd.kill()
        self._libvirtd.wait()

    def kill_guest(self, domain: str) -> None:
        """Kill a guest as a crash of its hypervisor would."""
        os.kill(int((self._run / "qemu" / f"{domain}.pid").read_text()), signal.SIGKILL)

    def start_libvirtd(self) -> None:
        """Start it again."""
        with (self._run / "libvirtd.log").open("ab") as log:
            self._libvirtd = subprocess.Popen(
                [
                    *("nsenter", f"--target={self._inside}", "--mount", "--net", "--uts", "--"),
                    *("libvirtd", "--pid-file", "/run/libvirt/libvirtd.pid"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.until_up()

    def end(self) -> None:
        """End the host, and every guest that still runs there."""
        if (self._run / "sshd.pid").exists():
            os.kill(int((self._run / "sshd.pid").read_text()), signal.SIGTERM)
        for pid_file in (self._run / "qemu").glob("*.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
        self._libvirtd.kill()
        self._libvirtd.wait()
        subprocess.run(["ip", "link", "del", self.name], capture_output=True, check=False)
        shutil.rmtree(self._run, onerror=unless_gone)


@contextlib.contextmanager
def lab_hosts(directory: Path, unshared: Path | None = None) -> Iterator[list[LabHost]]:
    """Two hosts that run; for the engine each of their names is this machine, where their sockets and files are.

    Args:
        directory: for files of this lab.
        unshared: a directory, in whose place each host shall have one of its own; ssh reaches the hosts then.
    """
    addresses = {name: f"10.0.0.{FIRST_ADDRESS + place}" for place, name in enumerate(NAMES)}
    for_hosts = "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in addresses.items())
    for_lab = directory / "hosts"
    for_lab.write_text(Path("/etc/hosts").read_text() + f"127.0.0.1 {' '.join(NAMES)}\n")
    subprocess.run(["mount", "--bind", str(for_lab), "/etc/hosts"], check=True)
    hosts: list[LabHost] = []
    try:
        sshd = _ssh(directory, addresses) if unshared else Path()
        own = str(unshared or "")
        hosts += [LabHost(name, address, for_hosts, own, sshd) for name, address in addresses.items()]
        for host in hosts:
            host.until_up()
        yield hosts
    finally:
        for host in hosts:
            host.end()
        subprocess.run(["umount", "/etc/hosts"], check=True)


def _ssh(directory: Path, addresses: dict[str, str]) -> Path:
    """Write the ssh_config of the lab, its keys, and what is returned: the configuration of the hosts' sshd."""
    for name in ("hostkey", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    host_key = (directory / "hostkey.pub").read_text()
    (directory / "known").write_text("".join(f"{address} {host_key}" for address in addresses.values()))
    (directory / SSH_CONFIG).write_text(
        "".join(f"Host {name}\n  HostName {address}\n" for name, address in addresses.items())
        + f"Host *\n  User root\n  IdentityFile {directory}/key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {directory}/known\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
    )
    config = directory / "sshd_config"
    config.write_text(
        f"HostKey {directory}/hostkey\nAuthorizedKeysFile {directory}/key.pub\nPermitRootLogin yes\nStrictModes no\n"
        "UsePAM no\nUseDNS no\nMaxStartups 100\nMaxSessions 100\n"
    )
    return config


@contextlib.contextmanager
def engine_of_hosts(path: Path, ssh_config: Path | None = None) -> Iterator[Home]:
    """A started engine whose drivers reach the hosts, which share their files in a way that libvirt cannot tell.

    Args:
        ssh_config: by which the network driver reaches them.
    """
    home = Home(path, drivers="libvirt")
    home.settings("--uri qemu:///system", f"--uri {URI}")
    home.settings("--type qemu", "--type qemu --unsafe-migration")
    if ssh_config:
        driver = 'executable = "trifid-vnm-linux"'
        home.settings(driver, f'{driver}\narguments = "--ssh-config {ssh_config}"')
    home.start()
    try:
        yield home
    finally:
        home.stop()
