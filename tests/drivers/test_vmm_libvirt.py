"""The virtual machine driver as a process, against libvirt's built-in test hypervisor."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.drivers.contract import CopiesDisks, Resizes, Saves, Snapshots
from tests.drivers.harness import DriverProcess, python_driver, running
from tests.drivers.libvirt_cases import FewNames, vm_of
from tests.drivers.probe_builders import fake_ssh
from tests.drivers.test_libvirt_images import qcow2
from trifid.core.template.model import Value, template
from trifid.drivers.libvirt.identity import domain_uuid
from trifid.drivers.libvirt.registry import connector, shipped
from trifid.drivers.libvirt.vm import parse_vm
from trifid.wire import action_data
from trifid.wire.bodies.vm import vm_full
from trifid.wire.lines import Message

COMMAND = python_driver("trifid.drivers.vmm.libvirt")


class TestContract(Saves, Snapshots, Resizes, CopiesDisks):
    command = COMMAND
    arguments = "--uri test:///default"
    template = (("DISK", {"DISK_ID": "0", "TARGET": "vda", "DRIVER": "qcow2"}),)

    def prepare(self, directory: Path) -> None:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(directory / "disk.0"), "1M"], check=True)


class Hands:
    """A driver, and requests about VM 12 of its home."""

    def __init__(self, driver: DriverProcess) -> None:
        self.driver = driver
        self.directory = driver.home / "datastores" / "0" / "12"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._step = 0

    def do(self, word: str, host: str = "localhost", /, **more: Value | list[Value]) -> Message:
        """Send one request about a small VM with some more attributes; return its answer."""
        self._step += 1
        data = action_data.ActionData(
            host=host,
            migrate_host=host,
            deploy_id="one-12",
            remote_deployment_file=str(self.directory / "deployment.0"),
            checkpoint_file=str(self.directory / "checkpoint"),
            disk_target_path=str(self.directory),
            step=self._step,
            vm=document(**more),
        )
        self.driver.ask(word, 12, action_data.render(data))
        return self.driver.answer(word, 12)


def document(**more: Value | list[Value]) -> str:
    """Return the document of VM 12."""
    vm = replace(vm_of(template({"CPU": "1", "MEMORY": "64"}, **more)), id=12)
    if "IMPORTED" in more:  # which nobody but the engine writes
        vm = replace(vm, template=vm.template.having(("IMPORTED", "YES")), deploy_id="legacy")
    return vm_full(vm, FewNames())


@pytest.fixture
def hands(home: Path) -> Iterator[Hands]:
    """A driver with the test hypervisor."""
    with running(COMMAND, "--uri test:///default", home=home) as driver:
        yield Hands(driver)


def hypervisor_with(home: Path, uuid: str, state: int, name: str = "one-12") -> str:
    """Return the URI of a test hypervisor that has a domain already; states are libvirt's numbers."""
    node = home / "node.xml"
    node.write_text(
        "<node xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><domain type='test'>"
        f"<name>{name}</name>"
        f"<uuid>{uuid}</uuid><memory>65536</memory><os><type>hvm</type></os><test:runstate>{state}</test:runstate>"
        "</domain></node>"
    )
    return f"test://{node}"


OWN, FOREIGN = domain_uuid(parse_vm(document())), "11111111-2222-3333-4444-555555555555"
RUNNING, PAUSED, OFF, CRASHED = 1, 3, 5, 6


@pytest.mark.parametrize("state", [RUNNING, PAUSED, OFF, CRASHED])
def test_a_leftover_in_any_state_runs_after_deploying(home: Path, state: int) -> None:
    with running(COMMAND, f"--uri {hypervisor_with(home, OWN, state)}", home=home) as driver:
        hands = Hands(driver)
        assert hands.do("DEPLOY").payload == "one-12"
        assert "STATE=a" in hands.do("POLL").payload


@pytest.mark.parametrize(
    ("state", "letter"), [(RUNNING, "STATE=a "), (PAUSED, "STATE=p "), (OFF, "STATE=d"), (CRASHED, "STATE=e ")]
)
def test_poll_tells_the_state_by_its_letter(home: Path, state: int, letter: str) -> None:
    with running(COMMAND, f"--uri {hypervisor_with(home, OWN, state)}", home=home) as driver:
        assert Hands(driver).do("POLL").payload.startswith(letter)


@pytest.mark.parametrize("state", [RUNNING, OFF])
def test_a_foreign_domain_of_the_same_name_is_left_alone(home: Path, state: int) -> None:
    with running(COMMAND, f"--uri {hypervisor_with(home, FOREIGN, state)}", home=home) as driver:
        hands = Hands(driver)
        refused = hands.do("DEPLOY")
        assert refused.status == "FAILURE"
        assert f"localhost has a domain one-12 that is not this VM (UUID {FOREIGN}" in refused.payload
        assert hands.do("POLL").payload == "STATE=d"
        assert hands.do("CANCEL").status == "SUCCESS"
        assert FOREIGN in hands.driver.wait_for_log("left alone").payload
        assert hands.do("DEPLOY").status == "FAILURE", "it is still there"


