"""The kill table finds what it is there to find."""

import os
from pathlib import Path

import pytest

from tests.drivers.kills import KillTable
from trifid.drivers.tm import files


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def written_in_place(target: Path) -> None:
    if not target.exists():
        with target.open("wb") as file:
            file.write(b"data")


def left_beside(target: Path) -> None:
    part = target.with_name(f"{os.getpid()}.part")
    part.write_bytes(b"data")
    part.rename(target)


def moved_in_two_steps(target: Path) -> None:
    kept = target.with_name("kept")
    if kept.exists():
        data = kept.read_bytes()
        kept.unlink()
        target.write_bytes(data)


def begin(place: Path) -> None:
    (place / "kept").write_bytes(b"data")


@pytest.mark.parametrize("bad", [written_in_place, left_beside, moved_in_two_steps])
def test_what_a_kill_spoils_is_found(place: Path, bad: object) -> None:
    with pytest.raises((AssertionError, OSError)):
        KillTable(place, lambda: begin(place)).run(lambda: bad(place / "x"))  # type: ignore[operator]


def test_a_source_that_is_changed_is_found(place: Path) -> None:
    source = place.parent / "source"
    source.write_bytes(b"data")

    def consume() -> None:
        source.rename(place / "x")
        source.write_bytes(b"data")

    with pytest.raises(AssertionError, match="changed the source"):
        KillTable(place, lambda: None, source=source).run(consume)


def test_what_survives_every_kill_passes(place: Path) -> None:
    def write() -> None:
        with files.arriving(place / "x") as file:
            file.write(b"data")

    assert KillTable(place, lambda: begin(place)).run(write) > 3
