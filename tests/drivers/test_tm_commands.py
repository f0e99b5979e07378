"""Each transfer command: what it makes, that twice is once, and what it refuses."""

import os
import re
import stat
from pathlib import Path

import pytest

from tests.drivers.tm_builders import body, do, names, request, web
from trifid.drivers.kit import Failure
from trifid.drivers.tm.files import in_mib

MIB = 1 << 20


@pytest.fixture
def image(home: Path) -> Path:
    path = home / "images" / "etch.img"
    path.write_bytes(os.urandom(100_000))
    return path


@pytest.fixture
def directory(home: Path) -> Path:
    """The VM's directory, not made yet."""
    return home / "datastores" / "0" / "42"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- CLONE -------------------------------------------------------------------------------------------


def test_a_clone_has_the_contents_and_can_be_written(image: Path, directory: Path) -> None:
    image.chmod(0o444)
    do(f"CLONE shared front:{image} host1:{directory}/disk.0")
    disk = directory / "disk.0"
    assert disk.read_bytes() == image.read_bytes()
    assert mode(disk) == 0o660
    assert mode(directory) == 0o751


def test_a_clone_done_again_leaves_the_disk_as_it_is(image: Path, directory: Path) -> None:
    line = f"CLONE shared front:{image} host1:{directory}/disk.0"
    do(line)
    (directory / "disk.0").write_bytes(b"the guest wrote this")
    do(line)
    assert (directory / "disk.0").read_bytes() == b"the guest wrote this"


def test_what_a_killed_clone_left_is_replaced(image: Path, directory: Path) -> None:
    directory.mkdir()
    (directory / "disk.0.part").write_bytes(b"half")
    do(f"CLONE shared front:{image} host1:{directory}/disk.0")
    assert names(directory) == ["disk.0"]
    assert (directory / "disk.0").read_bytes() == image.read_bytes()


def test_holes_stay_holes(home: Path, directory: Path) -> None:
    image = home / "images" / "sparse.img"
    with image.open("wb") as file:
        file.seek(20 * MIB)
        file.write(b"data in the middle" * 1000)
        file.truncate(64 * MIB)
    do(f"CLONE shared front:{image} host1:{directory}/disk.0")
    about = (directory / "disk.0").stat()
    assert about.st_size == 64 * MIB
    assert about.st_blocks * 512 < 2 * MIB
    assert (directory / "disk.0").read_bytes() == image.read_bytes()


def test_a_source_that_is_missing_is_named(home: Path, directory: Path) -> None:
    with pytest.raises(Failure) as raised:
        do(f"CLONE shared front:{home}/images/no.img host1:{directory}/disk.0")
    assert str(raised.value) == (f"CLONE host1:{directory}/disk.0: {home}/images/no.img: No such file or directory")
    assert names(directory) == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_files_and_devices_are_cloned(home: Path, directory: Path, make: object) -> None:
    make(home / "images" / "odd")  # type: ignore[operator]
    with pytest.raises(Failure, match="odd is neither a file nor a block device"):
        do(f"CLONE shared front:{home}/images/odd host1:{directory}/disk.0")
    assert names(directory) == []


def test_a_clone_that_does_not_fit_is_refused_before_it_begins(home: Path, tiny: Path) -> None:
    big = home / "images" / "big.img"
    big.write_bytes(os.urandom(8 * MIB))
    place = tiny / "0" / "42"
    with pytest.raises(Failure, match=r"needs 8\.0 MiB, only [34]\.[0-9] MiB free in .*/tiny/0/42"):
        do(f"CLONE shared front:{big} host1:{place}/disk.0")
    assert names(place) == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(home: Path, tiny: Path) -> None:
    place = tiny / "0" / "42"
    with web(body(os.urandom(8 * MIB), length=-1)) as address, pytest.raises(Failure) as raised:
        do(f"CLONE shared {address}/big.img host1:{place}/disk.0")
    assert str(raised.value).startswith(f"CLONE host1:{place}/disk.0: no space left: ")
    assert names(place) == []


def test_a_cancelled_clone_leaves_nothing_behind(tiny: Path, home: Path, directory: Path) -> None:
    source = tiny / "source.img"  # another file system: no blocks are shared, so there is something to cancel
    source.write_bytes(os.urandom(MIB))
    cancelled = request()
    cancelled.cancel()
    with pytest.raises(Failure, match="cancelled by the engine"):
        do(f"CLONE shared front:{source} host1:{directory}/disk.0", cancelled)
    assert names(directory) == []


