"""One life of a VM, in the core and in the model at once: the same requests, answers and sights to both."""

from collections.abc import Callable
from typing import Any

from tests.model.expected import ALWAYS, Expected
from tests.model.hypervisors import Domain, Hypervisors
from trifid.core.access import Caller
from trifid.core.ledger import charged_hosts
from trifid.core.template.model import Template
from trifid.core.vm import events
from trifid.core.vm.effects import Moment
from trifid.core.vm.record import VM, Action, Needs
from trifid.core.vm.states import VmState
from trifid.core.vm.step import step
from trifid.errors import Refused

ALICE = Caller(uid=7, name="alice", gids=(1,))
HOSTS = (1, 2, 3)
TEMPLATE = Template(
    (
        ("CPU", "1"),
        ("MEMORY", "128"),
        ("DISK", {"DISK_ID": "0", "SIZE": "100", "TARGET": "vda"}),
        ("DISK", {"DISK_ID": "1", "SIZE": "100", "TARGET": "vdb"}),
        ("NIC", {"NIC_ID": "0", "NETWORK_ID": "0", "MAC": "02:00:00:00:00:01"}),
    )
)


def _placed(kind: type[events.Deploy]) -> Callable[[int], events.Request]:
    return lambda host: kind(host_id=host, hostname=f"host{host}", cluster_id=0, vmm="d", tm="d", datastore_id=0)


def _resized(memory_mib: int) -> events.Request:
    return events.Resize(attributes={"MEMORY": str(memory_mib)}, needs=Needs(100, memory_mib))


REQUESTS: dict[str, Callable[[int], events.Request]] = {
    "deploy": _placed(events.Deploy),
    "migrate": _placed(events.MigrateSave),
    "migrate-live": _placed(events.MigrateLive),
    "migrate-copy": _placed(events.MigrateCopy),
    "migrate-off": _placed(events.MigrateOff),
    "migrate-off-hard": _placed(events.MigrateOffHard),
    "hold": lambda _: events.Hold(),
    "release": lambda _: events.Release(),
    "terminate": lambda _: events.Terminate(),
    "terminate-hard": lambda _: events.TerminateHard(),
    "suspend": lambda _: events.Suspend(),
    "stop": lambda _: events.Stop(),
    "resume": lambda _: events.Resume(),
    "poweroff": lambda _: events.Poweroff(),
    "poweroff-hard": lambda _: events.PoweroffHard(),
    "undeploy": lambda _: events.Undeploy(),
    "undeploy-hard": lambda _: events.UndeployHard(),
    "reboot": lambda _: events.Reboot(),
    "reboot-hard": lambda _: events.RebootHard(),
    "resched": lambda _: events.Resched(),
    "unresched": lambda _: events.Unresched(),
    "retry": lambda _: events.Retry(),
    "delete": lambda _: events.Delete(),
    "recreate": lambda _: events.DeleteRecreate(),
    "delete-db": lambda _: events.DeleteDb(),
    "attach-disk": lambda n: events.AttachDisk(disk={"DISK_ID": str(n), "SIZE": "8", "TARGET": f"vd{n}"}),
    "detach-disk": lambda n: events.DetachDisk(disk_id=n),
    "attach-nic": lambda n: events.AttachNic(nic={"NIC_ID": str(n), "NETWORK_ID": "0", "MAC": f"02:{n}"}),
    "detach-nic": lambda n: events.DetachNic(nic_id=n),
    "snapshot-create": lambda _: events.SnapshotCreate(name=""),
    "snapshot-revert": lambda n: events.SnapshotRevert(snapshot_id=n),
    "snapshot-delete": lambda n: events.SnapshotDelete(snapshot_id=n),
    "disk-snapshot-create": lambda _: events.DiskSnapshotCreate(disk_id=0, name=""),
    "disk-snapshot-revert": lambda n: events.DiskSnapshotRevert(disk_id=0, snapshot_id=n),
    "disk-snapshot-delete": lambda n: events.DiskSnapshotDelete(disk_id=0, snapshot_id=n),
    "resize-disk": lambda n: events.DiskResize(disk_id=0, size_mib=n),
    "resize": _resized,
    "saveas": lambda _: events.DiskSaveas(disk_id=0, image_id=5, source="/srv/ds/1/ab"),
    "configure": lambda _: events.UpdateConf(template=TEMPLATE),
    "abandon": lambda _: events.Abandon(),
    "accept": lambda _: events.Accept(),
    "take-back": lambda _: events.MigrateCancel(),
}
OVERRIDES = {"terminate", "terminate-hard", "poweroff-hard", "undeploy-hard", "migrate-off-hard", "retry", "take-back"}
"""What may be asked once more, or harder, of some that are under way."""
AGREED: set[tuple[object, ...]] = set()
"""Situations in which table and model were found to agree on what is legal; it depends on nothing else."""
_CLEANED_WHEN_SEEN = (VmState.CLEANUP_DELETE_FAILURE, VmState.CLEANUP_RESUBMIT_FAILURE)
"""Where a sight makes the engine go on with a clean-up by itself."""
_CAN_BE_TAKEN_BACK = (VmState.MIGRATE, VmState.MIGRATE_COPY, VmState.MIGRATE_COPY_PREPARE)
FINAL = {"terminate", "terminate-hard", *ALWAYS}


