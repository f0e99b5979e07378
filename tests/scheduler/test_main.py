import os
import subprocess
import sys
from pathlib import Path


def started(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "trifid.scheduler.main", "--home", str(home), *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def home_with_nobody_listening(tmp_path: Path) -> Path:
    (tmp_path / "one_auth").write_text("oneadmin:secret-word\n")
    (tmp_path / "trifid.toml").write_text("[api]\nport = 1\n")
    return tmp_path


def test_it_ends_with_whoever_started_it_though_there_is_no_engine(tmp_path):
    process = started(home_with_nobody_listening(tmp_path), "--stdin-guard")
    _, errors = process.communicate(b"", timeout=30)
    assert process.returncode == 0
    assert b"stdin has ended" in errors
    assert b"secret-word" not in errors


def test_without_a_session_it_says_what_to_do(tmp_path):
    process = started(tmp_path)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"write USER:PASSWORD into it" in errors
