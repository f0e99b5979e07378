"""What people ask for: random calls of the API, most of them legal, some not."""

import random
from collections.abc import Callable
from typing import Any

from trifid.core.vm import events
from trifid.core.vm.record import VM
from trifid.core.vm.states import VmState
from trifid.core.vm.table import TABLE
from trifid.core.vm_group.record import membership
from trifid.engine.memory import Memory
from trifid.simulator.image_requests import image_id_for
from trifid.simulator.request import APART, NETWORK, Request

NO_OPERATION = 77
"""Of recover."""
LEGAL = 0.85
"""How many requests are made of machines whose state allows them."""


Make = Callable[[random.Random, Memory, VM], Request]


def _action(word: str, **more: Any) -> Make:
    return lambda chance, memory, vm: Request("one.vm.action", (word, vm.id), vm.id, **more)


def _terminate(word: str) -> Make:
    """Return what ends a VM; disks that are to be saved must outlive an orderly end."""

    def make(chance: random.Random, memory: Memory, vm: VM) -> Request:
        ends = tuple(f"disk.{disk['DISK_ID']}" for disk in vm.template.vectors("DISK") if disk.get("SAVE") != "YES")
        is_orderly = word == "terminate" and not vm.state.name.endswith("FAILURE")
        return Request("one.vm.action", (word, vm.id), vm.id, ends=ends if is_orderly else ("",))

    return make


def _recover(operation: int, **more: Any) -> Make:
    return lambda chance, memory, vm: Request("one.vm.recover", (vm.id, operation), vm.id, needs_admin=True, **more)


def _host(chance: random.Random, memory: Memory) -> int:
    return (
        chance.choice([*sorted(memory.hosts), 999]) if chance.random() < 0.05 else chance.choice(sorted(memory.hosts))
    )


def _deploy(chance: random.Random, memory: Memory, vm: VM) -> Request:
    arguments = (vm.id, _host(chance, memory), chance.random() < 0.7 or membership(vm) is not None)
    return Request("one.vm.deploy", arguments, vm.id, needs_admin=True)


def _migrate(*, live: bool, kind: int = 0) -> Make:
    def make(chance: random.Random, memory: Memory, vm: VM) -> Request:
        is_enforced = chance.random() < 0.7 or membership(vm) is not None
        arguments = (vm.id, _host(chance, memory), live, is_enforced, -1, kind)
        return Request("one.vm.migrate", arguments, vm.id, needs_admin=True)

    return make


