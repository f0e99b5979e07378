"""A small engine whose VMs have leases: what the scheduler asks happens at once, and is told as events."""

import re
from collections.abc import Callable

from tests.scheduler.builders import Engine, tags, vm_xml
from trifid.client.errors import ApiError
from trifid.core.template.scanner import parse
from trifid.placement.lease_rules import Pace
from trifid.scheduler.loop import Loop

PACE = Pace(suspend_lead_s=10, save_mib_per_s=100, run_s_min=30, overtime_s=60)
STATES = {"PENDING": (1, 0), "HOLD": (2, 0), "RUNNING": (3, 3), "SUSPENDED": (5, 0), "POWEROFF": (8, 0), "DONE": (6, 0)}
ACTIONS = {
    "suspend": ("RUNNING", "SUSPENDED"),
    "resume": ("SUSPENDED", "RUNNING"),
    "hold": ("PENDING", "HOLD"),
    "terminate": ("RUNNING", "DONE"),
    "terminate-hard": ("RUNNING", "DONE"),
}


class Vm:
    """A VM of this engine.

    Attributes:
        user: its USER_TEMPLATE.
        stays: [host id, start, end] of each time it ran; an end of 0 = it runs.
    """

    def __init__(self, vm_id: int, now: float, user: dict, **more) -> None:
        self.id = vm_id
        self.state = "PENDING"
        self.stime = int(now)
        self.user = user
        self.stays: list[list[int]] = []
        self.more = more

    def xml(self) -> str:
        state, lcm_state = STATES[self.state]
        history = "".join(
            f"<HISTORY><HID>{host_id}</HID><STIME>{start}</STIME><RSTIME>{start}</RSTIME><RETIME>{end}</RETIME></HISTORY>"
            for host_id, start, end in self.stays
        )
        text = vm_xml(self.id, state=state, lcm_state=lcm_state, history=history, **self.more)
        user = "".join(
            f"<{name}>{tags(value) if isinstance(value, dict) else value}</{name}>" for name, value in self.user.items()
        )
        text = re.sub("<USER_TEMPLATE>.*</USER_TEMPLATE>", f"<USER_TEMPLATE>{user}</USER_TEMPLATE>", text)
        return text.replace("<STATE>", f"<STIME>{self.stime}</STIME><STATE>", 1)


class LeaseEngine(Engine):
    """An engine with hosts of four cores, which keeps VMs with their states.

    Attributes:
        refused: (word or "place", VM id) that are refused.
        deaf: words that are taken and do nothing.
        failing: words that are taken, and end a moment later where they began.
    """

    def __init__(self, hosts: int = 1) -> None:
        super().__init__()
        self.now = 1_800_000_000.0
        self.vms: dict[int, Vm] = {}
        self.hosts = {host_id: {} for host_id in range(hosts)}
        self.refused: set[tuple[str, int]] = set()
        self.deaf: set[str] = set()
        self.failing: set[str] = set()

    def submit(self, vm_id: int, start=None, duration="", preemptible="", **more) -> Vm:
        haizea = {"START": start, "DURATION": duration, "PREEMPTIBLE": preemptible}
        vm = self.vms[vm_id] = Vm(vm_id, self.now, {"HAIZEA": haizea} if start is not None else {}, **more)
        self.event(object_id=vm_id, what="allocated", new="PENDING")
        return vm

    def scheduler(self) -> Loop:
        return Loop(
            self, policy="striping", interval_s=30, clock=self.clock, sleep=self.sleep, now=self.clock, pace=PACE
        )

    def until(self, scheduler: Loop, is_so: Callable[[], bool], seconds: float = 7200.0) -> float:
        """Let the scheduler work until something is so; return how long it took."""
        began = self.now
        while not is_so():
            assert self.now < began + seconds, f"not so after {seconds} s"
            scheduler.round()
        return self.now - began

    def state(self, vm_id: int) -> str:
        return self.vms[vm_id].state

    def mark(self, vm_id: int) -> dict:
        return self.vms[vm_id].user.get("SCHED_LEASE") or {}

    def message(self, vm_id: int) -> str:
        return self.vms[vm_id].user.get("SCHED_MESSAGE", "")

    def become(self, vm_id: int, state: str) -> None:
        vm = self.vms[vm_id]
        old, vm.state = vm.state, state
        if vm.stays and not vm.stays[-1][2] and state != "RUNNING":
            vm.stays[-1][2] = int(self.now)
        self.event(object_id=vm_id, old=old, new=state)

    # -- what is called ----------------------------------------------------------------------------

    def one_vmpool_info(self, flag, start, end, state):
        wanted = [vm for vm in self.vms.values() if vm.state != "DONE" and state in (-1, STATES[vm.state][0])]
        return f"<VM_POOL>{''.join(vm.xml() for vm in wanted)}</VM_POOL>"

    def one_vm_info(self, vm_id, decrypt):
        return self.vms[vm_id].xml()

    def trifid_host_changes(self, read):
        self.hosts = {host_id: self._host(host_id) for host_id in self.hosts}
        return super().trifid_host_changes(read)

    def _host(self, host_id: int) -> dict:
        there = [vm for vm in self.vms.values() if vm.state == "RUNNING" and vm.stays[-1][0] == host_id]
        used = sum(int(vm.more.get("cpu", "1")) for vm in there)
        assert used <= 4, "over capacity"
        return {"cpu_used": 100 * used, "memory_used_mib": 512 * len(there), "vms": [vm.id for vm in there]}

    def one_vm_action(self, word, vm_id):
        self._refuse(word, vm_id)
        before, after = ACTIONS[word]
        vm = self.vms[vm_id]
        if vm.state != before:
            raise ApiError(f"[one.vm.action] VM {vm_id} is {vm.state}", 0x800, vm_id)
        if word in self.deaf:
            return vm_id
        if word in self.failing:
            self.event(object_id=vm_id, old=vm.state, new="BUSY")
            self.event(object_id=vm_id, old="BUSY", new=vm.state)
            return vm_id
        if word == "resume":
            vm.stays.append([vm.stays[-1][0], int(self.now), 0])
        self.become(vm_id, after)
        return vm_id

    def trifid_vm_place(self, vm_id, host_id, datastore_id):
        self._refuse("place", vm_id)
        assert self.vms[vm_id].state == "PENDING"
        self.vms[vm_id].stays.append([host_id, int(self.now), 0])
        self.become(vm_id, "RUNNING")
        return vm_id

    def one_vm_update(self, vm_id, template, append):
        assert append == 1
        self.vms[vm_id].user.update(dict(parse(template)))
        self.event(object_id=vm_id, what="updated")
        return vm_id

    def _refuse(self, word: str, vm_id: int) -> None:
        if (word, vm_id) in self.refused:
            raise ApiError(f"[{word}] no", 0x800, vm_id)
