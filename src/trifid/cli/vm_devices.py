"""`onevm` commands on a VM's devices: disks, NICs, snapshots, size, configuration, lock."""

from collections.abc import Callable
from typing import Any

import click

from trifid.cli.command import Argument, Command, Given, WholeNumber, wait_goal
from trifid.cli.editing import APPEND, edited, read
from trifid.cli.failure import Failure
from trifid.cli.follow import Follower, Goal, state_of
from trifid.cli.kinds import IMAGE, NETWORK, VM
from trifid.cli.listing import template_text
from trifid.cli.locks import lock_commands
from trifid.cli.shell import Shell
from trifid.cli.vm_schedule import number_of, schedulable

VMS = Argument("VM", VM, many=True)
_DISK, _NIC, _SNAPSHOT = Argument("DISK"), Argument("NIC"), Argument("SNAPSHOT")
_CONFIGURATION = ("OS", "FEATURES", "INPUT", "GRAPHICS", "VIDEO", "RAW", "TPM", "CONTEXT")
_MERGE, _REPLACE = 1, 0
AUTO = "auto"
"""Stands for the network of a NIC whose network is chosen; one that is really called so is named by its id."""
_UNITS = {"": 1, "m": 1, "mib": 1, "mb": 1, "g": 1024, "gib": 1024, "gb": 1024, "t": 1 << 20, "tib": 1 << 20}

Send = Callable[[Given], tuple[Any, ...]]
"""What was given -> the arguments of the call after the VM's id."""

FILE = click.Option(["--file"], metavar="FILE", help="The template of it, - for standard input.")
ENFORCE = click.Option(["-e", "--enforce"], is_flag=True, help="Only if the host has room for it.")


def mib(text: str) -> int:
    """Return a size in MiB: a number, or one with a unit such as 2g; raises Failure."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = _UNITS.get(text[len(number) :].lower())
    if unit is None or not number.isdigit() or not number.isascii():
        raise Failure(f"{text} is not a size", "a whole number of MiB, or one with a unit, such as 512 or 2g")
    return int(number) * unit


def _in_place(method: str, send: Send) -> Callable[[Shell, Given], None]:
    """Return what calls a method for each VM; --wait waits until it is again where it was, and tells a failure."""

    def run(shell: Shell, given: Given) -> None:
        arguments = send(_with_ids(shell, given))
        waits = wait_goal(given, "RUNNING", "")
        follower = Follower(shell) if waits else None
        before = {vm_id: shell.one(VM, vm_id) for vm_id in given.vm} if waits else {}
        done = [one for one in given.vm if shell.attempt(VM, one, method, one, *arguments)]
        if follower is None or waits is None:
            return
        for vm_id in done:
            goal = waits if not waits.is_strict else Goal(state_of(before[vm_id]))
            follower.until([vm_id], goal, given.timeout)
            _complain_about_new_error(shell, vm_id, before[vm_id])

    return run


def _with_ids(shell: Shell, given: Given) -> Given:
    """Return what was given, with ids of the image and the network that are named, whoever's they are."""
    found = {
        name: shell.id_or_name(kind, word)
        for name, kind in (("image", IMAGE), ("network", NETWORK))
        if (word := vars(given).get(name)) and word != AUTO
    }
    return Given({**vars(given), **found})


def _complain_about_new_error(shell: Shell, vm_id: int, before: dict[str, Any]) -> None:
    """Complain when a driver could not do it: the VM is where it was, with a text."""
    told = (shell.one(VM, vm_id).get("USER_TEMPLATE") or {}).get("ERROR")
    if told and told != (before.get("USER_TEMPLATE") or {}).get("ERROR"):
        shell.complain(Failure(f"VM {vm_id}: {told}", f'see "onevm show {vm_id}"'))


def _device(word: str, about: str, arguments: tuple[Argument, ...], method: str, send: Send, **more: Any) -> Command:
    return Command(word, about, (VMS, *arguments), run=_in_place(method, send), goal="RUNNING", **more)


def _vector(name: str, values: dict[str, object]) -> str:
    given = {key: value for key, value in values.items() if value is not None}
    for value in given.values():
        if '"' in str(value):
            raise Failure(f"{value} has a quotation mark in it", "write the template into a file, and use --file")
    inner = ", ".join(f'{key} = "{value}"' for key, value in given.items())
    return f"{name} = [ {inner} ]"


