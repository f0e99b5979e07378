"""The dummies told to misbehave, and the information driver's view of their world."""

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.contract import ImContract, VmmContract
from tests.drivers.harness import DriverProcess, python_driver, running
from trifid.core.pci import Device, devices_of
from trifid.core.template.model import Template
from trifid.core.template.scanner import parse
from trifid.wire.lines import unpack

VMM = python_driver("trifid.drivers.vmm.dummy")
TM = python_driver("trifid.drivers.tm.dummy")
IM = python_driver("trifid.drivers.im.dummy")
vmm = VmmContract()
im = ImContract()


@contextlib.contextmanager
def hypervisors(home: Path, arguments: str = "") -> Iterator[DriverProcess]:
    with running(VMM, arguments, home=home) as driver:
        yield driver


def test_a_failure_says_its_text_and_does_nothing(tmp_path: Path) -> None:
    with hypervisors(tmp_path, '--fail "DEPLOY=1:no bridge br0"') as driver:
        answer = vmm.do(driver, "DEPLOY", 12, 1)
        assert (answer.status, answer.payload) == ("FAILURE", "no bridge br0")
        assert not vmm.runs(driver, 12, 2)


def test_a_lost_answer_is_never_said_but_the_deed_is_done(tmp_path: Path) -> None:
    with hypervisors(tmp_path, "--lose DEPLOY=1") as driver:
        vmm.ask(driver, "DEPLOY", 12, 1)
        assert vmm.runs(driver, 12, 2)
        assert driver.rest() == []


def test_a_driver_that_dies_ends_over_the_verb_and_half_of_the_deeds_are_done(tmp_path: Path) -> None:
    done = set()
    for seed in range(8):
        with hypervisors(tmp_path, f"--die DEPLOY=1 --seed {seed}") as driver:
            vmm.ask(driver, "DEPLOY", seed, 1)
            assert driver.wait() == 3
        with hypervisors(tmp_path) as driver:
            done.add(vmm.runs(driver, seed, 2))
    assert done == {True, False}


def test_garbage_comes_between_the_answers(tmp_path: Path) -> None:
    with hypervisors(tmp_path, "--garbage 1") as driver:
        vmm.ask(driver, "DEPLOY", 12, 1)
        heard = b""
        assert driver.process.stdout
        while not heard.endswith(b"DEPLOY SUCCESS 12 one-12\n"):
            heard += driver.process.stdout.read(1)
        assert heard.count(b"\n") == 2


def test_a_delayed_action_can_be_cancelled(tmp_path: Path) -> None:
    with hypervisors(tmp_path, "--delay 0.05") as driver:
        vmm.ask(driver, "DEPLOY", 12, 1)
        driver.ask("DRIVER_CANCEL", 12)
        answer = driver.answer("DEPLOY", 12)
        assert (answer.status, answer.payload) == ("FAILURE", "cancelled by the engine before it began")
        assert not vmm.runs(driver, 12, 2)


@pytest.mark.parametrize("command", [VMM, TM, IM])
def test_options_that_cannot_be_meant_are_told_on_stderr(command: list[str], tmp_path: Path) -> None:
    with running(command, "--nonsense", home=tmp_path, init=False) as driver:
        assert driver.wait() == 1
        assert "--nonsense" in driver.stderr.read_text()


def test_a_vm_is_not_deployed_on_two_hosts(tmp_path: Path) -> None:
    with hypervisors(tmp_path) as driver:
        vmm.do(driver, "DEPLOY", 12, 1, "h1")
        answer = vmm.do(driver, "DEPLOY", 12, 2, "h2")
        assert (answer.status, answer.payload) == ("FAILURE", "one-12 runs on h1: it would run twice")


def test_a_saved_vm_wakes_up_on_another_host(tmp_path: Path) -> None:
    with hypervisors(tmp_path) as driver:
        vmm.do(driver, "DEPLOY", 12, 1, "h1")
        vmm.do(driver, "SAVE", 12, 2, "h1")
        assert vmm.do(driver, "RESTORE", 12, 3, "h2").status == "SUCCESS"
        assert vmm.runs(driver, 12, 4, "h2")


def test_a_paused_vm_is_there_is_reported_and_goes_on(tmp_path: Path) -> None:
    with hypervisors(tmp_path) as driver, running(IM, "", home=tmp_path, monitor=True) as watch:
        vmm.do(driver, "DEPLOY", 12, 1)
        with (tmp_path / "dummy" / "world.log").open("a") as log:
            log.write(f"12 {vmm.host} paused 0\n")
        assert vmm.do(driver, "POLL", 12, 2).payload.startswith("STATE=p ")
        watch.ask_monitor("START_MONITOR", 3, im.text(3))
        [seen] = report(watch, "STATE_VM", 3).vectors("VM")
        assert (seen["STATE"], seen["REASON"]) == ("SUSPENDED", "paused by hand on its host")
        assert vmm.do(driver, "RESTORE", 12, 3).status == "SUCCESS"
        assert vmm.do(driver, "POLL", 12, 4).payload.startswith("STATE=a ")