def test_a_big_copy_tells_how_far_it_is(home: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trifid.drivers.tm.work.REPORT_FROM_BYTES", MIB)
    asked = request()
    with web(body(bytes(2 * MIB))) as address:
        do(f"CLONE shared {address}/zeros.img host1:{directory}/disk.0", asked)
    said = [message.payload for message in asked._kit.heard]  # type: ignore[attr-defined]
    told = [text.partition(": ")[2] for text in said]
    assert len(told) == 9
    assert all(re.fullmatch(rf"{n}\d % of {re.escape(in_mib(2 * MIB))}", text) for n, text in enumerate(told, start=1))


# -- LN ----------------------------------------------------------------------------------------------


def test_a_link_leads_to_the_source_and_twice_is_once(image: Path, directory: Path) -> None:
    for _ in range(2):
        do(f"LN shared front:{image} host1:{directory}/disk.0")
    assert (directory / "disk.0").readlink() == image


def test_a_link_does_not_replace_a_disk(image: Path, directory: Path) -> None:
    directory.mkdir()
    (directory / "disk.0").write_bytes(b"a disk")
    with pytest.raises(Failure, match="something else is there already"):
        do(f"LN shared front:{image} host1:{directory}/disk.0")


def test_a_link_to_nothing_is_refused(home: Path, directory: Path) -> None:
    with pytest.raises(Failure, match=r"no\.img: No such file or directory"):
        do(f"LN shared front:{home}/images/no.img host1:{directory}/disk.0")
    assert names(directory) == []


def test_a_url_cannot_be_used_in_place(directory: Path, home: Path) -> None:
    with pytest.raises(Failure, match="cannot be used in place"):
        do(f"LN shared https://example.org/etch.img host1:{directory}/disk.0")


# -- MKSWAP, MKIMAGE ---------------------------------------------------------------------------------


def test_swap_is_sparse_and_signed(directory: Path, home: Path) -> None:
    do(f"MKSWAP shared 8 host1:{directory}/disk.1")
    disk = directory / "disk.1"
    assert disk.stat().st_size == 8 * MIB
    assert disk.stat().st_blocks * 512 < MIB
    assert disk.read_bytes()[4086:4096] == b"SWAPSPACE2"
    assert names(directory) == ["disk.1"]


def test_a_file_system_is_made(directory: Path, home: Path) -> None:
    do(f"MKIMAGE shared 8 ext4 host1:{directory}/disk.1")
    with (directory / "disk.1").open("rb") as disk:
        disk.seek(1024 + 56)
        assert disk.read(2) == b"\x53\xef"


@pytest.mark.parametrize("none", ["raw", "none"])
def test_a_disk_without_file_system_is_empty(directory: Path, home: Path, none: str) -> None:
    do(f"MKIMAGE shared 3 {none} host1:{directory}/disk.1")
    assert (directory / "disk.1").read_bytes() == bytes(3 * MIB)


def test_a_made_disk_is_not_made_again(directory: Path, home: Path) -> None:
    do(f"MKIMAGE shared 1 raw host1:{directory}/disk.1")
    (directory / "disk.1").write_bytes(b"the guest wrote this")
    do(f"MKIMAGE shared 1 raw host1:{directory}/disk.1")
    do(f"MKSWAP shared 1 host1:{directory}/disk.1")
    assert (directory / "disk.1").read_bytes() == b"the guest wrote this"


def test_a_format_that_is_not_known_is_refused(directory: Path, home: Path) -> None:
    with pytest.raises(Failure, match=r"disk\.1: format --help is not known, expected one of ext2, ext3, ext4"):
        do(f"MKIMAGE shared 1 --help host1:{directory}/disk.1")


@pytest.mark.parametrize("size", ["0", "-1", "x", "1" * 30])
def test_a_size_that_is_none_is_refused(directory: Path, home: Path, size: str) -> None:
    with pytest.raises(Failure, match="is not a positive number of MiB"):
        do(f"MKSWAP shared {size} host1:{directory}/disk.1")


def test_a_maker_that_fails_leaves_nothing_behind(directory: Path, home: Path) -> None:
    with pytest.raises(Failure, match="xfs"):
        do(f"MKIMAGE shared 1 xfs host1:{directory}/disk.1")  # too small for it, or it is not installed
    assert names(directory) == []


# -- what no command does ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["CLONE shared front:{image}", "LN shared front:{image}", "MKSWAP shared 1"])
@pytest.mark.parametrize("place", ["/etc/42", "{home}/datastores/0/43/disk.0", "{home}/datastores/0/42", "disk.0"])
def test_nothing_is_put_outside_the_vms_directory(home: Path, image: Path, command: str, place: str) -> None:
    with pytest.raises(Failure, match="expected"):
        do(command.format(image=image) + " host1:" + place.format(home=home))
    assert names(home / "datastores" / "0") == []


def test_nothing_is_put_through_a_directory_that_is_a_link(home: Path, image: Path, directory: Path) -> None:
    directory.symlink_to(home / "images")
    with pytest.raises(Failure, match="is a symbolic link, expected a directory"):
        do(f"CLONE shared front:{image} host1:{directory}/disk.0")
    assert names(home / "images") == ["etch.img"]


@pytest.mark.parametrize("command", ["CLONE", "LN"])
@pytest.mark.parametrize(
    "source", ["one_auth", "vms/43/context.sh", "log/engine.log", "datastores/0/43/disk.0", ".key"]
)
def test_a_vm_is_not_given_what_is_the_engines_or_anothers(
    home: Path, directory: Path, command: str, source: str
) -> None:
    secret = home / source
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_bytes(b"secret")
    (home / "images" / "innocent.img").symlink_to(secret)
    for path in (secret, home / "images" / "innocent.img"):
        with pytest.raises(Failure, match="it is not given to"):
            do(f"{command} shared front:{path} host1:{directory}/disk.0")
    assert names(directory) == []


def test_a_word_that_is_not_known_is_answered_with_those_that_are(directory: Path, home: Path) -> None:
    with pytest.raises(Failure, match="FLY: this driver does not know it, it knows CLONE, LN, MKSWAP"):
        do(f"FLY shared host1:{directory}/disk.0 1 42 0")


def test_a_line_about_another_vm_is_refused(image: Path, home: Path) -> None:
    with pytest.raises(Failure, match="it is about vm 43, expected 42"):
        do(f"CLONE shared front:{image} host1:{home}/datastores/0/43/disk.0 43 0")


@pytest.mark.parametrize(
    "line",
    ["CLONE shared a", "LN shared a b c", "MKIMAGE shared 1 a", "MV shared a", "CP shared a", "CLEAN shared a b c",
     "DELETE shared", "SNAP_CREATE shared a", "SNAP_REVERT shared a", "SNAP_DELETE shared a", "RESIZE shared a"],
)  # fmt: skip
def test_operands_are_counted(home: Path, line: str) -> None:
    with pytest.raises(Failure, match="expected"):
        do(line)
