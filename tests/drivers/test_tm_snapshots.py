"""Snapshots and sizes of a disk, raw and qcow2: twice or killed half-way is once, and no content is lost."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drivers.tm_builders import do, killed_everywhere, names
from trifid.drivers.kit import Failure
from trifid.drivers.tm.images import name_in_image

MIB = 1 << 20


@pytest.fixture
def directory(home: Path) -> Path:
    path = home / "datastores" / "0" / "42"
    path.mkdir()
    return path


def raw(directory: Path) -> Path:
    """Make disk.0, raw, of 1 MiB and a bit of content."""
    disk = directory / "disk.0"
    disk.write_bytes(b"first".ljust(MIB, b"\0"))
    return disk


def qcow2(directory: Path) -> Path:
    """Make disk.0, qcow2, of 1 MiB and a bit of content."""
    disk = directory / "disk.0"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1M"], check=True)
    put(disk, b"first")
    return disk


MAKERS = pytest.mark.parametrize("make", [raw, qcow2])


def put(disk: Path, content: bytes) -> None:
    """Write to the beginning of a disk, as a guest would."""
    if not is_image(disk):
        disk.write_bytes(content.ljust(disk.stat().st_size, b"\0"))
        return
    contents = disk.parent / "contents"
    contents.write_bytes(content.ljust(512, b"\0"))
    command = f"write -q -s {contents} 0 512"
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, str(disk)], check=True)
    contents.unlink()


def content(disk: Path) -> bytes:
    """Return what a guest would read at the beginning."""
    if is_image(disk):
        out = disk.with_name("out")
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(disk), str(out)], check=True)
        disk = out
    with disk.open("rb") as file:
        said = file.read(512).rstrip(b"\0")
    disk.with_name("out").unlink(missing_ok=True)
    return said


def is_image(disk: Path) -> bool:
    with disk.open("rb") as file:
        return file.read(4) == b"QFI\xfb"


def size(disk: Path) -> int:
    told = subprocess.run(["qemu-img", "info", str(disk)], check=True, capture_output=True, text=True).stdout
    return int(told.partition("virtual size: ")[2].partition("(")[2].partition(" bytes")[0])


def snapshot(word: str, number: int, directory: Path) -> None:
    do(f"SNAP_{word} shared host1:{directory}/disk.0 {number} 42 0")


# -- snapshots -----------------------------------------------------------------------------------------


@MAKERS
def test_a_disk_goes_back_to_any_of_its_snapshots(directory: Path, make: Callable[[Path], Path]) -> None:
    disk = make(directory)
    snapshot("CREATE", 0, directory)
    put(disk, b"second")
    snapshot("CREATE", 1, directory)
    put(disk, b"third")
    for number, was in ((0, b"first"), (1, b"second"), (0, b"first")):
        for _ in range(2):
            snapshot("REVERT", number, directory)
            assert content(disk) == was


@MAKERS
def test_a_snapshot_made_again_is_the_one_that_is_there(directory: Path, make: Callable[[Path], Path]) -> None:
    disk = make(directory)
    snapshot("CREATE", 0, directory)
    put(disk, b"second")
    snapshot("CREATE", 0, directory)
    snapshot("REVERT", 0, directory)
    assert content(disk) == b"first"


@MAKERS
def test_a_snapshot_is_forgotten_and_the_others_and_the_disk_stay(
    directory: Path, make: Callable[[Path], Path]
) -> None:
    disk = make(directory)
    snapshot("CREATE", 0, directory)
    put(disk, b"second")
    snapshot("CREATE", 1, directory)
    put(disk, b"third")
    for _ in range(2):
        snapshot("DELETE", 0, directory)
    assert content(disk) == b"third"
    with pytest.raises(Failure, match=r"^SNAP_REVERT host1:.*/disk\.0: it has no snapshot 0$"):
        snapshot("REVERT", 0, directory)
    snapshot("REVERT", 1, directory)
    assert content(disk) == b"second"
    snapshot("DELETE", 1, directory)
    assert names(directory) == ["disk.0"]


@MAKERS
def test_snapshots_go_with_the_disk_when_it_moves(home: Path, directory: Path, make: Callable[[Path], Path]) -> None:
    make(directory)
    snapshot("CREATE", 0, directory)
    other = home / "datastores" / "100" / "42"
    do(f"CP shared host1:{directory} host2:{other} 42 100")
    do(f"CLEAN shared host1:{directory} host2:{other} 42 100")
    put(other / "disk.0", b"second")
    do(f"SNAP_REVERT shared host2:{other}/disk.0 0 42 100")
    assert content(other / "disk.0") == b"first"


def test_what_was_kept_while_it_ran_is_found_when_it_is_off(directory: Path) -> None:
    disk = qcow2(directory)
    subprocess.run(["qemu-img", "snapshot", "-c", name_in_image(5), str(disk)], check=True)
    put(disk, b"second")
    snapshot("REVERT", 5, directory)
    assert content(disk) == b"first"


def test_a_snapshot_of_a_disk_of_holes_takes_no_room(directory: Path) -> None:
    with (directory / "disk.0").open("wb") as file:
        file.truncate(64 * MIB)
    snapshot("CREATE", 0, directory)
    about = (directory / "disk.0.snap" / "0").stat()
    assert about.st_size == 64 * MIB
    assert about.st_blocks * 512 < MIB


def test_a_snapshot_that_does_not_fit_leaves_nothing_behind(tiny: Path) -> None:
    directory = tiny / "0" / "42"
    directory.mkdir(parents=True)
    (directory / "disk.0").write_bytes(os.urandom(3 * MIB))
    with pytest.raises(Failure, match=r"needs 3\.0 MiB, only [01]\.[0-9] MiB free"):
        snapshot("CREATE", 0, directory)
    assert names(directory / "disk.0.snap") == []
    snapshot("DELETE", 0, directory)
    assert names(directory) == ["disk.0"]


@pytest.mark.parametrize("word", ["CREATE", "REVERT", "DELETE"])
def test_a_kill_anywhere_leaves_a_whole_disk_and_what_is_done_again_is_done(directory: Path, word: str) -> None:
    def begin() -> None:
        shutil.rmtree(directory)
        directory.mkdir()
        disk = raw(directory)
        if word != "CREATE":
            snapshot("CREATE", 0, directory)
        (directory / "disk.0.snap").mkdir(exist_ok=True)
        (directory / "disk.0.snap" / "0.part").write_bytes(b"half")
        put(disk, b"second")

    def meanwhile() -> None:
        disk, kept = directory / "disk.0", directory / "disk.0.snap" / "0"
        assert content(disk) in ((b"first", b"second") if word == "REVERT" else (b"second",))
        assert disk.stat().st_size == MIB
        if kept.exists():
            assert kept.stat().st_size == MIB
            assert content(kept) == (b"second" if word == "CREATE" else b"first")

    assert killed_everywhere(f"SNAP_{word} shared host1:{directory}/disk.0 0 42 0", begin, meanwhile)
    assert content(directory / "disk.0") == (b"first" if word == "REVERT" else b"second")
    left = {"CREATE": ["0"], "REVERT": ["0", "0.part"], "DELETE": []}[word]
    assert (names(directory / "disk.0.snap") if left else names(directory)) == (left or ["disk.0"])


# -- sizes ---------------------------------------------------------------------------------------------


@MAKERS
def test_a_disk_grows_and_keeps_its_contents(directory: Path, make: Callable[[Path], Path]) -> None:
    disk = make(directory)
    for _ in range(2):
        do(f"RESIZE shared host1:{directory}/disk.0 3 42 0")
        assert size(disk) == 3 * MIB
        assert content(disk) == b"first"


@MAKERS
def test_a_disk_is_never_made_smaller(directory: Path, make: Callable[[Path], Path]) -> None:
    disk = make(directory)
    do(f"RESIZE shared host1:{directory}/disk.0 3 42 0")
    with pytest.raises(Failure, match=r"it has 3\.0 MiB, it is not made smaller: 2 MiB were asked for"):
        do(f"RESIZE shared host1:{directory}/disk.0 2 42 0")
    assert size(disk) == 3 * MIB


@MAKERS
def test_a_disk_with_snapshots_does_not_grow(directory: Path, make: Callable[[Path], Path]) -> None:
    disk = make(directory)
    snapshot("CREATE", 0, directory)
    with pytest.raises(Failure, match="it has snapshots, which are of its old size: delete them first"):
        do(f"RESIZE shared host1:{directory}/disk.0 2 42 0")
    assert size(disk) == MIB
    snapshot("DELETE", 0, directory)
    do(f"RESIZE shared host1:{directory}/disk.0 2 42 0")
    assert size(disk) == 2 * MIB


def test_a_growth_that_is_killed_anywhere_is_done_when_it_is_done_again(directory: Path) -> None:
    def begin() -> None:
        raw(directory)

    def meanwhile() -> None:
        assert content(directory / "disk.0") == b"first"

    assert killed_everywhere(f"RESIZE shared host1:{directory}/disk.0 2 42 0", begin, meanwhile)
    assert (directory / "disk.0").stat().st_size == 2 * MIB


# -- what is refused -----------------------------------------------------------------------------------

COMMANDS = pytest.mark.parametrize("command", ["SNAP_CREATE", "SNAP_REVERT", "SNAP_DELETE", "RESIZE"])


@COMMANDS
def test_an_image_that_is_used_in_place_is_left_alone(home: Path, directory: Path, command: str) -> None:
    original = home / "images" / "etch.img"
    original.write_bytes(b"image")
    (directory / "disk.0").symlink_to(original)
    with pytest.raises(Failure, match=r"it is .*/etch\.img itself, used in place"):
        do(f"{command} shared host1:{directory}/disk.0 1 42 0")
    assert original.read_bytes() == b"image"


@COMMANDS
def test_an_image_that_leads_to_other_files_is_not_opened(home: Path, directory: Path, command: str) -> None:
    secret = home / "images" / "secret"
    secret.write_bytes(bytes(MIB))
    made = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(secret), str(directory / "disk.0")]
    subprocess.run(made, check=True)
    with pytest.raises(Failure, match="is a layer over a backing file"):
        do(f"{command} shared host1:{directory}/disk.0 1 42 0")


@COMMANDS
@pytest.mark.parametrize(
    "path", ["datastores/0/42", "datastores/0/42/checkpoint.0", "datastores/0/43/disk.0", "datastores/1/42/disk.0",
             "vms/42/disk.0", "images/disk.0"]
)  # fmt: skip
def test_only_disks_of_the_vm_are_touched(home: Path, directory: Path, command: str, path: str) -> None:
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    if (home / path) != directory:
        (home / path).write_bytes(b"not yours")
    with pytest.raises(Failure, match="it is not"):
        do(f"{command} shared host1:{home}/{path} 1 42 0")


@COMMANDS
def test_a_disk_that_is_missing_is_said_to_be(directory: Path, command: str) -> None:
    with pytest.raises(Failure, match=r"/disk\.0: there is no such disk"):
        do(f"{command} shared host1:{directory}/disk.0 1 42 0")


@COMMANDS
@pytest.mark.parametrize("number", ["-1", "x", "../../1", "9" * 30])
def test_a_number_that_is_none_is_refused(directory: Path, command: str, number: str) -> None:
    raw(directory)
    with pytest.raises(Failure, match="is not a number"):
        do(f"{command} shared host1:{directory}/disk.0 {number} 42 0")
    assert names(directory) == ["disk.0"]
