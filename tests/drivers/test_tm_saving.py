"""Disks into the catalogue: persistent ones back to their images, copies as new images; never both gone."""

import shutil
from pathlib import Path

import pytest

from tests.drivers import disk_contents
from tests.drivers.disk_contents import MAKERS, MIB, is_image, make_qcow2, make_raw, read, size, write
from tests.drivers.tm_builders import Listening, do, names
from trifid.drivers.kit import Failure, Request
from trifid.drivers.tm.shared import transfer
from trifid.wire.lines import Message

IMAGE, OTHER = "0123456789abcdef" * 2, "f" * 32

FORMATS = pytest.mark.parametrize("kind", ["raw", "qcow2"])


@pytest.fixture
def directory(home: Path) -> Path:
    path = home / "datastores" / "0" / "42"
    path.mkdir()
    return path


@pytest.fixture
def images(home: Path) -> Path:
    """The directory of an image datastore."""
    path = home / "datastores" / "1"
    path.mkdir()
    return path


def persistent(images: Path, directory: Path, kind: str) -> Path:
    """Make an image and use it in place as disk 0."""
    image = MAKERS[kind](images / IMAGE)
    do(f"LN shared fe:{image} host1:{directory}/disk.0", told=kind)
    return image


# -- MVDS ----------------------------------------------------------------------------------------------


@FORMATS
def test_what_was_written_in_place_is_in_the_image(images: Path, directory: Path, kind: str) -> None:
    image = persistent(images, directory, kind)
    write(directory / "disk.0", b"second")
    for _ in range(2):
        do(f"MVDS shared host1:{directory}/disk.0 fe:{image}", told=kind)
        assert (names(directory), names(images)) == ([], [IMAGE])
        assert read(image) == b"second"


def test_an_image_that_was_there_before_the_catalogue_is_used_in_place_as_well(home: Path, directory: Path) -> None:
    image = make_raw(home / "images" / "etch.img")
    do(f"LN shared fe:{image} host1:{directory}/disk.0", told="raw")
    write(directory / "disk.0", b"second")
    for _ in range(2):
        do(f"MVDS shared host1:{directory}/disk.0 fe:{image}", told="raw")
        assert names(directory) == []
        assert read(image) == b"second"


def test_a_disk_that_is_another_file_in_place_is_not_taken_for_the_image(images: Path, directory: Path) -> None:
    image = persistent(images, directory, "raw")
    other = make_raw(images / OTHER, b"other")
    with pytest.raises(Failure, match=f"disk.0 is .*{IMAGE}, used in place, expected .*{OTHER}"):
        do(f"MVDS shared host1:{directory}/disk.0 fe:{other}")
    assert (directory / "disk.0").readlink() == image


def test_a_link_to_an_image_that_is_gone_stays(images: Path, directory: Path) -> None:
    image = persistent(images, directory, "raw")
    image.unlink()
    with pytest.raises(Failure, match="No such file"):
        do(f"MVDS shared host1:{directory}/disk.0 fe:{image}")
    assert names(directory) == ["disk.0"]


def test_a_disk_of_its_own_replaces_the_image_with_its_snapshots(images: Path, directory: Path) -> None:
    image = make_raw(images / IMAGE)
    kept = images / f"{IMAGE}.snap"
    kept.mkdir()
    (kept / "0").write_bytes(b"deleted since")
    make_raw(directory / "disk.0", b"second")
    do(f"SNAP_CREATE shared host1:{directory}/disk.0 1")
    write(directory / "disk.0", b"third")
    for _ in range(2):
        do(f"MVDS shared host1:{directory}/disk.0 fe:{image}", told="raw")
        assert (names(directory), names(kept)) == ([], ["1"])
        assert (read(image), read(kept / "1")) == (b"third", b"second")


def test_an_image_without_snapshots_has_no_directory_of_them(images: Path, directory: Path) -> None:
    image = make_raw(images / IMAGE)
    (images / f"{IMAGE}.snap").mkdir()
    (images / f"{IMAGE}.snap" / "0").write_bytes(b"deleted since")
    make_raw(directory / "disk.0", b"second")
    do(f"MVDS shared host1:{directory}/disk.0 fe:{image}")
    assert names(images) == [IMAGE]


def test_a_layer_that_is_brought_back_stands_on_nothing(images: Path, directory: Path) -> None:
    image = make_raw(images / IMAGE)
    do(f"CLONE qcow2 fe:{image} host1:{directory}/disk.0", told="raw")
    write(directory / "disk.0", b"second")
    do(f"MVDS qcow2 host1:{directory}/disk.0 fe:{images / OTHER}")
    image.unlink()
    assert read(images / OTHER) == b"second"
    assert names(directory) == []


