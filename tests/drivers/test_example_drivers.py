"""The drivers in examples/drivers keep the contract of their families."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from os import kill
from pathlib import Path

import pytest

from tests.drivers.contract import DomainsOutlive, ImContract
from tests.drivers.harness import DriverProcess

EXAMPLES = Path(__file__).parents[2] / "examples" / "drivers"


class TestVmmProcess(DomainsOutlive):
    command = [str(EXAMPLES / "process" / "vmm-process")]

    @pytest.fixture(autouse=True)
    def nothing_left_over(self, home: Path) -> Iterator[None]:
        """End the processes of a test: they outlive the driver."""
        yield
        for file in home.glob("processes/*/*"):
            with suppress(ProcessLookupError, ValueError):
                kill(int(file.read_text()), signal.SIGKILL)

    def test_a_vm_runs_once_whatever_was_killed_in_between(self, driver: DriverProcess, home: Path) -> None:
        self.do(driver, "DEPLOY", 12, 1)
        pid = (home / "processes" / "host1" / "12").read_text()
        driver.kill()
        with self.start(home) as second:
            assert self.do(second, "DEPLOY", 12, 2).status == "SUCCESS"
            assert (home / "processes" / "host1" / "12").read_text() == pid
            assert self.do(second, "REBOOT", 12, 3).status == "SUCCESS"
            assert self.runs(second, 12, 4)
            assert (home / "processes" / "host1" / "12").read_text() != pid
            assert self.do(second, "SHUTDOWN", 12, 5).status == "SUCCESS"
            assert not self.runs(second, 12, 6)

    def test_a_host_that_is_a_path_is_refused(self, driver: DriverProcess, home: Path) -> None:
        assert self.do(driver, "DEPLOY", 12, 1, host="../../etc").status == "FAILURE"
        assert not (home / "processes").exists()


class TestImProcess(ImContract):
    command = [str(EXAMPLES / "process" / "im-process")]
