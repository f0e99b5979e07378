"""What every driver promises, by family; a third party subclasses, says how to run its driver, and is tested.

    class TestMine(Saves, DomainsOutlive):
        command = ["/usr/local/bin/my-driver"]

What a driver need not be able to do is a class of its own: VmmContract is what all can; DomainsOutlive, Saves,
Migrates, HotPlugs, Snapshots, DiskSnapshots, Resizes and ResizesDisks are what it adds.

Source: reference/drivers.md §1 (process model), §2.3 (messages), §6.2 (POLL).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from tests.drivers.harness import ANSWER_TIMEOUT_S, DriverProcess, running
from trifid.core.template.model import Value
from trifid.core.template.scanner import parse
from trifid.core.template.xml import element
from trifid.wire import action_data
from trifid.wire.lines import Message, unpack

Vector = dict[str, str]
Change = tuple[tuple[str, Value], ...]
"""Attributes of a VM's template that make a request what it is."""

GARBAGE = (
    b"\n",
    b"\x00\xff\xfe nonsense\n",
    b"lower case 1\n",
    b"POLL\n",
    b"POLL  notanumber -\n",
    b"START_MONITOR - - -\n",
    b"x" * 70_000 + b"\n",
    b"\xf0\x9f\x92\xa9" * 100 + b"\r\n",
)
"""Lines that are not messages."""


class Contract:
    """Common to all families.

    Attributes:
        command: argument vector that starts the driver.
        arguments: its one argument, as in the configuration.
        env: added to its environment.
    """

    command: ClassVar[list[str]]
    arguments = ""
    env: ClassVar[dict[str, str]] = {}
    monitor = False

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """A fresh TRIFID_HOME."""
        return tmp_path

    @pytest.fixture
    def driver(self, home: Path) -> Iterator[DriverProcess]:
        """The driver, running and greeted."""
        with self.start(home) as driver:
            yield driver

    def start(self, home: Path, *, init: bool = True) -> AbstractContextManager[DriverProcess]:
        """Start one more process of the driver on this home."""
        return running(self.command, self.arguments, home=home, env=self.env, monitor=self.monitor, init=init)

    def ask_something(self, driver: DriverProcess, word: str, oid: int) -> None:
        """Send a request of any kind whose word may be unknown."""
        driver.ask(word, oid)

    def is_alive(self, driver: DriverProcess) -> bool:
        """Tell whether it still answers."""
        self.ask_something(driver, "ARE_YOU_THERE", 4711)
        return driver.answer("ARE_YOU_THERE", 4711).status == "FAILURE"

    def test_it_greets_in_one_write_before_anything_else(self, home: Path) -> None:
        with self.start(home, init=False) as driver:
            driver.init(timeout_s=10)

    def test_a_word_that_it_does_not_know_is_answered_with_a_failure(self, driver: DriverProcess) -> None:
        self.ask_something(driver, "MAKE_COFFEE", 3)
        answer = driver.answer(oid=3)
        assert (answer.type, answer.status) == ("MAKE_COFFEE", "FAILURE")

    def test_garbage_is_survived_and_not_answered(self, driver: DriverProcess) -> None:
        for line in GARBAGE:
            driver.send(line)
        assert self.is_alive(driver)
        assert [m for m in driver.rest() if m.status == "SUCCESS"] == []

    def test_a_line_without_end_is_survived(self, driver: DriverProcess) -> None:
        chunk = b"A" * (1 << 20)
        for _ in range(17):
            driver.send(chunk)
        driver.send(b"\n")
        assert self.is_alive(driver)

    def test_it_ends_when_told(self, driver: DriverProcess) -> None:
        driver.send(b"FINALIZE\n")
        driver.wait(timeout_s=10)

    def test_it_ends_with_the_engine(self, driver: DriverProcess) -> None:
        driver.close_stdin()
        driver.wait(timeout_s=10)


class ActionContract(Contract):
    """Common to the families that act upon VMs."""

    def test_to_cancel_what_is_not_asked_for_is_harmless(self, driver: DriverProcess) -> None:
        driver.ask("DRIVER_CANCEL", 5)
        assert self.is_alive(driver)


