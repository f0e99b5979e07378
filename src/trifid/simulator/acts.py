"""What drivers do on the hosts when they are asked: virtual machine verbs and transfer scripts.

They keep the contract of real ones: "already so" is success, and what is older than something that was
seen is refused.
"""

import re
from collections.abc import Callable

from trifid.drivers.tm.script import Command, Script, read_script
from trifid.errors import DriverFault
from trifid.simulator.faults import Dice
from trifid.simulator.files import Missing
from trifid.simulator.hosts import DISK, Domain, Hosts, SimulatedHost
from trifid.simulator.image_acts import COPY, ImageActs
from trifid.simulator.plan import Plan, Undone, impossible
from trifid.wire import action_data
from trifid.wire.action_data import ActionData
from trifid.wire.lines import Message

NO_ROUTE = "no route to host"


class Acts:
    """Carries out requests.

    Args:
        frontend: how transfer scripts call the engine's own machine.
        is_shared: transfers are done on the front-end, so that no host need be reached, and persistent images
            are used in their place.
    """

    def __init__(self, hosts: Hosts, dice: Dice, frontend: str, images: ImageActs, *, is_shared: bool) -> None:
        self._hosts = hosts
        self._files = hosts.files
        self._dice = dice
        self._frontend = frontend
        self._is_shared = is_shared
        self._images = images
        self._step = 0
        self._verbs: dict[str, Callable[[int, ActionData, SimulatedHost], str]] = {
            "DEPLOY": self._deploy,
            "SHUTDOWN": self._end,
            "CANCEL": self._end,
            "REBOOT": self._need,
            "RESET": self._need,
            "SAVE": self._save,
            "RESTORE": self._restore,
            "MIGRATE": self._migrate,
            "MIGRATECOPY": self._migrate_copy,
            "POLL": self._poll,
            "ATTACHDISK": self._attach_disk,
            "DETACHDISK": self._detach_disk,
            "ATTACHNIC": self._attach_nic,
            "DETACHNIC": self._detach_nic,
            "SNAPSHOTCREATE": self._snapshot,
            "SNAPSHOTREVERT": self._need,
            "SNAPSHOTDELETE": self._need,
            "DISKSNAPSHOTCREATE": self._snapshot_disk,
            "DISKSNAPSHOTDELETE": self._need,
            "RESIZE": self._need,
            "RESIZEDISK": self._need,
            "COPYDISK": self._copy_disk,
        }
        self._commands: dict[str, Callable[[Command], None]] = {
            "CLONE": self._clone,
            "LN": self._link,
            "MVDS": self._bring_back,
            "CPDS": self._save_as,
            "MKSWAP": self._make,
            "MKIMAGE": self._make,
            "CONTEXT": self._make,
            "MV": self._move,
            "CP": self._copy,
            "CLEAN": self._clean,
            "PREMIGRATE": self._prepare,
            "POSTMIGRATE": self._clean,
            "FAILMIGRATE": self._drop,
            "DELETE": self._delete,
            "TIDY": self._tidy,
            "SNAP_CREATE": self._snap_create,
        }

    def plan(self, family: str, message: Message) -> Plan:
        """Read what a request asks."""
        try:
            if family == "ds":
                return self._images.plan(message)
            if family == "tm":
                script = read_script(message.payload)
                return Plan(script.step, lambda: self._transfer(message.oid, script))
            data = action_data.parse(message.payload)
        except DriverFault as fault:
            return impossible(str(fault))
        return Plan(data.step, lambda: self._hypervisor(message.type, message.oid, data), data.host)

    def cycles(self, host: str) -> int:
        """Return how often a host lost its power."""
        return self._hosts.by_name[host].cycles if host in self._hosts.by_name else 0

    # -- hypervisors -----------------------------------------------------------------------------

    def _hypervisor(self, verb: str, vm_id: int, data: ActionData) -> str:
        if why := self._hosts.check_fence("vmm", vm_id, data.step):
            raise Undone(why)
        if verb not in self._verbs:
            raise Undone(f"{verb} is not known")
        try:
            return self._verbs[verb](vm_id, data, self._reached(data.host))
        except Missing as fault:
            raise Undone(str(fault)) from fault

    def _reached(self, name: str) -> SimulatedHost:
        host = self._hosts.by_name.get(name)
        if host is None or not host.is_reachable:
            raise Undone(f"{name}: {NO_ROUTE}")
        return host

    def _need(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        if vm_id not in host.domains:
            raise Undone(f"one-{vm_id} does not run on {host.name}")
        return ""

    def _deploy(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        if vm_id not in host.domains:
            domain = _domain(vm_id, data)
            self._need_disks(domain, host)
            self._hosts.start(host, domain)
        host.domains[vm_id].is_paused = False
        return f"one-{vm_id}"

    def _need_disks(self, domain: Domain, host: SimulatedHost) -> None:
        missing = domain.disks - set(self._hosts.disks(host.name, domain))
        if missing:
            raise Undone(f"{host.name}:{domain.directory}: no disk {', '.join(sorted(missing))}")

    def _end(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        self._hosts.end(host, vm_id)
        return ""

    def _save(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        if vm_id in host.domains:
            self._hosts.save(host, vm_id, data.checkpoint_file)
        elif not self._files.has(host.name, data.checkpoint_file):
            raise Undone(f"one-{vm_id} does not run on {host.name}")
        return ""

    def _restore(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        if vm_id not in host.domains:
            directory, _, name = data.checkpoint_file.rpartition("/")
            memory = self._files.of(host.name, directory).get(name)
            if memory is None:
                raise Undone(f"{data.checkpoint_file} does not exist")
            domain = _domain(vm_id, data)
            self._need_disks(domain, host)
            self._hosts.start(host, domain, memory)
            self._files.remove(host.name, data.checkpoint_file)
        host.domains[vm_id].is_paused = False
        return f"one-{vm_id}"

    def _migrate(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        target = self._reached(data.migrate_host)
        if vm_id not in target.domains:
            self._need(vm_id, data, host)
            self._hosts.move(host, target, vm_id)
        return ""

    def _migrate_copy(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        target = self._reached(data.migrate_host)
        if vm_id in target.domains:
            return ""
        self._need(vm_id, data, host)
        self._need_disks(_domain(vm_id, data), target)
        if self._dice.strikes("half", 0.05):
            self._hosts.end(host, vm_id)
            return "STATE=d"
        self._hosts.move_with_disks(host, target, vm_id)
        return ""

    def _poll(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        if vm_id not in host.domains:
            return "STATE=d"
        return "STATE=p" if host.domains[vm_id].is_paused else "STATE=a"

    def _snapshot(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        self._need(vm_id, data, host)
        return f"snap-{data.step}"

    def _attach_disk(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        self._need(vm_id, data, host)
        marked = _numbers(data.vm, "DISK", mark="ATTACH")
        for number in marked:
            if not self._files.has(host.name, f"{data.disk_target_path}/{DISK}{number}"):
                raise Undone(f"no disk {number}")
        host.domains[vm_id].disks |= marked
        return ""

    def _detach_disk(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        self._need(vm_id, data, host)
        host.domains[vm_id].disks -= _numbers(data.vm, "DISK", mark="ATTACH")
        return ""

    def _attach_nic(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        self._need(vm_id, data, host)
        host.domains[vm_id].nics |= _numbers(data.vm, "NIC", mark="ATTACH")
        return ""

    def _detach_nic(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        self._need(vm_id, data, host)
        host.domains[vm_id].nics -= _numbers(data.vm, "NIC", mark="ATTACH")
        return ""

    def _copy_disk(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        self._need(vm_id, data, host)
        for number in _numbers(data.vm, "DISK", mark="SAVEAS"):
            path = f"{data.disk_target_path}/{DISK}{number}"
            if number not in host.domains[vm_id].disks:
                raise Undone(f"one-{vm_id} has no disk {number}")
            self._files.make(host.name, path + COPY, vm_id, step=data.step)
        return ""

    def _snapshot_disk(self, vm_id: int, data: ActionData, host: SimulatedHost) -> str:
        self._need(vm_id, data, host)
        disks = self._hosts.disks(host.name, host.domains[vm_id])
        for number in _numbers(data.vm, "DISK", mark="DISK_SNAPSHOT_ACTIVE"):
            if number not in disks:
                raise Undone(f"one-{vm_id} has no disk {number}")
            snapshot = re.search(r"<DISK_SNAPSHOT_ID><!\[CDATA\[(\d+)\]\]>", data.vm)
            disks[number].snapshots |= {int(snapshot[1]) if snapshot else -1}
        return ""

    # -- transfers -------------------------------------------------------------------------------

    def _transfer(self, vm_id: int, script: Script) -> str:
        if why := self._hosts.check_fence("tm", vm_id, script.step):
            raise Undone(why)
        self._step = script.step
        for command in script.commands:
            if self._dice.strikes("half", 0.03):
                raise Undone(f"{command.word} failed in the middle of the script")
            if command.vm_id != vm_id:
                raise Undone(f"{command.word} is about vm {command.vm_id}, expected {vm_id}")
            try:
                self._commands.get(command.word, self._touch)(command)
            except Missing as fault:
                raise Undone(f"{command.word}: {fault}") from fault
        return ""

    def _at(self, operand: str) -> tuple[str, str]:
        """Return the machine and path of an operand; the machine is reached."""
        machine, path = _split(operand)
        if machine != self._frontend and not self._is_shared:
            self._reached(machine)
        return machine, path

    def _make(self, command: Command) -> None:
        machine, path = self._at(command.operands[-1])
        if not self._files.has(machine, path):
            self._files.make(machine, path, command.vm_id)

    def _clone(self, command: Command) -> None:
        self._images.source(self._at(command.operands[0]), command.vm_id)
        self._make(command)

    def _link(self, command: Command) -> None:
        image = self._images.source(self._at(command.operands[0]), command.vm_id)
        machine, path = self._at(command.operands[1])
        if image is None:
            self._make(command)
        elif self._is_shared:
            self._files.link(image, machine, path)
        else:
            self._files.hold(image, machine, path, command.vm_id)

    def _bring_back(self, command: Command) -> None:
        self._images.bring_back(command, *(self._at(operand) for operand in command.operands))

    def _save_as(self, command: Command) -> None:
        disk, target = (self._at(operand) for operand in command.operands[:2])
        self._images.save_as(self._step, disk, target)

    def _move(self, command: Command) -> None:
        source, target = (self._at(operand) for operand in command.operands)
        if self._files.place(*source) != self._files.place(*target):
            self._hosts.refuse_in_use(*source)
        self._files.move(source, target)

    def _copy(self, command: Command) -> None:
        source, target = (self._at(operand) for operand in command.operands)
        if self._files.place(*source) != self._files.place(*target):
            self._hosts.refuse_in_use(*source)
            self._hosts.refuse_in_use(*target)
        self._files.copy(source, target)

    def _clean(self, command: Command) -> None:
        source, target = command.operands
        if self._files.place(*_split(source)) != self._files.place(*_split(target)):
            self._remove(*self._at(source))

    def _prepare(self, command: Command) -> None:
        source, target = (self._at(operand) for operand in command.operands[:2])
        self._hosts.refuse_in_use(*target)
        made = {f"{DISK}{word.partition(':')[0]}" for word in command.operands[2].split(",")}
        here = dict(self._files.of(*source))
        if missing := made - here.keys() - {f"{DISK}-"}:
            raise Missing(f"{source[0]}:{source[1]} has no {', '.join(sorted(missing))}")
        self._files.remove(*target)
        for name in sorted(here):
            if name in made:
                self._files.make(target[0], f"{target[1]}/{name}", command.vm_id)
            else:
                self._files.copy_one(here[name], target[0], f"{target[1]}/{name}")

    def _drop(self, command: Command) -> None:
        source, target = command.operands
        if self._files.place(*_split(source)) != self._files.place(*_split(target)):
            self._remove(*self._at(target))

    def _delete(self, command: Command) -> None:
        machine, path = self._at(command.operands[-1])
        self._remove(machine, path)
        self._files.remove(machine, path + COPY)

    def _tidy(self, command: Command) -> None:
        machine, path = _split(command.operands[-1])
        host = self._hosts.by_name.get(machine)
        if self._is_shared or (host is not None and host.is_reachable):
            self._remove(machine, path)

    def _remove(self, machine: str, path: str) -> None:
        self._hosts.refuse_in_use(machine, path)
        self._files.remove(machine, path)

    def _snap_create(self, command: Command) -> None:
        self._touch(command)
        file = self._files.at(*self._at(command.operands[0]))
        if file is not None:
            file.snapshots |= {int(command.operands[1])}

    def _touch(self, command: Command) -> None:
        """What is done to a disk in its place: it must be there."""
        places = [operand for operand in command.operands if ":/" in operand]
        for operand in places[:1]:
            machine, path = self._at(operand)
            if not self._files.has(machine, path):
                raise Missing(f"{operand} does not exist")


def _split(operand: str) -> tuple[str, str]:
    machine, _, path = operand.partition(":")
    return machine, path


def _domain(vm_id: int, data: ActionData) -> Domain:
    """Return the domain that a VM's document describes."""
    return Domain(vm_id, data.disk_target_path, _numbers(data.vm, "DISK"), _numbers(data.vm, "NIC"))


def _numbers(document: str, name: str, *, mark: str = "") -> set[str]:
    """Return the numbers of the DISKs or NICs of a VM's document, of those with a mark if one is given."""
    texts = re.findall(f"<{name}>(.*?)</{name}>", document, re.DOTALL)
    marked = [text for text in texts if not mark or f"<{mark}><![CDATA[YES]]></{mark}>" in text]
    return {found[1] for text in marked if (found := re.search(rf"<{name}_ID><!\[CDATA\[(\d+)\]\]>", text))}