# -- information -------------------------------------------------------------------------------------


def report(driver: DriverProcess, type: str, host_id: int) -> Template:
    return parse(unpack(driver.answer(type, host_id).payload))


def test_a_host_has_the_capacity_that_it_or_the_options_say(tmp_path: Path) -> None:
    with running(IM, "--cpu 1600 --memory 4096", home=tmp_path, monitor=True) as driver:
        driver.ask_monitor("START_MONITOR", 1, im.text(1))
        more = 'DUMMY_CPU="400"\nDUMMY_MEMORY="1000"\nDUMMY_DISK="70"\n'
        driver.ask_monitor("START_MONITOR", 2, im.text(2, more=more))
        for host_id, cpu, memory, disk in ((1, "1600", "4096", "1048576"), (2, "400", "1000", "70")):
            system = report(driver, "SYSTEM_HOST", host_id)
            assert (system.single("TOTALCPU"), system.single("TOTALMEMORY")) == (cpu, memory)
            assert (system.single("HYPERVISOR"), system.single("ARCH")) == ("dummy", "x86_64")
            assert report(driver, "MONITOR_HOST", host_id).single("DS_LOCATION_FREE_MB") == disk


def test_a_host_has_the_devices_that_it_or_the_options_say(tmp_path: Path) -> None:
    with running(IM, "--pci 10de:1eb8:0302=2", home=tmp_path, monitor=True) as driver:
        driver.ask_monitor("START_MONITOR", 1, im.text(1))
        driver.ask_monitor("START_MONITOR", 2, im.text(2, more='DUMMY_PCI="8086:1520:0200, 10de:20b0:0302=1"\n'))
        told = [list(devices_of(report(driver, "SYSTEM_HOST", host_id)).values()) for host_id in (1, 2)]
        assert told == [
            [Device("10de", "1eb8", "0302", "0000:01:00.0"), Device("10de", "1eb8", "0302", "0000:01:01.0")],
            [Device("8086", "1520", "0200", "0000:01:00.0"), Device("10de", "20b0", "0302", "0000:01:01.0")],
        ]


def test_the_vms_of_a_host_are_reported_until_they_vanish(tmp_path: Path) -> None:
    with hypervisors(tmp_path) as hypervisor, running(IM, home=tmp_path, monitor=True) as driver:
        for vm_id, host in ((12, "h1"), (13, "h1"), (14, "h2")):
            vmm.do(hypervisor, "DEPLOY", vm_id, 1, host)
        driver.ask_monitor("START_MONITOR", 1, im.text(1, "h1", period_s=1))
        states = report(driver, "STATE_VM", 1)
        assert [(v["ID"], v["DEPLOY_ID"], v["STATE"]) for v in states.vectors("VM")] == [
            ("12", "one-12", "RUNNING"),
            ("13", "one-13", "RUNNING"),
        ]
        assert report(driver, "MONITOR_HOST", 1).single("USEDCPU") == "20"
        used = report(driver, "MONITOR_VM", 1).vectors("VM")
        assert [v["ID"] for v in used] == ["12", "13"]
        figures = parse(base64.b64decode(used[0]["MONITOR"]).decode())
        assert (figures.single("MEMORY"), figures.single("NETRX").isdigit()) == ("65536", True)
        with (tmp_path / "dummy" / "world.log").open("a") as world:
            world.write("12 - gone 0\n")
        while [v["ID"] for v in report(driver, "STATE_VM", 1).vectors("VM")] != ["13"]:
            pass
        assert not vmm.runs(hypervisor, 12, 2, "h1")


def test_a_request_that_is_not_of_the_family_is_passed_over(tmp_path: Path) -> None:
    with running(IM, home=tmp_path, monitor=True) as driver:
        driver.ask("DEPLOY", 12, base64.b64encode(b"x").decode())
        driver.ask_monitor("STOP_MONITOR", 3)
        assert driver.answer().type == "STOP_MONITOR"


@pytest.mark.parametrize("more", ['PERIOD_S="x"', 'DUMMY_CPU="many"', 'DUMMY_PCI="gpu=2"'])
def test_a_number_that_is_none_fails_the_host(tmp_path: Path, more: str) -> None:
    with running(IM, home=tmp_path, monitor=True) as driver:
        driver.ask_monitor("START_MONITOR", 3, f'HOST=[ID="3",NAME="h"]\n{more}\n')
        answer = driver.answer("START_MONITOR", 3)
        assert answer.status == "FAILURE"
        assert "START_MONITOR cannot be read" in unpack(answer.payload)
