"""The shared transfer driver as a process: the contract, and what a script leaves when it fails or is killed."""

import http.server
import threading
from pathlib import Path

from tests.drivers.contract import TmContract
from tests.drivers.harness import DriverProcess, python_driver
from tests.drivers.tm_builders import names, web


class TestTmShared(TmContract):
    command = python_driver("trifid.drivers.tm.shared")
    env = {"no_proxy": "*"}  # noqa: RUF012

    def test_a_script_ends_at_the_first_command_that_fails(self, driver: DriverProcess, home: Path) -> None:
        directory = home / "datastores" / "0" / "12"
        answer = self.do(
            driver,
            12,
            1,
            f"MKIMAGE shared 1 raw host1:{directory}/disk.0 12 0",
            f"CLONE shared front:{home}/nothing/etch.img host1:{directory}/disk.1 12 0",
            f"MKIMAGE shared 1 raw host1:{directory}/disk.2 12 0",
        )
        assert answer.status == "FAILURE"
        assert answer.payload == (f"CLONE host1:{directory}/disk.1: {home}/nothing/etch.img: No such file or directory")
        assert names(directory) == ["disk.0"]

    def test_a_whole_life(self, driver: DriverProcess, home: Path) -> None:
        directory, kept = home / "datastores" / "0" / "12", home / "vms" / "12"
        prolog = [*self.prolog(home, 12), f"MKSWAP shared 1 host1:{directory}/disk.1 12 0"]
        assert self.do(driver, 12, 1, *prolog).status == "SUCCESS"
        assert names(directory) == ["disk.0", "disk.1"]
        (directory / "disk.0").write_bytes(b"the guest wrote this")
        epilog = [f"MV shared host1:{directory}/disk.0 front:{kept}/disk.0 12 0", *self.cleanup(home, 12)]
        assert [self.do(driver, 12, 5, *epilog).status for _ in range(2)] == ["SUCCESS"] * 2
        assert (kept / "disk.0").read_bytes() == b"the guest wrote this"
        assert not directory.exists()

    def test_a_disk_is_kept_brought_back_grown_and_moved(self, driver: DriverProcess, home: Path) -> None:
        directory, other = home / "datastores" / "0" / "12", home / "datastores" / "1" / "12"
        disk, at = directory / "disk.0", f"host1:{directory}/disk.0"
        assert self.do(driver, 12, 1, *self.prolog(home, 12)).status == "SUCCESS"
        steps = (
            [f"SNAP_CREATE shared {at} 0 12 0"],
            [f"SNAP_REVERT shared {at} 0 12 0"],
            [f"SNAP_DELETE shared {at} 0 12 0"],
            [f"RESIZE shared {at} 1 12 0"],
            [f"MV shared host1:{directory} front:{home}/vms/12/images 12 0"],
            [f"MV shared front:{home}/vms/12/images host2:{directory} 12 0"],
            [f"CP shared host1:{directory} host2:{other} 12 1"],
            [f"CLEAN shared host1:{directory} host2:{other} 12 1"],
        )
        for step, lines in enumerate(steps, 2):
            answers = [self.do(driver, 12, step, *lines) for _ in range(2)]
            assert [answer.status for answer in answers] == ["SUCCESS"] * 2, answers
            if step == 2:
                disk.write_bytes(b"the guest wrote this")
        assert (other / "disk.0").read_bytes() == (b"image" * 1000).ljust(1 << 20, b"\0")
        assert not directory.exists()

    def test_a_script_that_was_replaced_meanwhile_is_not_carried_out(self, driver: DriverProcess, home: Path) -> None:
        path = self.script(home, 12, 1, *self.prolog(home, 12))
        with web(waiting := Waiting(b"image" * 100)) as address:
            target = f"host1:{home}/datastores/0/12/disk.9"
            first = self.script(home, 12, 0, f"CLONE shared {address}/x {target} 12 0")
            driver.ask("TRANSFER", 12, str(first))
            assert waiting.asked.wait(10)
            driver.ask("TRANSFER", 12, str(path))
            driver.ask("NOTHING", 13)
            driver.answer("NOTHING", 13)  # so it has read the step of what waits
            path.write_text(path.read_text().replace("step 1", "step 2"))
            waiting.go_on.set()
            assert driver.answer("TRANSFER", 12).status == "SUCCESS"
        answer = driver.answer("TRANSFER", 12)
        assert answer.status == "FAILURE"
        assert "is now of step 2, it was asked for in step 1" in answer.payload

    def test_a_clone_that_was_killed_has_not_happened_and_is_done_again(
        self, driver: DriverProcess, home: Path
    ) -> None:
        disk = home / "datastores" / "0" / "12" / "disk.0"
        with web(waiting := Waiting(b"x" * 200_000)) as address:
            line = f"CLONE shared {address}/etch.img host1:{disk} 12 0"
            driver.ask("TRANSFER", 12, str(self.script(home, 12, 1, line)))
            assert waiting.asked.wait(10)
            driver.kill()
            waiting.go_on.set()
            assert not disk.exists()
            with self.start(home) as second:
                assert self.do(second, 12, 1, line).status == "SUCCESS"
        assert disk.read_bytes() == b"x" * 200_000
        assert names(disk.parent) == ["disk.0"]


class Waiting:
    """A web server's reply that sends half, and the rest when it is told to.

    Attributes:
        asked: set when half is sent.
        go_on: set by the test.
    """

    def __init__(self, data: bytes) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self._data = data

    def __call__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        half = len(self._data) // 2
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self._data)))
        handler.end_headers()
        handler.wfile.write(self._data[:half])
        self.asked.set()
        self.go_on.wait(30)
        handler.wfile.write(self._data[half:])