def test_the_domain_of_another_engine_is_a_foreign_one(home: Path) -> None:
    env = {"TRIFID_ENGINE_ID": "another"}
    with running(COMMAND, f"--uri {hypervisor_with(home, OWN, RUNNING)}", home=home, env=env) as driver:
        assert "does another engine use this host?" in Hands(driver).do("DEPLOY").payload


IMPORTED = {"IMPORTED": "YES", "OS": {"UUID": FOREIGN}}


@pytest.fixture
def legacy(home: Path) -> Iterator[Hands]:
    """A driver whose test hypervisor has a domain that somebody else made."""
    with running(COMMAND, f"--uri {hypervisor_with(home, FOREIGN, RUNNING, 'legacy')}", home=home) as driver:
        yield Hands(driver)


def test_an_imported_domain_is_found_by_its_name_and_its_uuid(legacy: Hands) -> None:
    assert legacy.do("POLL", **IMPORTED).payload.startswith("STATE=a")
    assert legacy.do("REBOOT", **IMPORTED).status == "SUCCESS"
    other = {**IMPORTED, "OS": {"UUID": OWN}}
    assert legacy.do("POLL", **other).payload == "STATE=d"
    assert legacy.do("CANCEL", **other).status == "SUCCESS"
    assert legacy.do("POLL", **IMPORTED).payload.startswith("STATE=a"), "what is not the VM's is left alone"


@pytest.mark.parametrize("word", ["SHUTDOWN", "CANCEL"])
def test_an_imported_domain_ends_and_keeps_its_definition_and_starts_from_it(legacy: Hands, word: str) -> None:
    assert legacy.do(word, **IMPORTED).status == "SUCCESS"
    assert legacy.do("POLL", **IMPORTED).payload == "STATE=d"
    assert [legacy.do("DEPLOY", **IMPORTED).payload for _ in range(2)] == ["legacy"] * 2
    assert legacy.do("POLL", **IMPORTED).payload.startswith("STATE=a")


def test_an_imported_domain_that_is_gone_is_not_made_again(hands: Hands) -> None:
    answer = hands.do("DEPLOY", **IMPORTED)
    assert answer.status == "FAILURE"
    assert "legacy was imported and is no longer defined" in answer.payload


def test_a_running_guest_is_shut_down(hands: Hands) -> None:
    hands.do("DEPLOY")
    assert hands.do("SHUTDOWN").status == "SUCCESS"
    assert hands.do("POLL").payload == "STATE=d"


def test_a_guest_can_be_rebooted_and_reset(hands: Hands) -> None:
    hands.do("DEPLOY")
    assert [hands.do(word).status for word in ("REBOOT", "RESET")] == ["SUCCESS", "SUCCESS"]
    assert hands.do("RESET", "localhost").status == "SUCCESS"
    hands.do("CANCEL")
    gone = hands.do("RESET")
    assert (gone.status, gone.payload) == ("FAILURE", "one-12 does not run on localhost")


def test_poll_tells_what_is_used(hands: Hands) -> None:
    hands.do("DEPLOY")
    words = dict(word.split("=") for word in hands.do("POLL").payload.split())
    assert set(words) == {"STATE", "USEDCPU", "USEDMEMORY", "NETRX", "NETTX"}


def test_the_deployment_file_is_for_its_owner_only(hands: Hands) -> None:
    hands.do("DEPLOY", graphics={"TYPE": "vnc", "PASSWD": "secret"})
    file = hands.directory / "deployment.0"
    assert "<name>one-12</name>" in file.read_text()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


def test_a_domain_that_libvirt_refuses_fails_with_its_words_and_is_not_there(hands: Hands) -> None:
    refused = hands.do("DEPLOY", cpu_model={"MODEL": "486", "FEATURES": "aes,aes"})
    assert refused.status == "FAILURE"
    assert "aes" in refused.payload
    assert hands.do("POLL").payload == "STATE=d"


def test_libvirt_checks_the_domain_against_its_schema_if_raw_says_so(hands: Hands) -> None:
    raw = {"TYPE": "kvm", "DATA": "<unheard-of/>"}
    refused = hands.do("DEPLOY", raw={**raw, "VALIDATE": "YES"})
    assert refused.status == "FAILURE"
    assert "schema" in refused.payload and "unheard-of" in refused.payload
    assert hands.do("DEPLOY", raw={**raw, "VALIDATE": "NO"}).status == "SUCCESS"


def test_what_does_not_come_about_is_told_in_the_log(hands: Hands) -> None:
    assert hands.do("DEPLOY", topology={"PIN_POLICY": "CORE"}).status == "SUCCESS"
    assert "the machine is not pinned" in hands.driver.wait_for_log("PIN_POLICY=CORE").payload


def test_what_the_template_cannot_have_is_refused_by_name(hands: Hands) -> None:
    refused = hands.do("DEPLOY", os={"BOOTLOADER": "/usr/bin/pygrub"})
    assert refused.status == "FAILURE"
    assert refused.payload.startswith("OS: BOOTLOADER is Xen's")


