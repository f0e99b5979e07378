"""What tests of containers stand on: control groups in sight, and an engine with hosts of libvirt's LXC."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.system.home import Home
from trifid.drivers.libvirt.connectors.lxc_disks import PLACES

GROUPS = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio")

_DRIVERS = """
[drivers.vmm.lxc]
executable = "trifid-vmm-libvirt"
arguments = "--uri lxc:///system"

[drivers.im.lxc]
executable = "trifid-im-libvirt"
arguments = "--uri lxc:///system"
"""


def has_control_groups() -> None:
    """Skip a test on a machine that has only control groups of version 2; where CI runs, that is a failure."""
    offered = {line.split()[0] for line in Path("/proc/cgroups").read_text().splitlines() if line.split()[1] != "0"}
    if lacking := [name for name in CONTROLLERS if name not in offered]:
        why = f"this machine has no control groups of version 1 for {', '.join(lacking)}: containers are not tested"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


@contextlib.contextmanager
def own_places() -> Iterator[None]:
    """A directory of the lab's own where the disks of containers are mounted."""
    Path(PLACES).mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=711", "tmpfs", PLACES], check=True)
    yield
    subprocess.run(["umount", PLACES], check=True)


@contextlib.contextmanager
def control_groups() -> Iterator[None]:
    """The lab's own control groups, of version 1, in their place."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(GROUPS)], check=True)
    for name in CONTROLLERS:
        (GROUPS / name).mkdir()
        subprocess.run(["mount", "-t", "cgroup", "-o", name, "cgroup", str(GROUPS / name)], check=True)
    yield
    subprocess.run(["umount", "-R", str(GROUPS)], check=True)


@contextlib.contextmanager
def engine_of_containers(path: Path) -> Iterator[Home]:
    """A started engine with drivers for containers, whose user is root."""
    home = Home(path, drivers="libvirt")
    with (home.path / "trifid.toml").open("a") as settings:
        settings.write(_DRIVERS)
    home.start()
    try:
        yield home
    finally:
        home.stop()


def left_of_containers() -> dict[str, list[str]]:
    """Return what is still on the host of containers: mounts, loop devices, control groups."""
    mounts = Path("/proc/mounts").read_text().splitlines()
    loops = subprocess.run(["losetup", "-n", "-O", "BACK-FILE"], capture_output=True, text=True, check=True)
    return {
        "mounts": [line.split()[1] for line in mounts if line.split()[1].startswith(f"{PLACES}/")],
        "loops": [name for name in loops.stdout.split() if "/datastores/" in name],
        "groups": [str(found) for found in GROUPS.glob("*/machine/lxc-*")],
    }


NOTHING: dict[str, list[str]] = {"mounts": [], "loops": [], "groups": []}
"""What left_of_containers() returns when there is none."""


@contextlib.contextmanager
def place_for_containers() -> Iterator[None]:
    """All that the lab's libvirt needs to run containers."""
    has_control_groups()
    with control_groups(), own_places():
        yield


def end_containers() -> None:
    """End whatever container a test has left running."""
    for domain in libvirt.open("lxc:///system").listAllDomains():
        domain.destroy()
