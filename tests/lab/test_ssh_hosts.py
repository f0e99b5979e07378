"""Hosts that are other machines: a key to accept, one connection each for all that is done there, and what hangs.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.sshd import hang_up
from tests.lab.hosts import SSH_CONFIG, LabHost, lab_hosts
from tests.system.home import Api, Home
from trifid.drivers.remote.way import sockets_of
from trifid.wire.elements import iter_elements

pytestmark = pytest.mark.timeout(300)

FAR = {"host-a": "far-a", "host-b": "far-b"}
"""Names that only ssh_config knows; those of the lab stand for this machine."""


@pytest.fixture(scope="module")
def machines(bridge: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LabHost]]:
    """Two machines, by their far names."""
    directory = tmp_path_factory.mktemp("hosts")
    with lab_hosts(directory, tmp_path_factory.mktemp("datastores")) as started:
        config = directory / SSH_CONFIG
        text = config.read_text()
        for name, far in FAR.items():
            text = text.replace(f"Host {name}\n", f"Host {name} {far}\n")
        config.write_text(text.replace(str(directory / "known"), "/dev/null"))
        yield {FAR[machine.name]: machine for machine in started}


@pytest.fixture
def home(machines: dict[str, LabHost], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """An engine that has never spoken to them."""
    config = next(tmp_path_factory.getbasetemp().glob(f"hosts*/{SSH_CONFIG}"))
    home = Home(tmp_path / "home", drivers="libvirt")
    text = (home.path / "trifid.toml").read_text()
    for program in ("vmm", "im"):
        begin = f'[drivers.{program}.qemu]\nexecutable = "trifid-{program}-libvirt"\narguments = "'
        assert begin in text
        text = text.replace(begin, f"{begin}--ssh-config {config} ")
    text = text.replace("#monitoring_interval_s = 30", "monitoring_interval_s = 2")
    (home.path / "trifid.toml").write_text(text)
    home.start()
    try:
        yield home
    finally:
        home.stop()
        hang_up(sockets_of(home.path))


def test_a_host_is_spoken_to_once_its_key_is_accepted_and_over_one_connection(
    home: Home, machines: dict[str, LabHost]
) -> None:
    api = Api(home)
    home.run("onehost", "create", "far-a", "--im", "qemu", "--vm", "qemu")
    api.until(lambda: "onehost accept-key far-a" in _why(api, "far-a"), "the host says what is to be done")
    said = home.run("onehost", "accept-key", "far-a", "--yes").stdout
    assert "ssh-ed25519 SHA256:" in said
    api.until(lambda: _state(api, "far-a") == "2", "far-a is MONITORED")
    assert "is known" in home.run("onehost", "accept-key", "far-a").stdout
    found = home.run("onehost", "show", "far-a").stdout
    assert "KVM_MACHINES" in found, "libvirt there was asked"
    made = machines["far-a"].run("ss", "-Htn", "state", "established", "sport = :22").splitlines()
    assert len(made) == 1, made


def test_hosts_that_hang_delay_no_other_and_come_back(home: Home, machines: dict[str, LabHost]) -> None:
    api = Api(home)
    for name in FAR.values():
        home.run("onehost", "create", name, "--im", "qemu", "--vm", "qemu", "--accept-key")
    for name in FAR.values():
        api.until(lambda: _state(api, name) == "2", f"{name} is MONITORED")  # noqa: B023
    cut = machines["far-b"]
    cut.unplug()
    api.until(lambda: _state(api, "far-b") == "3", "the host that was cut off is in error")
    api.until(lambda: "far-b is not reached: " in _why(api, "far-b"), "and says that it is not reached")
    assert _state(api, "far-a") == "2"
    cut.plug_in()
    api.until(lambda: _state(api, "far-b") == "2", "far-b is MONITORED again")

    libvirtd = int(cut.run("cat", "/run/libvirt/libvirtd.pid"))
    pid = _outside(cut, libvirtd)
    os.kill(pid, signal.SIGSTOP)
    try:
        api.until(lambda: _state(api, "far-b") == "3", "the host whose libvirtd hangs is in error")
        assert "libvirt at qemu+ssh://far-b/system" in _why(api, "far-b")
        assert _state(api, "far-a") == "2"
    finally:
        os.kill(pid, signal.SIGCONT)
    api.until(lambda: _state(api, "far-b") == "2", "far-b is MONITORED again")


def _outside(machine: LabHost, pid: int) -> int:
    """Return the process id, which is the same here: hosts of the lab share its process table."""
    said = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "libvirtd"
    return pid


def _host(api: Api, name: str) -> dict[str, object]:
    return next(host for host in iter_elements(api.call("one.hostpool.info"), "HOST") if host["NAME"] == name)


def _state(api: Api, name: str) -> str:
    return str(_host(api, name)["STATE"])


def _why(api: Api, name: str) -> str:
    return str((_host(api, name)["TEMPLATE"] or {}).get("ERROR", ""))  # type: ignore[attr-defined]
