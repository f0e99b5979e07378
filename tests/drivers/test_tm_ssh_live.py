"""What the ssh transfer driver does around a live migration that takes disks along."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.drivers.ssh_builders import Scene
from tests.drivers.tm_builders import VM, names
from trifid.drivers.kit import Failure
from trifid.drivers.tm.ssh import live

MIB = 1 << 20
PREPARE = "PREMIGRATE HERE AWAY 0:raw,2:qcow2"


@pytest.fixture
def running(scene: Scene) -> Scene:
    """A VM with disks of both formats, a CD, what it boots from, and the rest that lies about."""
    scene.here.mkdir(parents=True)
    (scene.here / "disk.0").write_bytes(b"guest" * 1000)
    os.truncate(scene.here / "disk.0", 4 * MIB)
    qemu_img("create", "-q", "-f", "qcow2", str(scene.here / "disk.2"), "8M")
    for name in ("disk.1", "kernel", "checkpoint.0", "deployment.0", "disk.0.copy", "disk.1.part"):
        (scene.here / name).write_bytes(name.encode())
    (scene.here / "disk.0.snap").mkdir()
    (scene.here / "disk.0.snap" / "3").write_bytes(b"earlier")
    return scene


def qemu_img(*argv: str) -> str:
    return subprocess.run(["qemu-img", *argv], check=True, capture_output=True, text=True).stdout


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_the_target_has_empty_disks_as_large_and_everything_else_as_it_is(running: Scene) -> None:
    before = contents(running.here)
    for _ in range(2):
        running.do(PREPARE)
        assert names(running.there) == ["disk.0", "disk.0.snap", "disk.1", "disk.2", "kernel"]
        assert (running.there / "disk.0").read_bytes() == bytes(4 * MIB)
        assert (running.there / "disk.0").stat().st_blocks == 0
        assert "virtual size: 8 MiB" in qemu_img("info", "-f", "qcow2", str(running.there / "disk.2"))
        assert (running.there / "disk.1").read_bytes() == b"disk.1"
        assert (running.there / "disk.0.snap" / "3").read_bytes() == b"earlier"
    assert contents(running.here) == before


def test_what_an_earlier_stay_left_at_the_target_is_replaced(running: Scene) -> None:
    running.there.mkdir(parents=True)
    for name in ("disk.0", "disk.7", "disk.1.part"):
        (running.there / name).write_bytes(b"old")
    running.do(PREPARE)
    assert names(running.there) == ["disk.0", "disk.0.snap", "disk.1", "disk.2", "kernel"]
    assert (running.there / "disk.0").read_bytes() == bytes(4 * MIB)


@pytest.mark.parametrize("line", [PREPARE, "POSTMIGRATE HERE AWAY", "FAILMIGRATE HERE AWAY"])
def test_hosts_that_see_one_directory_lose_nothing(running: Scene, line: str) -> None:
    before = contents(running.here)
    running.there = running.here
    if line == PREPARE:
        with pytest.raises(
            Failure, match="hosts that see one directory need a system datastore of transfer driver sha"
        ):
            running.do(line)
    else:
        running.do(line)
    assert contents(running.here) == before


def test_a_disk_that_is_not_there_or_keeps_snapshots_inside_does_not_come_along(running: Scene) -> None:
    with pytest.raises(Failure, match=r"has no file disk\.5"):
        running.do("PREMIGRATE HERE AWAY 0:raw,5:raw")
    qemu_img("snapshot", "-c", "one", str(running.here / "disk.2"))
    with pytest.raises(Failure, match="keeps snapshots, which would not come along"):
        running.do(PREPARE)
    (running.here / "disk.2").unlink()
    qemu_img(
        "create", "-q", "-f", "qcow2", "-b", str(running.here / "disk.0"), "-F", "raw", str(running.here / "disk.2")
    )
    with pytest.raises(Failure, match="is a layer over"):
        running.do(PREPARE)
    assert not running.there.exists()


def test_a_target_without_room_says_how_much_is_missing(running: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_taken", lambda source, disks: 1 << 60)
    with pytest.raises(Failure, match=r"needs .*, only .* free in"):
        running.do(PREPARE)
    assert not running.there.exists()


@pytest.mark.parametrize("disks", ["0", "0:vmdk", "../0:raw", "00:raw", "0:raw,"])
def test_a_list_of_disks_that_is_none_is_refused(running: Scene, disks: str) -> None:
    with pytest.raises(Failure, match="is no disk with its format"):
        running.do(f"PREMIGRATE HERE AWAY {disks}")


def test_the_source_goes_once_the_target_has_all_of_its_disks(running: Scene) -> None:
    running.do(PREPARE)
    (running.there / "disk.2").unlink()
    with pytest.raises(Failure, match=r"lacks disk\.2: .* is kept"):
        running.do("POSTMIGRATE HERE AWAY")
    assert (running.here / "disk.0").exists()
    running.do(PREPARE)
    for _ in range(2):
        running.do("POSTMIGRATE HERE AWAY")
        assert not running.here.exists()
    assert (running.there / "disk.2").exists()


def test_what_was_to_arrive_goes_while_the_source_has_all_of_its_disks(running: Scene) -> None:
    running.do(PREPARE)
    before = contents(running.here)
    for _ in range(2):
        running.do("FAILMIGRATE HERE AWAY")
        assert not running.there.exists()
        assert contents(running.here) == before
    running.do(PREPARE)
    running.here.rename(running.here.with_name("elsewhere"))
    with pytest.raises(Failure, match=r"lacks disk\.0, disk\.1, disk\.2: .* is kept"):
        running.do("FAILMIGRATE HERE AWAY")
    assert (running.there / "disk.0").exists()


@pytest.mark.parametrize(
    "line", ["PREMIGRATE HERE KEPT -", "POSTMIGRATE KEPT HERE", f"FAILMIGRATE HERE host2:/x/1/{VM + 1}"]
)
def test_places_that_are_not_the_vms_are_refused(running: Scene, line: str) -> None:
    with pytest.raises(Failure):
        running.do(line)
