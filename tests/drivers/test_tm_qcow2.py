"""Disks that are layers: made in no time, never read as anything else, and in one piece where they leave."""

import os
from pathlib import Path

import pytest

from tests.drivers.disk_contents import MAKERS, MIB, forge_layer, make_raw, read, run, size, write
from tests.drivers.tm_builders import body, do, names, web
from trifid.drivers.kit import Failure

IMAGE = "0123456789abcdef" * 2


@pytest.fixture
def directory(home: Path) -> Path:
    path = home / "datastores" / "0" / "42"
    path.mkdir()
    return path


@pytest.fixture
def images(home: Path) -> Path:
    path = home / "datastores" / "1"
    path.mkdir()
    return path


def cloned(images: Path, directory: Path, kind: str = "raw") -> Path:
    """Make an image, and disk 0 of it."""
    image = MAKERS[kind](images / IMAGE)
    do(f"CLONE qcow2 fe:{image} host1:{directory}/disk.0", told=kind)
    return directory / "disk.0"


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
@pytest.mark.parametrize("is_told", [True, False])
def test_a_clone_is_a_layer_and_the_image_stays(images: Path, directory: Path, kind: str, is_told: bool) -> None:
    image = MAKERS[kind](images / IMAGE)
    before = image.read_bytes()
    disk = directory / "disk.0"
    for _ in range(2):
        do(f"CLONE qcow2 fe:{image} host1:{disk}", told=kind if is_told else "")
        assert (read(disk), size(disk)) == (b"first", MIB)
        write(disk, b"second")
        do(f"CLONE qcow2 fe:{image} host1:{disk}", told=kind if is_told else "")
        assert read(disk) == b"second", "a disk that is there stays as it is"
        disk.unlink()
    do(f"CLONE qcow2 fe:{image} host1:{disk}", told=kind if is_told else "")
    told = run("qemu-img", "info", "-f", "qcow2", str(disk))
    assert f"backing file: {image}\n" in told
    assert f"backing file format: {kind}\n" in told
    assert image.read_bytes() == before
    assert names(directory) == ["disk.0", "disk.0.base"]
    assert (directory / "disk.0.base").readlink() == image
    assert disk.stat().st_mode & 0o777 == 0o660


def test_a_clone_of_a_large_image_takes_no_room(images: Path, directory: Path) -> None:
    with (images / IMAGE).open("wb") as file:
        file.write(os.urandom(8 * MIB))
        file.truncate(10_000 * MIB)
    do(f"CLONE qcow2 fe:{images / IMAGE} host1:{directory}/disk.0", told="raw")
    assert (directory / "disk.0").stat().st_blocks * 512 < MIB
    assert size(directory / "disk.0") == 10_000 * MIB


def test_what_looks_like_qcow2_and_is_told_to_be_raw_is_raw(home: Path, images: Path, directory: Path) -> None:
    secret = make_raw(home / "secret", b"secret")
    forge_layer(make_raw(images / IMAGE), secret)
    do(f"CLONE qcow2 fe:{images / IMAGE} host1:{directory}/disk.0", told="raw")
    assert read(directory / "disk.0").startswith(b"QFI\xfb")


@pytest.mark.parametrize("told", ["", "qcow2"])
def test_an_image_that_leads_elsewhere_is_no_base(home: Path, images: Path, directory: Path, told: str) -> None:
    forge_layer(make_raw(images / IMAGE), make_raw(home / "secret", b"secret"))
    with pytest.raises(Failure, match=f"{IMAGE} is a layer over a backing file"):
        do(f"CLONE qcow2 fe:{images / IMAGE} host1:{directory}/disk.0", told=told)
    assert names(directory) == []


def test_an_image_that_is_missing_is_named(images: Path, directory: Path) -> None:
    with pytest.raises(Failure, match=rf"^CLONE host1:.*disk\.0: .*{IMAGE}: No such file or directory$"):
        do(f"CLONE qcow2 fe:{images / IMAGE} host1:{directory}/disk.0", told="raw")
    assert names(directory) == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_files_and_devices_are_stood_on(images: Path, directory: Path, make: object) -> None:
    make(images / IMAGE)  # type: ignore[operator]
    with pytest.raises(Failure, match="is neither a file nor a block device"):
        do(f"CLONE qcow2 fe:{images / IMAGE} host1:{directory}/disk.0", told="raw")


