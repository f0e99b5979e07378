"""What tests of guests do all the time: templates, their pages, and what must be gone in the end."""

import json
import subprocess
import urllib.request
from typing import NamedTuple

from tests.lab.conftest import BRIDGE, Guest
from tests.system.home import Api, Home

NETWORK = f'NAME="private"\nTYPE=RANGED\nBRIDGE={BRIDGE}\nNETWORK_SIZE=100\nNETWORK_ADDRESS=10.0.0.0'


def template(guest: Guest, name: str) -> str:
    """The seed's example: kernel, initrd, root, two disks of which one swap, one NIC; and a context."""
    return f"""
NAME   = {name}
CPU    = 1
MEMORY = 128
OS     = [ kernel = "{guest.kernel}", initrd = "{guest.initrd}", root = "sda", kernel_cmd = "console=ttyS0 quiet" ]
DISK   = [ source = "{guest.root}", target = "sda" ]
DISK   = [ type = swap, size = 32, target = "sdb" ]
NIC    = [ network = "private" ]
CONTEXT = [ hostname = "{name}", greeting = "it's $NAME at $NIC[IP] & <well>", vm_id = "$VMID" ]
"""


def fetch(address: str, path: str = "/") -> str:
    """Return a page of a guest."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
        text: str = answer.read().decode()
        return text


class Count(NamedTuple):
    """How far a guest has counted since its boot, and which boot that was."""

    number: int
    boot: str


def count(address: str) -> Count:
    """Return how far a guest has counted, in its memory only."""
    number, boot = fetch(address, "/cgi-bin/count").split()
    return Count(int(number), boot)


def until_counted(address: str, number: int) -> Count:
    """Return the guest's count once it is this far; each page that says less takes the guest some time."""
    for _ in range(1000):
        if (reached := count(address)).number >= number:
            return reached
    raise AssertionError(f"{address} has only counted to {reached.number}, expected {number}")


def until_serving(api: Api, address: str) -> None:
    """Return when a guest's page can be fetched; every failed attempt waits for the connection itself."""

    def serves() -> bool:
        return subprocess.run(["ping", "-c1", "-W1", address], capture_output=True, check=False).returncode == 0 and (
            subprocess.run(
                ["curl", "-s", "-m", "2", "-o", "/dev/null", f"http://{address}/"], capture_output=True, check=False
            ).returncode
            == 0
        )

    for _ in range(120):
        if serves():
            return
    raise AssertionError(f"no page at {address}")


def left_over(home: Home) -> dict[str, list[str]]:
    """Return what is still there of VMs: files, domains, taps."""
    domains = subprocess.run(["virsh", "-q", "list", "--all", "--name"], capture_output=True, text=True, check=True)
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout)
    return {
        "domains": domains.stdout.split(),
        "taps": [link["ifname"] for link in links if link["ifname"] not in ("lo", BRIDGE)],
        "files": files_of_vms(home),
    }


def files_of_vms(home: Home) -> list[str]:
    """Return every file that is kept for a VM."""
    found = [p for place in ("datastores", "vms") for p in (home.path / place).rglob("*") if not p.is_dir()]
    return [str(p) for p in found]
