"""The information driver: as a process, and its watch of one host in this process, where domains can be made.

The test hypervisor of one process is not seen by another.
"""

import base64
import os
import queue
import select
import time
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest
from msgspec.structs import replace

from tests.drivers.contract import ImContract
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.libvirt_cases import DIRECTORY, ENGINE_ID, FewNames, vm_of
from tests.drivers.probe_builders import fake_ssh, probe
from trifid.core.pci import devices_of
from trifid.core.template.model import Template, template
from trifid.core.template.scanner import parse
from trifid.drivers.im.probes import Shelf
from trifid.drivers.im.runner import Openings, here
from trifid.drivers.libvirt.connection import serve_events
from trifid.drivers.libvirt.connector import Hypervisor
from trifid.drivers.libvirt.connectors.kvm import machines_of
from trifid.drivers.libvirt.domain_xml import domain_xml
from trifid.drivers.libvirt.options import Options
from trifid.drivers.libvirt.vm import parse_vm
from trifid.drivers.libvirt.watch import HostWatch, Means
from trifid.drivers.remote.host import Hosts
from trifid.drivers.remote.way import Way
from trifid.wire.bodies.vm import vm_full
from trifid.wire.lines import unpack

COMMAND = python_driver("trifid.drivers.im.libvirt")
WAIT_S = 20.0


class TestContract(ImContract):
    command = COMMAND
    arguments = "--uri test:///default"
    host = "localhost"


def means_of(options: Options) -> Means:
    """Return what a watch of this machine needs; it takes no way."""
    way = Way(Path("/nowhere"))
    return Means(options, way, Shelf(None), lambda: 0.5, Openings(), Hosts(way), here())


class Heard:
    """What a watch said.

    Attributes:
        stamp: of the message that was returned last.
        reasons: VM to why it is paused or stopped, in the list that `until` waited for last.
        wilds: names of the domains of nobody, in the same list.
    """

    def __init__(self) -> None:
        self.stamp = 0
        self.reasons: dict[str, str] = {}
        self.wilds: list[str] = []
        self._said: queue.SimpleQueue[tuple[str, str, int, int, str]] = queue.SimpleQueue()

    def say(self, type: str, status: str, host_id: int, at: int, text: str) -> None:
        self._said.put((type, status, host_id, at, text))

    def next(self, type: str) -> tuple[str, Template]:
        """Return status and text of the next message of a type, dropping others."""
        while True:
            found, status, host_id, self.stamp, text = self._said.get(timeout=WAIT_S)
            assert host_id == 3
            if found == type:
                return status, parse(text) if status == "SUCCESS" else Template((("TEXT", text),))

    def until(self, expected: dict[str, str]) -> None:
        """Wait for a complete list of these VMs in these states; fails when another message is no such list."""
        found: dict[str, str] | None = None
        while found != expected:
            said = self.next("STATE_VM")[1]
            assert said.single("SYNC_STATE") == "YES", "an event that comes late would tell what is over"
            found = {vm["ID"]: vm["STATE"] for vm in said.vectors("VM")}
            self.wilds = [wild["DEPLOY_ID"] for wild in said.vectors("WILD")]
            self.reasons = {vm["ID"]: vm["REASON"] for vm in said.vectors("VM") if "REASON" in vm}


@pytest.fixture
def heard() -> Iterator[Heard]:
    """A watch of this machine that reports once, and then what happens."""
    heard = Heard()
    watch = HostWatch(3, "localhost", 600.0, means_of(Options("test:///default", engine_id=ENGINE_ID)), heard.say)
    watch.start()
    yield heard
    watch.stop()


@pytest.fixture
def hypervisor() -> Iterator["libvirt.virConnect"]:
    """The test hypervisor of this process."""
    serve_events()
    opened = libvirt.open("test:///default")
    yield opened
    for domain in opened.listAllDomains():
        if domain.name() != "test":
            domain.destroy()


def create(hypervisor: "libvirt.virConnect", vm_id: int, engine_id: str = ENGINE_ID) -> "libvirt.virDomain":
    """Start the domain of an engine's VM."""
    vm = replace(vm_of(template({"CPU": "1", "MEMORY": "64"})), id=vm_id)
    document = parse_vm(vm_full(vm, FewNames()), engine_id)
    return hypervisor.createXML(domain_xml(document, DIRECTORY, Hypervisor("test", 0)))