def test_a_disk_and_an_image_that_are_both_missing_are_named(images: Path, directory: Path) -> None:
    with pytest.raises(Failure, match=rf"^MVDS .*: neither .*disk\.0 nor .*{IMAGE} exists$"):
        do(f"MVDS shared host1:{directory}/disk.0 fe:{images / IMAGE}")


# -- CPDS ----------------------------------------------------------------------------------------------


@FORMATS
@pytest.mark.parametrize("in_place", [False, True])
def test_a_disk_is_saved_as_an_image(images: Path, directory: Path, kind: str, in_place: bool) -> None:
    if in_place:
        persistent(images, directory, kind)
    else:
        MAKERS[kind](directory / "disk.0")
    do(f"CPDS shared host1:{directory}/disk.0 fe:{images / OTHER} -1", told=kind)
    assert read(images / OTHER) == b"first"
    assert is_image(images / OTHER) == (kind == "qcow2")
    write(directory / "disk.0", b"second")
    do(f"CPDS shared host1:{directory}/disk.0 fe:{images / OTHER} -1", told=kind)
    assert read(images / OTHER) == b"first", "an image that is there is whole"


@FORMATS
@pytest.mark.parametrize("in_place", [False, True])
def test_a_snapshot_is_saved_as_an_image_without_any(images: Path, directory: Path, kind: str, in_place: bool) -> None:
    if in_place:
        persistent(images, directory, kind)
    else:
        MAKERS[kind](directory / "disk.0")
    do(f"SNAP_CREATE shared host1:{directory}/disk.0 3", told=kind)
    write(directory / "disk.0", b"second")
    do(f"CPDS shared host1:{directory}/disk.0 fe:{images / OTHER} 3", told=kind)
    do(f"CPDS shared host1:{directory}/disk.0 fe:{images / ('e' * 32)} -1", told=kind)
    assert (read(images / OTHER), read(images / ("e" * 32))) == (b"first", b"second")
    if kind == "qcow2":
        assert disk_contents.snapshots(images / OTHER) == disk_contents.snapshots(images / ("e" * 32)) == []


@FORMATS
def test_a_snapshot_that_is_not_there_is_not_saved(images: Path, directory: Path, kind: str) -> None:
    MAKERS[kind](directory / "disk.0")
    with pytest.raises(Failure, match=r"^CPDS "):
        do(f"CPDS shared host1:{directory}/disk.0 fe:{images / OTHER} 3", told=kind)
    assert names(images) == []


def test_the_copy_that_the_hypervisor_made_is_taken_and_removed(images: Path, directory: Path) -> None:
    make_raw(directory / "disk.0", b"being written to")
    make_raw(directory / "disk.0.copy", b"one point in time")
    for _ in range(2):
        do(f"CPDS shared host1:{directory}/disk.0.copy fe:{images / OTHER} -1", told="raw")
        assert read(images / OTHER) == b"one point in time"
        assert names(directory) == ["disk.0"]


@pytest.mark.parametrize("is_mounted", [True, False])
def test_a_copy_that_came_to_nothing_is_not_there_for_the_next(images: Path, directory: Path, is_mounted: bool) -> None:
    make_raw(directory / "disk.0", b"being written to")
    for name in ("disk.0.copy", "disk.0.copy.part"):
        (directory / name).write_bytes(b"one point in time")
    if is_mounted:
        (images / f"{OTHER}.part").mkdir()  # nothing can be written in its place
    else:
        images.rmdir()
    with pytest.raises(Failure, match=r"^CPDS "):
        do(f"CPDS shared host1:{directory}/disk.0.copy fe:{images / OTHER} -1")
    assert names(directory) == ["disk.0"]


@FORMATS
def test_a_copy_of_an_earlier_attempt_is_not_what_a_disk_at_rest_is_saved_as(
    images: Path, directory: Path, kind: str
) -> None:
    MAKERS[kind](directory / "disk.0", b"now")
    MAKERS[kind](directory / "disk.0.copy", b"then")
    do(f"CPDS shared host1:{directory}/disk.0 fe:{images / OTHER} -1", told=kind)
    assert read(images / OTHER) == b"now"
    assert names(directory) == ["disk.0"]


