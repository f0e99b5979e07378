"""A VM's files on their way: where they end, that twice or killed half-way is once, and what is never lost."""

import os
import shutil
from pathlib import Path

import pytest

from tests.drivers.tm_builders import do, killed_everywhere, names
from trifid.drivers.kit import Failure

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


@pytest.fixture
def other(home: Path) -> Path:
    """Its directory in another datastore, not made yet."""
    return home / "datastores" / "100" / "42"


def emptied(*directories: Path) -> None:
    for path in directories:
        shutil.rmtree(path, ignore_errors=True)


def filled(directory: Path, image: Path) -> None:
    """Make a VM's directory: a disk with a snapshot, a link, saved memory, what a killed copy left."""
    (directory / "disk.0.snap").mkdir(parents=True)
    (directory / "disk.0").write_bytes(b"disk")
    (directory / "disk.0.snap" / "1").write_bytes(b"before")
    (directory / "disk.1").symlink_to(image)
    (directory / "checkpoint.0").write_bytes(b"memory")
    (directory / "disk.2.part").write_bytes(b"half")


def is_whole(directory: Path, image: Path) -> bool:
    """Tell whether a directory holds all that `filled` made, and nothing else that bears a final name."""
    inside = [name for name in names(directory) if not name.endswith(".part")] if directory.is_dir() else []
    return (
        inside == ["checkpoint.0", "disk.0", "disk.0.snap", "disk.1"]
        and (directory / "disk.0").read_bytes() == b"disk"
        and (directory / "disk.0.snap" / "1").read_bytes() == b"before"
        and (directory / "disk.1").readlink() == image
        and (directory / "checkpoint.0").read_bytes() == b"memory"
    )


# -- MV ----------------------------------------------------------------------------------------------


def test_a_saved_disk_comes_back_and_twice_is_once(home: Path, directory: Path) -> None:
    directory.mkdir()
    (directory / "disk.0").write_bytes(b"saved")
    for _ in range(2):
        do(f"MV shared host1:{directory}/disk.0 front:{home}/vms/42/disk.0")
    assert (home / "vms/42/disk.0").read_bytes() == b"saved"
    assert names(directory) == []


def test_a_move_to_the_same_path_is_done(directory: Path, home: Path) -> None:
    directory.mkdir()
    do(f"MV shared host1:{directory} host2:{directory}")
    assert directory.is_dir()


def test_what_is_nowhere_cannot_be_moved(home: Path, directory: Path) -> None:
    with pytest.raises(Failure, match=r"neither .*disk.0 nor .*disk.0 exists"):
        do(f"MV shared host1:{directory}/disk.0 front:{home}/vms/42/disk.0")


def test_a_directory_moves_to_another_datastore_with_everything_in_it(home: Path, directory: Path, image: Path) -> None:
    target = home / "datastores" / "100" / "42"
    directory.mkdir()
    (directory / "disk.0").write_bytes(b"disk")
    (directory / "disk.1").symlink_to(image)
    (directory / "disk.2.part").write_bytes(b"half")
    (directory / "checkpoint").write_bytes(b"memory")
    do(f"MV shared host1:{directory}/disk.0 host2:{target}/disk.0 42 100")
    for _ in range(2):
        do(f"MV shared host1:{directory} host2:{target} 42 100")
    assert names(target) == ["checkpoint", "disk.0", "disk.1"]
    assert (target / "disk.1").readlink() == image
    assert not directory.exists()


def test_a_move_between_file_systems_copies_before_it_removes(tiny: Path, home: Path, image: Path) -> None:
    source, target = home / "datastores/0/42", tiny / "100/42"
    source.mkdir()
    (source / "disk.0").write_bytes(b"disk")
    (source / "disk.1").symlink_to(image)
    do(f"MV shared host1:{source} host2:{target} 42 100")
    assert (target / "disk.0").read_bytes() == b"disk"
    assert (target / "disk.1").readlink() == image
    assert not source.exists()