def test_what_is_not_of_the_catalogue_is_copied(home: Path, directory: Path) -> None:
    image = make_raw(home / "images" / "etch.img")
    do(f"CLONE qcow2 fe:{image} host1:{directory}/disk.0", told="raw")
    assert names(directory) == ["disk.0"]
    assert (directory / "disk.0").read_bytes() == image.read_bytes()


def test_what_is_fetched_is_a_disk_in_one_piece(home: Path, directory: Path) -> None:
    with web(body(b"fetched")) as address:
        do(f"CLONE qcow2 {address}/etch.img host1:{directory}/disk.0")
    assert names(directory) == ["disk.0"]
    assert (directory / "disk.0").read_bytes() == b"fetched"


def test_a_persistent_image_is_used_in_place(images: Path, directory: Path) -> None:
    make_raw(images / IMAGE)
    do(f"LN qcow2 fe:{images / IMAGE} host1:{directory}/disk.0", told="raw")
    assert (directory / "disk.0").readlink() == images / IMAGE


# -- a layer's life ------------------------------------------------------------------------------------


def test_a_layer_has_snapshots_and_grows(images: Path, directory: Path) -> None:
    disk = cloned(images, directory)
    for _ in range(2):
        do(f"RESIZE qcow2 host1:{disk} 5 42 0", told="raw")
        assert (read(disk), size(disk)) == (b"first", 5 * MIB)
    do(f"SNAP_CREATE qcow2 host1:{disk} 0", told="raw")
    write(disk, b"second")
    do(f"SNAP_REVERT qcow2 host1:{disk} 0", told="raw")
    assert read(disk) == b"first"
    do(f"SNAP_DELETE qcow2 host1:{disk} 0", told="raw")
    assert names(directory) == ["disk.0", "disk.0.base"]


def test_a_layer_moves_and_still_stands_on_its_image(home: Path, images: Path, directory: Path) -> None:
    write(cloned(images, directory), b"second")
    other = home / "datastores" / "100" / "42"
    do(f"CP qcow2 host1:{directory} host2:{other} 42 100")
    do(f"CLEAN qcow2 host1:{directory} host2:{other} 42 100")
    assert read(other / "disk.0") == b"second"
    do(f"SNAP_CREATE qcow2 host2:{other}/disk.0 0 42 100", told="raw")
    do(f"MV qcow2 host2:{other} host1:{directory}")
    assert names(directory) == ["disk.0", "disk.0.base"]
    assert read(directory / "disk.0") == b"second"


def test_a_disk_that_is_kept_is_kept_in_one_piece(home: Path, images: Path, directory: Path) -> None:
    disk = cloned(images, directory)
    write(disk, b"second")
    for _ in range(2):
        do(f"MV qcow2 host1:{disk} fe:{home}/vms/42/disk.0")
        assert names(directory) == []
    (images / IMAGE).unlink()
    assert names(home / "vms" / "42") == ["disk.0"]
    assert read(home / "vms" / "42" / "disk.0") == b"second"


def test_a_layer_that_is_deleted_leaves_the_image_alone(images: Path, directory: Path) -> None:
    disk = cloned(images, directory)
    for left in ("copy", "part", "copy.part"):
        disk.with_name(f"disk.0.{left}").write_bytes(b"left")
    for _ in range(2):
        do(f"DELETE qcow2 host1:{disk}")
        assert (names(directory), names(images)) == ([], [IMAGE])


@pytest.mark.parametrize("command", ["SNAP_CREATE", "SNAP_REVERT", "SNAP_DELETE", "RESIZE"])
def test_a_layer_over_something_else_than_it_was_made_on_is_not_opened(
    home: Path, images: Path, directory: Path, command: str
) -> None:
    disk = cloned(images, directory)
    secret = make_raw(home / "secret", b"secret")
    disk.unlink()
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(disk))
    with pytest.raises(Failure, match=rf"is a layer over .*/secret, expected over .*{IMAGE}"):
        do(f"{command} qcow2 host1:{disk} 2 42 0", told="raw")


def test_a_layer_whose_contents_are_no_layer_is_refused(images: Path, directory: Path) -> None:
    disk = cloned(images, directory)
    disk.write_bytes(b"MBR")
    with pytest.raises(Failure, match=rf"disk\.0 is no qcow2 image, expected a layer over .*{IMAGE}"):
        do(f"SNAP_CREATE qcow2 host1:{disk} 0", told="raw")
