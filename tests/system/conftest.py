"""Engines for the tests of the whole: one per test, with dummy drivers unless it says otherwise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import small_file_system
from tests.system.home import Api, Home, engine


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A started engine with dummy drivers."""
    with engine(tmp_path / "home") as started:
        yield started


@pytest.fixture
def api(home: Home) -> Api:
    """The API of that engine, as its administrator."""
    return Api(home)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Home]:
    """A home with dummy drivers whose engine is not started; stopped at the end if the test started it."""
    made = Home(tmp_path / "home")
    yield made
    made.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_file_system(tmp_path / "small") as place:
        yield place