def test_a_move_that_does_not_fit_keeps_the_only_copy(tiny: Path, home: Path) -> None:
    source, target = home / "datastores/0/42", tiny / "100/42"
    source.mkdir()
    (source / "disk.0").write_bytes(os.urandom(8 * MIB))
    with pytest.raises(Failure, match=r"needs 8\.0 MiB"):
        do(f"MV shared host1:{source}/disk.0 host2:{target}/disk.0 42 100")
    assert (source / "disk.0").stat().st_size == 8 * MIB
    assert names(target) == []


def test_a_directory_under_two_names_is_moved_already(home: Path, directory: Path) -> None:
    directory.mkdir()
    (directory / "disk.0").write_bytes(b"disk")
    (home / "datastores" / "7").symlink_to(home / "datastores" / "0")
    do(f"MV shared host1:{directory} host2:{home}/datastores/7/42 42 7")
    assert names(directory) == ["disk.0"]


def test_nothing_is_moved_out_of_the_vms_directories(home: Path, image: Path, directory: Path) -> None:
    with pytest.raises(Failure, match="it is not in a directory of vm 42"):
        do(f"MV shared front:{image} host1:{directory}/disk.0")
    assert image.exists()


def test_a_saved_disk_does_not_take_the_place_of_one_saved_earlier(home: Path, directory: Path) -> None:
    directory.mkdir()
    for content in (b"first", b"second", b"third"):
        (directory / "disk.1").write_bytes(content)
        do(f"MV shared host1:{directory}/disk.1 front:{home}/vms/42/disk.1")
    kept = {name: (home / "vms" / "42" / name).read_bytes() for name in names(home / "vms" / "42")}
    assert kept == {"disk.1": b"third", "disk.1.1": b"first", "disk.1.2": b"second"}


@pytest.mark.parametrize("where", ["datastores/0/42", "tiny/0/42"], ids=["one file system", "two"])
def test_a_disk_that_is_saved_is_there_whenever_the_driver_is_killed(home: Path, tiny: Path, where: str) -> None:
    directory, saved = home / where, home / "vms" / "42" / "disk.0"
    line = f"MV shared host1:{directory}/disk.0 front:{saved}"

    def begin() -> None:
        emptied(directory, saved.parent)
        directory.mkdir(parents=True)
        (directory / "disk.0").write_bytes(b"saved")

    def meanwhile() -> None:
        copies = [path for path in (directory / "disk.0", saved) if path.exists()]
        assert copies
        assert {path.read_bytes() for path in copies} == {b"saved"}

    assert killed_everywhere(line, begin, meanwhile)
    assert names(saved.parent) == ["disk.0"]
    assert not (directory / "disk.0").exists()


def test_what_leaves_its_host_for_a_while_stays_in_its_datastore(home: Path, directory: Path, image: Path) -> None:
    filled(directory, image)
    (home / "vms" / "42" / "transfer.0.stop").write_text("# trifid step 7")
    images = home / "vms" / "42" / "images"
    for _ in range(2):
        do(f"MV shared host1:{directory} front:{images}")
        do(f"MV shared front:{images} host2:{directory}")
        assert is_whole(directory, image)
        assert names(home / "vms" / "42") == ["transfer.0.stop"]


# -- CP, CLEAN ---------------------------------------------------------------------------------------


def test_a_copied_directory_is_in_both_places_until_it_is_cleaned(directory: Path, other: Path, image: Path) -> None:
    filled(directory, image)
    for _ in range(2):
        do(f"CP shared host1:{directory} host2:{other} 42 100")
        assert is_whole(directory, image)
        assert is_whole(other, image)
        assert "disk.2.part" not in names(other)
    for _ in range(2):
        do(f"CLEAN shared host1:{directory} host2:{other} 42 100")
        assert not directory.exists()
        assert is_whole(other, image)


@pytest.mark.parametrize("where", ["datastores/100/42", "tiny/100/42"], ids=["one file system", "two"])
def test_a_copy_that_is_killed_anywhere_is_whole_when_it_is_done_again(
    home: Path, tiny: Path, directory: Path, image: Path, where: str
) -> None:
    target = home / where

    def begin() -> None:
        emptied(directory, target)
        filled(directory, image)
        target.mkdir(parents=True)
        (target / "disk.0").write_bytes(b"of an earlier stay")

    def meanwhile() -> None:
        assert is_whole(directory, image)
        if (target / "disk.0").exists():
            assert (target / "disk.0").read_bytes() in (b"of an earlier stay", b"disk")

    assert killed_everywhere(f"CP shared host1:{directory} host2:{target} 42 100", begin, meanwhile) > 5
    assert is_whole(target, image)
    assert [name for name in names(target) if name.endswith(".part")] == []


