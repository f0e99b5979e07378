"""One file from machine to machine: sparse, whole, going on where it broke off."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from trifid.drivers.kit import Failure
from trifid.drivers.remote.channel import Stream, never
from trifid.drivers.remote.faults import ConnectionLost
from trifid.drivers.remote.host import Hosts
from trifid.drivers.tm.ssh import copying, extents
from trifid.drivers.tm.ssh.copying import copy_file
from trifid.drivers.tm.ssh.place import Place

MIB = 1 << 20


class Copy:
    """A file to be copied from one machine to another.

    Attributes:
        told: (bytes done, size) as its progress was told.
        breaks_off: whether its progress is answered with a failure once a part of it is kept.
    """

    def __init__(self, hosts: Hosts, directory: Path, names: tuple[str, str]) -> None:
        self.source, self.target = directory / "source", directory / "target"
        self.part, self.state = directory / "target.part", directory / "target.part.state"
        self.places = [
            Place(hosts.named(name), path, never) for name, path in zip(names, (self.source, self.target), strict=True)
        ]
        self.told: list[tuple[int, int]] = []
        self.breaks_off = False

    def run(self) -> None:
        self.told.clear()
        copy_file(*self.places, self._tell)

    def _tell(self, done: int, size: int) -> None:
        self.told.append((done, size))
        if self.breaks_off and self.kept() > 0:
            raise Failure("ended by the test")

    def kept(self) -> int:
        """How much of an incomplete copy is on the disk for sure."""
        return int(self.state.read_text().split()[-1])


ENDS = [("localhost", "host1"), ("host1", "localhost"), ("host1", "host2"), ("host1", "host1")]


@pytest.fixture(params=ENDS, ids="-".join)
def copy(request: pytest.FixtureRequest, hosts: Hosts, tmp_path: Path) -> Copy:
    return Copy(hosts, tmp_path, request.param)


@pytest.fixture
def sent(hosts: Hosts, tmp_path: Path) -> Copy:
    """One from the front-end to a host."""
    return Copy(hosts, tmp_path, ("localhost", "host1"))


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(extents, "PIECE_BYTES", MIB)
    monkeypatch.setattr(copying, "KEPT_BYTES", MIB)
    yield


def write(path: Path, size: int, *parts: tuple[int, bytes]) -> bytes:
    """Write a file with holes; return its contents."""
    with path.open("wb") as file:
        for begin, data in parts:
            file.seek(begin)
            file.write(data)
        file.truncate(size)
    return path.read_bytes()


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_a_copy_has_the_contents_the_holes_and_the_time_of_its_source(copy: Copy) -> None:
    data = write(
        copy.source, 40 * MIB, (0, b"boot" * 5000), (9 * MIB + 77, b"x" * 300_000), (30 * MIB, bytes(MIB) + b"end")
    )
    copy.run()
    assert copy.target.read_bytes() == data
    assert allocated(copy.target) < 2 * MIB
    assert copy.target.stat().st_mtime_ns == copy.source.stat().st_mtime_ns
    assert copy.target.stat().st_mode & 0o777 == 0o660
    assert not copy.part.exists() and not copy.state.exists()


@pytest.mark.parametrize("size", [0, 1, 511, 65_536, 65_537, 5 * MIB])
@pytest.mark.parametrize("filler", [b"", b"\xff"], ids=["hole", "full"])
def test_every_size_arrives(sent: Copy, size: int, filler: bytes) -> None:
    data = write(sent.source, size, (0, filler * size))
    sent.run()
    assert sent.target.read_bytes() == data


def test_a_copy_that_is_there_is_not_sent_again(sent: Copy) -> None:
    write(sent.source, MIB, (0, b"x" * MIB))
    sent.run()
    assert sent.told
    sent.run()
    assert sent.told == []


def test_a_file_that_changed_since_is_sent_again(copy: Copy) -> None:
    write(copy.source, MIB, (0, b"x" * MIB))
    copy.run()
    data = write(copy.source, MIB, (0, b"y" * MIB))
    copy.run()
    assert copy.target.read_bytes() == data


def test_a_copy_that_broke_off_goes_on_where_it_was(sent: Copy, small_pieces: None) -> None:
    data = write(sent.source, 16 * MIB, (0, os.urandom(16 * MIB)))
    sent.breaks_off = True
    with pytest.raises(Failure, match="ended by the test"):
        sent.run()
    assert not sent.target.exists()
    assert sent.part.stat().st_size == 16 * MIB
    identity, *_, kept = sent.state.read_text().split()
    about = sent.source.stat()
    assert identity.split(":")[::2] == [str(about.st_size), str(about.st_ino)]
    sent.breaks_off = False
    sent.run()
    assert sent.told[0][0] > int(kept) >= MIB
    assert sent.target.read_bytes() == data


def test_a_copy_of_a_file_that_became_another_begins_anew(sent: Copy, small_pieces: None) -> None:
    write(sent.source, 16 * MIB, (0, b"1" * 16 * MIB))
    sent.breaks_off = True
    with pytest.raises(Failure):
        sent.run()
    data = write(sent.source, 16 * MIB, (7 * MIB, b"2" * MIB))
    sent.breaks_off = False
    sent.run()
    assert sent.target.read_bytes() == data


@pytest.mark.parametrize("state", ["", "other\n5\n", "\n\n", "other\n\0\0\0"])
def test_a_state_that_says_nothing_of_use_is_not_followed(sent: Copy, state: str) -> None:
    data = write(sent.source, 2 * MIB, (0, b"x" * 2 * MIB))
    sent.part.write_bytes(b"wrong" * 10)
    sent.state.write_text(state)
    sent.run()
    assert sent.target.read_bytes() == data


def test_a_lost_connection_is_made_again_and_the_copy_goes_on(
    sent: Copy, small_pieces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write(sent.source, 16 * MIB, (0, os.urandom(16 * MIB)))
    losses = []
    write_on = Stream.write

    def lossy(stream: Stream, piece: bytes) -> None:
        if not losses and sent.state.exists() and sent.kept() > 0:
            losses.append(len(sent.told))
            raise ConnectionLost("host1 is not reached")
        write_on(stream, piece)

    monkeypatch.setattr(Stream, "write", lossy)
    sent.run()
    assert sent.told[losses[0]][0] > MIB
    assert sent.target.read_bytes() == data


def test_a_host_that_stays_away_is_given_up(sent: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    write(sent.source, MIB, (0, b"x" * MIB))
    tried = []

    def lost(stream: Stream, piece: bytes) -> None:
        tried.append(piece)
        raise ConnectionLost("host1 is not reached")

    monkeypatch.setattr(Stream, "write", lost)
    with pytest.raises(ConnectionLost):
        sent.run()
    assert len(tried) == copying.TRIES


def test_a_source_that_changes_meanwhile_is_no_copy(sent: Copy, small_pieces: None) -> None:
    write(sent.source, 4 * MIB, (0, b"x" * 4 * MIB))
    tell = sent._tell

    def changing(done: int, size: int) -> None:
        tell(done, size)
        with sent.source.open("r+b") as file:
            file.write(b"y")

    sent._tell = changing  # type: ignore[method-assign]
    with pytest.raises(Failure, match="changed while it was copied"):
        sent.run()
    assert not sent.target.exists() and not sent.part.exists() and not sent.state.exists()


def test_a_source_that_becomes_shorter_is_a_failure(sent: Copy, small_pieces: None) -> None:
    write(sent.source, 8 * MIB, (0, b"x" * 8 * MIB))
    tell = sent._tell

    def shorter(done: int, size: int) -> None:
        tell(done, size)
        os.truncate(sent.source, MIB)

    sent._tell = shorter  # type: ignore[method-assign]
    with pytest.raises(Failure, match="became shorter"):
        sent.run()
    assert not sent.target.exists()


def test_a_full_disk_is_noticed_before_anything_is_sent(hosts: Hosts, tmp_path: Path, tiny: Path) -> None:
    copy = Copy(hosts, tmp_path, ("localhost", "host1"))
    copy.places[1] = copy.places[1]._replace(path=tiny / "target")
    write(copy.source, 6 * MIB, (0, b"x" * 6 * MIB))
    with pytest.raises(Failure, match=r"needs 6\.0 MiB, only [0-9.]+ MiB free in host1:"):
        copy.run()
    assert copy.told == []


def test_a_large_file_with_little_in_it_fits(hosts: Hosts, tmp_path: Path, tiny: Path) -> None:
    copy = Copy(hosts, tmp_path, ("localhost", "host1"))
    copy.places[1] = copy.places[1]._replace(path=tiny / "target")
    write(copy.source, 500 * MIB, (300 * MIB, b"x" * MIB))
    copy.run()
    assert subprocess.run(["cmp", str(copy.source), str(tiny / "target")], check=False).returncode == 0


@pytest.mark.parametrize("kind", ["nothing", "directory"])
def test_what_is_no_file_is_not_copied(copy: Copy, kind: str) -> None:
    if kind == "directory":
        copy.source.mkdir()
    with pytest.raises(Failure, match=r"no such file|is not a file"):
        copy.run()


def test_without_qemu_img_on_the_host_all_is_read_and_holes_stay_holes(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Copy(hosts, tmp_path, ("host1", "localhost"))
    data = write(copy.source, 10 * MIB, (5 * MIB, b"x" * 100))
    run = Place.run

    def without(place: Place, *argv: str) -> str:
        return run(place, "no-such-program" if argv[0] == "qemu-img" else argv[0], *argv[1:])

    monkeypatch.setattr(Place, "run", without)
    copy.run()
    assert copy.target.read_bytes() == data
    assert allocated(copy.target) < MIB


def test_pieces_leave_out_large_holes_and_join_what_is_close() -> None:
    of = [(0, 100), (5000, 6000), (90 * MIB, 200 * MIB)]
    assert list(extents.pieces(of)) == [
        (0, 6000),
        (90 * MIB, 154 * MIB),
        (154 * MIB, 200 * MIB),
    ]
    assert list(extents.pieces(of, 154 * MIB)) == [(154 * MIB, 200 * MIB)]
    assert list(extents.pieces([])) == []
