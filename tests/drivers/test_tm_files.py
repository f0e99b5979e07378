"""Copies by every way that a file system may offer, and files that arrive whole."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.tm import files


def nothing(done: int, size: int) -> None:
    """No progress is told."""


def refuse(code: int) -> Callable[..., int]:
    """A call that a file system does not offer."""

    def call(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    with path.open("wb") as file:
        file.write(os.urandom(300_000))
        file.seek(5 << 20)
        file.write(bytes(1 << 20) + os.urandom(100_001))
        file.truncate(9 << 20)
    return path


def test_a_copy_of_many_pieces_is_equal_and_as_sparse(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        for at, length in ((1 << 20, files.PIECE_BYTES + 1), (20 << 20, 3 << 20), (40 << 20, 2 * files.PIECE_BYTES)):
            file.seek(at)
            file.write(os.urandom(length))
        file.truncate(100 << 20)
    told: list[int] = []
    files.copy(source, tmp_path / "copy", lambda done, size: told.append(done))
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert (tmp_path / "copy").stat().st_blocks == source.stat().st_blocks
    assert told == sorted(told)
    assert told[-1] == (40 << 20) + 2 * files.PIECE_BYTES


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_copy_is_equal_without_help_of_the_kernel(
    source: Path, tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", refuse(code))
    files.copy(source, tmp_path / "copy", nothing)
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert (tmp_path / "copy").stat().st_blocks * 512 < 1 << 20


def test_a_copy_is_equal_where_holes_are_not_known(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seek = os.lseek

    def no_holes(file: int, at: int, how: int) -> int:
        return refuse(errno.EINVAL)() if how == os.SEEK_DATA else seek(file, at, how)

    monkeypatch.setattr(os, "lseek", no_holes)
    files.copy(source, tmp_path / "copy", nothing)
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_another_fault_of_the_kernel_is_not_hidden(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", refuse(errno.EIO))
    monkeypatch.setattr("trifid.drivers.tm.files._share_blocks", lambda *_: False)
    with pytest.raises(OSError, match="Input/output error"):
        files.copy(source, tmp_path / "copy", nothing)
    assert not (tmp_path / "copy").exists()


def test_an_empty_file_is_copied(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    files.copy(tmp_path / "empty", tmp_path / "copy", nothing)
    assert (tmp_path / "copy").read_bytes() == b""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_what_is_free(tmp_path: Path, code: int) -> None:
    with pytest.raises(Failure, match=r"no space left: [0-9.]+ MiB free in "), files.arriving(tmp_path / "x"):
        raise OSError(code, os.strerror(code))
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    with files.arriving(tmp_path / "x", 0o640) as file:
        file.write(b"whole")
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_file_that_does_not_become_whole_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(KeyError), files.arriving(tmp_path / "x") as file:
        file.write(b"new")
        raise KeyError
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
