"""Fixtures of driver tests; the contract's assertions explain themselves, as those of test files do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import small_file_system

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