def _stay(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request("trifid.vm.migrate_cancel", (vm.id,), vm.id, needs_admin=True)


def _choose(operation: int) -> Make:
    """Return what ends a move that did not; of two sets of disks people give one up, and may be wrong.

    That a driver has done what it has not, nobody says here.
    """

    def make(chance: random.Random, memory: Memory, vm: VM) -> Request:
        has_two_sets = vm.state is VmState.MIGRATE_COPY_FAILURE
        known = operation if has_two_sets or operation == 0 else NO_OPERATION
        ends = ("",) if has_two_sets else ()
        return Request("one.vm.recover", (vm.id, known), vm.id, needs_admin=True, ends=ends)

    return make


def _attach(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request("one.vm.attach", (vm.id, f"DISK=[{_disk(chance, memory, vm.uid)}]"), vm.id)


def _any(chance: random.Random, vm: VM, name: str) -> int:
    numbers = [int(vector[f"{name}_ID"]) for vector in vm.template.vectors(name)]
    return chance.choice([*numbers, 77]) if chance.random() < 0.05 or not numbers else chance.choice(numbers)


def _detach(chance: random.Random, memory: Memory, vm: VM) -> Request:
    disk_id = _any(chance, vm, "DISK")
    is_saved = any(d["DISK_ID"] == str(disk_id) and d.get("SAVE") == "YES" for d in vm.template.vectors("DISK"))
    ends = () if is_saved else (f"disk.{disk_id}",)
    return Request("one.vm.detach", (vm.id, disk_id), vm.id, ends=ends)


def _attach_nic(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request("one.vm.attachnic", (vm.id, f'NIC=[NETWORK="{NETWORK}"]'), vm.id)


def _detach_nic(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request("one.vm.detachnic", (vm.id, _any(chance, vm, "NIC")), vm.id)


def _snapshot(word: str) -> Make:
    def make(chance: random.Random, memory: Memory, vm: VM) -> Request:
        last = "now" if word == "create" else _any(chance, vm, "SNAPSHOT")
        return Request(f"one.vm.snapshot{word}", (vm.id, last), vm.id)

    return make


def _disk_snapshot(word: str) -> Make:
    def make(chance: random.Random, memory: Memory, vm: VM) -> Request:
        disk_id = _any(chance, vm, "DISK")
        if word == "create":
            return Request("one.vm.disksnapshotcreate", (vm.id, disk_id, "now"), vm.id)
        known = [(of.disk_id, one.id) for of in vm.disk_snapshots for one in of.snapshots]
        disk_id, number = chance.choice(known) if known else (disk_id, 3)
        return Request(f"one.vm.disksnapshot{word}", (vm.id, disk_id, number), vm.id)

    return make


def _resize(chance: random.Random, memory: Memory, vm: VM) -> Request:
    text = f"CPU={chance.choice(('0.5', '1', '2'))}\nMEMORY={chance.choice((64, 128, 512, 100_000))}"
    return Request("one.vm.resize", (vm.id, text, chance.random() < 0.8), vm.id)


def _resize_disk(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request("one.vm.diskresize", (vm.id, _any(chance, vm, "DISK"), str(chance.choice((5, 20, 40, 80)))), vm.id)


def _save_as(chance: random.Random, memory: Memory, vm: VM) -> Request:
    name = f"saved-{chance.randrange(1 << 30)}"
    return Request("one.vm.disksaveas", (vm.id, _any(chance, vm, "DISK"), name, "", -1), vm.id, makes="image")


def _configure(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request(
        "one.vm.updateconf", (vm.id, f'OS=[ARCH="x86_64"]\nRAW=[TYPE="kvm", DATA="{chance.random()}"]'), vm.id
    )


def _rename(chance: random.Random, memory: Memory, vm: VM) -> Request:
    name = f"vm-{chance.randrange(1000)}"
    return Request("one.vm.rename", (vm.id, name), vm.id, name=name)


def _update(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request("one.vm.update", (vm.id, f'LABEL="{chance.randrange(1000)}"', 1), vm.id)


def _lock(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request("one.vm.lock", (vm.id, chance.choice((1, 2, 3, 4))), vm.id, is_quiet=True)


def _unlock(chance: random.Random, memory: Memory, vm: VM) -> Request:
    return Request("one.vm.unlock", (vm.id,), vm.id, is_quiet=True)


ASKED: tuple[tuple[int, type[events.Request] | None, Make], ...] = (
    # (how often, the event that must be legal, what makes the call)
    (4, events.Deploy, _deploy),
    (3, events.Hold, _action("hold")),
    (6, events.Release, _action("release")),
    (4, events.Terminate, _terminate("terminate")),
    (3, events.TerminateHard, _terminate("terminate-hard")),
    (5, events.Poweroff, _action("poweroff")),
    (3, events.PoweroffHard, _action("poweroff-hard")),
    (24, events.Resume, _action("resume")),
    (6, events.Suspend, _action("suspend")),
    (6, events.Stop, _action("stop")),
    (4, events.Undeploy, _action("undeploy")),
    (3, events.UndeployHard, _action("undeploy-hard")),
    (2, events.Reboot, _action("reboot")),
    (2, events.RebootHard, _action("reboot-hard")),
    (3, events.Resched, _action("resched", needs_admin=True)),
    (1, events.Unresched, _action("unresched", needs_admin=True)),
    (9, events.MigrateLive, _migrate(live=True)),
    (6, events.MigrateCancel, _stay),
    (9, events.Accept, _choose(1)),
    (9, events.MigrateSave, _migrate(live=False)),
    (4, events.MigrateOff, _migrate(live=False, kind=1)),
    (3, events.MigrateOffHard, _migrate(live=False, kind=2)),
    (5, events.AttachDisk, _attach),
    (5, events.DetachDisk, _detach),
    (4, events.AttachNic, _attach_nic),
    (4, events.DetachNic, _detach_nic),
    (3, events.SnapshotCreate, _snapshot("create")),
    (2, events.SnapshotRevert, _snapshot("revert")),
    (2, events.SnapshotDelete, _snapshot("delete")),
    (3, events.DiskSnapshotCreate, _disk_snapshot("create")),
    (3, events.DiskSnapshotRevert, _disk_snapshot("revert")),
    (2, events.DiskSnapshotDelete, _disk_snapshot("delete")),
    (4, events.Resize, _resize),
    (3, events.DiskResize, _resize_disk),
    (3, events.DiskSaveas, _save_as),
    (3, events.Abandon, _choose(0)),
    (2, events.UpdateConf, _configure),
    (12, events.Retry, _recover(2)),
    (2, None, _recover(0)),
    (2, events.Delete, _recover(3, ends=("",))),
    (2, events.DeleteRecreate, _recover(4, ends=("",))),
    (1, events.DeleteDb, _recover(5, ends=("",), forgets=True)),
    (2, None, _rename),
    (2, None, _update),
    (1, None, _lock),
    (4, None, _unlock),
)


def request_about(chance: random.Random, memory: Memory, vm: VM) -> Request:
    """Return something that is asked of a VM, mostly what its state allows."""
    table = ASKED
    if chance.random() < LEGAL:
        table = tuple(row for row in ASKED if row[1] is None or (vm.state, row[1]) in TABLE)
    _, _, make = chance.choices(table, [row[0] for row in table])[0]
    return make(chance, memory, vm)


def new_vm(chance: random.Random, memory: Memory, uid: int) -> Request:
    """Return the submission of a VM of somebody's."""
    lines = [f"CPU={chance.choice(('0.5', '1', '2'))}", f"MEMORY={chance.choice((64, 128, 256))}"]
    lines += [f"DISK=[{_disk(chance, memory, uid)}]" for _ in range(chance.choice((1, 1, 2)))]
    lines += [f'NIC=[NETWORK="{NETWORK}"]' for _ in range(chance.choice((0, 1, 1, 2)))]
    if chance.random() < 0.3:
        lines.append('CONTEXT=[HOSTNAME="$NAME"]')
    if chance.random() < 0.2:
        lines.append(f'VMGROUP=[VMGROUP_ID="0", ROLE="{APART}"]')
    if chance.random() < 0.03:
        lines.append("DISK=[TYPE=fs]")
    return Request("one.vm.allocate", ("\n".join(lines), chance.random() < 0.1), makes="vm")


def _disk(chance: random.Random, memory: Memory, uid: int) -> str:
    """Return a disk, often of an image."""
    if chance.random() < 0.5 and (image_id := image_id_for(chance, memory, uid)) is not None:
        more = chance.choice(("", "", ", SAVE=YES", ", SIZE=30"))
        return f"IMAGE_ID={image_id}{more}"
    kind = chance.choice(("fs", "image", "swap"))
    if kind == "fs":
        return "TYPE=fs, SIZE=10, FORMAT=raw"
    if kind == "swap":
        return "TYPE=swap, SIZE=10"
    return f'SOURCE="/images/etch.img", SIZE=10, SAVE={chance.choice(("YES", "NO"))}'


_AGAIN = ("", "", ', REPEAT="3", DAYS="1", END_TYPE="0"', ', REPEAT="3", DAYS="1", END_TYPE="1", END_VALUE="2"')
"""Hourly, for ever and twice."""


def planned(chance: random.Random, vm: VM, now: int) -> Request:
    """Return a scheduled action of a VM, done once or every hour."""
    word = chance.choice(("poweroff", "suspend", "resume", "hold", "release", "reboot"))
    text = f'SCHED_ACTION=[ACTION="{word}", TIME="{now + chance.randrange(30, 900)}"{chance.choice(_AGAIN)}]'
    return Request("one.vm.schedadd", (vm.id, text), vm.id)