def test_domains_that_come_and_go_are_told_at_once_and_listed_again(
    heard: Heard, hypervisor: "libvirt.virConnect"
) -> None:
    heard.until({})
    domain = create(hypervisor, 12)
    heard.until({"12": "RUNNING"})
    domain.suspend()
    heard.until({"12": "SUSPENDED"})
    assert heard.reasons == {"12": "paused by hand on its host"}
    domain.resume()
    heard.until({"12": "RUNNING"})
    assert heard.reasons == {}
    domain.destroy()
    for _ in range(2):  # once more, a little later
        heard.until({"12": "POWEROFF"})
        assert heard.reasons == {"12": "it was destroyed on its host"}


def test_a_guest_that_shut_down_is_told_from_one_that_was_destroyed(
    heard: Heard, hypervisor: "libvirt.virConnect"
) -> None:
    heard.until({})
    domain = create(hypervisor, 12)
    heard.until({"12": "RUNNING"})
    domain.shutdown()
    heard.until({"12": "POWEROFF"})
    assert heard.reasons == {"12": "its guest shut down"}
    create(hypervisor, 12)
    heard.until({"12": "RUNNING"})
    assert heard.reasons == {}, "what is over is not told again"


def test_a_domain_that_somebody_asked_to_save_is_just_missing(
    heard: Heard, hypervisor: "libvirt.virConnect", tmp_path: Path
) -> None:
    heard.until({})
    create(hypervisor, 12).save(str(tmp_path / "checkpoint"))
    create(hypervisor, 13)
    heard.until({"13": "RUNNING"})
    assert heard.reasons == {}


def test_what_follows_an_event_is_stamped_before_the_look(heard: Heard, hypervisor: "libvirt.virConnect") -> None:
    heard.until({})
    before = time.time()
    create(hypervisor, 12)
    heard.until({"12": "RUNNING"})
    assert before - 1 < heard.stamp <= time.time()


