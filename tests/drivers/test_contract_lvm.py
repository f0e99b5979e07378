"""Both LVM drivers as processes, on a recorded volume group where the kernel has no device-mapper (fake_lvm.py)."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.drivers.contract import ActionContract, TmContract
from tests.drivers.harness import DriverProcess, running
from tests.drivers.lvm_builders import ENGINE, IMAGE, IMAGE_ID, MIB, NAME, Group
from trifid.drivers.lvm import names
from trifid.wire.image_action import ImageActionData, render


def command_of(module: str) -> list[str]:
    """Return the command that runs a driver on the group of this test."""
    lines = (
        f"from trifid.drivers.lvm import names; names.DEVICES = {names.DEVICES!r}; from {module} import main; main()"
    )
    return [sys.executable, "-c", lines]


class TestTmLvm(TmContract):
    tm = "lvm"
    arguments = f"--group {NAME} --here host1"

    @pytest.fixture
    def home(self, group: Group, tmp_path: Path) -> Path:
        return tmp_path

    def start(self, home: Path, *, init: bool = True) -> AbstractContextManager[DriverProcess]:
        return running(command_of("trifid.drivers.tm.lvm"), self.arguments, home=home, env={}, monitor=False, init=init)

    def test_the_script_says_in_which_group_a_disk_is_made(
        self, driver: DriverProcess, group: Group, home: Path
    ) -> None:
        line = f"MKSWAP lvm 1 host1:{home}/datastores/0/12/disk.0 12 0"
        (home / "datastores" / "0").mkdir(parents=True, exist_ok=True)
        answer = self.do(driver, 12, 1, f"# trifid datastore 0 {group.devices}/nosuch", line)
        assert (answer.status, 'Volume group "nosuch" not found' in answer.payload) == ("FAILURE", True)
        assert self.do(driver, 12, 2, f"# trifid datastore 0 {group.base}", line).status == "SUCCESS"
        assert list(group.volumes()) == ["vm-12-0-01234567"]

    def test_it_tells_how_much_room_there_is(self, driver: DriverProcess, group: Group) -> None:
        driver.ask("MONITOR", 12, render(ImageActionData(base_path=str(group.base))))
        assert driver.answer("MONITOR", 12).payload.split()[1] == "TOTAL_MB=400"
        driver.ask("MONITOR", 12, render(ImageActionData(base_path="/srv")))
        assert driver.answer("MONITOR", 12).status == "FAILURE"

    @pytest.mark.parametrize("arguments", ["--nosense", "--group 'a b'", "--here", "--pool -x", "'"])
    def test_a_wrong_argument_is_told_when_it_begins(self, home: Path, arguments: str) -> None:
        process = running(command_of("trifid.drivers.tm.lvm"), arguments, home=home, env={}, monitor=False, init=False)
        with process as driver:
            driver.ask("INIT", -1)
            answer = driver.answer("INIT")
            assert answer.status == "FAILURE"
            assert answer.payload.startswith("arguments: ")


class TestDsLvm(ActionContract):
    @pytest.fixture
    def home(self, group: Group, tmp_path: Path) -> Path:
        return tmp_path

    def start(
        self, home: Path, *, init: bool = True, env: dict[str, str] | None = None
    ) -> AbstractContextManager[DriverProcess]:
        command = command_of("trifid.drivers.ds.lvm")
        return running(command, "", home=home, env=env or {}, monitor=False, init=init)

    def ask(self, driver: DriverProcess, group: Group, verb: str, step: int, **fields: object) -> tuple[str, str]:
        """Have a verb carried out; status and text of the answer."""
        data = ImageActionData(step, IMAGE_ID, source=str(group.image()), base_path=str(group.base), **fields)  # type: ignore[arg-type]
        driver.ask(verb, IMAGE_ID, render(data))
        answer = driver.answer(verb, IMAGE_ID)
        return answer.status, answer.payload

    def test_a_whole_life(self, driver: DriverProcess, group: Group) -> None:
        made = f"{group.image()} raw 4"
        for _ in range(2):
            assert self.ask(driver, group, "MKFS", 1, size_mib=2) == ("SUCCESS", made)
        assert group.volumes()[IMAGE].is_own(ENGINE)
        assert self.ask(driver, group, "RESIZE", 2, size_mib=7) == ("SUCCESS", "8")
        assert group.volumes()[IMAGE].size == 8 * MIB
        status, why = self.ask(driver, group, "MKFS", 1, size_mib=2)
        assert (status, "out of date" in why) == ("FAILURE", True)
        assert self.ask(driver, group, "RM", 3)[0] == "SUCCESS"
        assert group.volumes() == {}

    def test_without_an_engines_id_it_does_not_begin(self, home: Path) -> None:
        with self.start(home, init=False, env={"TRIFID_ENGINE_ID": ""}) as driver:
            driver.ask("INIT", -1)
            answer = driver.answer("INIT")
            assert answer.status == "FAILURE"
            assert answer.payload.startswith("TRIFID_ENGINE_ID is not set")