class VmmContract(ActionContract):
    """Drivers of hypervisors.

    Attributes:
        host, other_host: names of two hosts that the driver can reach.
        template: what every VM has beside its capacity.
        memory_mib: of every VM; it may grow to twice as much.
        limit_s: for one answer.
    """

    host = "host1"
    other_host = "host2"
    template: Change = ()
    memory_mib = 64
    limit_s = ANSWER_TIMEOUT_S

    def document(self, vm_id: int, change: Change) -> str:
        """Return the VM's document, as the engine renders it, with some attributes more or others."""
        capacity = {"CPU": "1", "VCPU": "1", "VCPU_MAX": "2"}
        memory = {"MEMORY": str(self.memory_mib), "MEMORY_MAX": str(2 * self.memory_mib)}
        single = {**capacity, **memory, "VMID": str(vm_id)}
        vectors: list[tuple[str, Value]] = []
        for name, value in (*self.template, *change):
            if isinstance(value, str):
                single[name] = value
            else:
                vectors.append((name, value))
        elements = "".join(element(name, value) for name, value in (*single.items(), *vectors))
        return f"<VM><ID>{vm_id}</ID><NAME>vm-{vm_id}</NAME><TEMPLATE>{elements}</TEMPLATE></VM>"

    def prepare(self, directory: Path) -> None:
        """Put what its VMs need into a VM's directory."""

    def payload(
        self, vm_id: int, step: int, home: Path, host: str = "", migrate_host: str = "", change: Change = ()
    ) -> str:
        """Return the payload of a request about a VM."""
        directory = home / "datastores" / "0" / str(vm_id)
        if not directory.exists():
            directory.mkdir(parents=True)
            self.prepare(directory)
        return action_data.render(
            action_data.ActionData(
                host=host or self.host,
                migrate_host=migrate_host,
                deploy_id=f"one-{vm_id}",
                remote_deployment_file=str(directory / "deployment.0"),
                checkpoint_file=str(directory / "checkpoint"),
                disk_target_path=str(directory),
                step=step,
                vm=self.document(vm_id, change),
            )
        )

    def ask(
        self,
        driver: DriverProcess,
        word: str,
        vm_id: int,
        step: int,
        host: str = "",
        migrate_host: str = "",
        change: Change = (),
    ) -> None:
        """Send one request about a VM."""
        driver.ask(word, vm_id, self.payload(vm_id, step, driver.home, host, migrate_host, change))

    def do(
        self,
        driver: DriverProcess,
        word: str,
        vm_id: int,
        step: int,
        host: str = "",
        migrate_host: str = "",
        change: Change = (),
    ) -> Message:
        """Send one request about a VM and return its answer."""
        self.ask(driver, word, vm_id, step, host, migrate_host, change)
        return driver.answer(word, vm_id, self.limit_s)

    def succeed(self, driver: DriverProcess, *steps: tuple[str, Change]) -> list[Message]:
        """Have VM 12 deployed and then changed, each change asked for twice; return the first answers."""
        deployed = self.do(driver, "DEPLOY", 12, 1)
        assert deployed.status == "SUCCESS", deployed
        answers = []
        for step, (word, change) in enumerate(steps, 2):
            for _ in range(2):
                answers.append(self.do(driver, word, 12, step, change=change))
                assert answers[-1].status == "SUCCESS", answers[-1]
        assert self.runs(driver, 12, len(steps) + 2)
        return answers[::2]

    def fail_when_off(self, driver: DriverProcess, *steps: tuple[str, Change]) -> None:
        """Have VM 12, which does not run, changed: nothing can be."""
        for step, (word, change) in enumerate(steps, 1):
            assert self.do(driver, word, 12, step, change=change).status == "FAILURE", word
        assert not self.runs(driver, 12, len(steps) + 1)

    def runs(self, driver: DriverProcess, vm_id: int, step: int, host: str = "") -> bool:
        """Tell whether the host runs the VM, as POLL says."""
        answer = self.do(driver, "POLL", vm_id, step, host)
        assert answer.status == "SUCCESS", answer
        states = [word for word in answer.payload.split() if word.startswith("STATE=")]
        assert states in (["STATE=a"], ["STATE=p"], ["STATE=e"], ["STATE=d"]), answer
        return states != ["STATE=d"]

    def test_a_vm_is_deployed_and_named(self, driver: DriverProcess) -> None:
        answer = self.do(driver, "DEPLOY", 12, 1)
        assert answer.status == "SUCCESS", answer
        assert answer.payload == "one-12"
        assert self.runs(driver, 12, 1)

    def test_deploying_what_runs_is_a_success(self, driver: DriverProcess) -> None:
        assert self.do(driver, "DEPLOY", 12, 1).status == "SUCCESS"
        again = self.do(driver, "DEPLOY", 12, 1)
        assert (again.status, again.payload) == ("SUCCESS", "one-12")

    def test_a_cancelled_vm_is_gone(self, driver: DriverProcess) -> None:
        self.do(driver, "DEPLOY", 12, 1)
        assert self.do(driver, "CANCEL", 12, 2).status == "SUCCESS"
        assert not self.runs(driver, 12, 3)

    def test_cancelling_what_is_gone_is_a_success(self, driver: DriverProcess) -> None:
        assert self.do(driver, "CANCEL", 12, 1).status == "SUCCESS"
        assert self.do(driver, "CANCEL", 12, 1).status == "SUCCESS"

    def test_shutting_down_what_is_off_is_a_success(self, driver: DriverProcess) -> None:
        assert self.do(driver, "SHUTDOWN", 12, 1).status == "SUCCESS"

    def test_polling_what_was_never_there_says_so(self, driver: DriverProcess) -> None:
        assert not self.runs(driver, 12, 1)

    def test_rebooting_what_is_not_there_fails(self, driver: DriverProcess) -> None:
        assert self.do(driver, "REBOOT", 12, 1).status == "FAILURE"

    def test_one_vm_is_served_in_order(self, driver: DriverProcess) -> None:
        for step, word in enumerate(("DEPLOY", "POLL", "CANCEL", "POLL", "DEPLOY", "POLL"), 1):
            self.ask(driver, word, 12, step)
        heard = [driver.answer(oid=12) for _ in range(6)]
        assert [m.type for m in heard] == ["DEPLOY", "POLL", "CANCEL", "POLL", "DEPLOY", "POLL"]
        assert [m.status for m in heard] == ["SUCCESS"] * 6
        states = ["STATE=d" not in m.payload for m in heard if m.type == "POLL"]
        assert states == [True, False, True]

    def test_every_request_is_answered_exactly_once(self, driver: DriverProcess) -> None:
        asked: Counter[tuple[str, int]] = Counter()
        for vm_id in range(20):
            for step, word in enumerate(("DEPLOY", "POLL", "NONSENSE", "CANCEL", "CANCEL"), 1):
                self.ask(driver, word, vm_id, step)
                asked[(word, vm_id)] += 1
        heard = Counter((m.type, m.oid) for m in (driver.answer() for _ in range(asked.total())))
        assert heard == asked
        assert driver.rest() == []

    def test_a_step_that_is_out_of_date_is_refused(self, driver: DriverProcess) -> None:
        self.do(driver, "DEPLOY", 12, 5)
        self.do(driver, "CANCEL", 12, 7)
        assert self.do(driver, "DEPLOY", 12, 5).status == "FAILURE"
        assert not self.runs(driver, 12, 8)

    def test_a_step_is_out_of_date_for_the_next_process_too(self, driver: DriverProcess, home: Path) -> None:
        self.do(driver, "CANCEL", 12, 7)
        driver.kill()
        with self.start(home) as second:
            assert self.do(second, "DEPLOY", 12, 5).status == "FAILURE"
            assert not self.runs(second, 12, 8)

    def test_a_payload_that_cannot_be_read_is_answered_with_a_failure(self, driver: DriverProcess) -> None:
        for payload in ("!!!", "aGVsbG8=", "-"):
            driver.ask("DEPLOY", 12, payload)
            assert driver.answer("DEPLOY", 12).status == "FAILURE"

    def test_a_cancelled_request_is_answered_once_and_the_next_is_served(self, driver: DriverProcess) -> None:
        self.ask(driver, "DEPLOY", 12, 1)
        driver.ask("DRIVER_CANCEL", 12)
        self.ask(driver, "CANCEL", 12, 2)
        assert driver.answer(oid=12).type == "DEPLOY"
        cancelled = driver.answer(oid=12)
        assert (cancelled.type, cancelled.status) == ("CANCEL", "SUCCESS")
        assert not self.runs(driver, 12, 3)
        assert driver.rest() == []

    def test_restoring_what_was_never_saved_fails(self, driver: DriverProcess) -> None:
        assert self.do(driver, "RESTORE", 12, 1).status == "FAILURE"


