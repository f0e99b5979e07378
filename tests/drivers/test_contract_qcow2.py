"""The qcow2 transfer driver as a process: the contract, and how much room it says there is."""

import os
from pathlib import Path

from tests.drivers.contract import TmContract
from tests.drivers.harness import DriverProcess, python_driver
from tests.drivers.tm_builders import names
from trifid.wire.image_action import ImageActionData, render


class TestTmQcow2(TmContract):
    command = python_driver("trifid.drivers.tm.qcow2")
    tm = "qcow2"

    def prolog(self, home: Path, vm_id: int) -> list[str]:
        """Return the lines that clone one small image of the catalogue."""
        lines = super().prolog(home, vm_id)
        image = home / "images" / ("5" * 32)
        if not image.exists():
            image.hardlink_to(home / "images" / "image.img")
        return ["# trifid disk 0 raw", *(line.replace("image.img", image.name) for line in lines)]

    def test_a_whole_life(self, driver: DriverProcess, home: Path) -> None:
        directory = home / "datastores" / "0" / "12"
        prolog = [*self.prolog(home, 12), f"MKSWAP qcow2 1 host1:{directory}/disk.1 12 0"]
        assert self.do(driver, 12, 1, *prolog).status == "SUCCESS"
        assert names(directory) == ["disk.0", "disk.0.base", "disk.1"]
        assert self.do(driver, 12, 2, f"RESIZE qcow2 host1:{directory}/disk.0 3 12 0").status == "SUCCESS"
        assert self.do(driver, 12, 3, *self.cleanup(home, 12)).status == "SUCCESS"
        assert not directory.exists()
        assert names(home / "images") == ["5" * 32, "image.img"]

    def test_it_tells_how_much_room_there_is(self, driver: DriverProcess, home: Path) -> None:
        base = home / "datastores" / "100"
        for _ in range(2):  # after a script of step 7, too: it is about no VM
            driver.ask("MONITOR", 12, render(ImageActionData(base_path=str(base))))
            answer = driver.answer("MONITOR", 12)
            assert answer.status == "SUCCESS", answer
            told = {key: int(value) for key, value in (word.split("=") for word in answer.payload.split())}
            assert list(told) == ["USED_MB", "TOTAL_MB", "FREE_MB"]
            about = os.statvfs(base)
            assert told["TOTAL_MB"] == about.f_blocks * about.f_frsize >> 20
            assert 0 < told["FREE_MB"] <= told["TOTAL_MB"] - told["USED_MB"]
            self.do(driver, 12, 7, *self.cleanup(home, 12))

    def test_room_is_told_of_directories_only(self, driver: DriverProcess, home: Path) -> None:
        driver.ask("MONITOR", 12, render(ImageActionData(base_path="images/../..")))
        answer = driver.answer("MONITOR", 12)
        assert (answer.status, answer.payload) == ("FAILURE", "expected machine:/path without ..")