def test_a_cleaning_that_is_killed_anywhere_loses_nothing(directory: Path, other: Path, image: Path) -> None:
    def begin() -> None:
        emptied(directory, other)
        filled(directory, image)
        do(f"CP shared host1:{directory} host2:{other} 42 100")

    def meanwhile() -> None:
        assert is_whole(other, image)

    assert killed_everywhere(f"CLEAN shared host1:{directory} host2:{other} 42 100", begin, meanwhile) > 3
    assert not directory.exists()


def test_what_an_earlier_stay_left_does_not_come_back(directory: Path, other: Path, image: Path) -> None:
    filled(directory, image)
    (other / "disk.7").mkdir(parents=True)
    (other / "disk.0").mkdir()
    (other / "checkpoint.9").write_bytes(b"old memory")
    do(f"CP shared host1:{directory} host2:{other} 42 100")
    assert is_whole(other, image)


def test_a_copy_between_file_systems_that_does_not_fit_keeps_the_source(
    tiny: Path, directory: Path, image: Path
) -> None:
    filled(directory, image)
    (directory / "disk.3").write_bytes(os.urandom(8 * MIB))
    with pytest.raises(Failure, match=r"needs 8\.0 MiB"):
        do(f"CP shared host1:{directory} host2:{tiny}/100/42 42 100")
    with pytest.raises(Failure, match=r"it lacks disk\.3: .*/datastores/0/42 is kept"):
        do(f"CLEAN shared host1:{directory} host2:{tiny}/100/42 42 100")
    assert (directory / "disk.3").stat().st_size == 8 * MIB


def test_a_directory_that_both_hosts_see_is_neither_copied_nor_cleaned(
    home: Path, directory: Path, image: Path
) -> None:
    filled(directory, image)
    (home / "datastores" / "7").symlink_to(home / "datastores" / "0")
    for target in (directory, home / "datastores" / "7" / "42"):
        do(f"CP shared host1:{directory} host2:{target} 42 7")
        do(f"CLEAN shared host1:{directory} host2:{target} 42 7")
        assert is_whole(directory, image)


def test_nothing_is_cleaned_for_a_target_that_is_not_there(directory: Path, other: Path) -> None:
    directory.mkdir()
    (directory / "checkpoint.0").write_bytes(b"memory")
    with pytest.raises(Failure, match="it lacks everything"):
        do(f"CLEAN shared host1:{directory} host2:{other} 42 100")
    assert names(directory) == ["checkpoint.0"]


def test_what_is_nowhere_cannot_be_copied(directory: Path, other: Path) -> None:
    with pytest.raises(Failure, match=r"neither .*/0/42 nor .*/100/42 exists"):
        do(f"CP shared host1:{directory} host2:{other} 42 100")
    assert not other.exists()


@pytest.mark.parametrize("word", ["CP", "CLEAN"])
@pytest.mark.parametrize(
    ("source", "target"),
    [("datastores/0/42", "vms/42"), ("vms/42", "datastores/0/42"), ("datastores/0/43", "datastores/0/42"),
     ("datastores/0/42/disk.0", "datastores/1/42/disk.0"), ("datastores/0/42", "images/42")],
)  # fmt: skip
def test_only_directories_of_the_vm_in_datastores_are_copied_and_cleaned(
    home: Path, word: str, source: str, target: str
) -> None:
    for name in (source, target):
        (home / name).mkdir(parents=True, exist_ok=True)
        (home / name / "file").write_bytes(b"x")
    with pytest.raises(Failure, match="of vm 42"):
        do(f"{word} shared host1:{home}/{source} host2:{home}/{target} 42 0")
    assert (home / source / "file").exists()


# -- DELETE ------------------------------------------------------------------------------------------