def test_a_copy_that_is_not_there_is_no_image(home: Path, images: Path, directory: Path) -> None:
    make_raw(directory / "disk.0", b"being written to")
    with pytest.raises(Failure, match=r"there is no copy .*disk\.0\.copy"):
        do(f"CPDS shared host1:{directory}/disk.0.copy fe:{images / OTHER} -1")
    (directory / "disk.0.copy").symlink_to(make_raw(home / "secret"))
    with pytest.raises(Failure, match=r"there is no copy .*disk\.0\.copy"):
        do(f"CPDS shared host1:{directory}/disk.0.copy fe:{images / OTHER} -1")
    make_raw(directory / "disk.0.copy", b"one point in time")
    with pytest.raises(Failure, match="has no snapshot 0: it is the disk as it was when it was copied"):
        do(f"CPDS shared host1:{directory}/disk.0.copy fe:{images / OTHER} 0")
    assert names(images) == []


def test_a_layer_is_saved_in_one_piece(images: Path, directory: Path) -> None:
    image = make_raw(images / IMAGE)
    do(f"CLONE qcow2 fe:{image} host1:{directory}/disk.0", told="raw")
    do(f"SNAP_CREATE qcow2 host1:{directory}/disk.0 0", told="raw")
    write(directory / "disk.0", b"second")
    do(f"CPDS qcow2 host1:{directory}/disk.0 fe:{images / OTHER} -1", told="raw")
    do(f"CPDS qcow2 host1:{directory}/disk.0 fe:{images / ('e' * 32)} 0", told="raw")
    image.unlink()
    assert (read(images / OTHER), read(images / ("e" * 32))) == (b"second", b"first")


# -- what is refused -----------------------------------------------------------------------------------

COMMANDS = pytest.mark.parametrize("command", ["MVDS shared {disk} fe:{image}", "CPDS shared {disk} fe:{image} -1"])


@COMMANDS
@pytest.mark.parametrize(
    "name", ["datastores/1/etch.img", "datastores/1", f"vms/{'0' * 31}", f"datastores/1/{'A' * 32}"]
)
def test_only_images_of_the_catalogue_are_written(
    home: Path, images: Path, directory: Path, command: str, name: str
) -> None:
    make_raw(directory / "disk.0")
    with pytest.raises(Failure, match="is not an image of the catalogue"):
        do(command.format(disk=f"host1:{directory}/disk.0", image=home / name))
    assert names(directory) == ["disk.0"]


@COMMANDS
def test_an_image_that_is_a_link_is_not_followed(home: Path, images: Path, directory: Path, command: str) -> None:
    make_raw(directory / "disk.0")
    (home / "secret").write_bytes(b"secret")
    (images / IMAGE).symlink_to(home / "secret")
    with pytest.raises(Failure, match="is a symbolic link, expected an image"):
        do(command.format(disk=f"host1:{directory}/disk.0", image=images / IMAGE))
    assert (home / "secret").read_bytes() == b"secret"


@COMMANDS
@pytest.mark.parametrize(
    "path",
    [
        *("datastores/0/43/disk.0", "datastores/0/42/checkpoint", "datastores/2/42/disk.0"),
        *("datastores/0/43/disk.0.copy", "datastores/0/42/checkpoint.copy"),
    ],
)
def test_only_disks_of_the_vm_are_taken(home: Path, images: Path, directory: Path, command: str, path: str) -> None:
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_bytes(b"not yours")
    with pytest.raises(Failure, match="it is not"):
        do(command.format(disk=f"host1:{home / path}", image=images / IMAGE))
    assert names(images) == []


@pytest.mark.parametrize("number", ["-2", "x", "../0", "9" * 30])
def test_a_snapshot_that_is_no_number_is_refused(images: Path, directory: Path, number: str) -> None:
    make_raw(directory / "disk.0")
    with pytest.raises(Failure, match="is not a number"):
        do(f"CPDS shared host1:{directory}/disk.0 fe:{images / OTHER} {number} 42 0")


def test_a_guest_that_forges_a_layer_reads_nobodys_file(home: Path, images: Path, directory: Path) -> None:
    secret = make_raw(home / "secret", b"secret")
    disk = make_raw(directory / "disk.0")
    disk_contents.forge_layer(disk, secret)
    do(f"CPDS shared host1:{disk} fe:{images / OTHER} -1", told="raw")
    assert (images / OTHER).read_bytes() == disk.read_bytes(), "told to be raw, it is copied as it is"
    with pytest.raises(Failure, match="is a layer over a backing file"):
        do(f"CPDS shared host1:{disk} fe:{images / IMAGE} -1")
    with pytest.raises(Failure, match="is a layer over a backing file"):
        do(f"CPDS qcow2 host1:{disk} fe:{images / IMAGE} -1", told="qcow2")
    assert names(images) == [OTHER]


