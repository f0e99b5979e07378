"""Hosts are worked on one after the other, on an engine with dummy drivers: what runs there is never stopped."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.home import BIN, Api, Home

HOSTS = ("node1", "node2", "node3")
WORK = """#!/bin/sh
# Notes how the host is that it is called for; it fails for the host that is named in the file "broken".
cd "$(dirname "$0")"
onehost list -l NAME,STAT,RVM --csv --no-header | grep "^$1," >> worked
echo "id $2" >> ids
[ ! -e broken ] || [ "$(cat broken)" != "$1" ] || exit 3
[ ! -e slow ] || { echo working >> started; exec sleep 600; }
"""


class Cluster:
    """Three hosts that carry two VMs each, and a program that is the work."""

    def __init__(self, home: Home, directory: Path) -> None:
        self.home = home
        self.api = Api(home)
        self.ids = {name: self.api.monitored_host(name) for name in HOSTS}
        self.vms = [self.api.call("one.vm.allocate", f"NAME=vm{n}\nCPU=1\nMEMORY=64", False) for n in range(6)]
        for vm_id in self.vms:
            self.api.until_state(vm_id, "RUNNING")
        self.directory = directory
        self.program = directory / "work"
        self.program.write_text(WORK)
        self.program.chmod(0o755)

    def roll(self, *words: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        return self.home.run("onehost", "roll", *words, status=status)

    def work(self, *words: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        """Roll, with the program."""
        return self.roll(*words, "--command", str(self.program), status=status)

    def begin(self, *words: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        """Begin to roll; the caller waits for its end."""
        command = [str(BIN / "onehost"), "roll", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.home.environment, stdin=stdin, stdout=pipe, stderr=pipe, text=True)

    def worked(self) -> list[str]:
        """Return how each host was when the program was called for it."""
        file = self.directory / "worked"
        return file.read_text().splitlines() if file.exists() else []

    def states(self) -> dict[str, str]:
        return {host["NAME"]: host["STATE"] for host in self.api.hosts()}

    def until_in(self, name: str, state: str) -> None:
        self.api.until(lambda: self.states()[name] == state, f"{name} in state {state}")

    def has_stopped_no_vm(self) -> None:
        assert {self.api.state(vm_id) for vm_id in self.vms} == {"RUNNING"}
        for vm_id in self.vms:
            records = self.api.vm(vm_id)["HISTORY_RECORDS"]["HISTORY"]
            for record in records[:-1] if isinstance(records, list) else []:
                assert record["ACTION"] == "2", "every move was a live one"


@pytest.fixture
def cluster(stopped: Home, tmp_path: Path) -> Iterator[Cluster]:
    """The hosts, looked at every second."""
    stopped.settings("#monitoring_interval_s = 30", "monitoring_interval_s = 1")
    stopped.start()
    yield Cluster(stopped, tmp_path)


ON, OFF = "2", "4"


def test_each_host_is_empty_and_disabled_while_it_is_worked_on_and_then_enabled(cluster: Cluster) -> None:
    done = cluster.work("node2,node1,node3")
    assert cluster.worked() == ["node2,dsbl,0", "node1,dsbl,0", "node3,dsbl,0"]
    assert (cluster.directory / "ids").read_text().split()[1::2] == [
        str(cluster.ids[name]) for name in ("node2", "node1", "node3")
    ]
    assert done.stdout.endswith("3 hosts done\n")
    assert set(cluster.states().values()) == {ON}
    cluster.has_stopped_no_vm()


def test_work_that_fails_stops_it_and_the_same_command_goes_on_with_that_host(cluster: Cluster) -> None:
    (cluster.directory / "broken").write_text("node2")
    words = ("node1,node2,node3", "--label", "kernel-6.1")
    failed = cluster.work(*words, status=255)
    assert "Error: stopped at host node2: " in failed.stderr and "ended with status 3" in failed.stderr
    assert f"onehost roll node2,node3 --command {cluster.program} --label kernel-6.1" in failed.stderr
    assert cluster.states() == {"node1": ON, "node2": OFF, "node3": ON}

    (cluster.directory / "broken").unlink()
    done = cluster.work(*words)
    assert "Host node2 was begun before: going on with it" in done.stdout
    assert "Host node1 has had kernel-6.1: left out" in done.stdout
    assert [line.split(",")[0] for line in cluster.worked()] == ["node1", "node2", "node2", "node3"]
    assert set(cluster.states().values()) == {ON}
    cluster.has_stopped_no_vm()
    assert cluster.work(*words).stdout.endswith("0 hosts done\n")


def test_a_vm_that_cannot_leave_stops_it_before_the_work(cluster: Cluster) -> None:
    (vm_id, *_) = (vm_id for vm_id in cluster.vms if "node1" in str(cluster.api.vm(vm_id)["HISTORY_RECORDS"]))
    cluster.api.call("one.vm.update", vm_id, 'SCHED_REQUIREMENTS = "NAME = node1"', 1)
    failed = cluster.work("node1,node2", "--timeout", "6", status=255)
    assert f"VM {vm_id} is still RUNNING on host node1" in failed.stderr
    assert "stopped at host node1: it is not empty" in failed.stderr
    assert cluster.worked() == []
    assert cluster.states() == {"node1": OFF, "node2": ON, "node3": ON}


def test_a_host_that_somebody_else_has_disabled_is_left_out_and_stays_so(cluster: Cluster) -> None:
    cluster.home.run("onehost", "disable", "node2")
    done = cluster.work("--all", "--json")
    told = json.loads(done.stdout)
    assert told["is_complete"]
    assert {host["name"]: host["result"] for host in told["hosts"]} == {
        "node1": "done", "node2": "left out", "node3": "done",
    }  # fmt: skip
    assert cluster.states() == {"node1": ON, "node2": OFF, "node3": ON}


def test_nothing_begins_when_a_host_is_not_on(cluster: Cluster) -> None:
    driver = cluster.home.child("im driver dummy")
    os.kill(driver, signal.SIGSTOP)
    for word in ("offline", "enable"):  # from now on nothing is heard of it
        cluster.home.run("onehost", word, "node3")
    failed = cluster.work("--all", status=255)
    os.kill(driver, signal.SIGCONT)
    assert "host node3 is not on" in failed.stderr and "nothing has begun" in failed.stderr
    assert cluster.worked() == []
    assert cluster.states()["node1"] == ON


def test_without_a_program_it_waits_until_the_host_is_enabled(cluster: Cluster) -> None:
    with cluster.begin("node1,node2") as rolling:
        for name in ("node1", "node2"):
            cluster.until_in(name, OFF)
            assert rolling.stdout
            while f"Host {name} is yours" not in (line := rolling.stdout.readline()):
                assert line, "it ended"
            cluster.home.run("onehost", "enable", name)
        out, err = rolling.communicate(timeout=60)
    assert rolling.returncode == 0, err
    assert out.endswith("2 hosts done\n")
    cluster.has_stopped_no_vm()


def test_at_a_terminal_enter_is_enough(cluster: Cluster) -> None:
    master, slave = pty.openpty()
    with cluster.begin("node1", stdin=slave) as rolling:
        assert rolling.stdout
        while "Host node1 is yours. When the work is done: press Enter" not in (line := rolling.stdout.readline()):
            assert line, "it ended"
        os.write(master, b"\n")
        _, err = rolling.communicate(timeout=60)
    os.close(slave)
    os.close(master)
    assert rolling.returncode == 0, err
    assert cluster.states()["node1"] == ON


def test_a_roll_that_was_killed_in_the_middle_goes_on_with_the_host_it_was_at(cluster: Cluster) -> None:
    slow = cluster.directory / "slow"
    slow.touch()
    words = ("--all", "--command", str(cluster.program))
    with cluster.begin(*words) as rolling:
        cluster.api.until(lambda: (cluster.directory / "started").exists(), "the work has begun")
        (child,) = _children(rolling.pid)
        os.kill(rolling.pid, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
    ((begun, *_),) = (line.split(",") for line in cluster.worked())
    assert cluster.states()[begun] == OFF
    slow.unlink()
    done = cluster.roll(*words)
    assert f"Host {begun} was begun before: going on with it" in done.stdout
    assert len(cluster.worked()) == 4 and cluster.worked()[1].startswith(f"{begun},")
    assert set(cluster.states().values()) == {ON}


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_host_that_is_not_heard_of_after_the_work_is_not_enabled(cluster: Cluster) -> None:
    driver = cluster.home.child("im driver dummy")
    cluster.program.write_text(f"#!/bin/sh\nkill -STOP {driver}\n")
    failed = cluster.work("node1,node2", "--timeout", "5", status=255)
    os.kill(driver, signal.SIGCONT)
    assert "stopped at host node1: it did not come back within 5 s" in failed.stderr
    assert cluster.states()["node1"] == OFF and cluster.states()["node2"] == ON


def test_a_dry_run_tells_the_order_and_what_is_in_the_way_and_changes_nothing(cluster: Cluster) -> None:
    told = cluster.roll("--all", "--dry-run").stdout
    assert [line.split()[1] for line in told.splitlines()[:3]] == ["node1:", "node2:", "node3:"]
    assert "2 VMs, all fit elsewhere" in told and told.endswith("N-1 holds\n")
    for vm_id in cluster.vms:
        cluster.api.call("one.vm.update", vm_id, 'SCHED_REQUIREMENTS = "NAME = node1 | NAME = node2"', 1)
    cluster.home.run("onehost", "disable", "node1")
    document = json.loads(cluster.roll("node2,node3", "--dry-run", "--json", status=255).stdout)
    node2, _ = document["hosts"]
    assert node2["name"] == "node2" and len(node2["stay"]) == 2
    assert cluster.states() == {"node1": OFF, "node2": ON, "node3": ON}
    assert {cluster.api.state(vm_id) for vm_id in cluster.vms} == {"RUNNING"}


@pytest.mark.parametrize("words", [(), ("node1", "--all")])
def test_hosts_must_be_named_in_one_way(cluster: Cluster, words: tuple[str, ...]) -> None:
    assert "which hosts shall be worked on?" in cluster.roll(*words, status=255).stderr


def test_a_label_that_is_more_than_a_word_is_refused(cluster: Cluster) -> None:
    assert "is no label" in cluster.work("node1", "--label", 'x" ]', status=255).stderr