def test_delete_removes_the_directory_but_not_what_links_lead_to(home: Path, directory: Path, image: Path) -> None:
    do(f"CLONE shared front:{image} host1:{directory}/disk.0")
    do(f"LN shared front:{image} host1:{directory}/disk.1")
    precious = home / "images" / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"x")
    (directory / "a-directory").symlink_to(precious)
    for _ in range(2):
        do(f"DELETE shared host1:{directory} 42 0")
    assert not directory.exists()
    assert image.stat().st_size == 100_000
    assert (precious / "file").exists()


def test_a_directory_that_is_a_link_loses_the_link_only(home: Path, directory: Path) -> None:
    directory.symlink_to(home / "images")
    do(f"DELETE shared host1:{directory} 42 0")
    assert not directory.is_symlink()
    assert (home / "images").is_dir()


@pytest.mark.parametrize(
    "path",
    ["/", "/0/42", "{home}", "{home}/datastores", "{home}/datastores/0", "{home}/datastores/0/43", "{home}/vms/42",
     "{home}/vms/42/disk.0", "{home}/vms/43/images", "{home}/datastores/0/42/checkpoint.0",
     "{home}/datastores/0/42/disk.x", "{home}/datastores/0/42/disk.0/disk.0", "{home}/datastores/0/43/disk.0",
     "{home}/datastores/1/42", "{home}/datastores/0/42/../..", "relative/0/42"],
)  # fmt: skip
def test_nothing_else_is_ever_deleted(home: Path, path: str) -> None:
    for name in ("datastores/0/42", "datastores/0/43", "datastores/1/42"):
        (home / name).mkdir(parents=True)
    for name in ("datastores/0/42/disk.0", "datastores/0/43/disk.0", "datastores/0/42/checkpoint.0", "vms/42/disk.0"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"disk")
    with pytest.raises(Failure, match="DELETE"):
        do(f"DELETE shared host1:{path.format(home=home)} 42 0")
    for name in ("datastores/0/42/disk.0", "datastores/0/43/disk.0", "datastores/0/42/checkpoint.0", "vms/42/disk.0"):
        assert (home / name).exists()
    assert (home / "datastores/1/42").exists()


def test_one_disk_goes_with_its_snapshots_and_everything_else_stays(directory: Path, image: Path) -> None:
    filled(directory, image)
    (directory / "disk.10").write_bytes(b"another")
    for number in (0, 1, 0):
        do(f"DELETE shared host1:{directory}/disk.{number} 42 0")
    assert names(directory) == ["checkpoint.0", "disk.10", "disk.2.part"]
    assert image.stat().st_size == 100_000


def test_a_disk_goes_from_the_directory_itself_only(home: Path, directory: Path) -> None:
    directory.symlink_to(home / "images")
    (home / "images" / "disk.0").write_bytes(b"an image")
    with pytest.raises(Failure, match="is a symbolic link, expected a directory"):
        do(f"DELETE shared host1:{directory}/disk.0 42 0")
    assert (home / "images" / "disk.0").exists()


def test_deleting_what_is_not_there_is_a_success(directory: Path, home: Path) -> None:
    do(f"DELETE shared host1:{directory} 42 0")
    do(f"DELETE shared host1:{directory}/disk.0 42 0")
    do(f"DELETE shared front:{home}/vms/42/images 42 0")


def test_what_waits_on_the_front_end_goes_and_what_was_saved_stays(home: Path) -> None:
    images = home / "vms" / "42" / "images"
    images.mkdir()
    (images / "disk.0").write_bytes(b"of a driver that moves")
    (home / "vms" / "42" / "disk.1").write_bytes(b"saved")
    do(f"DELETE shared front:{images} 42 0")
    assert names(home / "vms" / "42") == ["disk.1"]


def test_a_deletion_that_is_killed_anywhere_is_finished_when_it_is_done_again(directory: Path, image: Path) -> None:
    def begin() -> None:
        emptied(directory)
        filled(directory, image)

    def meanwhile() -> None:
        assert image.stat().st_size == 100_000

    assert killed_everywhere(f"DELETE shared host1:{directory} 42 0", begin, meanwhile) > 3
    assert not directory.exists()
    assert killed_everywhere(f"DELETE shared host1:{directory}/disk.0 42 0", begin, meanwhile)
    assert names(directory) == ["checkpoint.0", "disk.1", "disk.2.part"]
