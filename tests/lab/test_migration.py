"""Guests that move while they run, between two hosts that share nothing: their disks come along, or they stay.

Runs inside the lab's own namespaces (tools/in-lab), as root.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.catalogue import Machine, template
from tests.lab.conftest import Guest
from tests.lab.unshared import Lab, unshared_lab
from tests.lab.visitor import Visitor

pytestmark = pytest.mark.timeout(400)

DISKS = 'DISK = [ IMAGE = "root" ]\nDISK = [ TYPE = FS, FS = ext4, SIZE = 96, TARGET = "vda" ]'
DATA_MIB = 40
SLOW_MIB_S, MIDDLING_MIB_S, FAST_MIB_S = "2", "8", "1000"
LATE_AFTER_S = 12
WATCH_TIMEOUT_S = 120.0
VMM_DRIVER = "vmm driver qemu"
_FILLS_A_DISK = f"""
mkdir -p /run/d
mount -t ext4 /dev/vda /run/d
dd if=/dev/urandom of=/run/d/data bs=1M count={DATA_MIB} 2> /dev/null
sync
sha256sum /run/d/data > /run/sum
cat > /run/count <<'END'
n=0
while n=$((n + 1)) && echo $n >> /run/d/counted && sync; do sleep 0.2; done
END
sh /run/count < /dev/null > /dev/null 2>&1 &
cat /proc/sys/kernel/random/boot_id
"""
_WHOLE = """
echo 3 > /proc/sys/vm/drop_caches
sha256sum -c /run/sum > /dev/null
head -n -1 /run/d/counted | awk '$1 != NR { exit 1 }'
cat /proc/sys/kernel/random/boot_id
"""
_CHANGES_MEMORY = """
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
dd if=/dev/urandom of=/dev/shm/once bs=1M count=8 2> /dev/null
cat > /run/busy <<'END'
while sleep 0.2; do dd if=/dev/shm/once of=/dev/shm/again bs=1M conv=notrunc; done
END
"""
_GOES_ON_CHANGING = """
sh /run/busy < /dev/null > /dev/null 2>&1 &
echo $! > /run/busy.pid
"""
_CHANGES_NO_MORE = "kill $(cat /run/busy.pid)"


class Traveller:
    """A VM that writes to its disk all the time, and is somewhere."""

    def __init__(self, lab: Lab, host: str) -> None:
        self.lab, self.here = lab, host
        self.machine: Machine = lab.deployed(template("traveller", DISKS), host)
        self.domain = f"one-{self.machine.id}"
        self.boot = self.machine.does(_FILLS_A_DISK)

    @property
    def elsewhere(self) -> str:
        return next(name for name in self.lab.hosts if name != self.here)

    @property
    def vm(self) -> dict:
        return self.lab.catalogue.api.vm(self.machine.id)

    @property
    def error(self) -> str:
        return str((self.vm.get("USER_TEMPLATE") or {}).get("ERROR", ""))

    def begins(self, speed_mib_s: str = SLOW_MIB_S) -> None:
        """Begin a live migration to the other host, and return when the target has a domain for it."""
        self.has_speed(speed_mib_s)
        self.lab.catalogue.run("onevm", "migrate", str(self.machine.id), self.elsewhere, "--live")
        until(lambda: self.lab.hosts[self.elsewhere].domains() == [self.domain], "it begins to arrive")

    def has_speed(self, mib_s: str) -> None:
        self.lab.hosts[self.here].virsh("migrate-setspeed", self.domain, mib_s)

    def may_be_slowed_down(self) -> bool:
        """Whether QEMU has been told to let its memory converge."""
        asked = '{"execute": "query-migrate-capabilities"}'
        told = json.loads(self.lab.hosts[self.here].virsh("qemu-monitor-command", self.domain, asked))
        return any(one == {"capability": "auto-converge", "state": True} for one in told["return"])

    def is_to_be_on(self, host: str) -> None:
        """Wait until it runs there, with nothing of it on the other host."""

        def is_there() -> bool:
            records = self.vm["HISTORY_RECORDS"]["HISTORY"]
            return self.lab.catalogue.api.state(self.machine.id) == "RUNNING" and records[-1]["HOSTNAME"] == host

        self.lab.catalogue.api.until(is_there, f"it runs on {host}", WATCH_TIMEOUT_S)
        self.lab.until_only_on(self.machine, host)
        self.here = host

    def has_lost_nothing(self) -> None:
        self.machine.until_open()
        assert self.machine.does(_WHOLE) == self.boot, "it has all that it wrote, and has not booted"


def until(is_so: Callable[[], bool], what: str) -> None:
    """Return when something is so; each look takes its time."""
    end = time.monotonic() + WATCH_TIMEOUT_S
    while not is_so():
        assert time.monotonic() < end, f"not so after {WATCH_TIMEOUT_S:g} s: {what}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, bridge: str, guest: Guest) -> Iterator[Lab]:
    """Two hosts, and migrations that have little time."""
    with unshared_lab(tmp_path_factory.mktemp("lab"), guest, vmm=f"--migration-timeout {LATE_AFTER_S}") as started:
        yield started


@pytest.fixture(scope="module")
def traveller(lab: Lab) -> Iterator[Traveller]:
    """A VM on host-a."""
    started = Traveller(lab, "host-a")
    yield started
    lab.catalogue.run("onevm", "terminate", "--hard", str(started.machine.id), "--wait")
    assert lab.has() == {}


def test_disks_come_along_with_all_that_was_written(lab: Lab, traveller: Traveller) -> None:
    target = traveller.elsewhere
    with Visitor(traveller.machine.address) as visitor:
        begun = time.monotonic()
        traveller.has_speed(FAST_MIB_S)
        traveller.machine.do("migrate", target, "--live")
        took_s = time.monotonic() - begun
    assert visitor.failures == []
    print(f"disks and all: {took_s:.1f} s, {visitor.asked} requests, longest gap {visitor.longest_s:.2f} s")
    traveller.is_to_be_on(target)
    traveller.has_lost_nothing()
    assert lab.files_of(traveller.machine, target) == [
        "disk.0",
        "disk.1",
        "disk.2",
        "disk.2.cidata",
        "initrd",
        "kernel",
    ]


def test_a_migration_tells_how_far_it_is_and_can_be_taken_back(lab: Lab, traveller: Traveller) -> None:
    traveller.begins()
    until(lambda: "LIVE_MIGRATION" in (traveller.vm["USER_TEMPLATE"] or {}), "it tells how far it is")
    told = traveller.vm["USER_TEMPLATE"]["LIVE_MIGRATION"]
    assert 0 <= int(told["PERCENT"]) < 100 and int(told["LEFT_MIB"]) <= int(told["TOTAL_MIB"])
    assert "LIVE MIGRATION" in lab.catalogue.run("onevm", "show", str(traveller.machine.id))
    lab.catalogue.run("onevm", "migrate", "--cancel", str(traveller.machine.id), "--wait")
    traveller.is_to_be_on(traveller.here)
    traveller.has_lost_nothing()
    assert "LIVE_MIGRATION" not in (traveller.vm["USER_TEMPLATE"] or {})
    assert "not available" in lab.catalogue.refused("onevm", "migrate", "--cancel", str(traveller.machine.id))


def test_a_driver_that_is_killed_amid_the_copy_does_it_again(lab: Lab, traveller: Traveller) -> None:
    target = traveller.elsewhere
    traveller.begins()
    traveller.has_speed(FAST_MIB_S)
    os.kill(lab.catalogue.home.child(VMM_DRIVER), signal.SIGKILL)
    traveller.is_to_be_on(target)
    traveller.has_lost_nothing()


def test_an_engine_that_is_killed_amid_the_copy_goes_on_with_it(lab: Lab, traveller: Traveller) -> None:
    target = traveller.elsewhere
    traveller.begins()
    lab.catalogue.home.kill()
    traveller.has_speed(FAST_MIB_S)
    lab.catalogue.home.start()
    traveller.is_to_be_on(target)
    traveller.has_lost_nothing()


def test_a_target_whose_libvirt_dies_amid_the_copy_leaves_the_guest_where_it_was(
    lab: Lab, traveller: Traveller
) -> None:
    target = lab.hosts[traveller.elsewhere]
    traveller.begins()
    target.kill_libvirtd()
    lab.catalogue.api.until_state(traveller.machine.id, "RUNNING")
    target.start_libvirtd()
    traveller.is_to_be_on(traveller.here)
    traveller.has_lost_nothing()
    assert traveller.error


def test_a_target_without_room_leaves_the_guest_where_it_was(lab: Lab, traveller: Traveller) -> None:
    target = lab.hosts[traveller.elsewhere]
    datastores = str(lab.catalogue.home.path / "datastores")
    target.run("mount", "-o", "remount,size=16m", datastores)
    traveller.has_speed(FAST_MIB_S)
    lab.catalogue.run("onevm", "migrate", str(traveller.machine.id), target.name, "--live")
    lab.catalogue.api.until_state(traveller.machine.id, "RUNNING")
    target.run("mount", "-o", "remount,size=50%", datastores)
    traveller.is_to_be_on(traveller.here)
    traveller.has_lost_nothing()
    assert "free in" in traveller.error


def test_a_guest_that_changes_faster_than_it_is_sent_is_left_where_it_is_or_paused(
    lab: Lab, traveller: Traveller
) -> None:
    traveller.machine.does(_CHANGES_MEMORY + _GOES_ON_CHANGING)
    target = traveller.elsewhere
    traveller.begins(MIDDLING_MIB_S)
    until(traveller.may_be_slowed_down, "QEMU may slow the guest down")
    lab.catalogue.api.until_state(traveller.machine.id, "RUNNING")
    traveller.is_to_be_on(traveller.here)
    assert f"not done after {LATE_AFTER_S} s" in traveller.error

    wish = "MIGRATION = [ WHEN_LATE = PAUSE ]\n"
    lab.catalogue.run("onevm", "update", str(traveller.machine.id), "-", "--append", text=wish)
    traveller.begins(MIDDLING_MIB_S)
    traveller.is_to_be_on(target)
    assert "the guest is paused until it has moved" in (lab.catalogue.home.path / "log" / "trifidd.log").read_text()
    traveller.machine.does(_CHANGES_NO_MORE)
    traveller.has_lost_nothing()
    assert traveller.error == ""


def test_of_two_sets_of_disks_people_choose_when_nobody_saw_which_is_newer(lab: Lab, traveller: Traveller) -> None:
    source, target = lab.hosts[traveller.here], lab.hosts[traveller.elsewhere]
    traveller.begins()
    source.kill_libvirtd()
    lab.catalogue.api.until_state(traveller.machine.id, "UNKNOWN")
    source.kill_guest(traveller.domain)
    source.start_libvirtd()
    lab.catalogue.run("onevm", "recover", "--retry", str(traveller.machine.id))
    lab.catalogue.api.until_state(traveller.machine.id, "PROLOG_MIGRATE_POWEROFF_FAILURE")
    assert lab.has() == {source.name: ([], True), target.name: ([], True)}
    assert f"--failure {traveller.machine.id} keeps those of {source.name}" in traveller.error

    lab.catalogue.run("onevm", "recover", "--failure", str(traveller.machine.id))
    lab.catalogue.api.until_state(traveller.machine.id, "POWEROFF")
    assert lab.has() == {source.name: ([], True)}
    traveller.machine.do("resume")
    traveller.machine.until_open()
    assert (
        traveller.machine.does("mkdir /run/d; mount -t ext4 /dev/vda /run/d; [ -s /run/d/counted ] && echo there")
        == "there\n"
    )
