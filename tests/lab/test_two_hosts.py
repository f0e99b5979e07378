"""A real guest moves between two hosts, each with a libvirt of its own, and is never on both or on neither.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import pytest

from tests.lab.conftest import Guest
from tests.lab.guests import NETWORK, Count, count, files_of_vms, template, until_counted, until_serving
from tests.lab.hosts import NAMES, LabHost, engine_of_hosts, lab_hosts
from tests.lab.visitor import Visitor
from tests.system.home import Api, Home

pytestmark = pytest.mark.timeout(300)

ADDRESS = "10.0.0.1"
WATCH_TIMEOUT_S = 30.0
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
        self.home = home
        self.api = Api(home)
        self.hosts = dict(zip(NAMES, hosts, strict=True))
        self.host_ids = {name: self.api.monitored_host(name, "qemu", "qemu") for name in NAMES}
        self.api.call("one.vn.allocate", NETWORK, -1)
        self.id = self.api.call("one.vm.allocate", template(guest, "traveller"), True)
        self.domain = f"one-{self.id}"
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

    def begin_to_migrate(self, host: str, *, while_slow: bool = False) -> tuple[str, str]:
        """Begin a live migration, slow enough for a look at it or fast; return source and target."""
        source = self.here
        self.hosts[source].virsh("migrate-setspeed", self.domain, SLOW_MIB_PER_S if while_slow else FAST_MIB_PER_S)
        self.migrate(host, live=True)
        return source, host

    def until_domain(self, host: str, state: int) -> None:
        """Return as soon as a host's domain is in one of libvirt's states."""
        self._watch(host, lambda opened: opened.lookupByName(self.domain).state()[0] == state)

    def until_copied(self, source: str) -> None:
        """Return when the memory of the domain that moves has been copied."""
        self._watch(source, lambda _: '"completed"' in self._asked_of_qemu(source, "query-migrate"))

    def _asked_of_qemu(self, host: str, word: str) -> str:
        return self.hosts[host].virsh("qemu-monitor-command", self.domain, f'{{"execute": "{word}"}}')

    def until_gone(self, host: str) -> None:
        """Return when a host has no domain."""
        self._watch(host, lambda opened: not opened.listAllDomains())

    def _watch(self, host: str, is_so: Callable[["libvirt.virConnect"], bool]) -> None:
        libvirt.registerErrorHandler(lambda *_: None, None)  # they are raised, and need not be printed as well
        opened = libvirt.open(self.hosts[host].uri)
        end = time.monotonic() + WATCH_TIMEOUT_S
        while time.monotonic() < end:
            with contextlib.suppress(libvirt.libvirtError):  # it is not there yet
                if is_so(opened):
                    return
        raise AssertionError(f"not so within {WATCH_TIMEOUT_S:g} s, domains are {self.hosts[host].domains()}")

    def stop_driver(self) -> int:
        """Stop the driver where it is, and the daemon before it could notice; what libvirt has begun, it ends."""
        pid = self.home.child("vmm driver qemu")
        os.kill(pid, signal.SIGSTOP)
        os.kill(self.home.pid, signal.SIGSTOP)
        return pid

    def kill(self, driver: int) -> None:
        """Kill a driver that was stopped, and the daemon."""
        os.kill(driver, signal.SIGKILL)
        self.home.kill()

    def is_found_again(self, before: Count) -> None:
        """Start the engine; the guest must be running on one host, and must not have lost its memory."""
        self.home.start()
        self.api = Api(self.home)
        self.api.until_state(self.id, "RUNNING")
        self.is_only_on(self.here)
        until_serving(self.api, ADDRESS)
        after = count(ADDRESS)
        assert after.boot == before.boot and after.number >= before.number

    @property
    def here(self) -> str:
        name: str = self.history()[-1]["HOSTNAME"]
        return name

    @property
    def elsewhere(self) -> str:
        return next(name for name in NAMES if name != self.here)

    def is_only_on(self, *names: str) -> None:
        where = {name: domains for name, one in self.hosts.items() if (domains := one.domains())}
        assert where == {name: [self.domain] for name in names}

    def history(self) -> list[dict]:
        """Return the history records."""
        records = self.api.vm(self.id)["HISTORY_RECORDS"]["HISTORY"]
        return records if isinstance(records, list) else [records]


@pytest.fixture
def machine(home: Home, hosts: list[LabHost], guest: Guest) -> Iterator[Machine]:
    """A VM on host-a, ended at the end."""
    started = Machine(home, hosts, guest)
    yield started
    started.act("terminate-hard", "DONE")
    started.is_only_on()
    assert files_of_vms(home) == []


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


def test_an_engine_killed_at_any_step_of_a_live_migration_finds_the_guest_running_on_one_host(
    home: Home, machine: Machine
) -> None:
    before = count(ADDRESS)
    machine.begin_to_migrate("host-b", while_slow=True)
    machine.until_domain("host-b", libvirt.VIR_DOMAIN_PAUSED)
    machine.is_only_on("host-a", "host-b")  # memory is copied: here it runs, there it arrives
    home.kill()
    machine.hosts["host-a"].virsh("migrate-setspeed", machine.domain, FAST_MIB_PER_S)
    machine.is_found_again(before)

    source, target = machine.begin_to_migrate(machine.elsewhere)
    machine.until_domain(source, libvirt.VIR_DOMAIN_PAUSED)
    stopped = machine.stop_driver()
    machine.until_copied(source)
    machine.kill(stopped)
    machine.until_gone(target)
    assert machine.hosts[source].virsh("domstate", "--reason", machine.domain) == "paused (migrating)"
    machine.is_found_again(before)

    source, target = machine.begin_to_migrate(machine.elsewhere)
    machine.until_domain(target, libvirt.VIR_DOMAIN_RUNNING)
    machine.kill(machine.stop_driver())
    machine.is_found_again(before)
    assert machine.here == target