class DomainsOutlive(VmmContract):
    """Drivers whose domains run on when the driver ends, as those of a hypervisor do."""

    def test_a_domain_outlives_the_driver(self, driver: DriverProcess, home: Path) -> None:
        self.do(driver, "DEPLOY", 12, 1)
        driver.kill()
        with self.start(home) as second:
            assert self.runs(second, 12, 2)
            assert self.do(second, "DEPLOY", 12, 2).status == "SUCCESS"


class Saves(VmmContract):
    """Drivers that can SAVE and RESTORE."""

    def test_a_saved_vm_is_off_and_comes_back(self, driver: DriverProcess) -> None:
        self.do(driver, "DEPLOY", 12, 1)
        saved = self.do(driver, "SAVE", 12, 2)
        assert saved.status == "SUCCESS", saved
        assert not self.runs(driver, 12, 3)
        restored = self.do(driver, "RESTORE", 12, 4)
        assert restored.status == "SUCCESS", restored
        assert self.runs(driver, 12, 5)

    def test_saving_and_restoring_twice_is_a_success(self, driver: DriverProcess) -> None:
        self.do(driver, "DEPLOY", 12, 1)
        assert [self.do(driver, "SAVE", 12, 2).status for _ in range(2)] == ["SUCCESS"] * 2
        assert [self.do(driver, "RESTORE", 12, 3).status for _ in range(2)] == ["SUCCESS"] * 2
        assert self.runs(driver, 12, 4)


