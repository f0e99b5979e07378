"""The drivers in examples/drivers at work in an engine that knows nothing of them but two lines of its settings."""

import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.drivers.example_packages import EXAMPLES, install_web
from tests.system.home import Api, Home

_VM = 'NAME="{name}"\nCPU=0.1\nMEMORY=16\nPAGE="it is {name}"\n'


def with_settings(home: Home, text: str) -> Home:
    with (home.path / "trifid.toml").open("a") as settings:
        settings.write(text)
    return home


@pytest.fixture
def in_shell(tmp_path: Path) -> Iterator[Home]:
    """An engine with the drivers in shell: two files in its home."""
    home = with_settings(
        Home(tmp_path / "home"),
        '[drivers.vmm.process]\nexecutable = "vmm-process"\n[drivers.im.process]\nexecutable = "im-process"\n',
    )
    for name in ("vmm-process", "im-process"):
        shutil.copy2(EXAMPLES / "process" / name, home.path / "drivers" / name)
    yield from started(home, "processes/*/*")


@pytest.fixture
def in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An engine with the drivers in Python: an installed package, which its settings only name."""
    site = tmp_path / "site"
    site.mkdir()
    install_web(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])]))
    home = with_settings(Home(tmp_path / "home"), "[drivers.vmm.web]\n[drivers.im.web]\n")
    yield from started(home, "web/*/*")


def started(home: Home, files: str) -> Iterator[Home]:
    home.settings("#monitoring_interval_s = 30", "monitoring_interval_s = 1")
    home.start()
    try:
        yield home
    finally:
        home.stop()
        for file in home.path.glob(files):
            with suppress(ProcessLookupError):
                os.kill(pid_in(file), signal.SIGKILL)


def pid_in(file: Path) -> int:
    text = file.read_text()
    return int(json.loads(text)["pid"] if text.startswith("{") else text)


def lead_a_life(home: Home, kind: str, directory: str) -> Iterator[Path]:
    """Take a VM through its life; yields its file each time when it runs, and in the end when it is gone."""
    api = Api(home)
    api.monitored_host("node1", kind, kind)
    assert api.hosts()[0]["TEMPLATE"]["HYPERVISOR"] == kind
    created = home.run("onevm", "create", "-", "--wait", "RUNNING", text=_VM.format(name="one"))
    vm_id = int(created.stdout.split("ID:")[1].split()[0])
    file = home.path / directory / "node1" / str(vm_id)
    yield file
    home.run("onevm", "poweroff", str(vm_id), "--wait")
    assert api.state(vm_id) == "POWEROFF" and not file.exists()
    home.run("onevm", "resume", str(vm_id), "--wait")
    yield file

    # what becomes of it outside is seen, and it outlives its driver and its engine
    home.kill()
    home.start()
    api = Api(home)
    api.until_state(vm_id, "RUNNING")
    pid = pid_in(file)
    os.kill(pid, signal.SIGKILL)
    api.until_state(vm_id, "POWEROFF")
    home.run("onevm", "resume", str(vm_id), "--wait")
    assert pid_in(file) != pid
    yield file
    api.call("one.vm.action", "suspend", vm_id)
    api.until(lambda: "SAVE" in home.run("onevm", "log", str(vm_id)).stdout, "a verb that it has not is refused")
    api.until_state(vm_id, "RUNNING")
    home.run("onevm", "terminate", str(vm_id), "--wait")
    assert api.state(vm_id) == "DONE"
    yield file


@pytest.mark.timeout(180)
def test_a_driver_in_shell_runs_a_vm_from_create_to_terminate(in_shell: Home) -> None:
    seen = [file.exists() for file in lead_a_life(in_shell, "process", "processes")]
    assert seen == [True, True, True, False]


@pytest.mark.timeout(180)
def test_a_driver_of_an_installed_package_runs_a_vm_from_create_to_terminate(in_python: Home) -> None:
    pages = []
    for file in lead_a_life(in_python, "web", "web"):
        if file.exists():
            port = json.loads(file.read_text())["port"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                pages.append(answer.read().decode())
    assert pages == ["it is one"] * 3


@pytest.mark.timeout(60)
def test_a_driver_that_no_package_offers_is_told_with_what_to_do(tmp_path: Path) -> None:
    home = with_settings(Home(tmp_path / "home"), "[drivers.vmm.absent]\n")
    home.start()
    try:
        log = (home.path / "log" / "trifidd.log").read_text()
        assert "no installed package offers a driver vmm.absent (entry point of the group trifid.drivers)" in log
    finally:
        home.stop()
