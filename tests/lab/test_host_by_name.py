"""A host that is another machine needs no word in the configuration: ssh leads to its libvirt.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.drivers.harness import running
from tests.lab.conftest import Guest
from tests.lab.hosts import SSH_CONFIG, LabHost, lab_hosts
from tests.lab.test_libvirt_contract import TestIm as _Watch
from tests.lab.test_libvirt_guest import Family, Machine
from trifid.wire.lines import unpack

pytestmark = pytest.mark.timeout(300)

NAME = "node7"
"""Nobody but ssh knows where that is."""
CONFIG_OF_MACHINE = Path("/etc/ssh/ssh_config")


@pytest.fixture
def node(tmp_path: Path, bridge: str) -> Iterator[LabHost]:
    """A host that this machine's ssh_config calls node7."""
    (tmp_path / "own").mkdir()
    with lab_hosts(tmp_path, tmp_path / "own") as (node, _):
        config = tmp_path / SSH_CONFIG
        config.write_text(config.read_text().replace(f"Host {node.name}\n", f"Host {NAME}\n"))
        subprocess.run(["mount", "--bind", str(config), str(CONFIG_OF_MACHINE)], check=True)
        try:
            yield node
        finally:
            subprocess.run(["umount", str(CONFIG_OF_MACHINE)], check=True)


def test_another_machine_runs_guests_and_is_watched_without_an_argument(
    node: LabHost, tmp_path: Path, guest: Guest
) -> None:
    boot = {"KERNEL": str(guest.kernel), "INITRD": str(guest.initrd), "KERNEL_CMD": "console=ttyS0 quiet"}
    with running(Family.command, home=tmp_path) as driver:
        machine = Machine(driver, (("OS", boot),), NAME)
        machine.do("DEPLOY")
        assert node.domains() == ["one-12"]
        assert libvirt.open("qemu:///system").listAllDomains() == [], "not on this machine"
        assert "STATE=a" in machine.do("POLL")
        with running(_Watch.command, home=tmp_path, monitor=True) as watch:
            watch.ask_monitor("START_MONITOR", 3, _Watch().text(3, NAME))
            answer = watch.answer("START_MONITOR", 3)
            assert answer.status == "SUCCESS", unpack(answer.payload)
            assert "one-12" in unpack(watch.answer("STATE_VM", 3).payload)
        machine.do("CANCEL")
        assert node.domains() == []