class Migrates(VmmContract):
    """Drivers that can MIGRATE."""

    def test_a_migrated_vm_is_on_exactly_one_host(self, driver: DriverProcess) -> None:
        self.do(driver, "DEPLOY", 12, 1)
        moved = self.do(driver, "MIGRATE", 12, 2, self.host, self.other_host)
        assert moved.status == "SUCCESS", moved
        assert not self.runs(driver, 12, 3, self.host)
        assert self.runs(driver, 12, 3, self.other_host)

    def test_migrating_what_has_moved_is_a_success(self, driver: DriverProcess) -> None:
        self.do(driver, "DEPLOY", 12, 1)
        moves = [self.do(driver, "MIGRATE", 12, 2, self.host, self.other_host).status for _ in range(2)]
        assert moves == ["SUCCESS"] * 2

    def test_migrating_what_is_nowhere_fails(self, driver: DriverProcess) -> None:
        assert self.do(driver, "MIGRATE", 12, 2, self.host, self.other_host).status == "FAILURE"

    def test_what_takes_its_disks_along_is_on_exactly_one_host(self, driver: DriverProcess) -> None:
        self.do(driver, "DEPLOY", 12, 1)
        moves = [self.do(driver, "MIGRATECOPY", 12, 2, self.host, self.other_host).status for _ in range(2)]
        assert moves == ["SUCCESS"] * 2
        assert not self.runs(driver, 12, 3, self.host)
        assert self.runs(driver, 12, 3, self.other_host)


