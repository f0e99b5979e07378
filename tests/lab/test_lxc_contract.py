"""The libvirt drivers keep their families' contracts with containers, too.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.contract import Change, DomainsOutlive, ImContract
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.lab.conftest import Guest
from tests.lab.containers import NOTHING, end_containers, left_of_containers, place_for_containers
from trifid.drivers.libvirt.connectors import lxc_on_host
from trifid.drivers.libvirt.connectors.lxc_on_host import BUSY
from trifid.drivers.libvirt.connectors.lxc_words import CANNOT

pytestmark = pytest.mark.timeout(300)

ROOT: Change = (("DISK", {"DISK_ID": "0", "TARGET": "sda"}),)


@pytest.fixture(scope="module", autouse=True)
def groups() -> Iterator[None]:
    with place_for_containers():
        yield


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """End what a test leaves running."""
    yield
    end_containers()


class TestVmm(DomainsOutlive):
    """With the demo's root disk."""

    command = python_driver("trifid.drivers.vmm.libvirt")
    arguments = "--uri lxc:///system"
    host = "localhost"
    template = ROOT
    limit_s = 120.0

    @pytest.fixture(autouse=True)
    def root(self, guest: Guest) -> None:
        self._root = guest.root

    def prepare(self, directory: Path) -> None:
        shutil.copyfile(self._root, directory / "disk.0")


class TestIm(ImContract):
    command = python_driver("trifid.drivers.im.libvirt")
    arguments = "--uri lxc:///system"
    host = "localhost"


@pytest.fixture
def family(guest: Guest) -> TestVmm:
    made = TestVmm()
    made._root = guest.root
    return made


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[DriverProcess]:
    with running(TestVmm.command, TestVmm.arguments, home=tmp_path, env={"TRIFID_ENGINE_ID": "one"}) as driver:
        yield driver


def on_host(*argv: str) -> int:
    """Return the exit status of the program that mounts disks on hosts."""
    program = [sys.executable, lxc_on_host.__file__, *argv]
    return subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode


def test_every_verb_that_comes_to_nothing_is_answered_with_the_reason(family: TestVmm, driver: DriverProcess) -> None:
    assert family.do(driver, "DEPLOY", 12, 1).status == "SUCCESS"
    for step, (verb, why) in enumerate(CANNOT.items(), 2):
        answer = family.do(driver, verb, 12, step)
        assert (answer.status, answer.payload) == ("FAILURE", why)
    assert family.runs(driver, 12, 100)


def test_what_an_attempt_that_was_cut_short_left_mounted_goes(family: TestVmm, driver: DriverProcess) -> None:
    family.payload(12, 1, driver.home)  # makes its directory
    disk = str(driver.home / "datastores" / "0" / "12" / "disk.0")
    mount = ("mount", "/run/trifid/lxc/one-12.one", "1000000", "65536", "0", "rw", disk)
    assert on_host(*mount) == 0
    assert family.do(driver, "DEPLOY", 12, 1).status == "SUCCESS"
    assert left_of_containers()["mounts"] == []
    assert on_host(*mount) == BUSY, "the container has it"
    assert family.do(driver, "CANCEL", 12, 2).status == "SUCCESS"
    assert left_of_containers() == NOTHING

    assert on_host(*mount) == 0
    assert family.do(driver, "CANCEL", 12, 3).status == "SUCCESS"
    assert left_of_containers() == NOTHING


def test_a_container_that_libvirt_refuses_leaves_nothing(family: TestVmm, driver: DriverProcess) -> None:
    nic = {"NIC_ID": "0", "BRIDGE": "nosuchbridge", "MAC": "02:00:0a:00:00:01", "TARGET": "one-12-0"}
    refused: Change = (("NIC", nic),)
    answer = family.do(driver, "DEPLOY", 12, 1, change=refused)
    assert answer.status == "FAILURE" and "nosuchbridge" in answer.payload
    absent: Change = (("OS", {"INIT": "/no/such/program"}),)
    answer = family.do(driver, "DEPLOY", 12, 2, change=absent)
    assert answer.status == "FAILURE" and "/no/such/program" in answer.payload, answer
    assert left_of_containers() == NOTHING
    assert sorted(os.listdir("/sys/class/net")) == ["lo"]
    assert not family.runs(driver, 12, 3)


def test_an_image_that_another_container_writes_to_is_not_mounted_a_second_time(tmp_path: Path, guest: Guest) -> None:
    image = tmp_path / "root.img"
    shutil.copyfile(guest.root, image)
    one, other = "/run/trifid/lxc/one", "/run/trifid/lxc/other"
    assert on_host("mount", one, "1000000", "65536", "0", "rw", str(image)) == 0
    (tmp_path / "link").symlink_to(image)
    assert on_host("mount", other, "2000000", "65536", "0", "rw", str(tmp_path / "link")) == BUSY
    assert not Path(other).exists()
    assert on_host("unmount", one, "0", "rw", str(image)) == 0
    assert not Path(one).exists()


RECORDER = """#!/bin/sh
for last; do :; done
stat -c %a "${last%/*}" >> "$RECORD"
exec /bin/mount "$@"
"""


@pytest.mark.parametrize(("first", "mode"), [("1000000", "711"), ("0", "700")])
def test_nobody_else_on_the_host_runs_a_program_of_a_disk_as_root_while_it_is_mounted(
    first: str, mode: str, tmp_path: Path, guest: Guest
) -> None:
    image, place, record = tmp_path / "root.img", "/run/trifid/lxc/one-13.one", tmp_path / "record"
    shutil.copyfile(guest.root, image)
    recorder = tmp_path / "bin" / "mount"
    recorder.parent.mkdir()
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    argv = [sys.executable, lxc_on_host.__file__, "mount", place, first, "65536", "0", "rw", str(image)]
    env = {**os.environ, "PATH": f"{recorder.parent}:{os.environ['PATH']}", "RECORD": str(record)}
    subprocess.run(argv, stdin=subprocess.DEVNULL, env=env, check=True)
    try:
        assert record.read_text() == "700\n"
        assert f"{Path(place).stat().st_mode & 0o777:o}" == mode
    finally:
        assert on_host("unmount", place, "0", "rw", str(image)) == 0
