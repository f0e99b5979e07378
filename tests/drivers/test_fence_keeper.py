"""The keeper: a heartbeat that goes on by itself on a real machine (this one), and is seen to change."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.sshd import hang_up, sshd
from trifid.drivers.fence.keeper import NO_LEASE, START, start_arguments
from trifid.drivers.remote.way import sockets_of
from trifid.engine.failover.heartbeats import BEAT_BYTES_MAX, Heartbeats, read_all
from trifid.wire.fence_action import FenceActionData, render

ENGINE = f"ab12cd{os.getpid()}"
WAITED_S = 20.0


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[DriverProcess]:
    """The driver, with a home of this machine's user that the keeper notes itself in."""
    home = tmp_path / "home"
    home.mkdir()
    env = {"TRIFID_ENGINE_ID": ENGINE, "HOME": str(tmp_path)}
    try:
        with running(python_driver("trifid.drivers.fence.main"), "--frontend node3", home=home, env=env) as process:
            yield process
    finally:
        for noted in tmp_path.glob(".trifid-keeper-*"):
            end(noted)


def end(noted: Path) -> None:
    """End a keeper and remove what it noted."""
    process, notes = noted.read_text().split()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(int(process), signal.SIGKILL)
    shutil.rmtree(notes, ignore_errors=True)
    noted.unlink()


def keep(driver: DriverProcess, *places: Path, lease_s: int = 0) -> str:
    driver.ask("KEEP", 3, render(FenceActionData(3, "node3", (), tuple(map(str, places)), 1, lease_s)))
    answer = driver.answer()
    return answer.payload if answer.status == "FAILURE" else "kept"


@contextlib.contextmanager
def open_process(number: int) -> Iterator[int]:
    """Give what can be read once a process has ended."""
    descriptor = os.pidfd_open(number)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def pid(tmp_path: Path) -> int:
    return int((tmp_path / f".trifid-keeper-{ENGINE}-3").read_text().split()[0])


def beat_after(place: Path, text: str) -> str:
    """Return the next beat that is another one than this."""
    until = time.monotonic() + WAITED_S
    while time.monotonic() < until:
        found = read_all({"datastore 0": place}).get((3, "datastore 0"), "")
        if found not in ("", text):
            return found
        os.sched_yield()
    pytest.fail(f"the beat is {text!r} for {WAITED_S:g} s")


def test_a_heartbeat_goes_on_when_the_driver_is_gone(driver: DriverProcess, tmp_path: Path) -> None:
    place = tmp_path / "datastores" / "0"
    assert keep(driver, place) == "kept"
    first = beat_after(place, "")
    driver.kill()
    assert beat_after(place, first) != first


def test_over_ssh_the_heartbeat_outlives_driver_connection_and_sshd(tmp_path: Path) -> None:
    """The machine is this one, so the keeper is noted in the real home of its user."""
    (keys := tmp_path / "keys").mkdir()
    (home := tmp_path / "home").mkdir()
    place = tmp_path / "0"
    engine = f"test{os.getpid()}"
    noted = Path.home() / f".trifid-keeper-{engine}-3"
    try:
        with sshd(keys) as config:
            command, arguments = python_driver("trifid.drivers.fence.main"), f"--ssh-config {config}"
            with running(command, arguments, home=home, env={"TRIFID_ENGINE_ID": engine}) as process:
                process.ask("KEEP", 3, render(FenceActionData(3, "host1", (), (str(place),), 1)))
                assert process.answer().status == "SUCCESS"
                beat = beat_after(place, "")
            hang_up(sockets_of(home))
        assert beat_after(place, beat).partition(" ")[0] == noted.read_text().split()[0]
    finally:
        if noted.exists():
            end(noted)


def test_asked_again_the_same_keeper_goes_on_and_another_one_replaces_it(driver: DriverProcess, tmp_path: Path) -> None:
    place, other = tmp_path / "0", tmp_path / "100"
    keep(driver, place)
    beat_after(place, "")
    first = pid(tmp_path)
    assert keep(driver, place) == "kept"
    assert pid(tmp_path) == first
    with open_process(first) as ended:
        assert keep(driver, place, other) == "kept"
        assert select.select([ended], [], [], WAITED_S)[0], "the older keeper goes on"
    assert pid(tmp_path) != first
    assert beat_after(other, "").startswith(f"{pid(tmp_path)} ")


