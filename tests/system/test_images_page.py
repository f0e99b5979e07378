"""The tour of docs/images.md can be taken: its commands, typed in their order at a real engine with the fs driver."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.home import Home
from tests.test_docs import DOCS, fenced

PROGRAMS = {
    "oneimage": "trifid.cli.image",
    "onedatastore": "trifid.cli.datastore",
    "onevm": "trifid.cli.vm",
    "trifid-ds-fs": "trifid.drivers.ds.fs",
}
FS_DRIVER = '\n[drivers.ds.fs]\nexecutable = "trifid-ds-fs"\n'


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    (home.path / "drivers").mkdir(exist_ok=True)
    for name, module in PROGRAMS.items():
        script = home.path / "drivers" / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        script.chmod(0o755)
    settings = home.path / "trifid.toml"
    settings.write_text(settings.read_text() + FS_DRIVER)
    home.start()
    yield home
    home.stop()


def test_the_tour_can_be_taken(home, tmp_path: Path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(tmp_path / "debian.qcow2"), "1G"], check=True)
    (tmp_path / "my-own.img").write_bytes(os.urandom(3 << 20))
    environment = home.environment
    environment["PATH"] = f"{home.path / 'drivers'}{os.pathsep}{environment['PATH']}"
    home.run("onehost", "create", "host1", "--im", "dummy", "--vm", "dummy")
    typed = [line[2:] for text in fenced(DOCS / "images.md", "console") for line in text.splitlines()]
    assert len(typed) > 10
    for command in typed:
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{command}\n{done.stdout}{done.stderr}"
    listed = subprocess.run(
        [str(home.path / "drivers" / "oneimage"), "list", "-l", "NAME,STAT", "--no-header"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert sorted(line.split()[0] for line in listed.stdout.splitlines()) == ["data", "debian", "debian-with-nginx"]
    assert {line.split()[1] for line in listed.stdout.splitlines()} == {"rdy"}
    assert not list((home.path / "uploads").rglob("*.*"))