class Life:
    """One VM, its model, and the hosts it runs on.

    What cannot happen just now does not.

    Args:
        tell: takes each thing that happens, for people.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.expected, self.hypervisors = Expected(), Hypervisors()
        self.action: Action | None = None
        self.now = 100
        self.vm = VM(id=1, uid=7, gid=1, name="web", state=VmState.PENDING, needs=Needs(100, 128), stime=90,
                     template=TEMPLATE)  # fmt: skip

    def run_at_once(self) -> None:
        """Most of a life begins here."""
        if self.vm.state is not VmState.PENDING or self.vm.history:
            return
        self._ask("deploy", HOSTS[0])
        self.answer("done")
        self.answer("done")
        self.check()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is done to the VM; what is done to a running one for its own sake is not waited for."""
        return self.action is None or self.vm.state is VmState.RUNNING

    def _happen(self, event: events.Event) -> None:
        self.now += 1
        outcome = step(self.vm, event, Moment(self.now, ALICE))
        before = self.vm.state.name
        if not outcome.ignored:
            self.vm, self.action = outcome.vm, outcome.action
        self.tell(f"{before}: {event} -> {self.vm.state.name} asks {self.action}, domain on {self.hypervisors.domains}")

    def _numbers(self, what: str) -> list[int]:
        """Return what a request may be about; nothing means that it cannot be asked."""
        expected = self.expected
        match what:
            case "deploy":
                return list(HOSTS)
            case "migrate" | "migrate-live" | "migrate-copy" | "migrate-off" | "migrate-off-hard":
                return [host for host in HOSTS if not self.vm.history or host != self.vm.current.host_id]
            case "attach-disk":
                return [n for n in range(2, 5) if n not in expected.disks]
            case "detach-disk":
                return sorted(expected.disks - {0})
            case "attach-nic":
                return [n for n in range(4) if n not in expected.nics]
            case "detach-nic":
                return sorted(expected.nics)
            case "accept":
                return [self.vm.current.host_id] if self.vm.history else []
            case "abandon":
                return [self.vm.previous.host_id] if len(self.vm.history) > 1 else []
            case "snapshot-revert" | "snapshot-delete":
                return sorted(expected.snapshots)
            case "disk-snapshot-revert" | "disk-snapshot-delete":
                return sorted(expected.disk_snapshots)
            case "snapshot-create":
                return [max(expected.snapshots, default=-1) + 1]
            case "disk-snapshot-create":
                return [next((of.next_id for of in self.vm.disk_snapshots), 0)]
            case "resize-disk" | "resize":
                return [128, 256, 512]
        return [0]

    # -- what happens ----------------------------------------------------------------------------------

    def ask(self, choice: int, which: int, is_final: bool) -> None:
        """Ask something that is legal."""
        if not self.is_settled or self.vm.state is VmState.DONE:
            return
        legal = sorted(what for what in self.expected.legal() if self._numbers(what))
        often = [what for what in legal if what not in FINAL]
        likely = legal if is_final or not often else often
        what = likely[choice % len(likely)]
        numbers = self._numbers(what)
        self._ask(what, numbers[which % len(numbers)])

    def _ask(self, what: str, number: int = 0) -> None:
        request = REQUESTS[what](number)
        if isinstance(request, events.UpdateConf):
            request = events.UpdateConf(template=self.vm.template)
        self._happen(request)
        self.expected.asked(what, number)

    def give_up(self, what: str) -> None:
        """Ask in the middle of something that the VM is deleted."""
        if not self.is_settled and what in self.expected.legal():
            self._ask(what)

    def take_back(self) -> None:
        """Ask in the middle of a live migration that it is not."""
        if self.vm.state in _CAN_BE_TAKEN_BACK:
            is_prepared = self.vm.state is not VmState.MIGRATE_COPY_PREPARE
            self.expected.failed("taken back" if is_prepared else "premigrate")
            self._happen(events.MigrateCancel())

    def answer(self, how: str) -> None:
        """A driver does its work and says so, does not and says so, or does and says that it did not."""
        action = self.action
        if action is None:
            return
        if action.verb == "POLL":
            if found := self.hypervisors.find(self.vm, action):
                self.expected.found()
            self._happen(events.Found(step=self.vm.step) if found else events.Absent(step=self.vm.step))
            return
        if not self.hypervisors.can(self.vm, action):
            if how == "done" and action.verb == "MIGRATECOPY":
                self.expected.failed("MIGRATECOPY@previous")
                self.expected.ended_on_its_way()
                self._happen(events.Absent(step=self.vm.step))
                return
            how = "failed"
        if how != "failed":
            self.hypervisors.act(self.vm, action)
        if how != "done" and not (self.is_settled and not self.expected.is_busy):
            self.expected.failed(f"{action.verb}@previous" if action.previous else action.verb)
        self._happen(
            events.Done(step=self.vm.step, info="") if how == "done" else events.Failed(step=self.vm.step, why="no")
        )

    @property
    def _can_be_seen(self) -> bool:
        is_somewhere = bool(self.vm.history) and self.vm.state is not VmState.DONE
        return self.is_settled and is_somewhere and not self.expected.is_on_two

    def look(self) -> None:
        """Monitoring tells what is true on the VM's host."""
        if not self._can_be_seen or self.vm.state in _CLEANED_WHEN_SEEN:
            return
        domain = self.hypervisors.domains.get(self.vm.current.host_id)
        what = "off" if domain is None else "paused" if domain.is_paused else "running"
        event = {"off": events.SeenOff, "paused": events.SeenPaused, "running": events.SeenRunning}[what]
        self._happen(event())
        self.expected.seen(what)

    def the_host_is_lost(self) -> None:
        """Monitoring tells that nothing is known of the VM's host."""
        if self._can_be_seen:
            self._happen(events.SeenLost())
            self.expected.seen("lost")

    def the_domain(self, what: str) -> None:
        """Something happens to the domain that nobody asked for; `look` sees it later, or not before the next work."""
        host = self.hypervisors.runs_on
        if host is not None and self.is_settled and self.vm.state is VmState.RUNNING:
            self.hypervisors.domains[host] = Domain(is_paused=what == "pauses")
            if what == "dies":
                del self.hypervisors.domains[host]

    def somebody_starts_the_domain(self) -> None:
        """Not by the engine's doing."""
        if self.is_settled and self.vm.state is VmState.POWEROFF:
            self.hypervisors.domains.setdefault(self.vm.current.host_id, Domain())

    # -- what must hold --------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise AssertionError when core, model and hosts do not fit together."""
        self._both_agree()
        self._what_is_legal_is_what_users_may_expect()
        self._a_running_domain_is_charged_where_it_runs()
        self._the_history_is_whole()

    def _both_agree(self) -> None:
        shown, expected = self.vm.state.printable, self.expected
        if not self.is_settled:
            operation = expected.operation
            assert operation is not None and expected.is_busy, f"{shown} though nothing was asked"
            looks = self.action is not None and self.action.verb == "POLL"
            assert shown in operation.route or (looks and operation.failed), f"{shown} is not on the way {operation}"
            return
        expected.settle(self.hypervisors.runs_on)
        assert shown == expected.state, f"it is {shown}, expected is {expected.state}"
        if shown != "DONE":
            self._compare()

    def _compare(self) -> None:
        vm, expected = self.vm, self.expected
        found: dict[str, Any] = {
            "disks": {int(disk["DISK_ID"]) for disk in vm.template.vectors("DISK")},
            "nics": {int(nic["NIC_ID"]) for nic in vm.template.vectors("NIC")},
            "memory": int(vm.template.single("MEMORY")),
            "needs": vm.needs.memory_mib,
            "resched": vm.resched,
        }
        wanted: dict[str, Any] = {
            "disks": expected.disks, "nics": expected.nics, "memory": expected.memory_mib,
            "needs": expected.memory_mib, "resched": expected.is_marked,
        }  # fmt: skip
        if not vm.state.printable.endswith("_FAILURE"):
            found["snapshots"] = [int(one["SNAPSHOT_ID"]) for one in vm.template.vectors("SNAPSHOT")]
            found["disk snapshots"] = [one.id for of in vm.disk_snapshots for one in of.snapshots]
            wanted |= {"snapshots": expected.snapshots, "disk snapshots": expected.disk_snapshots}
            if expected.host is not None and vm.history and not expected.is_on_two:
                found["host"], wanted["host"] = vm.current.host_id, expected.host
        assert found == wanted, f"{self.vm.state.name}: it has {found}, expected is {wanted}"

    def _what_is_legal_is_what_users_may_expect(self) -> None:
        legal = self.expected.legal()
        possible = {what: numbers for what in REQUESTS if (numbers := self._numbers(what))}
        if (situation := (self.vm.state, legal, tuple(possible))) in AGREED:
            return
        for what, make in REQUESTS.items():
            numbers = possible.get(what)
            if not numbers or (not self.is_settled and what in OVERRIDES):
                continue
            if what == "configure" and self.vm.state is VmState.BOOT_FAILURE:
                continue  # it is then as it was; the table's own tests tell
            try:
                step(self.vm, make(numbers[0]), Moment(self.now, ALICE))
            except Refused as refused:
                assert what not in legal, f"{what}: {refused}"
                assert self.vm.state.printable in str(refused)
            else:
                assert what in legal, f"{what} is accepted in {self.vm.state.name}"
        AGREED.add(situation)

    def _a_running_domain_is_charged_where_it_runs(self) -> None:
        host = self.hypervisors.runs_on
        if host is not None and self.vm.state.printable in ("RUNNING", "UNKNOWN", "BOOT", "SAVE_SUSPEND"):
            charged = charged_hosts(self.vm)
            assert host in charged, f"{self.vm.state.name}: it runs on {host} and is charged on {charged}"

    def _the_history_is_whole(self) -> None:
        history = self.vm.history
        assert [record.seq for record in history] == list(range(len(history)))
        assert not any(record.etime == 0 for record in history[:-2])