def test_a_keeper_that_is_not_wanted_any_more_takes_its_lease_back_and_leaves_nothing(
    driver: DriverProcess, tmp_path: Path
) -> None:
    place = tmp_path / "0"
    assert keep(driver, place, lease_s=30) == "kept"
    beat_after(place, "")
    noted = tmp_path / f".trifid-keeper-{ENGINE}-3"
    notes = Path(noted.read_text().split()[1])
    for _ in range(2):
        driver.ask("LEAVE", 3, render(FenceActionData(3, "node3")))
        assert driver.answer().status == "SUCCESS"
        assert not noted.exists()
        assert not notes.exists()
        assert "lease=0" in read_all({"datastore 0": place})[3, "datastore 0"]


def test_without_a_shared_datastore_there_is_no_heartbeat(driver: DriverProcess) -> None:
    assert "shares no datastore" in keep(driver)


def test_what_is_no_beat_is_not_believed(tmp_path: Path) -> None:
    hosts = tmp_path / ".trifid" / "hosts"
    for name in ("3", "4", "5", "x", "6"):
        (hosts / name).mkdir(parents=True)
    (hosts / "3" / "beat").write_text("1 1\n")
    (hosts / "4" / "beat").symlink_to("/etc/passwd")
    os.mkfifo(hosts / "5" / "beat")
    (hosts / "x" / "beat").write_text("1 1\n")
    (hosts / "6" / "beat").write_bytes(b"\xff" * 100_000)
    found = read_all({"datastore 0": tmp_path, "gone": tmp_path / "none"})
    assert found.pop((3, "datastore 0")) == "1 1"
    assert len(found.pop((6, "datastore 0"))) <= BEAT_BYTES_MAX
    assert found == {}


def test_only_a_beat_that_changes_is_a_sign_of_life() -> None:
    now_s = 0.0
    beats = Heartbeats(dict, lambda: now_s)
    beats.saw({(3, "datastore 0"): "7 1"})
    place, seen = beats.newest(3)
    assert (place, seen.has_changed) == ("datastore 0", False)
    now_s = 10.0
    beats.saw({(3, "datastore 0"): "7 1", (3, "datastore 100"): "7 1"})
    assert not beats.newest(3)[1].has_changed
    now_s = 20.0
    beats.saw({(3, "datastore 0"): "7 2", (3, "datastore 100"): "7 1"})
    place, seen = beats.newest(3)
    assert (place, seen.has_changed, seen.since_s) == ("datastore 0", True, 20.0)
    assert beats.newest(4) is None