class HotPlugs(VmmContract):
    """Drivers that can plug disks and NICs into a machine that runs.

    Attributes:
        disk, nic: that come and go.
    """

    disk: ClassVar[Vector] = {"DISK_ID": "5", "TARGET": "vdb"}
    nic: ClassVar[Vector] = {"NIC_ID": "1", "MAC": "02:00:0a:00:00:63"}

    def test_a_disk_comes_and_goes(self, driver: DriverProcess) -> None:
        marked: Change = (("DISK", {**self.disk, "ATTACH": "YES"}),)
        self.succeed(driver, ("ATTACHDISK", marked), ("DETACHDISK", marked), ("ATTACHDISK", marked))

    def test_a_nic_comes_and_goes(self, driver: DriverProcess) -> None:
        marked: Change = (("NIC", {**self.nic, "ATTACH": "YES"}),)
        self.succeed(driver, ("ATTACHNIC", marked), ("DETACHNIC", marked), ("ATTACHNIC", marked))

    def test_nothing_is_plugged_into_what_does_not_run(self, driver: DriverProcess) -> None:
        disk: Change = (("DISK", {**self.disk, "ATTACH": "YES"}),)
        nic: Change = (("NIC", {**self.nic, "ATTACH": "YES"}),)
        self.fail_when_off(driver, ("ATTACHDISK", disk), ("DETACHDISK", disk), ("ATTACHNIC", nic), ("DETACHNIC", nic))


class Snapshots(VmmContract):
    """Drivers that can take snapshots of a machine that runs, its memory with its disks."""

    def snapshot(self, action: str, number: int = 0) -> Change:
        """Return a SNAPSHOT of which something is asked."""
        about = {"NAME": f"snapshot-{number}", "SNAPSHOT_ID": str(number), "TIME": "1700000000"}
        return (("SNAPSHOT", {**about, "HYPERVISOR_ID": f"snap-{number}", "ACTION": action}),)

    def test_a_snapshot_is_named_gone_back_to_and_forgotten(self, driver: DriverProcess) -> None:
        create, revert, delete = (("SNAPSHOT" + a, self.snapshot(a)) for a in ("CREATE", "REVERT", "DELETE"))
        assert self.succeed(driver, create, revert, delete)[0].payload
        assert self.do(driver, create[0], 12, 5, change=create[1]).status == "SUCCESS", "its name is free"

    def test_nothing_is_taken_of_what_does_not_run(self, driver: DriverProcess) -> None:
        self.fail_when_off(driver, *(("SNAPSHOT" + a, self.snapshot(a)) for a in ("CREATE", "REVERT", "DELETE")))


class DiskSnapshots(VmmContract):
    """Drivers that can take snapshots of one disk, DISK 0, while the machine runs."""

    def test_a_snapshot_of_a_disk_is_taken_and_forgotten(self, driver: DriverProcess) -> None:
        marked = self.marked()
        self.succeed(driver, ("DISKSNAPSHOTCREATE", marked), ("DISKSNAPSHOTDELETE", marked))

    def test_no_disk_is_kept_of_what_does_not_run(self, driver: DriverProcess) -> None:
        marked = self.marked()
        self.fail_when_off(driver, ("DISKSNAPSHOTCREATE", marked), ("DISKSNAPSHOTDELETE", marked))

    def marked(self) -> Change:
        """Return the disk with the snapshot of which something is asked."""
        return (("DISK", {"DISK_ID": "0", "TARGET": "vda", "DISK_SNAPSHOT_ACTIVE": "YES", "DISK_SNAPSHOT_ID": "3"}),)