@pytest.mark.parametrize("name", ["somebody-elses", "one-14"])
def test_domains_without_a_mark_are_told_apart(heard: Heard, hypervisor: "libvirt.virConnect", name: str) -> None:
    heard.until({})
    hypervisor.createXML(
        f"<domain type='test'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    create(hypervisor, 13)
    heard.until({"13": "RUNNING"})
    assert sorted(heard.wilds) == sorted([name, "test"])


def test_a_domain_of_nobody_that_comes_and_goes_is_told_at_once(heard: Heard, hypervisor: "libvirt.virConnect") -> None:
    heard.until({})
    assert heard.wilds == ["test"]
    text = "<domain type='test'><name>legacy</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    domain = hypervisor.createXML(text)
    wild = next(one for one in heard.next("STATE_VM")[1].vectors("WILD") if one["DEPLOY_ID"] == "legacy")
    assert (wild["UUID"], wild["STATE"], wild["MEMORY"]) == (domain.UUIDString(), "RUNNING", "65536")
    heard.until({})
    heard.until({})
    domain.destroy()
    heard.until({})
    assert heard.wilds == ["test"]


def test_the_vm_of_another_engine_is_not_taken_for_our_own(heard: Heard, hypervisor: "libvirt.virConnect") -> None:
    heard.until({})
    create(hypervisor, 5, engine_id="another")
    create(hypervisor, 6)
    heard.until({"6": "RUNNING"})
    assert heard.wilds == ["test"], "nor is it for the taking"


def test_domains_that_run_already_are_listed_and_measured(hypervisor: "libvirt.virConnect", heard: Heard) -> None:
    create(hypervisor, 14)
    wild, measured = sorted(heard.next("MONITOR_VM")[1].vectors("VM"), key=lambda vm: int(vm["ID"]))
    assert (wild["ID"], wild["DEPLOY_ID"], measured["ID"]) == ("-1", "test", "14")
    assert "NETRX" in parse(base64.b64decode(measured["MONITOR"]).decode())


def test_a_watch_that_is_stopped_says_nothing_more(hypervisor: "libvirt.virConnect") -> None:
    heard = Heard()
    watch = HostWatch(3, "localhost", 600.0, means_of(Options("test:///default")), heard.say)
    watch.start()
    heard.next("STATE_VM")
    watch.stop()
    create(hypervisor, 15)
    second = HostWatch(3, "localhost", 600.0, means_of(Options("test:///default")), heard.say)
    second.start()
    assert heard.next("START_MONITOR")[0] == "SUCCESS", "the next thing that is said is the second watch's"
    second.stop()


def test_a_libvirt_that_is_not_there_is_an_error_of_the_host() -> None:
    heard = Heard()
    options = Options("qemu+unix:///system?socket=/nowhere/sock")
    watch = HostWatch(3, "localhost", 1.0, means_of(options), heard.say)
    watch.start()
    status, said = heard.next("START_MONITOR")
    assert status == "FAILURE"
    assert said.single("TEXT").startswith("libvirt at qemu+unix:///system?socket=/nowhere/sock cannot be reached: ")
    assert [heard.next("MONITOR_HOST")[0] for _ in range(2)] == ["FAILURE", "FAILURE"], "it is tried every period"
    watch.stop()


def test_without_libvirt_the_probes_are_reported_alone(home: Path) -> None:
    with running(COMMAND, "--uri none", home=home, monitor=True) as driver:
        start(driver, 3, "localhost")
        driver.answer("MONITOR_HOST", 3)
        driver.answer("MONITOR_HOST", 3)
        assert {m.type for m in driver.rest()} <= {"START_MONITOR", "SYSTEM_HOST", "MONITOR_HOST"}


def test_a_probe_of_the_home_is_run_and_one_that_fails_is_told_once(home: Path) -> None:
    (home / "probes.d").mkdir()
    probe(home / "probes.d", "monitor-heat", "echo HEAT=40")
    probe(home / "probes.d", "system-rack", "echo RACK=7")
    probe(home / "probes.d", "system-broken", "echo no >&2; exit 3")
    with running(COMMAND, "--uri none", home=home, monitor=True) as driver:
        start(driver, 3, "localhost")
        for _ in range(2):
            monitor = parse(unpack(driver.answer("MONITOR_HOST", 3).payload))
            assert monitor.single("HEAT") == "40"
            assert monitor.single("PROBE_TROUBLES") == "probe system-broken: exit status 3: no"
        assert parse(unpack(driver.answer("SYSTEM_HOST", 3).payload)).single("RACK") == "7"
        assert [log.payload for log in driver.logs] == ["probe system-broken: exit status 3: no"]


def test_a_probe_that_is_added_is_run_with_the_next_report(home: Path) -> None:
    with running(COMMAND, "--uri none", home=home, monitor=True) as driver:
        start(driver, 3, "localhost")
        assert parse(unpack(driver.answer("SYSTEM_HOST", 3).payload)).single("RACK") == ""
        (home / "probes.d").mkdir()
        probe(home / "probes.d", "system-rack", "echo RACK=7")
        assert parse(unpack(driver.answer("SYSTEM_HOST", 3).payload)).single("RACK") == "7"


def test_what_is_asked_again_is_answered_again_by_the_same_watch(home: Path) -> None:
    (home / "probes.d").mkdir()
    probe(home / "probes.d", "monitor-loop", 'echo "LOOP=${0#*/trifid-watch.}"')
    with running(COMMAND, "--uri none", home=home, monitor=True) as driver:
        loops = set()
        for _ in range(3):
            driver.ask_monitor("START_MONITOR", 3, 'HOST=[ID="3",NAME="localhost"]\nPERIOD_S="600"')
            assert driver.answer("START_MONITOR", 3).status == "SUCCESS"
            loops.add(parse(unpack(driver.answer("MONITOR_HOST", 3).payload)).single("LOOP"))
        assert len(loops) == 1
        start(driver, 3, "localhost", "PCI_FILTER=none")
        assert parse(unpack(driver.answer("MONITOR_HOST", 3).payload)).single("LOOP") not in loops


def test_a_home_that_cannot_be_written_is_an_error_of_the_host_and_not_the_end_of_its_watch(home: Path) -> None:
    (home / "ssh").write_text("in the place of a directory")
    with running(COMMAND, "--uri none", home=home, monitor=True) as driver:
        start(driver, 5, "nowhere.invalid")
        refused = [driver.answer("MONITOR_HOST", 5) for _ in range(2)]
    assert all(str(home / "ssh") in unpack(one.payload) for one in refused)


@pytest.mark.parametrize("ends", ["told", "killed"])
def test_nothing_is_left_of_a_driver_that_ends(home: Path, ends: str) -> None:
    (home / "tmp").mkdir()
    (home / "probes.d").mkdir()
    probe(home / "probes.d", "monitor-loop", 'echo "LOOP=$(cut -d " " -f 4 /proc/$PPID/stat)"')
    with running(COMMAND, "--uri none", home=home, env={"TMPDIR": str(home / "tmp")}, monitor=True) as driver:
        start(driver, 3, "localhost")
        loop = int(parse(unpack(driver.answer("MONITOR_HOST", 3).payload)).single("LOOP"))
        assert list((home / "tmp").iterdir())
        watching = os.pidfd_open(loop)
        driver.rest() if ends == "told" else driver.kill()
        assert select.select([watching], [], [], WAIT_S)[0], "its loop ends with it"
        os.close(watching)
        assert list((home / "tmp").iterdir()) == []


def test_probes_of_vms_add_to_what_libvirt_says_of_them(hypervisor: "libvirt.virConnect", home: Path) -> None:
    (home / "probes.d" / "vm.d").mkdir(parents=True)
    text = """while read -r id name uuid; do echo "VM=[ID=$id, BACKUP_AGE_S=\\"12 \\\\ 3\\", MEMORY=7]"; done"""
    probe(home / "probes.d" / "vm.d", "backups", text)
    create(hypervisor, 14)
    heard = Heard()
    means = replace(means_of(Options("test:///default", engine_id=ENGINE_ID)), shelf=Shelf(home))
    watch = HostWatch(3, "localhost", 600.0, means, heard.say)
    watch.start()
    (measured,) = (vm for vm in heard.next("MONITOR_VM")[1].vectors("VM") if vm["ID"] == "14")
    figures = parse(base64.b64decode(measured["MONITOR"]).decode())
    assert (figures.single("BACKUP_AGE_S"), figures.single("MEMORY")) == ("12 \\ 3", "7")
    assert "NETRX" in figures
    create(hypervisor, 15)
    (measured,) = (vm for vm in heard.next("MONITOR_VM")[1].vectors("VM") if vm["ID"] == "14")
    assert "BACKUP_AGE_S" in parse(base64.b64decode(measured["MONITOR"]).decode()), "nor is it forgotten at an event"
    watch.stop()


def test_devices_are_told_that_the_hosts_own_filter_names_else_the_drivers(home: Path) -> None:
    for address, vendor in (("0000:01:00.0", "10de"), ("0000:02:00.0", "8086")):
        place = home / "devices" / address
        place.mkdir(parents=True)
        for name, text in (("vendor", f"0x{vendor}"), ("device", "0x1520"), ("class", "0x020000")):
            (place / name).write_text(f"{text}\n")
    env = {"PCI_DEVICES": str(home / "devices")}
    with running(COMMAND, "--uri none --pci-filter '10de:*'", home=home, env=env, monitor=True) as driver:
        start(driver, 3, "localhost")
        start(driver, 4, "localhost", 'PCI_FILTER="*:*:0200"')
        told = {host_id: parse(unpack(driver.answer("SYSTEM_HOST", host_id).payload)) for host_id in (3, 4)}
        assert list(devices_of(told[3])) == ["0000:01:00.0"]
        assert list(devices_of(told[4])) == ["0000:01:00.0", "0000:02:00.0"]


def test_a_host_that_cannot_be_reached_is_in_error_and_delays_no_other(home: Path) -> None:
    env = {"PATH": fake_ssh(home, "case $1 in slow*) exec sleep 600;; esac; echo no route >&2; exit 255")}
    with running(COMMAND, "--uri none", home=home, env=env, monitor=True) as driver:
        start(driver, 4, "slow.invalid")
        start(driver, 5, "nowhere.invalid")
        start(driver, 3, "localhost")
        refused = driver.answer("START_MONITOR", 5)
        assert refused.status == "FAILURE"
        assert unpack(refused.payload) == "nowhere.invalid is not reached: no route"
        assert [driver.answer("MONITOR_HOST", 3).status for _ in range(2)] == ["SUCCESS", "SUCCESS"]
        assert [m for m in driver.rest() if m.oid == 4] == []


def test_another_machine_is_reached_through_ssh_and_without_libvirt_there_it_is_in_error(home: Path) -> None:
    asked = home / "asked"
    text = f"""case $2 in exec*) eval "$2" ;; *) echo "$*" >{asked}; exit 255 ;; esac"""
    env = {"PATH": fake_ssh(home, text)}
    with running(COMMAND, "--uri qemu:///system", home=home, env=env, monitor=True) as driver:
        start(driver, 5, "nowhere.invalid")
        refused = driver.answer("START_MONITOR", 5)
    assert unpack(refused.payload).startswith("libvirt at qemu+ssh://nowhere.invalid/system?no_tty=1 cannot be reached")
    assert asked.read_text().startswith("nowhere.invalid ")


def start(driver: DriverProcess, host_id: int, name: str, more: str = "") -> None:
    """Have a host watched every second."""
    driver.ask_monitor("START_MONITOR", host_id, f'HOST=[ID="{host_id}",NAME="{name}"]\nPERIOD_S="1"\n{more}')


def test_machine_types_are_those_of_the_hosts_own_architecture() -> None:
    capabilities = """
        <capabilities><host><cpu><arch>x86_64</arch></cpu></host>
        <guest><os_type>hvm</os_type><arch name='i686'><machine>old</machine></arch></guest>
        <guest><os_type>hvm</os_type><arch name='x86_64'><machine>q35</machine><machine>pc</machine></arch></guest>
        </capabilities>"""
    assert machines_of(capabilities) == "pc q35"
