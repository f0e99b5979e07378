"""tools/lab: a cluster comes up in namespaces of its own, and leaves nothing.

Runs inside the lab of these tests (tools/in-lab), as root: what is "outside" here is inside namespaces as well.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "tools" / "lab"
TIMEOUT_S = 240.0
HOSTS = ("host-1", "host-2")

pytestmark = pytest.mark.timeout(600)


class Lab:
    """tools/lab with a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *argv: str, status: int = 0) -> str:
        """Return what it prints, errors too; another exit status than expected fails the test."""
        environment = {
            **os.environ,
            "TRIFID_LAB_HOME": str(self.path),
            "TRIFID_BIN": str(Path(sys.executable).parent),
        }
        done = subprocess.run(
            [str(LAB), *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def pids(self) -> list[int]:
        """Return the processes that the lab and its hosts stand on, as they are numbered where they were started."""
        return [int(file.read_text()) for file in sorted(self.path.rglob("pid"))]


@pytest.fixture
def lab(tmp_path: Path):
    """A lab that is not up; it is down at the end, whatever happens."""
    made = Lab(tmp_path / "lab")
    yield made
    made.run("down")


def processes() -> Counter[str]:
    """Return the command lines of all processes but this one's short-lived children."""
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:
            continue
    return Counter(found)


def surroundings() -> dict[str, object]:
    """Return what a lab could change outside: links, mounts, files that it has versions of its own of."""
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout)
    return {
        "links": sorted(link["ifname"] for link in links),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "hosts": Path("/etc/hosts").read_text(),
        "ssh_config": Path("/etc/ssh/ssh_config").read_text(),
        "ssh": sorted(str(path) for path in Path("/root/.ssh").glob("*")),
        "hostname": Path("/proc/sys/kernel/hostname").read_text(),
    }


def namespaces() -> set[str]:
    listed = subprocess.run(["lsns", "--noheadings", "--output", "NS"], capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def test_a_lab_is_up_after_up_and_nothing_is_left_after_down_however_often_these_are_said(lab: Lab) -> None:
    before, processes_before, namespaces_before = surroundings(), processes(), namespaces()
    lab.run("up", "--hosts", "2")
    assert surroundings() == before, "it is all inside"
    pids = lab.pids()
    assert len(pids) == 3
    lab.run("up", "--hosts", "2")
    assert lab.pids() == pids, "what was there stayed"

    listed = lab.run("run", "onehost", "list", "--list", "NAME,STAT", "--csv", "--no-header")
    assert sorted(listed.split()) == [f"{name},on" for name in HOSTS]
    told = lab.run("run", "ssh", "host-1", "hostname", "&&", "virsh", "-q", "-c", "qemu:///system", "hostname")
    assert told.split() == ["host-1", "host-1"]
    later = lab.run("on", "host-1", "getent", "hosts", "host-3").split()
    assert later == ["10.0.0.243", "host-3"], "a host that is added later can be migrated to"
    assert "this is inside the lab: leave it" in lab.run("run", str(LAB), "down", status=1)
    assert lab.pids() == pids

    lab.run("down")
    lab.run("down")
    assert not lab.path.exists()
    assert surroundings() == before
    assert not processes() - processes_before
    assert namespaces() == namespaces_before


def test_a_lab_that_was_killed_starts_again_and_hosts_lose_power_and_network(lab: Lab) -> None:
    processes_before, namespaces_before = processes(), namespaces()
    lab.run("up", "--hosts", "2")
    os.kill(int((lab.path / "pid").read_text()), signal.SIGKILL)
    assert "no lab runs from" in lab.run("status", status=1)
    lab.run("up", "--hosts", "2")

    def states() -> list[str]:
        return [line.split()[2] for line in lab.run("status").splitlines() if line.startswith("host-")]

    assert states() == ["up", "up"]
    lab.run("on", "host-1", "touch", "/root/in-memory", str(lab.path / "engine" / "datastores" / "on-disk"))
    lab.run("crash", "host-1")
    lab.run("cut", "host-2")
    assert states() == ["down", "cut"]
    assert "off" in lab.run("power", "status", "host-1")
    assert "on" in lab.run("power", "status", "host-2", status=1)
    lab.run("run", "ping", "-c", "1", "-W", "1", "10.0.0.242", status=1)
    lab.run("start", "host-1")
    lab.run("mend", "host-2")
    assert states() == ["up", "up"]
    lab.run("run", "ping", "-c", "1", "-W", "5", "10.0.0.242")
    assert "on-disk" in lab.run("on", "host-1", "ls", str(lab.path / "engine" / "datastores"))
    assert "on-disk" not in lab.run("on", "host-2", "ls", str(lab.path / "engine" / "datastores"))
    assert "in-memory" not in lab.run("on", "host-1", "ls", "/root")
    assert not Path("/root/in-memory").exists()
    assert "there is no host host-9: the hosts are host-1, host-2" in lab.run("crash", "host-9", status=1)

    os.kill(int((lab.path / "pid").read_text()), signal.SIGKILL)
    lab.run("down")
    assert not processes() - processes_before
    assert namespaces() == namespaces_before


def test_a_directory_of_somebody_else_is_neither_used_nor_removed(lab: Lab) -> None:
    lab.path.mkdir()
    (lab.path / "thesis").touch()
    assert "is no lab and not empty" in lab.run("up", status=1)
    lab.run("down")
    assert (lab.path / "thesis").exists()


def test_too_many_hosts_are_refused_by_number(lab: Lab) -> None:
    assert "at most 13" in lab.run("up", "--hosts", "14", status=1)