class Resizes(VmmContract):
    """Drivers that can give a running machine more and less memory and CPU."""

    def test_memory_and_cpus_grow_and_memory_shrinks(self, driver: DriverProcess) -> None:
        larger: Change = (("MEMORY", str(self.memory_mib * 3 // 2)), ("VCPU", "2"), ("CPU", "2"))
        smaller: Change = (("MEMORY", str(self.memory_mib)), ("VCPU", "2"), ("CPU", "0.5"))
        self.succeed(driver, ("RESIZE", larger), ("RESIZE", smaller))

    def test_nothing_is_resized_that_does_not_run(self, driver: DriverProcess) -> None:
        self.fail_when_off(driver, ("RESIZE", ()))


class ResizesDisks(VmmContract):
    """Drivers that can let a disk, DISK 0, grow while the machine runs."""

    def test_a_disk_grows(self, driver: DriverProcess) -> None:
        self.succeed(driver, ("RESIZEDISK", self.resized()))

    def test_no_disk_grows_of_what_does_not_run(self, driver: DriverProcess) -> None:
        self.fail_when_off(driver, ("RESIZEDISK", self.resized()))

    def resized(self) -> Change:
        """Return the disk that is to grow to 64 MiB."""
        return (("DISK", {"DISK_ID": "0", "TARGET": "vda", "RESIZE": "YES", "SIZE": "64", "SIZE_PREV": "32"}),)


class CopiesDisks(VmmContract):
    """Drivers that can copy a disk, DISK 0, while the machine runs."""

    def test_a_disk_is_copied_and_the_machine_goes_on(self, driver: DriverProcess) -> None:
        self.succeed(driver, ("COPYDISK", self.saved()))
        assert self.runs(driver, 12, 9)

    def test_no_disk_is_copied_of_what_does_not_run(self, driver: DriverProcess) -> None:
        self.fail_when_off(driver, ("COPYDISK", self.saved()))

    def saved(self) -> Change:
        """Return the disk that is to be copied."""
        return (("DISK", {"DISK_ID": "0", "TARGET": "vda", "SAVEAS": "YES"}),)


class TmContract(ActionContract):
    """Drivers that move disks."""

    tm = "shared"

    def script(self, home: Path, vm_id: int, step: int, *lines: str) -> Path:
        """Write a transfer script as the engine does."""
        files = home / "vms" / str(vm_id)
        files.mkdir(parents=True, exist_ok=True)
        path = files / f"transfer.{step}"
        path.write_text("\n".join([f"# trifid step {step}", *lines, ""]))
        return path

    def prolog(self, home: Path, vm_id: int) -> list[str]:
        """Return the lines that clone one small image."""
        image = home / "images" / "image.img"
        image.parent.mkdir(exist_ok=True)
        if not image.exists():  # a driver may be reading it by now
            image.write_bytes(b"image" * 1000)
        (home / "datastores" / "0").mkdir(parents=True, exist_ok=True)
        target = home / "datastores" / "0" / str(vm_id) / "disk.0"
        return [f"CLONE {self.tm} frontend:{image} host1:{target} {vm_id} 0"]

    def cleanup(self, home: Path, vm_id: int) -> list[str]:
        """Return the line that removes everything."""
        return [f"DELETE {self.tm} host1:{home}/datastores/0/{vm_id} {vm_id} 0"]

    def do(self, driver: DriverProcess, vm_id: int, step: int, *lines: str) -> Message:
        """Have lines carried out; return the answer."""
        driver.ask("TRANSFER", vm_id, str(self.script(driver.home, vm_id, step, *lines)))
        return driver.answer("TRANSFER", vm_id)

    def test_a_transfer_twice_is_a_success(self, driver: DriverProcess) -> None:
        lines = self.prolog(driver.home, 12)
        assert [self.do(driver, 12, 1, *lines).status for _ in range(2)] == ["SUCCESS"] * 2

    def test_a_clean_up_twice_is_a_success(self, driver: DriverProcess) -> None:
        self.do(driver, 12, 1, *self.prolog(driver.home, 12))
        lines = self.cleanup(driver.home, 12)
        assert [self.do(driver, 12, 2, *lines).status for _ in range(2)] == ["SUCCESS"] * 2

    def test_a_script_that_is_missing_is_a_failure(self, driver: DriverProcess) -> None:
        driver.ask("TRANSFER", 12, str(driver.home / "nothing"))
        assert driver.answer("TRANSFER", 12).status == "FAILURE"

    def test_a_script_that_is_out_of_date_is_refused(self, driver: DriverProcess) -> None:
        assert self.do(driver, 12, 7, *self.cleanup(driver.home, 12)).status == "SUCCESS"
        assert self.do(driver, 12, 6, *self.prolog(driver.home, 12)).status == "FAILURE"

    def test_every_transfer_is_answered_exactly_once(self, driver: DriverProcess) -> None:
        for vm_id in range(20):
            for step in (1, 2):
                lines = self.prolog(driver.home, vm_id) if step == 1 else self.cleanup(driver.home, vm_id)
                driver.ask("TRANSFER", vm_id, str(self.script(driver.home, vm_id, step, *lines)))
        heard = Counter((m.type, m.oid, m.status) for m in (driver.answer() for _ in range(40)))
        assert heard == Counter({("TRANSFER", vm_id, "SUCCESS"): 2 for vm_id in range(20)})
        assert driver.rest() == []

    def test_a_cancelled_transfer_is_answered_once_and_the_next_is_served(self, driver: DriverProcess) -> None:
        first = self.script(driver.home, 12, 1, *self.prolog(driver.home, 12))
        second = self.script(driver.home, 12, 2, *self.cleanup(driver.home, 12))
        driver.ask("TRANSFER", 12, str(first))
        driver.ask("DRIVER_CANCEL", 12)
        driver.ask("TRANSFER", 12, str(second))
        driver.answer("TRANSFER", 12)
        assert driver.answer("TRANSFER", 12).status == "SUCCESS"
        assert driver.rest() == []


class ImContract(Contract):
    """Drivers that watch hosts."""

    monitor = True
    host = "host1"

    def text(self, host_id: int, name: str = "", period_s: int = 1, more: str = "") -> str:
        """Return the text of START_MONITOR."""
        return f'HOST = [ ID = "{host_id}", NAME = "{name or self.host}" ]\nPERIOD_S = "{period_s}"\n{more}'

    def ask_something(self, driver: DriverProcess, word: str, oid: int) -> None:
        driver.ask_monitor(word, oid)

    def test_a_host_is_described_measured_and_its_vms_are_listed(self, driver: DriverProcess) -> None:
        driver.ask_monitor("START_MONITOR", 3, self.text(3))
        assert driver.answer("START_MONITOR", 3).status == "SUCCESS"
        system = parse(unpack(driver.answer("SYSTEM_HOST", 3).payload))
        assert system.single("HYPERVISOR")
        assert system.single("ARCH")
        assert int(system.single("TOTALCPU")) >= 100
        assert int(system.single("TOTALMEMORY")) > 0
        measured = parse(unpack(driver.answer("MONITOR_HOST", 3).payload))
        for name in ("FREECPU", "USEDCPU", "FREEMEMORY", "USEDMEMORY"):
            assert int(measured.single(name)) >= 0, name
        states = parse(unpack(driver.answer("STATE_VM", 3).payload))
        assert states.single("SYNC_STATE").upper() == "YES"

    def test_messages_are_stamped_and_never_go_back(self, driver: DriverProcess) -> None:
        driver.ask_monitor("START_MONITOR", 3, self.text(3))
        stamps = [driver.answer("MONITOR_HOST", 3).timestamp or 0 for _ in range(2)]
        assert 1_600_000_000 < stamps[0] <= stamps[1]

    def test_it_reports_again_every_period(self, driver: DriverProcess) -> None:
        driver.ask_monitor("START_MONITOR", 3, self.text(3, period_s=1))
        for _ in range(3):
            assert driver.answer("MONITOR_HOST", 3, timeout_s=10).status == "SUCCESS"

    def test_a_host_started_twice_and_stopped_once_is_not_reported_any_more(self, driver: DriverProcess) -> None:
        driver.ask_monitor("START_MONITOR", 3, self.text(3, period_s=1))
        driver.ask_monitor("START_MONITOR", 3, self.text(3, period_s=1))
        driver.answer("MONITOR_HOST", 3)
        driver.ask_monitor("STOP_MONITOR", 3)
        assert driver.answer("STOP_MONITOR", 3).status == "SUCCESS"
        driver.forget()
        driver.ask_monitor("START_MONITOR", 4, self.text(4, period_s=1))
        for _ in range(3):
            driver.answer("MONITOR_HOST", 4, timeout_s=10)
        assert [m for m in driver.rest() if m.oid == 3] == []

    def test_a_text_that_cannot_be_read_is_a_failure(self, driver: DriverProcess) -> None:
        driver.ask_monitor("START_MONITOR", 3, 'HOST = [ ID = "3"')
        assert driver.answer("START_MONITOR", 3).status == "FAILURE"
        driver.send(b"START_MONITOR - 4 1700000000 !!!\n")
        assert driver.answer("START_MONITOR", 4).status == "FAILURE"
