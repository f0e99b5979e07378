"""The ssh transfer driver as a process: the contract, what a kill leaves, what it makes of its arguments."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.contract import TmContract
from tests.drivers.harness import DriverProcess, python_driver
from tests.drivers.sshd import hang_up
from tests.drivers.tm_builders import names
from trifid.drivers.remote.way import Way, sockets_of
from trifid.wire.image_action import ImageActionData, render


class TestTmSsh(TmContract):
    command = python_driver("trifid.drivers.tm.ssh.main")
    tm = "ssh"

    @pytest.fixture
    def home(self, tmp_path: Path, way: Way) -> Iterator[Path]:
        self.arguments = f"--frontend frontend --ssh-config {way.config}"
        yield tmp_path
        hang_up(sockets_of(tmp_path))

    def test_a_whole_life(self, driver: DriverProcess, home: Path) -> None:
        here, there = (home / "datastores" / number / "12" for number in "01")
        kept = home / "vms" / "12"
        steps = (
            ["# trifid disk 0 raw", *self.prolog(home, 12), f"MKSWAP ssh 1 host1:{here}/disk.1 12 0"],
            [f"SNAP_CREATE ssh host1:{here}/disk.0 0 12 0"],
            [f"CP ssh host1:{here} host2:{there} 12 1"],
            [f"CLEAN ssh host1:{here} host2:{there} 12 1"],
            [f"MV ssh host2:{there} frontend:{kept}/images 12 1"],
            [f"MV ssh frontend:{kept}/images host1:{here} 12 0"],
            [f"MV ssh host1:{here}/disk.0 frontend:{kept}/disk.0 12 0", *self.cleanup(home, 12)],
        )
        for step, lines in enumerate(steps, 1):
            answers = [self.do(driver, 12, step, *lines) for _ in range(2)]
            assert [answer.status for answer in answers] == ["SUCCESS"] * 2, answers
        assert (kept / "disk.0").read_bytes() == b"image" * 1000
        assert [names(directory.parent) for directory in (here, there)] == [[], []]

    def test_a_copy_that_was_killed_is_gone_on_with_by_the_next_driver(self, driver: DriverProcess, home: Path) -> None:
        disk = home / "datastores" / "0" / "12" / "disk.0"
        size = 300 << 20
        lines = self.prolog(home, 12)
        with (home / "images" / "image.img").open("wb") as image:
            for _ in range(size >> 20):
                image.write(os.urandom(1 << 20))
        driver.ask("TRANSFER", 12, str(self.script(home, 12, 1, *lines)))
        driver.wait_for_log("10 %")
        driver.kill()
        assert names(disk.parent) == ["disk.0.part", "disk.0.part.state"]
        with self.start(home) as second:
            assert self.do(second, 12, 1, *lines).status == "SUCCESS"
        assert names(disk.parent) == ["disk.0"]
        assert disk.read_bytes() == (home / "images" / "image.img").read_bytes()

    def test_a_host_that_is_not_reached_is_named(self, driver: DriverProcess, home: Path) -> None:
        answer = self.do(driver, 12, 1, f"DELETE ssh no-such-host.invalid:{home}/datastores/0/12 12 0")
        assert answer.status == "FAILURE"
        assert "no-such-host.invalid is not reached: " in answer.payload

    def test_the_datastore_has_no_room_of_its_own(self, driver: DriverProcess, home: Path) -> None:
        for _ in range(2):
            driver.ask("MONITOR", 12, render(ImageActionData(base_path=f"{home}/datastores/0")))
            answer = driver.answer("MONITOR", 12)
            assert (answer.status, answer.payload) == ("SUCCESS", "USED_MB=0 TOTAL_MB=0 FREE_MB=0")
            self.do(driver, 12, 7, *self.cleanup(home, 12))

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--colour red", "unrecognized arguments: --colour"),
            ("--ssh-config /nothing", "there is no such file"),
            ("--connect-timeout soon", "invalid int value"),
            ("'", "No closing quotation"),
        ],
    )
    def test_arguments_that_are_wrong_are_told_at_once(self, home: Path, arguments: str, reason: str) -> None:
        self.arguments = arguments
        with self.start(home, init=False) as driver:
            driver.send(b"INIT\n")
            answer = driver.answer("INIT")
        assert answer.status == "FAILURE"
        assert reason in answer.payload