@contextlib.contextmanager
def guest(disk: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like a guest with a disk."""
    with subprocess.Popen(
        ["sh", "-c", "exec 2>&1; cat", "qemu", "-name", "guest=one-7", str(disk)], stdin=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_host_that_cannot_renew_its_lease_ends_the_guests_with_disks_there_and_no_others(
    driver: DriverProcess, tmp_path: Path
) -> None:
    place, other = tmp_path / "0", tmp_path / "100"
    assert keep(driver, place, other, lease_s=3) == "kept"
    assert beat_after(place, "").endswith(" lease=3")
    with guest(place / "7" / "disk.0") as mine, guest(other / "8" / "disk.0") as others:
        first = beat_after(place, "")
        assert beat_after(place, first) != first
        assert mine.poll() is None
        shutil.rmtree(place)
        place.write_text("a file server that is gone")
        assert mine.wait(WAITED_S) == -signal.SIGKILL
        beat_after(other, beat_after(other, ""))
        assert others.poll() is None


def notes_of(keeper: int) -> Path:
    """Return the directory in which a keeper notes when it renewed what."""
    return Path(os.fsdecode(Path(f"/proc/{keeper}/cmdline").read_bytes().split(b"\0")[7]))


def test_a_note_that_cannot_be_read_at_one_moment_ends_no_guests(driver: DriverProcess, tmp_path: Path) -> None:
    place = tmp_path / "0"
    keep(driver, place, lease_s=60)
    beat = beat_after(place, "")
    with guest(place / "7" / "disk.0") as mine:
        until_s = time.monotonic() + 4
        while time.monotonic() < until_s:
            (notes_of(pid(tmp_path)) / "1").write_text("")
        assert mine.poll() is None
        assert beat_after(place, beat) != beat


def test_a_note_is_never_seen_half_written(driver: DriverProcess, tmp_path: Path) -> None:
    place = tmp_path / "0"
    keep(driver, place, lease_s=60)
    beat_after(place, "")
    note = notes_of(pid(tmp_path)) / "1"
    seen, until_s = set(), time.monotonic() + 5
    while time.monotonic() < until_s:
        with contextlib.suppress(FileNotFoundError), note.open() as file:
            seen.add((os.fstat(file.fileno()).st_ino, file.read()))
    assert len(seen) > 1
    assert len(dict(seen)) == len(seen)
    assert "" not in dict(seen).values()


def test_when_a_keeper_is_killed_its_lease_is_taken_back(driver: DriverProcess, tmp_path: Path) -> None:
    place = tmp_path / "0"
    keep(driver, place, lease_s=3)
    beat = beat_after(place, "")
    os.kill(pid(tmp_path), signal.SIGKILL)
    while "ended" not in beat:
        beat = beat_after(place, beat)
    assert beat.endswith(" lease=0")


def test_a_datastore_that_is_on_another_device_all_at_once_is_renewed_only_when_its_guests_have_ended(
    driver: DriverProcess, tmp_path: Path
) -> None:
    place, shared, below = tmp_path / "0", tmp_path / "shared", Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        assert below.stat().st_dev != tmp_path.stat().st_dev
        shared.mkdir()
        place.symlink_to(shared)
        keep(driver, place, lease_s=3)
        beat_after(place, "")
        with guest(place / "7" / "disk.0") as mine:
            place.unlink()
            place.symlink_to(below)
            beat_after(below, "")
            assert mine.poll() == -signal.SIGKILL
    finally:
        os.killpg(pid(tmp_path), signal.SIGKILL)
        shutil.rmtree(below)


def test_who_could_not_end_guests_promises_no_lease(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    home, place = tmp_path / "home", tmp_path / "0"
    other = 65534 if os.geteuid() == 0 else os.geteuid()
    for directory in (home, place):
        directory.mkdir()
        os.chown(directory, other, -1)
    data = FenceActionData(3, "node3", (), (str(place),), 1, 30)
    argv = ("sh", "-c", START, "sh", *start_arguments(data, ENGINE))
    for above in tmp_path.parents:
        if above.is_relative_to(tempfile.gettempdir()) and above != Path(tempfile.gettempdir()):
            above.chmod(above.stat().st_mode | 0o111)
    done = subprocess.run(
        argv, user=other, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, check=True
    )
    try:
        assert done.stdout == f"{NO_LEASE}\n"
        assert beat_after(place, "").endswith(" lease=0")
    finally:
        os.killpg(pid(home), signal.SIGKILL)


def test_a_keeper_that_is_told_to_end_takes_its_lease_back(driver: DriverProcess, tmp_path: Path) -> None:
    place = tmp_path / "0"
    keep(driver, place, lease_s=3)
    beat = beat_after(place, "")
    os.kill(pid(tmp_path), signal.SIGTERM)
    while "stopped" not in beat:
        beat = beat_after(place, beat)
    assert beat.endswith(" lease=0")


def test_a_lease_is_over_only_where_another_host_shows_that_the_datastore_is_read() -> None:
    now_s = 0.0
    beats = Heartbeats(dict, lambda: now_s)

    def saw(mine: int, others: int) -> frozenset[str]:
        beats.saw({(3, "datastore 0"): f"7 {mine} lease=30", (4, "datastore 0"): f"9 {others} lease=30"})
        return beats.ended(3, margin_s=15.0, fresh_s=20.0)

    assert saw(1, 1) == frozenset()
    for now_s in (10.0, 20.0, 30.0, 40.0, 50.0):
        assert saw(2, int(now_s)) == frozenset()
    now_s = 60.0
    assert saw(2, 60) == {"datastore 0"}
    now_s = 100.0
    assert saw(2, 60) == frozenset()


def test_a_beat_that_cannot_be_read_any_more_is_no_lease_that_is_over() -> None:
    now_s = 0.0
    beats = Heartbeats(dict, lambda: now_s)
    for now_s in (0.0, 5.0):
        beats.saw({(n, "datastore 0"): f"7 {now_s} lease=30" for n in (3, 4)})
    for now_s in range(10, 200, 5):
        beats.saw({(4, "datastore 0"): f"9 {now_s} lease=30"})
        assert beats.ended(3, margin_s=15.0, fresh_s=20.0) == frozenset()


def test_a_lease_that_is_renewed_again_is_not_over() -> None:
    now_s = 0.0
    beats = Heartbeats(dict, lambda: now_s)

    def saw(mine: int, others: int) -> frozenset[str]:
        beats.saw({(3, "datastore 0"): f"7 {mine} lease=30", (4, "datastore 0"): f"9 {others} lease=30"})
        return beats.ended(3, margin_s=15.0, fresh_s=20.0)

    for now_s in (0.0, 5.0, 30.0, 45.0):
        saw(1 if now_s else 0, int(now_s))
    now_s = 60.0
    assert saw(1, 60) == {"datastore 0"}
    assert saw(3, 61) == frozenset()


async def test_that_beats_could_not_be_read_is_told(caplog: pytest.LogCaptureFixture) -> None:
    beats = Heartbeats(lambda: {"datastore 0": Path("no\0path")})
    await beats.read()
    assert "heartbeats could not be read: ValueError" in caplog.text