# -- an image used in place ----------------------------------------------------------------------------


@FORMATS
def test_snapshots_of_a_persistent_disk_are_its_images(images: Path, directory: Path, kind: str) -> None:
    image = persistent(images, directory, kind)
    at = f"shared host1:{directory}/disk.0"
    do(f"SNAP_CREATE {at} 0", told=kind)
    write(directory / "disk.0", b"second")
    assert names(directory) == ["disk.0"]
    assert names(images) == ([IMAGE, f"{IMAGE}.snap"] if kind == "raw" else [IMAGE])
    with pytest.raises(Failure, match="it has snapshots"):
        do(f"RESIZE {at} 2 42 0", told=kind)
    do(f"SNAP_REVERT {at} 0", told=kind)
    assert read(image) == read(directory / "disk.0") == b"first"
    do(f"SNAP_DELETE {at} 0", told=kind)
    assert names(images) == [IMAGE]
    for _ in range(2):
        do(f"RESIZE {at} 2 42 0", told=kind)
        assert size(image) == 2 * MIB
    do(f"DELETE shared host1:{directory}/disk.0")
    assert (names(directory), names(images)) == ([], [IMAGE])


@FORMATS
def test_a_clone_of_an_image_has_none_of_its_snapshots_and_can_grow(images: Path, directory: Path, kind: str) -> None:
    image = persistent(images, directory, kind)
    do(f"SNAP_CREATE shared host1:{directory}/disk.0 0", told=kind)
    write(directory / "disk.0", b"second")
    (directory / "disk.0").unlink()
    do(f"CLONE shared fe:{image} host1:{directory}/disk.0", told=kind)
    do(f"RESIZE shared host1:{directory}/disk.0 4 42 0", told=kind)
    assert (read(directory / "disk.0"), size(directory / "disk.0")) == (b"second", 4 * MIB)
    do(f"SNAP_CREATE shared host1:{directory}/disk.0 0", told=kind)
    write(directory / "disk.0", b"third")
    do(f"SNAP_REVERT shared host1:{directory}/disk.0 0", told=kind)
    assert read(directory / "disk.0") == b"second"
    assert read(image) == b"second"


def test_what_is_said_to_be_qcow2_and_is_not_is_no_disk(images: Path, directory: Path) -> None:
    make_raw(images / IMAGE)
    with pytest.raises(Failure, match=f"{IMAGE} is no qcow2 image"):
        do(f"CLONE shared fe:{images / IMAGE} host1:{directory}/disk.0", told="qcow2")
    assert names(directory) == []


@pytest.mark.parametrize("word", ["shared", "qcow2"])
def test_kernel_and_initial_ram_disk_are_plain_copies(images: Path, directory: Path, word: str) -> None:
    make_raw(images / IMAGE, b"kernel")
    for name in ("kernel", "initrd"):
        for _ in range(2):
            do(f"CLONE {word} fe:{images / IMAGE} host1:{directory}/{name}")
        assert read(directory / name) == b"kernel"
    assert names(directory) == ["initrd", "kernel"]


def test_a_disk_of_a_vm_in_another_datastore_is_not_cloned(home: Path, directory: Path) -> None:
    other = home / "datastores" / "100" / "43"
    other.mkdir(parents=True)
    make_raw(other / "disk.0")
    with pytest.raises(Failure, match="belongs to vm 43, it is not given to another"):
        do(f"CLONE shared fe:{other}/disk.0 host1:{directory}/disk.0")
    shutil.rmtree(other)
    make_qcow2(home / "datastores" / "100" / IMAGE)
    do(f"CLONE shared fe:{home}/datastores/100/{IMAGE} host1:{directory}/disk.0", told="qcow2")
    assert read(directory / "disk.0") == b"first"


def test_how_large_the_file_is_that_was_saved_is_told(images: Path, directory: Path, tmp_path: Path) -> None:
    (directory / "disk.0").write_bytes(bytes(3 * MIB + 1))
    lines = ("# trifid step 1", f"CPDS shared host1:{directory}/disk.0 fe:{images / OTHER} -1 42 0")
    script = tmp_path / "script"
    script.write_text("\n".join(lines))
    assert transfer(Request(Listening(), Message("TRANSFER", "", 42, str(script)), 1)) == "SIZE=4"
    script.write_text(f"# trifid step 1\nDELETE shared host1:{directory} 42 0\n")
    assert transfer(Request(Listening(), Message("TRANSFER", "", 42, str(script)), 1)) == ""
