"""What the tests' own sshd leaves behind: nothing, whoever removes it first."""

import subprocess
from pathlib import Path

import pytest

from tests.drivers.sshd import hang_up


def test_a_socket_that_its_master_removes_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    for name in ("1", "2"):
        (sockets / name).touch()

    def exits(argv: list[str], **_: object) -> None:
        for path in sockets.iterdir():
            path.unlink()

    monkeypatch.setattr(subprocess, "run", exits)
    hang_up(sockets)
    assert not sockets.exists()
