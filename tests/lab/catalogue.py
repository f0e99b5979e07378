"""A user's view of a lab: images, machines made of them by the commands people type, and a word with their guests.

What a guest shall do is posted to a page of its own, the door, that its START_SCRIPT opens in its memory.
"""

import base64
import contextlib
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.lab.conftest import Guest
from tests.lab.guests import NETWORK
from tests.system.home import Api, Home
from trifid.wire.elements import several

DOOR_PORT = 8080
_DOOR = f"""\
#!/bin/sh
mkdir -p /run/door/cgi-bin
cat > /run/door/cgi-bin/do <<'END'
#!/bin/sh
export PATH=/bin
echo "Content-Type: text/plain"
echo
sh -euc "$(head -c "$CONTENT_LENGTH")" 2>&1
echo "status $?"
END
chmod 755 /run/door/cgi-bin/do
httpd -h /run/door -p {DOOR_PORT}
"""
_DOOR_BASE64 = base64.b64encode(_DOOR.encode()).decode()
_TRIES_MAX = 200
_WAIT_S = 120


def template(name: str, disks: str, *, context: str = "") -> str:
    """Return a machine that boots kernel and initial RAM disk of the catalogue, from its disk sda."""
    return f"""
NAME    = "{name}"
CPU     = 0.2
MEMORY  = 96
OS      = [ KERNEL_DS = "$FILE[IMAGE=\\"vmlinuz\\"]", INITRD_DS = "$FILE[IMAGE=\\"initrd\\"]",
            ROOT = "sda", KERNEL_CMD = "console=ttyS0 quiet" ]
NIC     = [ NETWORK = "private" ]
CONTEXT = [ NETWORK = "YES", START_SCRIPT_BASE64 = "{_DOOR_BASE64}"{context} ]
{disks}
"""


class Catalogue:
    """An engine's images, with the tiny guest among them: vmlinuz, initrd, and root, which is not persistent."""

    def __init__(self, home: Home, guest: Guest) -> None:
        self.home = home
        self.api = Api(home)
        self.api.call("one.vn.allocate", NETWORK, -1)
        self.image("vmlinuz", "--type", "KERNEL", "--path", str(guest.kernel), "-d", "files")
        self.image("initrd", "--type", "RAMDISK", "--path", str(guest.initrd), "-d", "files")
        self.image("root", "--prefix", "sd", "--path", str(guest.root))

    def run(self, *argv: str, text: str | None = None) -> str:
        """Return what a command prints."""
        return self.home.run(*argv, text=text).stdout

    def refused(self, *argv: str, text: str | None = None) -> str:
        """Return why a command is refused."""
        done = self.home.run(*argv, text=text, status=None)
        assert done.returncode, f"{' '.join(argv)} was not refused\n{done.stdout}"
        return done.stderr

    def image(self, name: str, *options: str) -> None:
        """Make an image, and wait until it is there."""
        self.run("oneimage", "create", "--name", name, *options, "--wait")

    def about(self, name: str, *columns: str) -> list[str]:
        """Return what the list of images says of one; of one that is not there, nothing."""
        shown = self.run("oneimage", "list", "--csv", "--no-header", "-f", f"NAME=^{name}$", "-l", ",".join(columns))
        return shown.strip().split(",") if shown.strip() else []

    def source(self, name: str) -> Path:
        """Return the file of an image."""
        image = self.api.call("one.image.info", int(self.about(name, "ID")[0]))
        return Path(image.partition("<SOURCE>")[2].partition("</SOURCE>")[0].partition("CDATA[")[2].removesuffix("]]>"))

    def create(self, text: str, *options: str) -> "Machine":
        """Make a VM and wait until its guest has opened the door."""
        return self.machine(self.run("onevm", "create", "-", *options, text=text))

    def machine(self, said: str) -> "Machine":
        """Return the VM that a command said it has made, once its guest has opened the door."""
        machine = Machine(self, int(said.partition("ID:")[2].split()[0]))
        machine.is_to_be("RUNNING")
        machine.until_open()
        return machine

    def files_of_vms(self) -> list[str]:
        """Return what lies on this machine for VMs, paths below the home."""
        places = (self.home.path / "datastores" / "0", self.home.path / "vms")
        return [str(p.relative_to(self.home.path)) for at in places for p in sorted(at.rglob("*")) if not p.is_dir()]