def test_an_image_that_leads_to_other_files_is_not_started(hands: Hands) -> None:
    (hands.directory / "disk.0").write_bytes(qcow2(backing_file_at=104))
    refused = hands.do("DEPLOY", disk={"SOURCE": "/i", "TARGET": "vda", "DRIVER": "qcow2"})
    assert refused.status == "FAILURE"
    assert "disk.0 is a layer over a backing file" in refused.payload
    assert hands.do("POLL").payload == "STATE=d"


def test_a_checkpoint_is_used_up_when_it_is_restored(hands: Hands) -> None:
    hands.do("DEPLOY")
    hands.do("SAVE")
    assert (hands.directory / "checkpoint").exists()
    assert hands.do("RESTORE").status == "SUCCESS"
    assert not (hands.directory / "checkpoint").exists()


def test_what_does_not_run_and_was_not_saved_cannot_be_saved(hands: Hands) -> None:
    (hands.directory / "checkpoint").write_bytes(b"LibvirtQemudPart")
    failed = hands.do("SAVE")
    assert (failed.status, failed.payload) == ("FAILURE", "one-12 does not run on localhost, so it cannot be saved")


def test_a_move_to_where_it_is_is_refused(home: Path) -> None:
    with running(COMMAND, "--uri test:///default --connector kvm", home=home) as driver:
        failed = Hands(driver).do("MIGRATE")
    assert failed.status == "FAILURE"
    assert "have the same libvirt, test:///default" in failed.payload


@pytest.mark.parametrize("name", shipped())
def test_what_a_hypervisor_cannot_do_is_refused_with_the_reason_at_once(home: Path, name: str) -> None:
    nowhere = f"{connector(name).uri.partition(':')[0]}+unix:///system?socket=/nowhere/sock"
    with running(COMMAND, f"--uri '{nowhere}' --connector {name}", home=home) as driver:
        hands = Hands(driver)
        answers = {word: hands.do(word) for word in connector(name).cannot}
    assert {word: (answer.status, answer.payload) for word, answer in answers.items()} == {
        word: ("FAILURE", why) for word, why in connector(name).cannot.items()
    }


def test_what_hypervisors_cannot_do_is_among_what_drivers_are_asked(home: Path) -> None:
    with running(COMMAND, "--uri qemu+unix:///system?socket=/nowhere/sock", home=home) as driver:
        known = Hands(driver).do("JUMP").payload.partition("it knows ")[2].split(", ")
    assert "SAVE" in known
    assert [word for name in shipped() for word in connector(name).cannot if word not in known] == []


def test_a_libvirt_of_another_hypervisor_is_refused_by_name(home: Path) -> None:
    with running(COMMAND, "--uri test:///default --connector kvm", home=home) as driver:
        failed = Hands(driver).do("DEPLOY")
    assert failed.status == "FAILURE"
    assert failed.payload.startswith("libvirt at test:///default is for TEST, and connector kvm is for QEMU")


def test_a_libvirt_that_is_not_there_is_named_with_what_to_check(home: Path) -> None:
    with running(COMMAND, "--uri 'qemu+unix:///system?socket=/nowhere/sock'", home=home) as driver:
        failed = Hands(driver).do("DEPLOY")
    assert failed.status == "FAILURE"
    assert failed.payload.startswith("libvirt at qemu+unix:///system?socket=/nowhere/sock cannot be reached: ")
    assert "check that libvirtd runs there" in failed.payload


def test_another_machine_is_reached_through_ssh(home: Path) -> None:
    asked = home / "asked"
    env = {"PATH": fake_ssh(home, f'echo "$1" >{asked}; exit 255')}
    with running(COMMAND, "--uri qemu:///system", home=home, env=env) as driver:
        failed = Hands(driver).do("POLL", "192.0.2.1")
    assert failed.status == "FAILURE"
    assert failed.payload.startswith("libvirt at qemu+ssh://192.0.2.1/system?no_tty=1 cannot be reached: ")
    assert asked.read_text() == "192.0.2.1\n"


def test_wrong_arguments_are_told_when_it_is_greeted(home: Path) -> None:
    with running(COMMAND, "--type xen", home=home, init=False) as driver:
        driver.send(b"INIT\n")
        answer = driver.answer("INIT")
    assert answer.status == "FAILURE"
    assert "--type: invalid choice: 'xen'" in answer.payload


def test_a_paused_guest_is_resumed_to_be_shut_down(home: Path) -> None:
    with running(COMMAND, f"--uri {hypervisor_with(home, OWN, PAUSED)}", home=home) as driver:
        hands = Hands(driver)
        assert hands.do("SHUTDOWN").status == "SUCCESS"
        assert hands.do("POLL").payload == "STATE=d"
        driver.wait_for_log("and is resumed")


def test_a_paused_guest_is_resumed_when_it_is_to_be_restored(home: Path) -> None:
    with running(COMMAND, f"--uri {hypervisor_with(home, OWN, PAUSED)}", home=home) as driver:
        hands = Hands(driver)
        assert hands.do("RESTORE").payload == "one-12"
        assert "STATE=a" in hands.do("POLL").payload
