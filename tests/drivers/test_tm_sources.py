"""What a disk may be made of: not what somebody let a symbolic link lead to."""

from pathlib import Path

import pytest

from tests.drivers.disk_contents import make_raw
from tests.drivers.tm_builders import do, names
from trifid.drivers.kit import Failure

IMAGE = "0123456789abcdef" * 2
WORDS = pytest.mark.parametrize("word", ["CLONE shared", "LN shared", "CLONE qcow2"])


@pytest.fixture
def directory(home: Path) -> Path:
    path = home / "datastores" / "0" / "42"
    path.mkdir()
    return path


@pytest.fixture
def public(home: Path) -> Path:
    """A directory whose files any user may name, and write."""
    path = home / "images" / "public"
    path.mkdir()
    return path


@pytest.fixture
def somebodys(home: Path) -> Path:
    """An image of the catalogue that the VM was not given."""
    (home / "datastores" / "1").mkdir()
    return make_raw(home / "datastores" / "1" / IMAGE, b"somebody's")


@WORDS
def test_a_link_that_leads_out_of_where_users_may_name_files_is_not_followed(
    home: Path, public: Path, directory: Path, word: str
) -> None:
    (public / "mine").symlink_to(make_raw(home / "images" / "secret", b"secret"))
    with pytest.raises(Failure, match=f"mine leads out of {public}, whose files any user may name"):
        do(f"{word} fe:{public}/mine host1:{directory}/disk.0", within=public)
    assert names(directory) == []


def test_a_kernel_is_no_more_than_a_disk(home: Path, public: Path, directory: Path) -> None:
    (public / "vmlinuz").symlink_to(make_raw(home / "images" / "secret", b"secret"))
    with pytest.raises(Failure, match=f"vmlinuz leads out of {public}"):
        do(f"CLONE shared fe:{public}/vmlinuz host1:{directory}/kernel", within=public)
    assert names(directory) == []


@WORDS
def test_a_link_that_stays_there_is(public: Path, directory: Path, word: str) -> None:
    (public / "mine").symlink_to(make_raw(public / "etch.img"))
    do(f"{word} fe:{public}/mine host1:{directory}/disk.0", within=f"{public}/")
    assert (directory / "disk.0").read_bytes() == (public / "etch.img").read_bytes()


@WORDS
def test_a_link_to_somebodys_image_is_not_followed(
    home: Path, public: Path, somebodys: Path, directory: Path, word: str
) -> None:
    (public / "mine").symlink_to(somebodys)
    with pytest.raises(Failure, match="mine leads out of"):
        do(f"{word} fe:{public}/mine host1:{directory}/disk.0", within=public)
    with pytest.raises(Failure, match="is an image of the catalogue: name it with IMAGE"):
        do(f"{word} fe:{public}/mine host1:{directory}/disk.0", within=home, is_image=False)
    assert names(directory) == []


@pytest.mark.parametrize("by_link", [True, False])
def test_no_image_is_written_by_a_vm_that_was_not_given_it(
    public: Path, somebodys: Path, directory: Path, by_link: bool
) -> None:
    (public / "mine").symlink_to(somebodys)
    source = public / "mine" if by_link else somebodys
    with pytest.raises(Failure, match=f"{source} is an image of the catalogue: name it with IMAGE"):
        do(f"LN shared fe:{source} host1:{directory}/disk.0", is_image=False)
    do(f"LN shared fe:{somebodys} host1:{directory}/disk.0", is_image=True)
    assert names(directory) == ["disk.0"]
