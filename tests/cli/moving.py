"""Hosts and VMs that move, for commands that ask for migrations; time goes by only when a command waits."""

import json

from click.testing import CliRunner

from tests.scheduler.builders import host_xml
from trifid.cli.shell import Shell
from trifid.client import ApiError

RUNNING, MIGRATE, BOOT, UNKNOWN = (3, 3), (3, 4), (3, 2), (3, 16)
POWEROFF, SUSPENDED = (8, 0), (5, 0)


class Vm:
    """A VM; `coming` is where its migration leads, None = it does not move."""

    def __init__(self, host_id, *, cpu=1, memory_mib=512, state=RUNNING, tm="shared", requirement=""):
        self.host_id, self.cpu, self.memory_mib, self.state = host_id, cpu, memory_mib, state
        self.tm, self.requirement = tm, requirement
        self.is_marked, self.message, self.error = False, "", ""
        self.source_id = None


class World:
    """Answers the calls of a command.

    Attributes:
        vms, hosts: by id; hosts as keyword arguments of host_xml.
        broken: ids of VMs whose migration fails: they are on their old host again.
        stuck: ids of VMs whose migration never ends.
        refused: ids of VMs that the engine does not let move.
        chosen: VM id to the host that the scheduler has for it; those that it has none for wait with the reason.
        later: functions that are called one after the other whenever a command waits.
        calls: what changed something.
    """

    def __init__(self, *vms, hosts=3, cpu=400, memory_mib=4096):
        self.vms = dict(enumerate(vms))
        self.hosts = {n: {"cpu": cpu, "memory_mib": memory_mib} for n in range(hosts)}
        self.broken, self.stuck, self.refused = set(), set(), set()
        self.chosen = {}
        self.later = []
        self.calls = []
        self.now = 0.0

    def call(self, method, *args):
        return getattr(self, method.replace(".", "_"))(*args)

    def run(self, program, *words):
        """What comes of a command line."""
        return CliRunner().invoke(program, list(words), obj=StillShell(self))

    # -- what is looked at -------------------------------------------------------------------------

    def one_hostpool_info(self):
        texts = []
        for host_id, more in self.hosts.items():
            here = [vm for vm in self.vms.values() if host_id in (vm.host_id, vm.source_id) and vm.state[0] == 3]
            used = {
                "cpu_used": int(sum(vm.cpu for vm in here) * 100),
                "memory_used_mib": sum(vm.memory_mib for vm in here),
            }
            texts.append(host_xml(host_id, **used, **more))
        return f"<HOST_POOL>{''.join(texts)}</HOST_POOL>"

    def one_clusterpool_info(self):
        return "<CLUSTER_POOL><CLUSTER><ID>0</ID><NAME>c0</NAME></CLUSTER></CLUSTER_POOL>"

    def one_vmpool_info(self, *_):
        return f"<VM_POOL>{''.join(map(self._xml, self.vms))}</VM_POOL>"

    def one_vm_info(self, vm_id, *_):
        if vm_id not in self.vms:
            raise ApiError(f"[one.vm.info] Error getting virtual machine [{vm_id}].", 0x400, vm_id)
        return self._xml(vm_id)

    def _xml(self, vm_id):
        vm = self.vms[vm_id]
        state, lcm_state = vm.state
        return (
            f"<VM><ID>{vm_id}</ID><NAME>vm{vm_id}</NAME><STATE>{state}</STATE><LCM_STATE>{lcm_state}</LCM_STATE>"
            f"<RESCHED>{vm.is_marked:d}</RESCHED><TEMPLATE><CPU>{vm.cpu}</CPU><MEMORY>{vm.memory_mib}</MEMORY></TEMPLATE>"
            f"<USER_TEMPLATE><SCHED_MESSAGE>{vm.message}</SCHED_MESSAGE><ERROR>{vm.error}</ERROR>"
            f"<SCHED_REQUIREMENTS>{vm.requirement}</SCHED_REQUIREMENTS></USER_TEMPLATE>"
            f"<HISTORY_RECORDS><HISTORY><HID>{vm.host_id}</HID><HOSTNAME>host{vm.host_id}</HOSTNAME>"
            f"<TM_MAD>{vm.tm}</TM_MAD><VM_MAD>kvm</VM_MAD></HISTORY></HISTORY_RECORDS></VM>"
        )

    def trifid_event_list(self, after, wait_s, limit):
        if after < 0:
            return json.dumps({"last": 0, "events": []})
        moving = [vm_id for vm_id, vm in self.vms.items() if vm.state == MIGRATE and vm_id not in self.stuck]
        for vm_id in moving:
            self._arrive(vm_id)
        for vm_id, vm in self.vms.items():
            if vm.is_marked and not moving:
                self._schedule(vm_id, vm)
        if self.later:
            self.later.pop(0)()
        elif not moving:
            self.now += wait_s
        return json.dumps({"last": after + 1, "events": [{"kind": "VM", "object_id": 0, "new": ""}]})

    def _arrive(self, vm_id):
        vm = self.vms[vm_id]
        vm.state = RUNNING
        if vm_id in self.broken:
            vm.host_id, vm.error = vm.source_id, "no route to host"
        vm.source_id = None

    def _schedule(self, vm_id, vm):
        if vm_id in self.chosen:
            self._move(vm_id, self.chosen[vm_id])
        else:
            vm.message = "No host has room"

    # -- what is asked for -------------------------------------------------------------------------

    def one_vm_migrate(self, vm_id, host_id, live, enforce):
        self.calls.append(("migrate", vm_id, host_id, live, enforce))
        if vm_id in self.refused:
            raise ApiError(f"[one.vm.migrate] host {host_id} has no room", 0x800, vm_id)
        self._move(vm_id, host_id)
        return vm_id

    def _move(self, vm_id, host_id):
        vm = self.vms[vm_id]
        vm.source_id, vm.host_id, vm.state, vm.is_marked = vm.host_id, host_id, MIGRATE, False

    def one_vm_action(self, word, vm_id):
        self.calls.append((word, vm_id))
        if vm_id in self.refused:
            raise ApiError(f"[one.vm.action] VM {vm_id} is locked", 0x800, vm_id)
        self.vms[vm_id].is_marked = True
        return vm_id

    def one_host_status(self, host_id, status):
        self.calls.append(("status", host_id, status))
        self.hosts[host_id]["state"] = 4
        return host_id


class StillShell(Shell):
    """A shell whose clock is the world's."""

    def __init__(self, world):
        super().__init__(world)
        self.world = world

    def clock(self):
        return self.world.now

    def sleep(self, seconds):
        self.world.now += seconds