def _disk(given: Given) -> tuple[Any, ...]:
    by_id = given.image is not None and given.image.isdecimal()
    values = {
        "IMAGE_ID" if by_id else "IMAGE": given.image,
        "SOURCE": given.source,
        "TYPE": given.type,
        "SIZE": None if given.size is None else mib(given.size),
        "TARGET": given.target,
        "DEV_PREFIX": given.prefix,
        "CACHE": given.cache,
        "DISCARD": given.discard,
    }
    return (_template(given, "DISK", values, "--image, --source, --type with --size"),)


def _nic(given: Given) -> tuple[Any, ...]:
    network = given.network
    key = "NETWORK_MODE" if network == AUTO else "NETWORK_ID" if network and network.isdigit() else "NETWORK"
    values = {key: network, "IP": given.ip, "MODEL": given.model}
    return (_template(given, "NIC", values, "--network"),)


def _template(given: Given, name: str, values: dict[str, object], needed: str) -> str:
    has_values = any(value is not None for value in values.values())
    if given.file is not None and not has_values:
        return read(given.file)
    if given.file is not None or not has_values:
        raise Failure(f"say what to attach: --file, or {needed}", "not both, and not neither")
    return _vector(name, values)


def _disk_id(given: Given) -> int:
    return number_of(given.disk, "a disk")


def _snapshot_id(given: Given) -> int:
    return number_of(given.snapshot, "a snapshot")


def _sizes(given: Given) -> tuple[Any, ...]:
    values = {"CPU": given.cpu, "VCPU": given.vcpu, "MEMORY": None if given.memory is None else mib(given.memory)}
    lines = [f'{name} = "{value}"' for name, value in values.items() if value is not None]
    if not lines:
        raise Failure("resize needs one of --cpu, --vcpu, --memory", "such as onevm resize 3 --memory 2g")
    return "\n".join(lines), given.enforce


def _update_configuration(shell: Shell, given: Given) -> None:
    if given.file is not None:
        new: str | None = read(given.file)
    else:
        vm = shell.one(VM, given.vm)
        of_template = {k: v for k, v in (vm.get("TEMPLATE") or {}).items() if k in _CONFIGURATION}
        of_user = {k: v for k, v in (vm.get("USER_TEMPLATE") or {}).items() if k == "CPU_MODEL"}
        new = edited("" if given.append else template_text({**of_template, **of_user}))
    if new is None:
        shell.say("Nothing was changed.")
        return
    shell.call("one.vm.updateconf", given.vm, new, _MERGE if given.append else _REPLACE)


def _later(word: str) -> Callable[[Given], tuple[str, tuple[object, ...]]]:
    """Return what tells the action that a command on snapshots schedules."""

    def action_of(given: Given) -> tuple[str, tuple[object, ...]]:
        found = [getattr(given, name, None) for name in ("disk", "snapshot", "name") if name in given.__dict__]
        return word, tuple(found)

    return action_of


