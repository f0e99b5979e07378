"""Fixtures of driver tests; the contract's assertions explain themselves, as those of test files do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.ds_builders import Store
from tests.drivers.lvm_builders import Group, group_in
from tests.drivers.probe_builders import install_busybox
from tests.drivers.ssh_builders import hosts, scene, way
from tests.drivers.vnm_builders import computer
from tests.mounts import small_file_system

__all__ = ["computer", "hosts", "scene", "way"]

pytest.register_assert_rewrite("tests.drivers.contract", "tests.drivers.harness")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with datastore 0 and images; no proxy stands between a test and its own web server."""
    monkeypatch.setenv("TRIFID_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    for name in ("datastores/0", "images", "vms/42"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, mounted."""
    with small_file_system(tmp_path / "tiny") as place:
        yield place


@pytest.fixture
def store(home: Path) -> Store:
    """Datastore 1, of plain files; its directory is made by the driver."""
    return Store(home / "datastores" / "1")


@pytest.fixture
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of an administrator's, outside the engine's home."""
    return tmp_path_factory.mktemp("inbox")


@pytest.fixture
def group(home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """A volume group with a thin pool: a recorded one where the kernel has no device-mapper."""
    with group_in(tmp_path_factory.mktemp("group"), monkeypatch) as group:
        yield group


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the programs of busybox, which is all that some hosts have."""
    return install_busybox(tmp_path_factory.mktemp("busybox"))
