"""What users may expect of a VM, written from the reference and not from the table.

A request that is legal begins an operation.  It passes through states that have names, and ends in
another, unless a driver says that its work failed: then it ends where the reference says for that work,
or, where only the hypervisor knows, in what is true there.

Source: reference/lifecycle.md §5.2 (legality), §5.3 (results), §5.4 (recover), §5.5 (monitoring); what is
expected otherwise on purpose is listed at the head of core/vm/table.py.
"""

import dataclasses
from collections.abc import Callable

TRUTH = "what is true on the host"
BACK = "as before"
TWO_SETS = "PROLOG_MIGRATE_POWEROFF_FAILURE"
"""Where a VM is that is off, whose disks are on two hosts."""
AWAY = {"STOPPED": "stop", "UNDEPLOYED": "undeploy"}
NOT_A_FAILURE = ("clean_source", "drop_target", "postmigrate", "failmigrate")
"""Works of which nothing depends: what they leave is removed another time."""
ENDS = ("SHUTDOWN", "CANCEL")
ALWAYS = frozenset({"delete", "recreate", "delete-db"})
FAILED_BOOTS = ("BOOT_FAILURE", "BOOT_STOPPED_FAILURE", "BOOT_UNDEPLOY_FAILURE", "BOOT_MIGRATE_FAILURE")
DISK_SNAPSHOT_IN = {"RUNNING": "", "POWEROFF": "_POWEROFF", "SUSPENDED": "_SUSPENDED"}

Effect = Callable[["Expected"], None]


def nothing(_: "Expected") -> None:
    """Change nothing."""


@dataclasses.dataclass
class Operation:
    """Something under way.

    Attributes:
        route: the states it may be seen in, in order.
        end: the state it ends in, TRUTH for what the hypervisor says.
        fails: where it ends instead when a work fails.
        off: the state of a VM that the hypervisor does not run, where TRUTH decides.
        effect: what else has changed when it succeeds.
        target: the host it moves the VM to.
        keeps: whether the effect stays when the VM is deleted or begins again meanwhile.
        failed: the works that failed.
        is_found: whether a hypervisor that was asked for the domain has it.
    """

    route: tuple[str, ...]
    end: str
    fails: dict[str, str] = dataclasses.field(default_factory=dict)
    off: str = "POWEROFF"
    effect: Effect = nothing
    target: int | None = None
    keeps: bool = False
    failed: list[str] = dataclasses.field(default_factory=list)
    is_found: bool = False


