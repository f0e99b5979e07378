"""A real guest moves between two hosts, each with a libvirt of its own, and is never on both or on neither.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Guest
from tests.lab.guests import NETWORK, count, files_of_vms, template, until_counted, until_serving
from tests.lab.hosts import NAMES, LabHost, engine_of_hosts, lab_hosts
from tests.system.home import Api, Home

pytestmark = pytest.mark.timeout(300)

ADDRESS = "10.0.0.1"
LONGEST_ANSWER_S = 10.0
SLOW_MIB_PER_S, FAST_MIB_PER_S = "1", "1000"


@pytest.fixture(scope="module")
def hosts(bridge: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LabHost]]:
    """Two hosts."""
    with lab_hosts(tmp_path_factory.mktemp("hosts")) as started:
        yield started


@pytest.fixture
def home(hosts: list[LabHost], tmp_path: Path) -> Iterator[Home]:
    """An engine that reaches both."""
    with engine_of_hosts(tmp_path / "home") as started:
        yield started


class Machine:
    """A VM that runs on the first of the two hosts, and answers."""

    def __init__(self, home: Home, hosts: list[LabHost], guest: Guest) -> None:
        self.api = Api(home)
        self.hosts = dict(zip(NAMES, hosts, strict=True))
        self.host_ids = {name: self.api.monitored_host(name, "qemu", "qemu") for name in NAMES}
        self.api.call("one.vn.allocate", NETWORK, -1)
        self.id = self.api.call("one.vm.allocate", template(guest, "traveller"), True)
        self.deploy("host-a")
        until_serving(self.api, ADDRESS)

    def act(self, word: str, *states: str) -> None:
        """Have something done and wait for the state it leads to."""
        self.api.call("one.vm.action", word, self.id)
        self.api.until_state(self.id, *states)

    def deploy(self, host: str) -> None:
        self.api.call("one.vm.deploy", self.id, self.host_ids[host])
        self.is_to_run_on(host)

    def migrate(self, host: str, *, live: bool = False, kind: int = 0) -> None:
        self.api.call("one.vm.migrate", self.id, self.host_ids[host], live, False, -1, kind)

    def is_to_run_on(self, host: str) -> None:
        """Wait until it runs there; then it must be nowhere else, for the engine and for the hypervisors."""

        def runs() -> bool:
            return self.api.state(self.id) == "RUNNING" and self.history()[-1]["HOSTNAME"] == host

        self.api.until(runs, f"vm {self.id} runs on {host}")
        self.is_only_on(host)

    def is_only_on(self, *names: str) -> None:
        where = {name: domains for name, one in self.hosts.items() if (domains := one.domains())}
        assert where == {name: [f"one-{self.id}"] for name in names}

    def history(self) -> list[dict]:
        """Return the history records."""
        records = self.api.vm(self.id)["HISTORY_RECORDS"]["HISTORY"]
        return records if isinstance(records, list) else [records]


@pytest.fixture
def machine(home: Home, hosts: list[LabHost], guest: Guest) -> Iterator[Machine]:
    """A VM on host-a, ended at the end."""
    started = Machine(home, hosts, guest)
    yield started
    if started.api.state(started.id) != "DONE":
        started.api.call("one.vm.action", "terminate-hard", started.id)
        started.api.until_state(started.id, "DONE")
    started.is_only_on()
    assert files_of_vms(home) == []


class Visitor:
    """Asks a guest for its page, again and again, while a block runs.

    Attributes:
        asked: how often.
        failures: why it got none.
        longest_s: the longest time between two pages.
    """

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/"
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.asked = 0
        self.failures: list[str] = []
        self.longest_s = 0.0

    def __enter__(self) -> "Visitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _ask(self) -> None:
        answered = time.monotonic()
        while not self._ends.is_set():
            self.asked += 1
            try:
                with urllib.request.urlopen(self._url, timeout=LONGEST_ANSWER_S) as answer:
                    answer.read()
            except OSError as fault:
                self.failures.append(str(fault))
            else:
                self.longest_s = max(self.longest_s, time.monotonic() - answered)
                answered = time.monotonic()


def test_a_guest_answers_throughout_a_live_migration_and_moves_on_saved_stopped_and_off(machine: Machine) -> None:
    before = count(ADDRESS)
    with Visitor(ADDRESS) as visitor:
        begun = time.monotonic()
        machine.migrate("host-b", live=True)
        machine.is_to_run_on("host-b")
        took_s = time.monotonic() - begun
        until_counted(ADDRESS, before.number + 3)
    assert visitor.failures == []
    print(f"live: {took_s:.1f} s, {visitor.asked} requests, longest gap {visitor.longest_s:.2f} s")
    assert visitor.asked > 3

    saved = until_counted(ADDRESS, 3)
    machine.migrate("host-a")
    machine.is_to_run_on("host-a")
    until_serving(machine.api, ADDRESS)
    moved = count(ADDRESS)
    assert moved.boot == saved.boot == before.boot and moved.number >= saved.number, "saved: its memory came along"

    machine.act("stop", "STOPPED")
    machine.is_only_on()
    machine.deploy("host-b")
    until_serving(machine.api, ADDRESS)
    resumed = count(ADDRESS)
    assert resumed.boot == before.boot and resumed.number >= moved.number, "stopped: its memory came along"

    machine.act("undeploy", "UNDEPLOYED")
    machine.is_only_on()
    machine.deploy("host-a")
    until_serving(machine.api, ADDRESS)
    booted = count(ADDRESS)
    assert booted.boot != before.boot, "undeployed: it has booted"

    machine.act("poweroff-hard", "POWEROFF")
    machine.migrate("host-b")
    machine.api.until(lambda: len(machine.history()) == 6 and machine.api.state(machine.id) == "POWEROFF", "moved, off")
    machine.is_only_on()
    machine.act("resume", "RUNNING")
    machine.is_only_on("host-b")
    assert [record["HOSTNAME"] for record in machine.history()] == [
        "host-a", "host-b", "host-a", "host-b", "host-a", "host-b", "host-b",
    ]  # fmt: skip


def test_an_engine_killed_during_a_live_migration_finds_the_guest_running_on_one_host(
    home: Home, machine: Machine
) -> None:
    before = count(ADDRESS)
    source, target = machine.hosts.values()
    domain = f"one-{machine.id}"
    source.virsh("migrate-setspeed", domain, SLOW_MIB_PER_S)
    machine.migrate("host-b", live=True)
    machine.api.until_state(machine.id, "MIGRATE")
    for _ in range(200):
        if target.domains():
            break
    machine.is_only_on("host-a", "host-b")  # half-way: here it runs, there it arrives
    home.kill()
    source.virsh("migrate-setspeed", domain, FAST_MIB_PER_S)
    home.start()
    machine.api = Api(home)
    machine.api.until_state(machine.id, "RUNNING")
    machine.is_only_on(machine.history()[-1]["HOSTNAME"])
    until_serving(machine.api, ADDRESS)
    after = count(ADDRESS)
    assert after.boot == before.boot and after.number >= before.number