class Machine:
    """A VM."""

    def __init__(self, catalogue: Catalogue, vm_id: int) -> None:
        self._catalogue = catalogue
        self.id = vm_id
        self.nics: list[dict[str, str]] = several(catalogue.api.vm(vm_id)["TEMPLATE"]["NIC"])
        self.address = self.nics[0]["IP"]

    def is_to_be(self, state: str) -> None:
        """Wait for a state; a failure meanwhile fails the test, with the VM's log."""
        api = self._catalogue.api
        ends = (state, "PROLOG_FAILURE", "BOOT_FAILURE", "CLONING_FAILURE")
        reached = api.until_state(self.id, *ends, timeout_s=_WAIT_S)
        assert reached == state, self._catalogue.run("onevm", "log", str(self.id))

    def until_open(self) -> None:
        """Return when the guest does what it is told."""
        argv = ["curl", "-s", "-m", "3", "-d", "true", self._door]
        for _ in range(_TRIES_MAX):
            subprocess.run(["ping", "-c1", "-W1", self.address], capture_output=True, check=False)
            if subprocess.run(argv, capture_output=True, text=True, check=False).stdout == "status 0\n":
                return
        raise AssertionError(f"the guest of VM {self.id} at {self.address} has not opened its door")

    @property
    def _door(self) -> str:
        return f"http://{self.address}:{DOOR_PORT}/cgi-bin/do"

    def does(self, script: str) -> str:
        """Have the guest run a script, and return what that says."""
        with urllib.request.urlopen(self._door, data=script.encode(), timeout=60) as answer:
            said, _, status = answer.read().decode().rpartition("status ")
        assert status.strip() == "0", f"in VM {self.id}: {script}\n{said}status {status}"
        return str(said)

    def until_seen(self, device: str) -> None:
        """Return when the guest sees a disk that has come."""
        self.does(f"for _ in $(seq 200); do [ ! -b {device} ] || exit 0; sleep 0.1; done; exit 1")

    def writes(self, device: str, name: str, text: str) -> None:
        """Have the guest leave a file on a disk, which is unmounted again."""
        self.does(f"mkdir -p /run/at; mount -t ext4 {device} /run/at; echo {text} > /run/at/{name}; umount /run/at")

    def reads(self, device: str) -> dict[str, str]:
        """Return the files that the guest finds on a disk, and the one line in each."""
        look = 'cd /run/at; for f in *; do [ ! -f "$f" ] || echo "$f:$(cat "$f")"; done; cd /'
        said = self.does(f"mkdir -p /run/at; mount -t ext4 -o ro {device} /run/at; {look}; umount /run/at")
        return dict(line.split(":", 1) for line in said.splitlines())

    def do(self, word: str, *options: str) -> None:
        """Have something done by onevm, and wait for the end of it."""
        self._catalogue.run("onevm", word, str(self.id), *options, "--wait")

    def disk(self, target: str) -> str:
        """Return the number of a disk."""
        disks = self._catalogue.api.vm(self.id)["TEMPLATE"]["DISK"]
        found = [
            disk["DISK_ID"] for disk in (disks if isinstance(disks, list) else [disks]) if disk["TARGET"] == target
        ]
        return str(found[0])

    def ends(self) -> None:
        """Shut it down and end it."""
        self.do("terminate")


def file_in(image: Path, name: str) -> str:
    """Return a file of an ext file system that lies in a raw image, empty when it is not there."""
    done = subprocess.run(["debugfs", "-R", f"cat /{name}", str(image)], capture_output=True, text=True, check=True)
    return done.stdout


def domains() -> list[str]:
    """Return the names of the domains on this machine."""
    done = subprocess.run(["virsh", "-q", "list", "--all", "--name"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@contextlib.contextmanager
def none_left_over() -> Iterator[None]:
    """End the guests that are still there after a block."""
    try:
        yield
    finally:
        for domain in domains():
            subprocess.run(["virsh", "-q", "destroy", domain], capture_output=True, check=True)