class Expected:
    """The model of one VM.

    Attributes:
        state: printable, of a VM that nothing is done to.
        host: that it was on last; None = nowhere, or unknown.
        away: "stop" or "undeploy" while its files are on the front-end.
        is_paused: its domain is there and does not run.
        is_on_two: nobody knows on which of two hosts it is.
        operation: under way, or failed and to be tried again.
    """

    def __init__(self) -> None:
        self.state = "PENDING"
        self.host: int | None = None
        self.away = ""
        self.is_paused = self.is_on_two = self.is_marked = False
        self.disks, self.nics = {0, 1}, {0}
        self.snapshots: list[int] = []
        self.disk_snapshots: list[int] = []
        self.memory_mib = 128
        self.operation: Operation | None = None
        self.is_busy = self.takes_disks = False

    @property
    def has_two_sets(self) -> bool:
        """Whether it is off, and nobody saw whether it had moved with its disks before."""
        return self.state == TWO_SETS and self.operation is not None and "MIGRATE" in self.operation.route

    # -- what is legal ---------------------------------------------------------------------------------

    def legal(self) -> frozenset[str]:
        """Return the requests that are legal now, but for those that only do again what is under way."""
        if self.state == "DONE":
            return frozenset()
        always = ALWAYS - ({"recreate"} if self._begins_again else set())
        return always if self.is_busy else always | self._legal()

    @property
    def _begins_again(self) -> bool:
        """Whether it is about to begin again, or was and failed."""
        return self.operation is not None and "CLEANUP_RESUBMIT" in self.operation.route

    def _legal(self) -> frozenset[str]:
        devices = {"attach-disk", "attach-nic", "resize", "detach-nic", "detach-disk"}
        disk_snapshots = {"disk-snapshot-create", "disk-snapshot-delete"}
        ends = {"terminate", "terminate-hard"}
        match self.state:
            case "PENDING" | "HOLD":
                other = {"hold"} if self.state == "PENDING" else {"release"}
                size = set() if self.away == "stop" else {"resize", "configure"}  # saved memory does not change
                size |= {"resize-disk"} if self.away == "undeploy" else set()
                return frozenset({"deploy", *ends, *other, *size})
            case "RUNNING":
                return frozenset(
                    {"suspend", "stop", "undeploy", "undeploy-hard", "poweroff", "poweroff-hard", "resched"}
                    | {"unresched", "migrate", "migrate-live", "migrate-copy", "migrate-off", "migrate-off-hard"}
                    | {"reboot", "reboot-hard", "snapshot-create", "snapshot-revert", "snapshot-delete"}
                    | {"resize-disk", "saveas", "configure"}
                    | ends | devices | disk_snapshots
                )  # fmt: skip
            case "UNKNOWN" if self.is_on_two:
                return frozenset({"terminate-hard", "retry"})
            case "UNKNOWN":
                moves = {"undeploy", "undeploy-hard", "poweroff", "poweroff-hard", "migrate", "resume"}
                return frozenset(moves | ends | {"resched", "unresched"})
            case "POWEROFF":
                more = {"undeploy", "undeploy-hard", "migrate", "resume", "resched", "unresched"}
                more |= {"disk-snapshot-revert", "resize-disk", "saveas", "configure"}
                return frozenset(ends | devices | disk_snapshots | more)
            case "SUSPENDED":
                more = set() if self.is_paused else disk_snapshots | {"saveas"}
                return frozenset({"stop", "resume", "migrate"} | ends | more)
            case "STOPPED":
                return frozenset({"deploy", "resume"} | ends)
            case "UNDEPLOYED":
                return frozenset({"deploy", "resume", "resize", "resize-disk", "configure"} | ends)
        assert self.state.endswith("_FAILURE"), self.state
        may_save = self.state in ("PROLOG_FAILURE", "EPILOG_FAILURE", *FAILED_BOOTS)
        more = {"abandon"} if self.state.startswith("PROLOG_MIGRATE") else set()
        more |= {"accept"} if self.has_two_sets else set()
        more |= {"configure"} if self.state == "PROLOG_FAILURE" else set()
        return frozenset({"retry", "terminate-hard"} | more | ({"terminate"} if may_save else set()))

    # -- what begins -----------------------------------------------------------------------------------

    def asked(self, what: str, number: int = 0) -> None:
        """A request was accepted; `number` is the host, disk, NIC, snapshot or size that it is about."""
        if what == "retry" and not self.is_on_two and not self.has_two_sets:
            assert self.operation is not None
            self.operation.failed.clear()
            self.is_busy = True
            return
        if what in ALWAYS:
            self._interrupt()
        made = self._operation(what, number)
        if what.startswith(("migrate", "deploy")):
            self.is_marked = False
            self.takes_disks = what == "migrate-copy"
        if made is None:
            return
        if not made.route:
            made.effect(self)
            self.is_busy = False
            self._come_to(made.end)
            return
        self.operation, self.is_busy = made, True

    def _interrupt(self) -> None:
        operation = self.operation
        if self.is_busy and operation is not None and operation.keeps and "RESIZE" not in operation.failed:
            operation.effect(self)

    def _operation(self, what: str, number: int) -> Operation | None:
        for find in (self._waiting, self._resting, self._ending, self._moving, self._changing):
            found = find(what, number)
            if found is not None:
                return found
        if what in ("resched", "unresched"):
            self.is_marked = what == "resched"
        return None

    def _waiting(self, what: str, number: int) -> Operation | None:
        match what:
            case "hold":
                return Operation((), "HOLD")
            case "release":
                return Operation((), "PENDING")
            case "resume" if self.state in AWAY:
                return Operation((), "PENDING")
            case "deploy" if self.away:
                prolog, boot, work = {
                    "stop": ("PROLOG_RESUME", "BOOT_STOPPED", "RESTORE"),
                    "undeploy": ("PROLOG_UNDEPLOY", "BOOT_UNDEPLOY", "DEPLOY"),
                }[self.away]
                fails = {"resume": f"{prolog}_FAILURE", work: f"{boot}_FAILURE"}
                return Operation((prolog, boot), "RUNNING", fails, target=number)
            case "deploy":
                fails = {"prolog": "PROLOG_FAILURE", "DEPLOY": "BOOT_FAILURE"}
                return Operation(("PROLOG", "BOOT"), "RUNNING", fails, target=number)
        return None

    def _resting(self, what: str, number: int) -> Operation | None:
        to_rest = {"stop": "STOP", "undeploy": "UNDEPLOY", "undeploy-hard": "UNDEPLOY"}
        works = dict.fromkeys(("SHUTDOWN", "CANCEL", "SAVE"), TRUTH)
        match what:
            case "suspend":
                return Operation(("SAVE_SUSPEND",), "SUSPENDED", works)
            case "poweroff" | "poweroff-hard":
                return Operation(("SHUTDOWN_POWEROFF",), "POWEROFF", works)
            case "stop" if self.state == "SUSPENDED" and not self.is_paused:
                fails = {"POLL": TRUTH, "stop": "EPILOG_STOP_FAILURE"}
                return Operation(("EPILOG_STOP",), "STOPPED", fails, off="SUSPENDED")
            case "stop" | "undeploy" | "undeploy-hard":
                word = to_rest[what]
                route = ("SAVE_STOP" if what == "stop" else "SHUTDOWN_UNDEPLOY", f"EPILOG_{word}")
                if self.state == "POWEROFF":
                    works["CANCEL"] = BACK
                end = "STOPPED" if what == "stop" else "UNDEPLOYED"
                return Operation(route, end, {**works, "stop": f"EPILOG_{word}_FAILURE"})
            case "resume" if self.state == "UNKNOWN":
                return Operation(("BOOT_UNKNOWN",), "RUNNING", {"DEPLOY": "UNKNOWN"})
            case "resume":
                fails = {"RESTORE": TRUTH, "DEPLOY": TRUTH}
                return Operation((f"BOOT_{self.state}",), "RUNNING", fails, off=self.state)
        return None

    def _ending(self, what: str, number: int) -> Operation | None:
        if what not in {"terminate", "terminate-hard", *ALWAYS}:
            return None
        is_new = self.state in ("PENDING", "HOLD") and not self.away and not self.is_busy
        if what == "delete-db" or (is_new and what != "recreate"):
            return Operation((), "DONE")
        if what == "recreate" and is_new:
            return Operation((), "PENDING", effect=_begin_again)
        is_saved = (
            what in ("terminate", "terminate-hard") and not self.state.endswith("_FAILURE") and not self.is_on_two
        )
        if is_saved or (what == "terminate" and self.state in FAILED_BOOTS):
            if self.away and self.state not in FAILED_BOOTS:
                return Operation(("EPILOG",), "DONE", dict.fromkeys(("resume", "epilog"), "EPILOG_FAILURE"))
            at_rest = self.state == "POWEROFF" or (self.state == "SUSPENDED" and not self.is_paused)
            works = dict.fromkeys(ENDS, BACK if at_rest else TRUTH)
            return Operation(("SHUTDOWN", "EPILOG"), "DONE", {**works, "epilog": "EPILOG_FAILURE"})
        if what == "terminate" and self.operation is not None and "EPILOG" in self.operation.route:
            return Operation(("EPILOG",), "DONE", dict.fromkeys(("resume", "epilog"), "EPILOG_FAILURE"))
        fails = dict.fromkeys(("CANCEL", "delete", "delete_both", "delete_stopped"), "EPILOG_FAILURE")
        fails["CANCEL@previous"] = "UNKNOWN"  # nobody knows on which of the two
        if what == "recreate":
            return Operation(("CLEANUP_RESUBMIT",), "PENDING", fails, effect=_begin_again)
        return Operation(("CLEANUP_DELETE",), "DONE", fails)

    def _moving(self, what: str, number: int) -> Operation | None:
        at_source = {f"{work}@previous": TRUTH for work in ("SAVE", "SHUTDOWN", "CANCEL", "POLL")}
        fails = {**at_source, "migrate": "PROLOG_MIGRATE_FAILURE"}
        left_at_source = {"CANCEL@previous": TRUTH}  # it was found on the target, whatever is left of it elsewhere
        match what, self.state:
            case "retry", state if state == TWO_SETS and self.has_two_sets:
                return Operation(("MIGRATE",), TRUTH, left_at_source, off=TWO_SETS)
            case "accept", _:
                return Operation(("PROLOG_MIGRATE_POWEROFF",), "POWEROFF", target=number)
            case "retry", "UNKNOWN":
                return Operation(("MIGRATE",), TRUTH, left_at_source, off=TWO_SETS if self.takes_disks else "POWEROFF")
            case "migrate", "POWEROFF" | "SUSPENDED" if not self.is_paused:
                shown = f"PROLOG_MIGRATE_{'POWEROFF' if self.state == 'POWEROFF' else 'SUSPEND'}"
                return Operation(
                    (shown,), self.state, {**at_source, "migrate": f"{shown}_FAILURE"}, off=self.state, target=number
                )
            case "migrate", "UNKNOWN":
                shown = "PROLOG_MIGRATE_UNKNOWN"
                works = {"CANCEL@previous": BACK, "migrate": f"{shown}_FAILURE", "DEPLOY": "BOOT_FAILURE"}
                return Operation((shown, "BOOT"), "RUNNING", works, target=number)
            case "migrate", _:
                route = ("SAVE_MIGRATE", "PROLOG_MIGRATE", "BOOT_MIGRATE")
                return Operation(route, "RUNNING", {**fails, "RESTORE": "BOOT_MIGRATE_FAILURE"}, target=number)
            case "abandon", _:
                assert self.operation is not None
                is_saved = "BOOT_MIGRATE" in self.operation.route or "SUSPEND" in self.state
                end = "SUSPENDED" if is_saved else "POWEROFF"
                return Operation((f"PROLOG_MIGRATE_{end.removesuffix('ED')}",), end, target=number)
            case "migrate-live", _:
                works = dict.fromkeys(("MIGRATE@previous", "taken back"), TRUTH)
                return Operation(("MIGRATE",), "RUNNING", works, target=number)
            case "migrate-copy", _:
                works = {"premigrate": BACK, **dict.fromkeys(("MIGRATECOPY@previous", "taken back"), TRUTH)}
                route = ("MIGRATE", "PROLOG_MIGRATE_POWEROFF")
                return Operation(route, "RUNNING", works, off=TWO_SETS, target=number)
            case "migrate-off" | "migrate-off-hard", _:
                route = ("SAVE_MIGRATE", "PROLOG_MIGRATE", "BOOT")
                return Operation(route, "RUNNING", {**fails, "DEPLOY": "BOOT_FAILURE"}, target=number)
        return None

    def _changing(self, what: str, number: int) -> Operation | None:
        here, is_off = self.state, self.state != "RUNNING"
        any_work: dict[str, str] = {}
        in_state = DISK_SNAPSHOT_IN.get(here, "")
        snapshot = Operation(("HOTPLUG_SNAPSHOT",), here, any_work)
        match what:
            case "attach-disk":
                route = ("HOTPLUG_PROLOG_POWEROFF",) if is_off else ("HOTPLUG",)
                return Operation(route, here, any_work, effect=lambda e: e.disks.add(number), keeps=True)
            case "detach-disk":
                route = ("HOTPLUG_EPILOG_POWEROFF",) if is_off else ("HOTPLUG",)
                return Operation(route, here, any_work, effect=lambda e: e.disks.discard(number))
            case "attach-nic":
                if is_off:  # it has it at once, and its context image is written anew
                    self.nics.add(number)
                    return Operation(("POWEROFF",), here, any_work)
                return Operation(("HOTPLUG_NIC",), here, any_work, effect=lambda e: e.nics.add(number), keeps=True)
            case "detach-nic":
                route = ("HOTPLUG_NIC_POWEROFF",) if is_off else ("HOTPLUG_NIC",)
                return Operation(route, here, any_work, effect=lambda e: e.nics.discard(number))
            case "resize":
                route = ("HOTPLUG_RESIZE",) if not is_off else ()
                return Operation(route, here, any_work, effect=lambda e: setattr(e, "memory_mib", number), keeps=True)
            case "configure":
                shown = {"POWEROFF": ("POWEROFF",), "RUNNING": ("HOTPLUG",)}
                return Operation(shown.get(here, ()), here, any_work)
            case "saveas":
                return Operation((f"HOTPLUG_SAVEAS{in_state}",), here, any_work)
            case "resize-disk" if here in ("PENDING", "HOLD", "UNDEPLOYED"):
                return Operation((), here, any_work)
            case "resize-disk":
                return Operation((f"DISK_RESIZE{in_state}",), here, any_work)
            case "snapshot-create":
                return dataclasses.replace(snapshot, effect=lambda e: e.snapshots.append(number))
            case "snapshot-delete":
                return dataclasses.replace(snapshot, effect=lambda e: e.snapshots.remove(number))
            case "snapshot-revert":
                return snapshot
            case "disk-snapshot-create":
                effect = lambda e: e.disk_snapshots.append(number)  # noqa: E731
                return Operation((f"DISK_SNAPSHOT{in_state}",), here, any_work, effect=effect)
            case "disk-snapshot-delete":
                effect = lambda e: e.disk_snapshots.remove(number)  # noqa: E731
                return Operation((f"DISK_SNAPSHOT_DELETE{in_state}",), here, any_work, effect=effect)
            case "disk-snapshot-revert":
                return Operation((f"DISK_SNAPSHOT_REVERT{in_state}",), here, any_work)
        return None

    # -- what comes of it ------------------------------------------------------------------------------

    def failed(self, work: str) -> None:
        """A driver said that its work failed."""
        if self.is_busy and self.operation is not None and work not in NOT_A_FAILURE:
            self.operation.failed.append(work)

    def ended_on_its_way(self) -> None:
        """A driver saw that its guest ended before it had moved."""
        assert self.operation is not None
        self.operation.off = "POWEROFF"

    def found(self) -> None:
        """A hypervisor that was asked for the domain has it."""
        if self.is_busy and self.operation is not None:
            self.operation.is_found = True

    def settle(self, runs_on: int | None) -> None:
        """No driver works any more; the hypervisors run the VM on this host, or on none."""
        if not self.is_busy:
            return
        operation, self.is_busy = self.operation, False
        assert operation is not None
        if operation.failed:
            end = operation.fails.get(operation.failed[0], BACK)
        elif operation.is_found:
            end = TRUTH
        else:
            end = operation.end
        if end == BACK:
            self._stay(operation)
            return
        if end == TRUTH:
            end = operation.off if runs_on is None else "RUNNING"
            self.host = self.host if runs_on is None else runs_on
        else:
            if not operation.failed:
                operation.effect(self)
            if operation.target is not None and end != "UNKNOWN":
                self.host = operation.target
        self._come_to(end)

    def _stay(self, operation: Operation) -> None:
        """Be as before; what was attached and could not be taken back stays, what the domain let go is gone."""
        if operation.failed[:2] in (["ATTACHDISK", "DETACHDISK"], ["ATTACHNIC", "DETACHNIC"], ["detach"]):
            operation.effect(self)
        self.operation = None

    def _come_to(self, state: str) -> None:
        operation = self.operation
        if state in AWAY:
            self.away = AWAY[state]
        elif state in ("RUNNING", "POWEROFF", "SUSPENDED", "UNKNOWN"):
            self.away = ""
        self.is_on_two = state == "UNKNOWN" and operation is not None and "CANCEL@previous" in operation.failed
        if not state.endswith("_FAILURE"):
            self.operation = None
        self.is_paused = False
        self.state = state

    # -- what monitoring sees --------------------------------------------------------------------------

    def seen(self, what: str) -> None:
        """Monitoring told the truth about a VM that nothing is done to: "running", "paused", "off" or "lost"."""
        match what, self.state:
            case "running", "RUNNING" | "UNKNOWN" | "POWEROFF" | "SUSPENDED":
                self._come_to("RUNNING")
            case "running", state if state in FAILED_BOOTS:
                assert self.operation is not None
                self.host = self.operation.target
                self._come_to("RUNNING")
            case "paused", "RUNNING" | "UNKNOWN":
                self._come_to("SUSPENDED")
                self.is_paused = True
            case "off", "RUNNING" | "UNKNOWN":
                self._come_to("POWEROFF")
            case "off", "SUSPENDED" if self.is_paused:
                self._come_to("POWEROFF")
            case "lost", "RUNNING":
                self._come_to("UNKNOWN")
            case "lost", "SUSPENDED" if self.is_paused:
                self._come_to("UNKNOWN")


def _begin_again(expected: Expected) -> None:
    expected.host, expected.away, expected.is_marked = None, "", False
    expected.snapshots.clear()
    expected.disk_snapshots.clear()
