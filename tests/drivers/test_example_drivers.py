"""The drivers in examples/drivers keep the contract of their families."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from os import kill
from pathlib import Path
from typing import ClassVar

import pytest

from tests.drivers.contract import DomainsOutlive, ImContract
from tests.drivers.example_packages import EXAMPLES, WEB
from tests.drivers.harness import DriverProcess, python_driver

PYTHONPATH = os.pathsep.join([str(WEB), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


class VmsAreProcesses(DomainsOutlive):
    """Drivers whose VMs are processes that have a file with their number in HOME/PLACE/HOST/ID."""

    __test__ = False
    place = ""

    @pytest.fixture(autouse=True)
    def nothing_left_over(self, home: Path) -> Iterator[None]:
        """End the processes of a test: they outlive the driver."""
        yield
        for file in home.glob(f"{self.place}/*/*"):
            with suppress(ProcessLookupError):
                kill(self.pid_of(file), signal.SIGKILL)

    def pid_of(self, file: Path) -> int:
        found = re.search(r"\d+", file.read_text())
        assert found is not None
        return int(found.group())

    def test_a_vm_runs_once_whatever_was_killed_in_between(self, driver: DriverProcess, home: Path) -> None:
        file = home / self.place / "host1" / "12"
        self.do(driver, "DEPLOY", 12, 1)
        pid = self.pid_of(file)
        driver.kill()
        with self.start(home) as second:
            assert self.do(second, "DEPLOY", 12, 2).status == "SUCCESS"
            assert self.pid_of(file) == pid
            assert self.do(second, "REBOOT", 12, 3).status == "SUCCESS"
            assert self.runs(second, 12, 4)
            assert self.pid_of(file) != pid
            assert self.do(second, "SHUTDOWN", 12, 5).status == "SUCCESS"
            assert not self.runs(second, 12, 6)

    def test_a_host_that_is_a_path_is_refused(self, driver: DriverProcess, home: Path) -> None:
        assert self.do(driver, "DEPLOY", 12, 1, host="../../etc").status == "FAILURE"
        assert not (home / self.place).exists()


class TestVmmInShell(VmsAreProcesses):
    __test__ = True
    command: ClassVar = [str(EXAMPLES / "process" / "vmm-process")]
    place = "processes"


class TestImInShell(ImContract):
    command: ClassVar = [str(EXAMPLES / "process" / "im-process")]


class TestVmmInPython(VmsAreProcesses):
    __test__ = True
    command: ClassVar = python_driver("trifid_web.vmm")
    env: ClassVar = {"PYTHONPATH": PYTHONPATH}
    place = "web"


class TestImInPython(ImContract):
    command: ClassVar = python_driver("trifid_web.im")
    env: ClassVar = {"PYTHONPATH": PYTHONPATH}
