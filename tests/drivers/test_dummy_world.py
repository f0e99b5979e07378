"""The world of the dummies: one writes, others read, and it outlives them all."""

from pathlib import Path

import pytest

from trifid.drivers.dummy.world import GONE, RUNNING, SAVED, Domain, World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dummy" / "world.log"


@pytest.fixture
def writer(path: Path) -> World:
    world = World(path)
    world.begin()
    return world


def test_a_reader_sees_what_was_written(writer: World, path: Path) -> None:
    reader = World(path)
    writer.put(12, Domain("h1", RUNNING, 3))
    writer.put(13, Domain("h1", RUNNING, 1))
    writer.flush()
    reader.refresh()
    assert reader.running_on("h1") == [12, 13]
    writer.put(12, Domain("h2", RUNNING, 4))
    writer.put(13, Domain("h1", SAVED, 2))
    writer.flush()
    reader.refresh()
    assert (reader.running_on("h1"), reader.running_on("h2")) == ([], [12])
    assert reader.get(13) == Domain("h1", SAVED, 2)


def test_a_world_that_is_not_there_is_empty(path: Path) -> None:
    world = World(path)
    world.refresh()
    assert world.running_on("h1") == []
    assert world.get(1) == Domain("", GONE, 0)


def test_the_next_writer_goes_on_with_a_short_log(writer: World, path: Path) -> None:
    reader = World(path)
    for step in range(100):
        writer.put(12, Domain("h1", RUNNING, step))
    writer.flush()
    reader.refresh()
    second = World(path)
    second.begin()
    assert path.read_text() == "12 h1 running 99\n"
    second.put(13, Domain("h1", RUNNING, 1))
    second.flush()
    reader.refresh()
    assert second.running_on("h1") == reader.running_on("h1") == [12, 13]


def test_half_a_line_waits_for_its_other_half(writer: World, path: Path) -> None:
    reader = World(path)
    with path.open("a") as log:
        log.write("12 h1 runn")
        log.flush()
        reader.refresh()
        assert reader.running_on("h1") == []
        log.write("ing 1\n")
    reader.refresh()
    assert reader.running_on("h1") == [12]


def test_lines_that_mean_nothing_are_passed_over(writer: World, path: Path) -> None:
    path.write_bytes(b"\xff\xfe\n12 h1 walking 1\n12 h1 running\n12 h1 running 1\n")
    writer.refresh()
    assert writer.running_on("h1") == [12]


def test_a_step_never_goes_back(writer: World) -> None:
    writer.put(12, Domain("h1", RUNNING, 9))
    writer.put(12, Domain("h1", GONE, 0))
    assert writer.get(12) == Domain("h1", GONE, 9)


def test_a_writer_sees_what_somebody_else_adds(writer: World, path: Path) -> None:
    writer.put(12, Domain("h1", RUNNING, 9))
    writer.flush()
    with path.open("a") as log:
        log.write("12 - gone 0\n")
    writer.put(13, Domain("h1", RUNNING, 1))
    writer.flush()
    writer.refresh()
    assert writer.running_on("h1") == [13]
    assert writer.get(12).step == 9


def test_a_domain_that_no_engine_made_has_a_name(writer: World, path: Path) -> None:
    with path.open("a") as log:
        log.write("legacy h1 running 0\n")
    writer.put(12, Domain("h1", RUNNING, 1))
    writer.flush()
    writer.refresh()
    assert (writer.running_on("h1"), writer.foreign_on("h1")) == ([12], ["legacy"])
    again = World(path)
    again.begin()
    assert again.foreign_on("h1") == ["legacy"]
    again.put("legacy", Domain("h1", GONE, 3))
    assert again.foreign_on("h1") == []
