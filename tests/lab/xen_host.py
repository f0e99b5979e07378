"""A Xen host under QEMU in the lab: built, started, reached by ssh under the name xen1."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = "xen1"
ADDRESS = "10.0.0.250"
FILES = "/srv"
URI = f"xen+ssh://{NAME}/system?no_tty=1"
"""Of its libvirt, as the drivers reach it."""
_TOOLS = ROOT / "tools" / "xen"
_FETCHED = ROOT / "build" / "xen"
_SSH_CONFIG_OF_MACHINE = Path("/etc/ssh/ssh_config")
_LAST_WORDS = 3000


class XenHost:
    """The host while it runs."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def virsh(self, *argv: str) -> str:
        """Return what virsh prints about this host."""
        done = subprocess.run(["virsh", "-q", "-c", URI, *argv], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"virsh {' '.join(argv)}: {done.stderr}"
        return done.stdout.strip()

    def domains(self) -> list[str]:
        """Return the names of the domains that are there, running or not, without the host's own."""
        return [name for name in self.virsh("list", "--all", "--name").split() if name != "Domain-0"]

    def run(self, *argv: str) -> str:
        """Return what a program prints on the host."""
        done = subprocess.run(["ssh", NAME, "--", *argv], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(argv)} on {NAME}: {done.stderr}"
        return done.stdout

    def last_words(self) -> str:
        """Return the end of what its console said."""
        return self._log.read_text(errors="replace")[-_LAST_WORDS:]


@contextlib.contextmanager
def xen_host(directory: Path, bridge: str, *files: Path) -> Iterator[XenHost]:
    """A Xen host that runs, on a bridge of the lab, with files in FILES; ssh_config of the lab's machine leads to it.

    What it is made of must have been fetched before: there is no way out of the lab.  Without Xen this fails.
    """
    if not (_FETCHED / "unpacked").is_dir():
        pytest.fail("there is nothing to make a Xen host of: run tools/packages xen and tools/xen/fetch build/xen")
    key, out = directory / "key", directory / "xen"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    out.mkdir()
    (out / "unpacked").symlink_to(_FETCHED / "unpacked")
    _said([str(_TOOLS / "build"), str(out), f"{key}.pub", *map(str, files)])
    _write_ssh_config(directory, (out / "hostkey.pub").read_text())
    subprocess.run(["mount", "--bind", str(directory / "ssh_config"), str(_SSH_CONFIG_OF_MACHINE)], check=True)
    try:
        _said([str(_TOOLS / "run"), str(out), bridge, f"{ADDRESS}/24", NAME])
        yield XenHost(out / f"{NAME}.log")
    finally:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((out / f"{NAME}.pid").read_text()), signal.SIGKILL)
        subprocess.run(["umount", str(_SSH_CONFIG_OF_MACHINE)], check=True)
        subprocess.run(["ip", "link", "del", NAME], capture_output=True, check=False)


def _said(argv: list[str]) -> None:
    """Run a tool; fail with what it said when it fails."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}:\n{done.stdout}"


def _write_ssh_config(directory: Path, host_key: str) -> None:
    known = directory / "known"
    known.write_text(f"{ADDRESS} {host_key}")
    (directory / "ssh_config").write_text(
        f"Host {NAME}\n  HostName {ADDRESS}\n"
        f"Host *\n  User root\n  IdentityFile {directory}/key\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {known}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
    )