DEVICE_ROWS = (
    _device(
        "disk-attach",
        "Give a VM another disk, running or powered off.",
        (),
        "one.vm.attach",
        _disk,
        options=(
            FILE,
            click.Option(["-i", "--image"], metavar="IMAGE", help="Id or name of the image that it is made of."),
            click.Option(["--source"], metavar="PATH", help="A file that it is a copy of, instead of an image."),
            click.Option(["--type"], metavar="TYPE", help="swap or fs, made on the host with --size."),
            click.Option(["--size"], metavar="SIZE", help="MiB, or with a unit: 2g."),
            click.Option(["--target"], metavar="DEVICE", help="What the guest calls it, such as vdb."),
            click.Option(["--cache"], metavar="MODE", help="none, writethrough, writeback, directsync or unsafe."),
            click.Option(["--discard"], metavar="MODE", help="unmap, or ignore."),
            click.Option(["--prefix"], metavar="PREFIX", help="How the name of the device begins, such as vd."),
        ),
        examples=("disk-attach 3 --image data --wait", "disk-attach 3 --type swap --size 512"),
    ),
    _device(
        "disk-detach",
        "Take a disk away from a VM, running or powered off.",
        (_DISK,),
        "one.vm.detach",
        lambda given: (_disk_id(given),),
        examples=("disk-detach 3 2 --wait",),
    ),
    _device(
        "nic-attach",
        "Give a VM another NIC, running or powered off.",
        (),
        "one.vm.attachnic",
        _nic,
        options=(
            FILE,
            click.Option(["-n", "--network"], metavar="NETWORK", help="Id or name of the network, auto for the best."),
            click.Option(["-i", "--ip"], metavar="IP", help="The address that it shall have."),
            click.Option(["--model"], metavar="MODEL", help="What the guest sees, such as virtio."),
        ),
        examples=("nic-attach 3 --network private --wait", "nic-attach 3 --network 0 --ip 10.0.0.9"),
    ),
    _device(
        "nic-detach",
        "Take a NIC away from a VM, running or powered off.",
        (_NIC,),
        "one.vm.detachnic",
        lambda given: (number_of(given.nic, "a NIC"),),
        examples=("nic-detach 3 1",),
    ),
    schedulable(
        _device(
            "snapshot-create",
            "Keep a running VM as it is, with its memory.",
            (Argument("NAME", optional=True),),
            "one.vm.snapshotcreate",
            lambda given: (given.name or "",),
            examples=("snapshot-create 3 before-upgrade --wait", "snapshot-create 3 nightly --schedule 23:59"),
        ),
        _later("snapshot-create"),
    ),
    schedulable(
        _device(
            "snapshot-revert",
            "Bring a running VM back to what it was in a snapshot.",
            (_SNAPSHOT,),
            "one.vm.snapshotrevert",
            lambda given: (_snapshot_id(given),),
            examples=("snapshot-revert 3 0",),
        ),
        _later("snapshot-revert"),
    ),
    schedulable(
        _device(
            "snapshot-delete",
            "Forget a snapshot of a running VM.",
            (_SNAPSHOT,),
            "one.vm.snapshotdelete",
            lambda given: (_snapshot_id(given),),
            examples=("snapshot-delete 3 0",),
        ),
        _later("snapshot-delete"),
    ),
    schedulable(
        _device(
            "disk-snapshot-create",
            "Keep a disk as it is: running, powered off or suspended.",
            (_DISK, Argument("NAME", optional=True)),
            "one.vm.disksnapshotcreate",
            lambda given: (_disk_id(given), given.name or ""),
            examples=("disk-snapshot-create 3 0 clean",),
        ),
        _later("disk-snapshot-create"),
    ),
    schedulable(
        _device(
            "disk-snapshot-revert",
            "Bring a disk of a VM that is powered off back to what it was in a snapshot.",
            (_DISK, _SNAPSHOT),
            "one.vm.disksnapshotrevert",
            lambda given: (_disk_id(given), _snapshot_id(given)),
            examples=("disk-snapshot-revert 3 0 0",),
        ),
        _later("disk-snapshot-revert"),
    ),
    schedulable(
        _device(
            "disk-snapshot-delete",
            "Forget a snapshot of a disk.",
            (_DISK, _SNAPSHOT),
            "one.vm.disksnapshotdelete",
            lambda given: (_disk_id(given), _snapshot_id(given)),
            examples=("disk-snapshot-delete 3 0 0",),
        ),
        _later("disk-snapshot-delete"),
    ),
    Command(
        "disk-snapshot-rename",
        "Give a snapshot of a disk another name.",
        (VMS, _DISK, _SNAPSHOT, Argument("NAME")),
        "one.vm.disksnapshotrename",
        lambda vm_id, given: (vm_id, _disk_id(given), _snapshot_id(given), given.name),
        examples=("disk-snapshot-rename 3 0 0 clean",),
    ),
    _device(
        "disk-resize",
        "Make a disk larger, running or powered off; SIZE in MiB, or with a unit.",
        (_DISK, Argument("SIZE")),
        "one.vm.diskresize",
        lambda given: (_disk_id(given), str(mib(given.size))),
        examples=("disk-resize 3 0 20g --wait",),
    ),
    _device(
        "resize",
        "Change what a VM asks of its host, running or at rest.",
        (),
        "one.vm.resize",
        _sizes,
        options=(
            click.Option(["--cpu"], metavar="CORES", help="Share of the host's processors, such as 0.5."),
            click.Option(["--vcpu"], type=WholeNumber(min=1), metavar="N", help="Processors that the guest sees."),
            click.Option(["-m", "--memory"], metavar="SIZE", help="MiB, or with a unit: 2g."),
            ENFORCE,
        ),
        examples=("resize 3 --memory 2g --enforce --wait", "resize 3 --cpu 2 --vcpu 4"),
    ),
    Command(
        "updateconf",
        "Change what a VM is told at its next boot (OS, CONTEXT …): from FILE, - for standard input, or in an editor.",
        (Argument("VM", VM), Argument("FILE", optional=True)),
        run=_update_configuration,
        options=(APPEND,),
        examples=("updateconf 3", "updateconf 3 context.txt --append"),
    ),
    *lock_commands(VM, "VM"),
)
